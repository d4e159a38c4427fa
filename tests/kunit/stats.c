// SPDX-License-Identifier: GPL-2.0-only
/* What clients count: the disks know better, and are asked. */
#include <linux/delay.h>
#include <linux/prandom.h>

#include "core/client.h"
#include "core/stats.h"
#include "fixture.h"

/* Parts of 8 pages, so that each is one bio. */
#define PAGES 64
#define PART_SECTORS (8 * PAGE_SECTORS)
#define DISK_SECTORS 8192

struct stats {
	struct fixture *f;
	struct tclient *client;
	struct tdisk *from, *to[3];
};

static struct stats stats_new(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct stats s = {
		.f = f,
		.client = fixture_client(f, PAGES),
		.from = fixture_small_disk(f, 1, DISK_SECTORS),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s.to); i++)
		s.to[i] = fixture_small_disk(f, 2 + i, DISK_SECTORS);
	return s;
}

/* @nr_dests: of s->to, from the first on */
static struct copy *stats_copy(struct stats *s, sector_t sector, sector_t count,
			       unsigned int nr_dests)
{
	struct copy *copy = fixture_copy(s->client, s->from, sector, count);
	unsigned int i;

	for (i = 0; i < nr_dests; i++)
		copy_to(copy, s->to[i], sector);
	return copy;
}

/* Until the next call. */
static const struct kcopyd_client_stats *stats_get(struct stats *s)
{
	static struct kcopyd_client_stats snapshot;

	KUNIT_EXPECT_EQ(s->f->test, kcopyd_client_get_stats(s->client->kc, &snapshot), 0);
	return &snapshot;
}

static u64 sum(const struct kcopyd_latencies *latencies)
{
	unsigned int i;
	u64 n = 0;

	for (i = 0; i < KCOPYD_LATENCIES; i++)
		n += latencies->nr[i];
	return n;
}

/* What a disk has done without an error. */
static u64 disk_sectors(const struct tdisk *disk, bool write)
{
	unsigned int i;
	u64 n = 0;

	for (i = 0; i < disk->nr_events; i++) {
		const struct tdisk_event *event = &disk->events[i];

		if (event->write == write && event->ended && !event->status)
			n += event->count;
	}
	return n;
}

/* The client has nothing left to do, and has counted what the disks did. */
static const struct kcopyd_client_stats *stats_expect(struct kunit *test, struct stats *s)
{
	const struct kcopyd_client_stats *n;
	u64 read = 0, written = 0;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, kcopyd_client_flush(s->client->kc), 0);
	fixture_settle(s->f);
	n = stats_get(s);
	for (i = 0; i < s->f->nr_disks; i++) {
		KUNIT_ASSERT_LE(test, s->f->disks[i]->nr_events, TDISK_MAX_EVENTS);
		read += disk_sectors(s->f->disks[i], false);
		written += disk_sectors(s->f->disks[i], true);
	}
	KUNIT_EXPECT_EQ(test, n->sectors_read, read);
	KUNIT_EXPECT_EQ(test, n->sectors_written + n->sectors_zeroed, written);
	KUNIT_EXPECT_EQ(test, n->pages, PAGES);
	KUNIT_EXPECT_EQ(test, n->pages_used, 0);
	KUNIT_EXPECT_LE(test, n->pages_peak, PAGES);
	KUNIT_EXPECT_EQ(test, n->queued, 0ULL);
	KUNIT_EXPECT_EQ(test, n->waiting, 0ULL);
	KUNIT_EXPECT_EQ(test, n->copies, n->copies_done);
	KUNIT_EXPECT_EQ(test, n->zeroes, n->zeroes_done);
	return n;
}

static void stats_of_copies(struct kunit *test)
{
	struct stats s = stats_new(test);
	const struct kcopyd_client_stats *n;
	unsigned int i;

	for (i = 0; i < 200; i++)
		copy_run(stats_copy(&s, 8 * i, 8, 1), 0);
	for (i = 0; i < 5; i++)
		copy_run(stats_copy(&s, 600 * i, 10 * PART_SECTORS, 1),
			 i & 1 ? KCOPYD_WRITE_SEQ : 0);
	copy_run(stats_copy(&s, 0, 0, 1), 0);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_EQ(test, n->copies, 206ULL);
	KUNIT_EXPECT_EQ(test, n->sectors_read, 200ULL * 8 + 50 * PART_SECTORS);
	KUNIT_EXPECT_EQ(test, n->sectors_written, n->sectors_read);
	KUNIT_EXPECT_EQ(test, n->parts, 200ULL + 50);
	KUNIT_EXPECT_EQ(test, n->failed + n->cancelled + n->read_errors + n->write_errors, 0ULL);
	KUNIT_EXPECT_EQ(test, n->zeroes + n->sectors_zeroed + n->callbacks, 0ULL);
	KUNIT_EXPECT_EQ(test, sum(&n->large), 5ULL);
	/* The first one, and one more of these. */
	KUNIT_EXPECT_EQ(test, sum(&n->small), 2ULL);
	KUNIT_EXPECT_GE(test, n->pages_peak, 8U);
}

/* Those in flight are not done, nor are those that wait. */
static void stats_now(struct kunit *test)
{
	struct stats s = stats_new(test);
	struct copy *copies[100];
	const struct kcopyd_client_stats *n;
	unsigned int i;

	tdisk_shut(s.from);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = stats_copy(&s, 8 * i, 8, 1);
		copy_start(copies[i], 0);
	}
	fixture_settle(s.f);
	n = stats_get(&s);
	KUNIT_EXPECT_EQ(test, n->copies, (u64)ARRAY_SIZE(copies));
	KUNIT_EXPECT_EQ(test, n->queued, (u64)ARRAY_SIZE(copies));
	KUNIT_EXPECT_EQ(test, n->copies_done, 0ULL);
	KUNIT_EXPECT_EQ(test, n->sectors_read + n->sectors_written, 0ULL);
	KUNIT_EXPECT_EQ(test, n->pages_used, s.from->nr_held);
	KUNIT_EXPECT_EQ(test, n->waiting, (u64)ARRAY_SIZE(copies) - s.from->nr_held);
	KUNIT_EXPECT_EQ(test, n->parts, (u64)s.from->nr_held);
	KUNIT_EXPECT_GE(test, n->pages_peak, n->pages_used);
	KUNIT_EXPECT_EQ(test, n->waits[KCOPYD_WAITS_DISK] + n->waits[KCOPYD_WAITS_PAGES],
			n->waiting);
	tdisk_open(s.from);
	for (i = 0; i < ARRAY_SIZE(copies); i++)
		copy_wait(copies[i]);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_EQ(test, n->parts, (u64)ARRAY_SIZE(copies));
	KUNIT_EXPECT_GE(test, n->waits[KCOPYD_WAITS_DISK], 50ULL);
}

/* Written together, and each by itself. */
static void stats_destinations(struct kunit *test)
{
	struct stats s = stats_new(test);
	const struct kcopyd_client_stats *n;

	copy_run(stats_copy(&s, 0, 8, 3), 0);
	copy_run(stats_copy(&s, 100, 1000, 3), 0);
	copy_run(stats_copy(&s, 2000, 1000, 2), KCOPYD_WRITE_SEQ);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_EQ(test, n->sectors_read, 2008ULL);
	KUNIT_EXPECT_EQ(test, n->sectors_written, 3 * 1008 + 2 * 1000ULL);
}

static void zero_disks(struct kunit *test, blk_status_t refuse, unsigned int flags)
{
	struct stats s = stats_new(test);
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS,
		.seed = 7,
		.zeroes = true,
	};
	struct tdisk *able = fixture_disk(s.f, &options);
	struct copy *zero = fixture_zero(s.client, able, 0, 5000);
	const struct kcopyd_client_stats *n;

	able->refuse_zeroes = refuse;
	copy_to(zero, s.to[0], 0);
	copy_run(zero, flags);
	copy_expect(zero, 0, 0);
	copy_run(fixture_zero(s.client, able, 0, 8), flags);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_EQ(test, n->copies, 0ULL);
	KUNIT_EXPECT_EQ(test, n->zeroes, 2ULL);
	KUNIT_EXPECT_EQ(test, n->sectors_zeroed, 2 * 5000 + 8ULL);
	KUNIT_EXPECT_EQ(test, n->sectors_read + n->sectors_written, 0ULL);
	KUNIT_EXPECT_EQ(test, n->parts, 6ULL);
	KUNIT_EXPECT_EQ(test, n->failed + n->write_errors, 0ULL);
	KUNIT_EXPECT_EQ(test, sum(&n->small) + sum(&n->large), 0ULL);
}

static void stats_zeroes(struct kunit *test)
{
	zero_disks(test, 0, 0);
}

static void stats_zeroes_in_sequence(struct kunit *test)
{
	zero_disks(test, 0, KCOPYD_WRITE_SEQ);
}

static void stats_zeroes_refused(struct kunit *test)
{
	zero_disks(test, BLK_STS_NOTSUPP, 0);
}

static void stats_zeroes_failed(struct kunit *test)
{
	struct stats s = stats_new(test);
	struct copy *zero = fixture_zero(s.client, s.to[0], 0, 5000);
	const struct kcopyd_client_stats *n;

	copy_to(zero, s.to[1], 0);
	tdisk_fail(s.to[0], true, 3000, 1, BLK_STS_IOERR);
	copy_run(zero, KCOPYD_IGNORE_ERROR);
	copy_expect(zero, 0, 1);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_EQ(test, n->failed, 1ULL);
	KUNIT_EXPECT_EQ(test, n->write_errors, 1ULL);
	KUNIT_EXPECT_LT(test, n->sectors_zeroed, 10000ULL);
}

static void read_errors(struct kunit *test, unsigned int flags, u64 least)
{
	struct stats s = stats_new(test);
	struct copy *copy = stats_copy(&s, 0, 4000, 2);
	const struct kcopyd_client_stats *n;

	tdisk_fail(s.from, false, 1000, 1, BLK_STS_MEDIUM);
	tdisk_fail(s.from, false, 2000, 1, BLK_STS_MEDIUM);
	copy_run(copy, flags);
	copy_expect(copy, -EIO, 0);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_EQ(test, n->failed, 1ULL);
	KUNIT_EXPECT_GE(test, n->read_errors, least);
	KUNIT_EXPECT_LE(test, n->read_errors, 2ULL);
	KUNIT_EXPECT_EQ(test, n->write_errors, 0ULL);
	if (flags & KCOPYD_IGNORE_ERROR) {
		KUNIT_EXPECT_EQ(test, n->sectors_read, 4000 - 2 * 8ULL);
		KUNIT_EXPECT_EQ(test, n->sectors_written, 2 * n->sectors_read);
	}
}

static void stats_read_errors(struct kunit *test)
{
	read_errors(test, KCOPYD_IGNORE_ERROR, 2);
}

static void stats_read_stops(struct kunit *test)
{
	read_errors(test, 0, 1);
}

static void stats_read_stops_in_sequence(struct kunit *test)
{
	read_errors(test, KCOPYD_WRITE_SEQ, 1);
}

static void stats_write_errors(struct kunit *test)
{
	struct stats s = stats_new(test);
	struct copy *together = stats_copy(&s, 992, 16, 3);
	struct copy *apart = stats_copy(&s, 0, 4000, 3);
	const struct kcopyd_client_stats *n;

	tdisk_fail(s.to[0], true, 1000, 1, BLK_STS_IOERR);
	tdisk_fail(s.to[2], true, 1000, 1, BLK_STS_IOERR);
	copy_run(together, KCOPYD_IGNORE_ERROR);
	copy_expect(together, 0, 5);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_EQ(test, n->write_errors, 2ULL);
	KUNIT_EXPECT_EQ(test, n->sectors_written, 16ULL);
	copy_run(apart, KCOPYD_IGNORE_ERROR);
	copy_expect(apart, 0, 5);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_EQ(test, n->failed, 2ULL);
	KUNIT_EXPECT_EQ(test, n->write_errors, 4ULL);
	KUNIT_EXPECT_EQ(test, n->sectors_written, 16 + 3 * 4000 - 2ULL * PART_SECTORS);
	/* It stops wherever it is then. */
	copy_run(stats_copy(&s, 0, 4000, 3), 0);
	copy_run(stats_copy(&s, 0, 4000, 3), KCOPYD_WRITE_SEQ);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_EQ(test, n->failed, 4ULL);
}

/* Wherever they are: what the devices were given has been counted, and no more. */
static void stats_cancelled(struct kunit *test)
{
	struct stats s = stats_new(test);
	const struct kcopyd_client_stats *n;
	struct copy *copies[40];
	struct rnd_state rnd;
	unsigned int i, turn, cancelled = 0;

	prandom_seed_state(&rnd, 5);
	for (turn = 0; turn < 8; turn++) {
		for (i = 0; i < ARRAY_SIZE(copies); i++) {
			const u32 r = prandom_u32_state(&rnd);
			const sector_t count = r & 1 ? 8 : 1 + r % 1500;

			if (r % 7)
				copies[i] = stats_copy(&s, r % 6000, count, 1 + r % 3);
			else
				copies[i] = fixture_zero(s.client, s.to[r % 3], r % 6000, count);
			copy_start(copies[i], r & 8 ? KCOPYD_WRITE_SEQ : 0);
		}
		usleep_range(200 * turn, 200 * turn + 100);
		for (i = 0; i < ARRAY_SIZE(copies); i += 1 + turn % 2)
			cancelled += copy_cancel(copies[i]);
		for (i = 0; i < ARRAY_SIZE(copies); i++)
			copy_wait(copies[i]);
		n = stats_expect(test, &s);
		KUNIT_EXPECT_EQ(test, n->cancelled, (u64)cancelled);
		KUNIT_EXPECT_EQ(test, n->copies + n->zeroes, (u64)ARRAY_SIZE(copies) * (turn + 1));
	}
	KUNIT_EXPECT_EQ(test, n->failed, 0ULL);
	KUNIT_EXPECT_GT(test, cancelled, 20U);
}

static void stats_throttled(struct kunit *test)
{
	const struct kcopyd_limits limits = { .ios_per_second = 20 };
	struct stats s = stats_new(test);
	struct kcopyd_throttle *throttle;
	struct copy *copies[8];
	const struct kcopyd_client_stats *n;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, kcopyd_throttle_create(&limits, &throttle), 0);
	KUNIT_ASSERT_EQ(test, kcopyd_client_throttle(s.client->kc, throttle), 0);
	KUNIT_EXPECT_EQ(test, stats_get(&s)->waiting, 0ULL);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = stats_copy(&s, 8 * i, 8, 1);
		copy_start(copies[i], 0);
	}
	for (i = 0; i < ARRAY_SIZE(copies); i++)
		copy_wait(copies[i]);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_GE(test, n->waits[KCOPYD_WAITS_THROTTLE], 4ULL);
	KUNIT_EXPECT_LE(test, n->waits[KCOPYD_WAITS_THROTTLE], (u64)ARRAY_SIZE(copies));
	KUNIT_EXPECT_EQ(test, kcopyd_client_throttle(s.client->kc, NULL), 0);
	kcopyd_throttle_destroy(throttle);
}

static void nothing(int read_err, unsigned int write_err, void *context)
{
}

/* Prepared callbacks are no copies, and a flush is nothing. */
static void stats_callbacks(struct kunit *test)
{
	struct stats s = stats_new(test);
	struct kcopyd_client *kc = s.client->kc;
	struct kcopyd_job *callbacks[3];
	const struct kcopyd_client_stats *n;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(callbacks); i++)
		KUNIT_ASSERT_EQ(test, kcopyd_prepare_callback(kc, nothing, NULL, &callbacks[i]), 0);
	n = stats_get(&s);
	KUNIT_EXPECT_EQ(test, n->callbacks, 3ULL);
	KUNIT_EXPECT_EQ(test, n->callbacks_done, 0ULL);
	KUNIT_EXPECT_EQ(test, n->copies + n->queued, 0ULL);
	for (i = 0; i < ARRAY_SIZE(callbacks); i++)
		kcopyd_do_callback(callbacks[i], -EIO, 1);
	copy_run(stats_copy(&s, 0, 8, 1), 0);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_EQ(test, n->callbacks_done, 3ULL);
	KUNIT_EXPECT_EQ(test, n->copies, 1ULL);
	KUNIT_EXPECT_EQ(test, n->failed, 0ULL);
}

struct look {
	struct kcopyd_client *kc;
	unsigned int called;
	unsigned int early;
};

static void look(int read_err, unsigned int write_err, void *context)
{
	struct look *l = context;
	struct kcopyd_client_stats s;

	kcopyd_client_get_stats(l->kc, &s);
	/* Those before this one have returned. */
	l->early += s.callbacks_done > l->called;
	/* Until the others are due, which go in one batch. */
	if (!l->called++)
		msleep(20);
}

/* Nothing is done before its callback has returned, be it due together with others. */
static void stats_not_returned(struct kunit *test)
{
	struct stats s = stats_new(test);
	struct kcopyd_job *callbacks[4];
	struct look l = { .kc = s.client->kc };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(callbacks); i++)
		KUNIT_ASSERT_EQ(test, kcopyd_prepare_callback(l.kc, look, &l, &callbacks[i]), 0);
	for (i = 0; i < ARRAY_SIZE(callbacks); i++)
		kcopyd_do_callback(callbacks[i], 0, 0);
	KUNIT_EXPECT_EQ(test, kcopyd_client_flush(l.kc), 0);
	KUNIT_EXPECT_EQ(test, l.called, 4U);
	KUNIT_EXPECT_EQ(test, l.early, 0U);
	KUNIT_EXPECT_EQ(test, stats_get(&s)->callbacks_done, 4ULL);
}

/* A large one is counted as it goes. */
static void stats_under_way(struct kunit *test)
{
	struct stats s = stats_new(test);
	struct copy *copy = stats_copy(&s, 0, 4000, 1);
	const struct kcopyd_client_stats *n;

	tdisk_shut(s.to[0]);
	copy_start(copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(s.to[0], 1));
	tdisk_release(s.to[0], 1);
	fixture_settle(s.f);
	n = stats_get(&s);
	KUNIT_EXPECT_EQ(test, n->sectors_written, (u64)PART_SECTORS);
	KUNIT_EXPECT_EQ(test, n->copies_done, 0ULL);
	KUNIT_EXPECT_EQ(test, n->queued, 1ULL);
	tdisk_open(s.to[0]);
	copy_wait(copy);
	stats_expect(test, &s);
}

/* How long it took: at least as long as the disk. */
static void stats_latency(struct kunit *test)
{
	struct fixture *f = test->priv;
	const struct tdisk_options slow = {
		.sectors = DISK_SECTORS,
		.seed = 9,
		.end = TDISK_END_WORK,
	};
	struct stats s = stats_new(test);
	const struct kcopyd_client_stats *n;
	struct copy *copy;
	unsigned int i;

	s.to[0] = fixture_disk(f, &slow);
	s.to[0]->delay = msecs_to_jiffies(100);
	copy_run(stats_copy(&s, 0, 8, 1), 0);
	copy_run(stats_copy(&s, 1000, 1000, 1), 0);
	copy = stats_copy(&s, 3000, 1000, 1);
	copy_start(copy, 0);
	KUNIT_EXPECT_EQ(test, copy_cancel_sync(copy), 1);
	n = stats_expect(test, &s);
	KUNIT_EXPECT_EQ(test, sum(&n->small), 1ULL);
	KUNIT_EXPECT_EQ(test, sum(&n->large), 1ULL);
	/* Less than 65 ms. */
	for (i = 0; i <= 16; i++)
		KUNIT_EXPECT_EQ(test, n->small.nr[i] + n->large.nr[i], 0ULL);
}

static bool has_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	return at && (at == text || at[-1] == '\n') && at[strlen(line)] == '\n';
}

static void stats_text(struct kunit *test)
{
	const size_t size = PAGE_SIZE;
	char *text = kunit_kzalloc(test, size, GFP_KERNEL);
	struct kcopyd_client_stats n = {
		.id = 17,
		.name = "a-name.1",
		.copies = 12345678901234ULL,
		.waits = { 1, 2, 3 },
		.small.nr = { 5, 0, 7 },
		.large.nr[KCOPYD_LATENCIES - 1] = 1,
	};
	unsigned int i;
	size_t len;

	KUNIT_ASSERT_NOT_NULL(test, text);
	len = kcopyd_stats_format(&n, text, size);
	KUNIT_EXPECT_EQ(test, len, strlen(text));
	KUNIT_EXPECT_TRUE(test, strstarts(text, "client=17\nname=a-name.1\n"));
	KUNIT_EXPECT_TRUE(test, has_line(text, "copies=12345678901234"));
	KUNIT_EXPECT_TRUE(test, has_line(text, "waits_pages=1"));
	KUNIT_EXPECT_TRUE(test, has_line(text, "waits_disk=2"));
	KUNIT_EXPECT_TRUE(test, has_line(text, "waits_throttle=3"));
	KUNIT_EXPECT_TRUE(test, has_line(text, "latency_small_us=<1:5 <4:7"));
	KUNIT_EXPECT_TRUE(test, has_line(text, "latency_large_us=>=67108864:1"));
	/* The longest there can be is not cut off. */
	memset(&n, 0xff, sizeof(n));
	memset(n.name, 'x', sizeof(n.name) - 1);
	n.name[sizeof(n.name) - 1] = '\0';
	len = kcopyd_stats_format(&n, text, size);
	KUNIT_EXPECT_LT(test, len, size - 1);
	KUNIT_EXPECT_EQ(test, text[len - 1], '\n');
	for (i = 0; i < KCOPYD_LATENCIES; i++)
		n.small.nr[i] = 0;
	kcopyd_stats_format(&n, text, size);
	KUNIT_EXPECT_TRUE(test, has_line(text, "latency_small_us=-"));
}

static void stats_rejects(struct kunit *test)
{
	struct stats s = stats_new(test);
	struct kcopyd_client_stats n;

	KUNIT_EXPECT_EQ(test, kcopyd_client_get_stats(NULL, &n), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_get_stats(s.client->kc, NULL), -EINVAL);
}

static struct kunit_case stats_cases[] = {
	KUNIT_CASE(stats_of_copies),
	KUNIT_CASE(stats_now),
	KUNIT_CASE(stats_destinations),
	KUNIT_CASE(stats_zeroes),
	KUNIT_CASE(stats_zeroes_in_sequence),
	KUNIT_CASE(stats_zeroes_refused),
	KUNIT_CASE(stats_zeroes_failed),
	KUNIT_CASE(stats_read_errors),
	KUNIT_CASE(stats_read_stops),
	KUNIT_CASE(stats_read_stops_in_sequence),
	KUNIT_CASE(stats_write_errors),
	KUNIT_CASE(stats_cancelled),
	KUNIT_CASE(stats_throttled),
	KUNIT_CASE(stats_callbacks),
	KUNIT_CASE(stats_not_returned),
	KUNIT_CASE(stats_under_way),
	KUNIT_CASE(stats_latency),
	KUNIT_CASE(stats_text),
	KUNIT_CASE(stats_rejects),
	{}
};

static struct kunit_suite stats_suite = {
	.name = "kcopyd_stats",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = stats_cases,
};

kunit_test_suite(stats_suite);
