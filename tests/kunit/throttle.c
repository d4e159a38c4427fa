// SPDX-License-Identifier: GPL-2.0-only
/* Limits on how fast copies go: the arithmetic on a clock of its own, and the whole. */
#include <linux/ktime.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "core/client.h"
#include "core/throttle.h"
#include "fixture.h"
#include "log.h"

/* In tenths of a percent of what is to be. */
#define WITHIN 50

static void expect_rate(struct kunit *test, u64 got, u64 wanted, const char *what)
{
	const u64 slack = div_u64(wanted * WITHIN, 1000);

	KUNIT_EXPECT_TRUE_MSG(test, got >= wanted - slack && got <= wanted + slack,
			      "%s: %llu of %llu", what, got, wanted);
}

/* ------------------------------------------------------------------------- */
/* On a clock of the test's own, with timers as late as those of a kernel with this HZ. */

#define SLOT_NS	(10 * NSEC_PER_MSEC)
#define WINDOW	500			/* slots of 5 s */
#define SLOTS	2000

struct fake {
	u64 now;
	u64 tick;
	struct rnd_state rnd;
	u64 *slots;
};

static void fake_init(struct kunit *test, struct fake *fake, unsigned int hz)
{
	fake->now = 12345678;
	fake->tick = div_u64(NSEC_PER_SEC, hz);
	prandom_seed_state(&fake->rnd, hz);
	fake->slots = kunit_kcalloc(test, SLOTS, sizeof(*fake->slots), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake->slots);
}

/* A timer that is set as throttle_next() does it expires, and one tick late at times. */
static void fake_wait(struct fake *fake, u64 due)
{
	const u64 ticks = div64_u64(fake->now, fake->tick) +
			  div64_u64(due - fake->now, fake->tick) + 1;

	fake->now = (ticks + prandom_u32_state(&fake->rnd) % 2) * fake->tick;
}

static bool fake_count(struct fake *fake, u64 amount)
{
	const u64 slot = div_u64(fake->now, SLOT_NS);

	if (slot >= SLOTS)
		return false;
	fake->slots[slot] += amount;
	return true;
}

/* In whichever five seconds. */
static void fake_expect(struct kunit *test, struct fake *fake, u64 per_second, const char *what)
{
	u64 sum = 0, least = U64_MAX, most = 0;
	unsigned int i;

	for (i = 0; i < SLOTS; i++) {
		sum += fake->slots[i];
		if (i >= WINDOW)
			sum -= fake->slots[i - WINDOW];
		if (i < WINDOW - 1)
			continue;
		least = min(least, sum);
		most = max(most, sum);
	}
	expect_rate(test, least, 5 * per_second, what);
	expect_rate(test, most, 5 * per_second, what);
}

static void bucket_run(struct kunit *test, unsigned int hz, u64 per_second, u64 amount)
{
	struct kcopyd_bucket bucket = {};
	struct fake fake;
	char what[64];

	/* As throttle_part_pages(). */
	amount = min_t(u64, amount, div_u64(per_second, KCOPYD_PARTS_PER_SECOND));
	snprintf(what, sizeof(what), "HZ %u, %llu each of %llu/s", hz, amount, per_second);
	fake_init(test, &fake, hz);
	do {
		while (bucket.due > fake.now)
			fake_wait(&fake, bucket.due);
		kcopyd_bucket_charge(&bucket, amount, per_second, fake.now);
	} while (fake_count(&fake, amount));
	fake_expect(test, &fake, per_second, what);
	kunit_kfree(test, fake.slots);
}

static const unsigned int rates_hz[] = { 100, 250, 1000 };

static void throttle_bucket(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rates_hz); i++) {
		bucket_run(test, rates_hz[i], 100, 1);
		bucket_run(test, rates_hz[i], 5000, 3);
		bucket_run(test, rates_hz[i], 100 * SZ_1K, SZ_512);
		bucket_run(test, rates_hz[i], 10 * SZ_1M, SZ_4K);
		bucket_run(test, rates_hz[i], 10 * SZ_1M, SZ_512K);
		bucket_run(test, rates_hz[i], 3ULL * SZ_1G, SZ_4M);
		bucket_run(test, rates_hz[i], 100000007, 777777);
	}
}

/* What was not used for long is lost, but for the credit. */
static void throttle_bucket_idle(struct kunit *test)
{
	struct kcopyd_bucket bucket = {};
	u64 now = 3600 * NSEC_PER_SEC;
	unsigned int n = 0;

	kcopyd_bucket_charge(&bucket, 1, 1000, NSEC_PER_SEC);
	while (bucket.due <= now) {
		kcopyd_bucket_charge(&bucket, 1, 1000, now);
		n++;
	}
	KUNIT_EXPECT_EQ(test, n, KCOPYD_CREDIT_NS / NSEC_PER_MSEC + 1);
}

/* However small the limit, and whatever came before: once a second something goes. */
static void throttle_bucket_tiny(struct kunit *test)
{
	struct kcopyd_bucket bucket = {};
	u64 now = 5;
	unsigned int i;

	for (i = 0; i < 60; i++) {
		kcopyd_bucket_charge(&bucket, U32_MAX, 1, now);
		KUNIT_EXPECT_GT(test, bucket.due, now);
		KUNIT_EXPECT_LE(test, bucket.due, now + NSEC_PER_SEC);
		now = bucket.due;
	}
}

/* No limit is none, and the largest does not overflow. */
static void throttle_bucket_large(struct kunit *test)
{
	struct kcopyd_bucket bucket = {};

	kcopyd_bucket_charge(&bucket, U32_MAX, 0, 1000);
	KUNIT_EXPECT_EQ(test, bucket.due, 0ULL);
	kcopyd_bucket_charge(&bucket, U32_MAX, U64_MAX, 1000);
	KUNIT_EXPECT_LE(test, bucket.due, 1000ULL);
}

/* A disk that takes 5 ms for a part, a part at a time. */
static void duty_run(struct kunit *test, unsigned int hz, unsigned int percent)
{
	struct kcopyd_duty duty = {};
	struct fake fake;
	unsigned int i;
	char what[64];
	bool more = true;

	snprintf(what, sizeof(what), "HZ %u, %u %%", hz, percent);
	fake_init(test, &fake, hz);
	while (more) {
		kcopyd_duty_account(&duty, false, percent, fake.now);
		if (duty.resting) {
			fake_wait(&fake, duty.due);
			continue;
		}
		for (i = 0; i < 5 && more; i++) {
			more = fake_count(&fake, NSEC_PER_MSEC);
			fake.now += NSEC_PER_MSEC;
		}
		kcopyd_duty_account(&duty, true, percent, fake.now);
	}
	fake_expect(test, &fake, NSEC_PER_SEC / 100 * percent, what);
	kunit_kfree(test, fake.slots);
}

static void throttle_duty(struct kunit *test)
{
	static const unsigned int percents[] = { 10, 25, 50, 75, 90, 99, 100 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(rates_hz); i++) {
		for (j = 0; j < ARRAY_SIZE(percents); j++)
			duty_run(test, rates_hz[i], percents[j]);
	}
}

/* Of nothing something goes once a second still, and a part at a time. */
static void throttle_duty_nothing(struct kunit *test)
{
	struct kcopyd_duty duty = {};
	u64 now = 77;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		kcopyd_duty_account(&duty, false, 0, now);
		KUNIT_EXPECT_FALSE(test, duty.resting);
		kcopyd_duty_account(&duty, true, 0, now);
		KUNIT_EXPECT_TRUE(test, duty.resting);
		now += NSEC_PER_MSEC;
		kcopyd_duty_account(&duty, true, 0, now);
		KUNIT_EXPECT_TRUE(test, duty.resting);
		KUNIT_EXPECT_LE(test, duty.due, now + NSEC_PER_SEC);
		now = duty.due;
	}
}

/* ------------------------------------------------------------------------- */
/* The whole. */

#define PAGES 256

struct slow {
	struct fixture *f;
	struct tclient *client;
	struct tdisk *from, *to;
	struct kcopyd_throttle *throttle;
};

static struct slow slow_new(struct kunit *test, const struct kcopyd_limits *limits)
{
	struct fixture *f = test->priv;
	struct slow s = {
		.f = f,
		.client = fixture_client(f, PAGES),
		.from = fixture_huge_disk(f, 1),
		.to = fixture_huge_disk(f, 2),
	};

	s.to->expect_seed = 1;
	KUNIT_ASSERT_EQ(test, kcopyd_throttle_create(limits, &s.throttle), 0);
	KUNIT_ASSERT_EQ(test, kcopyd_client_throttle(s.client->kc, s.throttle), 0);
	return s;
}

static struct copy *slow_copy(struct slow *s, struct tclient *client, sector_t sector,
			      sector_t count)
{
	struct copy *copy = fixture_copy(client, s->from, sector, count);

	copy_to(copy, s->to, sector);
	return copy;
}

static void submit_again(struct copy *copy)
{
	if (READ_ONCE(copy->fixture->ending))
		return;
	atomic_dec(&copy->calls);
	copy_submit(copy, 0);
}

/* Bytes a second that are written meanwhile. */
static u64 written_in(struct tdisk *disk, unsigned int ms)
{
	const u64 began = ktime_get_ns();
	const unsigned long before = READ_ONCE(disk->written);
	unsigned long after;
	u64 ns;

	msleep(ms);
	after = READ_ONCE(disk->written);
	ns = ktime_get_ns() - began;
	return div64_u64((u64)(after - before) * SECTOR_SIZE * NSEC_PER_SEC, ns);
}

/*
 * It is never more. Nor is it less, unless the machine is so loaded that it could
 * hardly do that much without a limit: it is then elsewhere for longer than what can
 * be made up for. To find that out, the limit is taken away.
 */
static void expect_written(struct kunit *test, struct slow *s, u64 wanted)
{
	const u64 slack = div_u64(wanted * WITHIN, 1000);
	const struct kcopyd_limits none = {};
	unsigned int tries = 3;
	u64 got, most;

	msleep(300);
	do {
		got = written_in(s->to, 5000);
		KUNIT_EXPECT_LE(test, got, wanted + slack);
	} while (got < wanted - slack && --tries);
	if (got >= wanted - slack)
		return;
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_set(s->throttle, &none), 0);
	most = written_in(s->to, 1000);
	KUNIT_EXPECT_LE_MSG(test, most, 6 * wanted, "%llu of %llu bytes a second", got, wanted);
}

static void slow_end(struct slow *s)
{
	WRITE_ONCE(s->f->ending, true);
	kcopyd_client_throttle(s->client->kc, NULL);
	kcopyd_throttle_destroy(s->throttle);
}

static void throttle_bytes_of_large(struct kunit *test)
{
	const struct kcopyd_limits limits = { .bytes_per_second = 3 * SZ_1M };
	struct slow s = slow_new(test, &limits);
	unsigned int i, largest = 0;

	copy_start(slow_copy(&s, s.client, 0, HUGE_SECTORS), 0);
	msleep(1000);
	for (i = 0; i < s.to->nr_events; i++)
		largest = max(largest, s.to->events[i].count);
	KUNIT_EXPECT_LE(test, largest, limits.bytes_per_second / 10 / SECTOR_SIZE);
	expect_written(test, &s, limits.bytes_per_second);
	KUNIT_EXPECT_EQ(test, s.to->wrong, 0);
	slow_end(&s);
}

static void start_small(struct slow *s, struct tclient *client, unsigned int nr, sector_t sector)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct copy *copy = slow_copy(s, client, sector + 8 * i, 8);

		copy->then = submit_again;
		copy_start(copy, 0);
	}
}

static void throttle_bytes_of_small(struct kunit *test)
{
	const struct kcopyd_limits limits = { .bytes_per_second = SZ_256K };
	struct slow s = slow_new(test, &limits);

	start_small(&s, s.client, 16, 0);
	expect_written(test, &s, limits.bytes_per_second);
	slow_end(&s);
}

/* The read and the writes to two destinations. */
static void throttle_ios(struct kunit *test)
{
	const struct kcopyd_limits limits = { .ios_per_second = 150 };
	struct slow s = slow_new(test, &limits);
	unsigned int i;

	for (i = 0; i < 16; i++) {
		struct copy *copy = slow_copy(&s, s.client, 8 * i, 8);

		copy_to(copy, s.to, HUGE_SECTORS / 2 + 8 * i);
		copy->then = submit_again;
		copy_start(copy, 0);
	}
	s.to->expect_seed = 0;
	expect_written(test, &s, 50 * 2 * SZ_4K);
	slow_end(&s);
}

/* Clients that share a limit have the same of it, whatever their copies are. */
static void throttle_shared(struct kunit *test)
{
	const struct kcopyd_limits limits = { .bytes_per_second = SZ_1M };
	struct slow s = slow_new(test, &limits);
	struct tclient *other = fixture_client(s.f, PAGES);
	struct tdisk *to = fixture_huge_disk(s.f, 3);
	struct copy *large = fixture_copy(other, s.from, 0, HUGE_SECTORS);
	unsigned long mine, others;

	KUNIT_ASSERT_EQ(test, kcopyd_client_throttle(other->kc, s.throttle), 0);
	to->expect_seed = 1;
	copy_to(large, to, 0);
	copy_start(large, 0);
	copy_start(slow_copy(&s, s.client, 0, HUGE_SECTORS), 0);
	expect_written(test, &s, SZ_1M / 2);
	mine = READ_ONCE(s.to->written);
	others = READ_ONCE(to->written);
	KUNIT_EXPECT_GE(test, mine, others * 9 / 10);
	KUNIT_EXPECT_LE(test, mine, others * 11 / 10);
	kcopyd_client_throttle(other->kc, NULL);
	slow_end(&s);
}

/* What it writes in a second that begins a tenth of one after its limit has changed */
static unsigned long written_at(struct slow *s, unsigned long bytes_per_second)
{
	const struct kcopyd_limits limits = { .bytes_per_second = bytes_per_second };

	KUNIT_EXPECT_EQ(s->f->test, kcopyd_throttle_set(s->throttle, &limits), 0);
	msleep(100);
	return written_in(s->to, 1000);
}

/* A new limit holds within a tenth of a second, but on a machine that stands still. */
static void throttle_changes(struct kunit *test)
{
	const struct kcopyd_limits limits = { .bytes_per_second = SZ_64K };
	struct slow s = slow_new(test, &limits);
	unsigned long more, less;
	unsigned int tries = 5;

	copy_start(slow_copy(&s, s.client, 0, HUGE_SECTORS), 0);
	msleep(1000);
	do {
		more = written_at(&s, 2 * SZ_1M);
		less = written_at(&s, SZ_64K);
	} while ((more < SZ_1M * 18 / 10 || less > SZ_64K * 12 / 10) && --tries);
	KUNIT_EXPECT_GE(test, more, SZ_1M * 18 / 10);
	KUNIT_EXPECT_LE(test, less, SZ_64K * 12 / 10);
	slow_end(&s);
}

/* I/O that takes 10 ms at least, a fifth of the time. */
static void throttle_percent(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = HUGE_SECTORS,
		.seed = 2,
		.end = TDISK_END_WORK,
		.huge = true,
	};
	struct kcopyd_limits limits = { .percent = 20 };
	struct slow s = slow_new(test, &limits);
	unsigned int tries = 8;
	u64 throttled, full;

	s.to = fixture_disk(s.f, &options);
	s.to->delay = msecs_to_jiffies(10);
	copy_start(slow_copy(&s, s.client, 0, HUGE_SECTORS), 0);
	/* The two are measured one after the other: a machine under load is uneven. */
	do {
		limits.percent = 20;
		KUNIT_EXPECT_EQ(test, kcopyd_throttle_set(s.throttle, &limits), 0);
		msleep(300);
		throttled = written_in(s.to, 5000);
		limits.percent = 100;
		KUNIT_EXPECT_EQ(test, kcopyd_throttle_set(s.throttle, &limits), 0);
		full = written_in(s.to, 2000);
	} while ((throttled * 100 < full * 15 || throttled * 100 > full * 25) && --tries);
	KUNIT_EXPECT_GE(test, throttled * 100, full * 15);
	KUNIT_EXPECT_LE(test, throttled * 100, full * 25);
	slow_end(&s);
}

/* A byte a second: at least one part a second goes. */
static void throttle_tiny(struct kunit *test)
{
	const struct kcopyd_limits limits = { .bytes_per_second = 1, .ios_per_second = 1,
					      .percent = 1 };
	struct slow s = slow_new(test, &limits);
	const time64_t began = ktime_get_seconds();
	unsigned int parts;

	copy_start(slow_copy(&s, s.client, 0, HUGE_SECTORS), 0);
	msleep(4500);
	parts = tdisk_count(s.to, true);
	KUNIT_EXPECT_GE(test, parts, 4);
	KUNIT_EXPECT_LE(test, parts, (unsigned int)(ktime_get_seconds() - began) + 2);
	slow_end(&s);
}

static u64 since(u64 began)
{
	return ktime_get_ns() - began;
}

/* A disk that hangs does not let others wait for ever, whatever the share of the time. */
static void throttle_percent_and_hung_disk(struct kunit *test)
{
	const struct kcopyd_limits limits = { .percent = 50 };
	struct slow s = slow_new(test, &limits);
	struct tclient *other = fixture_client(s.f, PAGES);
	struct tdisk *hung = fixture_small_disk(s.f, 3, 1024);
	struct copy *copy = fixture_copy(s.client, s.from, 0, 8), *others;
	u64 began;

	copy_to(copy, hung, 0);
	KUNIT_ASSERT_EQ(test, kcopyd_client_throttle(other->kc, s.throttle), 0);
	tdisk_shut(hung);
	copy_start(copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(hung, 1));
	/* Until it rests. */
	msleep(500);
	began = ktime_get_ns();
	others = slow_copy(&s, other, 1000, 8);
	copy_run(others, 0);
	copy_expect(others, 0, 0);
	others = slow_copy(&s, s.client, 2000, 8);
	copy_run(others, 0);
	copy_expect(others, 0, 0);
	KUNIT_EXPECT_LE(test, since(began), 4 * NSEC_PER_SEC);
	KUNIT_EXPECT_FALSE(test, copy_is_done(copy));
	tdisk_open(hung);
	copy_wait(copy);
	kcopyd_client_throttle(other->kc, NULL);
	slow_end(&s);
}

/* Jobs of several parts that zero, of two clients: they end without further ado. */
static void throttle_zeroes_in_turn(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = 32768,
		.seed = 2,
		.zeroes = true,
	};
	const struct kcopyd_limits limits = { .bytes_per_second = 4 * SZ_1M };
	struct slow s = slow_new(test, &limits);
	struct tclient *other = fixture_client(s.f, PAGES);
	struct tdisk *disk = fixture_disk(s.f, &options);
	struct copy *copies[6];
	unsigned int i;

	KUNIT_ASSERT_EQ(test, kcopyd_client_throttle(other->kc, s.throttle), 0);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = fixture_zero(i % 2 ? other : s.client, disk, 5000 * i, 4000);
		copy_start(copies[i], 0);
	}
	/* Another list to begin with, too */
	KUNIT_EXPECT_EQ(test, kcopyd_client_throttle(s.client->kc, NULL), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_client_throttle(s.client->kc, s.throttle), 0);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copy_wait(copies[i]);
		copy_expect(copies[i], 0, 0);
		copy_expect_zeroed(copies[i], 0);
	}
	kcopyd_client_throttle(other->kc, NULL);
	slow_end(&s);
}

/* To set the same again and again does not make it more. */
static void throttle_set_often(struct kunit *test)
{
	const struct kcopyd_limits limits = { .bytes_per_second = SZ_1M };
	struct slow s = slow_new(test, &limits);
	unsigned long before;
	u64 began;

	copy_start(slow_copy(&s, s.client, 0, HUGE_SECTORS), 0);
	msleep(300);
	before = READ_ONCE(s.to->written);
	began = ktime_get_ns();
	while (since(began) < 3 * NSEC_PER_SEC) {
		kcopyd_throttle_set(s.throttle, &limits);
		usleep_range(5000, 10000);
	}
	KUNIT_EXPECT_LE(test, (READ_ONCE(s.to->written) - before) * SECTOR_SIZE,
			3 * SZ_1M * 11 / 10);
	slow_end(&s);
}

/* What is owed at one rate is owed at the other. */
static void throttle_bucket_changes(struct kunit *test)
{
	struct kcopyd_bucket bucket = { .due = 1000 + 40 * NSEC_PER_MSEC };

	kcopyd_bucket_change(&bucket, 1000, 1000, 1000);
	KUNIT_EXPECT_EQ(test, bucket.due, 1000 + 40 * NSEC_PER_MSEC);
	kcopyd_bucket_change(&bucket, 1000, 4000, 1000);
	KUNIT_EXPECT_EQ(test, bucket.due, 1000 + 10 * NSEC_PER_MSEC);
	kcopyd_bucket_change(&bucket, 4000, 1, 1000);
	KUNIT_EXPECT_EQ(test, bucket.due, 1000 + NSEC_PER_SEC);
	kcopyd_bucket_change(&bucket, U64_MAX, 1, 1000);
	KUNIT_EXPECT_EQ(test, bucket.due, 1000 + NSEC_PER_SEC);
	kcopyd_bucket_change(&bucket, 1, 0, 1000);
	KUNIT_EXPECT_EQ(test, bucket.due, 1000ULL);
}

static void throttle_again(struct copy *copy)
{
	copy->result = kcopyd_client_throttle(copy->client->kc, copy->priv);
}

/* A client that is being destroyed stays without. */
static void throttle_in_callback_of_the_end(struct kunit *test)
{
	const struct kcopyd_limits limits = { .bytes_per_second = SZ_4K };
	struct slow s = slow_new(test, &limits);
	struct copy *copy = slow_copy(&s, s.client, 0, 8);
	struct ender *ender;

	copy->then = throttle_again;
	copy->priv = s.throttle;
	tdisk_shut(s.to);
	copy_start(copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(s.to, 1));
	s.client->ended = true;
	ender = ender_start(s.client->kc);
	KUNIT_EXPECT_TRUE(test, wait_until(READ_ONCE(s.client->kc->shutdown)));
	tdisk_open(s.to);
	KUNIT_EXPECT_TRUE(test, ender_wait(ender));
	KUNIT_EXPECT_EQ(test, copy->result, -ESHUTDOWN);
	copy->result = 0;
	/* Its maker is the only one who has it. */
	KUNIT_EXPECT_EQ(test, kref_read(&s.throttle->kref), 1);
	kcopyd_throttle_destroy(s.throttle);
}

/* Zeroes are subject to it like data. */
static void throttle_zero(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = 16384,
		.seed = 2,
		.zeroes = true,
	};
	const struct kcopyd_limits limits = { .bytes_per_second = SZ_1M };
	struct slow s = slow_new(test, &limits);
	struct copy *copy = fixture_zero(s.client, fixture_disk(s.f, &options), 0, 4096);
	const u64 began = ktime_get_ns();

	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	copy_expect_zeroed(copy, 0);
	/* What is 2 s: less the credit and the last part, which need not be waited for. */
	KUNIT_EXPECT_GE(test, ktime_get_ns() - began, 1700 * NSEC_PER_MSEC);
	slow_end(&s);
}

/* A throttled client's copies stand still, and nobody else's do. */
static void throttle_others_go_on(struct kunit *test)
{
	const struct kcopyd_limits limits = { .bytes_per_second = 1 };
	struct slow s = slow_new(test, &limits);
	struct tclient *other = fixture_client(s.f, PAGES);
	struct copy *slow = slow_copy(&s, s.client, 0, 4096);
	struct copy *copy;
	unsigned int i;
	u64 began;

	copy_start(slow, 0);
	began = ktime_get_ns();
	for (i = 0; i < 20; i++) {
		copy = slow_copy(&s, other, 8192 + 8 * i, 8);
		copy_run(copy, 0);
		copy_expect(copy, 0, 0);
	}
	KUNIT_EXPECT_LE(test, ktime_get_ns() - began, 2 * NSEC_PER_SEC);
	KUNIT_EXPECT_FALSE(test, copy_is_done(slow));
	/* Nor does what is due in it. */
	KUNIT_EXPECT_EQ(test, kcopyd_client_flush(s.client->kc), 0);
	slow_end(&s);
	copy_wait(slow);
	copy_expect(slow, 0, 0);
}

/* To destroy a client does not take as long as its limit would. */
static void throttle_destroy(struct kunit *test)
{
	const struct kcopyd_limits limits = { .bytes_per_second = SZ_4K, .percent = 1 };
	struct slow s = slow_new(test, &limits);
	struct copy *copy = slow_copy(&s, s.client, 0, 8192);
	u64 began;

	copy_start(copy, 0);
	start_small(&s, s.client, 50, 10000);
	began = ktime_get_ns();
	/* Its maker lets go first. */
	kcopyd_throttle_destroy(s.throttle);
	tclient_end(s.client);
	KUNIT_EXPECT_LE(test, ktime_get_ns() - began, 5 * NSEC_PER_SEC);
	KUNIT_EXPECT_TRUE(test, copy_is_done(copy));
	copy_expect(copy, 0, 0);
}

/* Limits come and go under load, of whatever clients: everything completes. */
static void throttle_changes_under_load(struct kunit *test)
{
	static const struct kcopyd_limits limits[] = {
		{ .bytes_per_second = SZ_16M },
		{ .ios_per_second = 2000 },
		{ .percent = 50 },
		{ .bytes_per_second = SZ_8M, .ios_per_second = 1500, .percent = 90 },
		{},
	};
	const struct tdisk_options zeroing = { .sectors = 32768, .seed = 3, .zeroes = true };
	struct slow s = slow_new(test, &limits[0]);
	struct tdisk *zeroed = fixture_disk(s.f, &zeroing);
	struct kcopyd_throttle *second;
	struct tclient *clients[3] = { s.client };
	struct rnd_state rnd;
	struct copy *copy;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, kcopyd_throttle_create(&limits[1], &second), 0);
	prandom_seed_state(&rnd, 4);
	for (i = 0; i < 3; i++) {
		if (i)
			clients[i] = fixture_client(s.f, 8 * i);
		start_small(&s, clients[i], 20, 100000 * (1 + i));
		copy_start(slow_copy(&s, clients[i], 300000 * (2 + i), i ? 6000 : 20000), 0);
		copy_start(fixture_zero(clients[i], zeroed, 5000 * i, 4000), 0);
		copy_start(fixture_zero(clients[i], zeroed, 5000 * (3 + i), 4000), 0);
	}
	s.to->expect_seed = 0;
	for (i = 0; i < 300; i++) {
		const u32 r = prandom_u32_state(&rnd);
		struct kcopyd_throttle *throttle = r & 64 ? s.throttle : second;

		if (r & 128)
			kcopyd_throttle_set(throttle, &limits[r % ARRAY_SIZE(limits)]);
		else if (r & 256)
			r & 512 ? kcopyd_throttle_suspend(throttle) :
				  kcopyd_throttle_resume(throttle);
		else
			kcopyd_client_throttle(clients[r % 3]->kc, r % 5 ? throttle : NULL);
		usleep_range(2000, 10000);
	}
	/* A throttle that is no limit: what it has forgotten would be forgotten still. */
	WRITE_ONCE(s.f->ending, true);
	kcopyd_throttle_set(s.throttle, &limits[4]);
	kcopyd_throttle_set(second, &limits[4]);
	list_for_each_entry(copy, &s.f->copies, node)
		copy_wait(copy);
	for (i = 0; i < 3; i++)
		kcopyd_client_throttle(clients[i]->kc, NULL);
	KUNIT_EXPECT_TRUE(test, list_empty(&second->waiting));
	KUNIT_EXPECT_EQ(test, second->busy, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&s.throttle->waiting));
	KUNIT_EXPECT_EQ(test, s.throttle->busy, 0);
	kcopyd_throttle_destroy(second);
	kcopyd_throttle_destroy(s.throttle);
	/* That each copy had its one callback is checked at the end of each test. */
}

static void throttle_rejects(struct kunit *test)
{
	const struct kcopyd_limits good = { .percent = 100 };
	const struct kcopyd_limits bad = { .percent = 101 };
	struct kcopyd_throttle *throttle = ERR_PTR(-1);
	struct kcopyd_limits limits;
	struct kmsg_dump_iter mark;

	log_mark(&mark);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_create(NULL, &throttle), -EINVAL);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "throttle rejected: no limits"), 1);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_create(&good, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "throttle rejected: no place for the result"), 1);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_create(&bad, &throttle), -EINVAL);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "throttle rejected: more than 100 percent"), 1);
	KUNIT_EXPECT_PTR_EQ(test, (void *)throttle, (void *)ERR_PTR(-1));
	KUNIT_EXPECT_EQ(test, kcopyd_client_throttle(NULL, NULL), -EINVAL);

	KUNIT_ASSERT_EQ(test, kcopyd_throttle_create(&good, &throttle), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_set(NULL, &good), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_set(throttle, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_set(throttle, &bad), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_suspend(NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_resume(NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_get_limits(NULL, &limits), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_get_limits(throttle, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_get_limits(throttle, &limits), 0);
	KUNIT_EXPECT_EQ(test, limits.percent, 100);
	kcopyd_throttle_destroy(throttle);
	kcopyd_throttle_destroy(NULL);
}

static void expect_limit(struct kunit *test, struct kcopyd_client *kc, enum kcopyd_limit limit,
			 u64 value)
{
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_get(kc, limit), value);
}

/* What an administrator sets is a limit of all that share it, and not more than that. */
static void throttle_tuned_shared(struct kunit *test)
{
	struct kcopyd_client *a = fixture_client(test->priv, PAGES)->kc;
	struct kcopyd_client *b = fixture_client(test->priv, PAGES)->kc;
	struct kcopyd_limits limits = { .bytes_per_second = 1000000 };
	struct kcopyd_throttle *t;

	KUNIT_ASSERT_EQ(test, kcopyd_throttle_create(&limits, &t), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_client_throttle(a, t), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_client_throttle(b, t), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_tune(a, KCOPYD_LIMIT_IOS, 5), 0);
	expect_limit(test, b, KCOPYD_LIMIT_IOS, 5);
	expect_limit(test, b, KCOPYD_LIMIT_BYTES, 1000000);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_get_limits(t, &limits), 0);
	KUNIT_EXPECT_EQ(test, limits.ios_per_second, 5);
	KUNIT_EXPECT_EQ(test, limits.bytes_per_second, 1000000);
	/* Without any limit left it is still theirs. */
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_tune(b, KCOPYD_LIMIT_IOS, 0), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_tune(b, KCOPYD_LIMIT_BYTES, 0), 0);
	limits = (struct kcopyd_limits){ .percent = 30 };
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_set(t, &limits), 0);
	expect_limit(test, a, KCOPYD_LIMIT_PERCENT, 30);
	/* Nor has one that is set without a throttle anything to do with it. */
	KUNIT_EXPECT_EQ(test, kcopyd_client_throttle(a, NULL), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_tune(a, KCOPYD_LIMIT_PERCENT, 70), 0);
	expect_limit(test, a, KCOPYD_LIMIT_PERCENT, 70);
	expect_limit(test, b, KCOPYD_LIMIT_PERCENT, 30);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_tune(a, KCOPYD_LIMIT_PERCENT, 0), 0);
	KUNIT_EXPECT_PTR_EQ(test, (void *)a->throttled.throttle, NULL);
	kcopyd_throttle_destroy(t);
}

/*
 * Suspended limits do not hold, and nothing else about them changes: what is set meanwhile,
 * be it that there is none, is what holds when they are resumed.
 */
static void throttle_suspended(struct kunit *test)
{
	struct kcopyd_limits limits = { .bytes_per_second = SZ_64K, .ios_per_second = 2000 };
	struct slow s = slow_new(test, &limits);
	struct kcopyd_client *kc = s.client->kc;
	struct copy *copy = slow_copy(&s, s.client, 0, HUGE_SECTORS);
	unsigned int tries = 5;
	unsigned long written;

	copy->then = submit_again;
	copy_start(copy, 0);
	msleep(300);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_suspend(s.throttle), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_suspend(s.throttle), 0);
	KUNIT_EXPECT_GE(test, written_in(s.to, 500), SZ_1M);
	expect_limit(test, kc, KCOPYD_LIMIT_BYTES, SZ_64K);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_tune(kc, KCOPYD_LIMIT_BYTES, SZ_128K), 0);
	expect_limit(test, kc, KCOPYD_LIMIT_IOS, 2000);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_tune(kc, KCOPYD_LIMIT_IOS, 0), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_get_limits(s.throttle, &limits), 0);
	KUNIT_EXPECT_EQ(test, limits.bytes_per_second, SZ_128K);
	KUNIT_EXPECT_EQ(test, limits.ios_per_second, 0);
	KUNIT_EXPECT_GE(test, written_in(s.to, 500), SZ_1M);
	/* It is said once, however often they were suspended. */
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_resume(s.throttle), 0);
	/* What had begun before may be late. */
	do
		written = written_in(s.to, 1000);
	while (written > SZ_128K * 12 / 10 && --tries);
	KUNIT_EXPECT_LE(test, written, SZ_128K * 12 / 10);
	expect_limit(test, kc, KCOPYD_LIMIT_BYTES, SZ_128K);
	/* And by the throttle's maker. */
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_suspend(s.throttle), 0);
	limits.bytes_per_second = 0;
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_set(s.throttle, &limits), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_resume(s.throttle), 0);
	KUNIT_EXPECT_GE(test, written_in(s.to, 500), SZ_1M);
	slow_end(&s);
}

static struct kunit_case throttle_cases[] = {
	KUNIT_CASE(throttle_bucket),
	KUNIT_CASE(throttle_bucket_idle),
	KUNIT_CASE(throttle_bucket_tiny),
	KUNIT_CASE(throttle_bucket_large),
	KUNIT_CASE(throttle_bucket_changes),
	KUNIT_CASE(throttle_duty),
	KUNIT_CASE(throttle_duty_nothing),
	KUNIT_CASE(throttle_bytes_of_large),
	KUNIT_CASE(throttle_bytes_of_small),
	KUNIT_CASE(throttle_ios),
	KUNIT_CASE(throttle_shared),
	KUNIT_CASE(throttle_changes),
	KUNIT_CASE(throttle_percent),
	KUNIT_CASE(throttle_percent_and_hung_disk),
	KUNIT_CASE(throttle_set_often),
	KUNIT_CASE(throttle_in_callback_of_the_end),
	KUNIT_CASE(throttle_zeroes_in_turn),
	KUNIT_CASE(throttle_tiny),
	KUNIT_CASE(throttle_zero),
	KUNIT_CASE(throttle_others_go_on),
	KUNIT_CASE(throttle_destroy),
	KUNIT_CASE(throttle_changes_under_load),
	KUNIT_CASE(throttle_rejects),
	KUNIT_CASE(throttle_tuned_shared),
	KUNIT_CASE(throttle_suspended),
	{}
};

static struct kunit_suite throttle_suite = {
	.name = "kcopyd_throttle",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = throttle_cases,
};

kunit_test_suite(throttle_suite);
