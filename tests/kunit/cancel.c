// SPDX-License-Identifier: GPL-2.0-only
/* Copies that are cancelled, wherever they are. */
#include <linux/irq_work.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "core/client.h"
#include "fixture.h"

#define PAGES 64
#define DISK_SECTORS 8192

struct cancel {
	struct fixture *f;
	struct tclient *client;
	struct tdisk *from, *to;
};

static struct cancel cancel_new(struct kunit *test)
{
	struct fixture *f = test->priv;

	return (struct cancel){
		.f = f,
		.client = fixture_client(f, PAGES),
		.from = fixture_small_disk(f, 1, DISK_SECTORS),
		.to = fixture_small_disk(f, 2, DISK_SECTORS),
	};
}

static struct copy *cancel_copy(struct cancel *c, sector_t sector, sector_t count)
{
	struct copy *copy = fixture_copy(c->client, c->from, sector, count);

	copy_to(copy, c->to, sector);
	return copy;
}

/* Nothing is left behind, and the client goes on. */
static void expect_sound(struct kunit *test, struct cancel *c)
{
	struct copy *copy = fixture_copy(c->client, c->from, 100, 2000);
	struct kcopyd_client *kc = c->client->kc;

	copy_to(copy, fixture_small_disk(c->f, 9, DISK_SECTORS), 0);
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	copy_expect_copied(copy, 0);
	fixture_settle(c->f);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(c->client), PAGES);
	KUNIT_EXPECT_EQ(test, kc->waiting, 0);
	KUNIT_EXPECT_EQ(test, kc->together, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&kc->pageless));
}

/* The devices have some of it: that ends, and nothing follows. */
static void in_flight(struct kunit *test, bool read, unsigned int flags)
{
	struct cancel c = cancel_new(test);
	struct copy *copy = cancel_copy(&c, 0, 4000);
	struct tdisk *shut = read ? c.from : c.to;
	unsigned int from, to;

	tdisk_shut(shut);
	copy_start(copy, flags);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(shut, 1));
	fixture_settle(c.f);
	from = c.from->nr_events;
	to = c.to->nr_events;
	KUNIT_EXPECT_EQ(test, copy_cancel(copy), 1);
	KUNIT_EXPECT_EQ(test, copy_cancel(copy), 0);
	fixture_settle(c.f);
	/* Its pages are in use. */
	KUNIT_EXPECT_FALSE(test, copy_is_done(copy));
	tdisk_open(shut);
	copy_wait(copy);
	copy_expect(copy, -ECANCELED, 0);
	KUNIT_EXPECT_EQ(test, c.from->nr_events, from);
	KUNIT_EXPECT_EQ(test, c.to->nr_events, to);
	copy_expect_kept(copy, 0, 3500, 500);
	expect_sound(test, &c);
}

static void cancel_reads(struct kunit *test)
{
	in_flight(test, true, 0);
}

static void cancel_writes(struct kunit *test)
{
	in_flight(test, false, 0);
}

static void cancel_reads_in_sequence(struct kunit *test)
{
	in_flight(test, true, KCOPYD_WRITE_SEQ);
}

static void cancel_writes_in_sequence(struct kunit *test)
{
	in_flight(test, false, KCOPYD_WRITE_SEQ);
}

static void cancel_that_ignores_errors(struct kunit *test)
{
	in_flight(test, true, KCOPYD_IGNORE_ERROR);
}

/* No device has any of it: it ends at once, whatever it is that it waits for. */
static void cancel_waiting(struct kunit *test)
{
	struct cancel c = cancel_new(test);
	struct copy *copies[200];
	unsigned int i, cancelled = 0;

	tdisk_shut(c.from);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = cancel_copy(&c, 24 * i, i % 10 ? 8 : 16);
		copy_start(copies[i], 0);
	}
	fixture_settle(c.f);
	for (i = c.from->nr_held; i < ARRAY_SIZE(copies); i++) {
		KUNIT_EXPECT_EQ(test, copy_cancel(copies[i]), 1);
		cancelled++;
	}
	KUNIT_EXPECT_GE(test, cancelled, 100);
	KUNIT_EXPECT_EQ(test, kcopyd_client_flush(c.client->kc), 0);
	for (i = c.from->nr_held; i < ARRAY_SIZE(copies); i++) {
		KUNIT_EXPECT_TRUE(test, copy_is_done(copies[i]));
		copy_expect(copies[i], -ECANCELED, 0);
	}
	cancelled = c.from->nr_held;
	tdisk_open(c.from);
	/* The others do not notice. */
	for (i = 0; i < cancelled; i++) {
		copy_wait(copies[i]);
		copy_expect(copies[i], 0, 0);
		copy_expect_copied(copies[i], 0);
	}
	expect_sound(test, &c);
}

/* What is ready for a disk that makes its submitters sleep does not wait for that. */
static void cancel_behind_blocked(struct kunit *test)
{
	struct cancel c;
	struct copy *first, *behind[8], *large;
	unsigned int i, tries = 5;

	do {
		c = cancel_new(test);
		first = cancel_copy(&c, 0, 8);
		tdisk_block(c.to);
		copy_start(first, 0);
		KUNIT_ASSERT_TRUE(test, tdisk_wait_blocked(c.to, 1));
	} while (fixture_rescued(c.to) && --tries);
	KUNIT_ASSERT_GT(test, tries, 0);
	for (i = 0; i < ARRAY_SIZE(behind); i++) {
		behind[i] = cancel_copy(&c, 24 + 24 * i, 8);
		copy_start(behind[i], i % 2 ? KCOPYD_WRITE_SEQ : 0);
	}
	large = cancel_copy(&c, 4000, 1000);
	copy_start(large, 0);
	/* Until all that may be read is read: a part of the large one. */
	KUNIT_ASSERT_TRUE(test, tdisk_wait_ended(c.from, 1 + ARRAY_SIZE(behind) + 1));
	msleep(50);
	for (i = 0; i < ARRAY_SIZE(behind); i++) {
		KUNIT_EXPECT_EQ(test, copy_cancel(behind[i]), 1);
		copy_wait(behind[i]);
		copy_expect(behind[i], -ECANCELED, 0);
		copy_expect_kept(behind[i], 0, 0, 8);
	}
	KUNIT_EXPECT_EQ(test, copy_cancel(large), 1);
	copy_wait(large);
	copy_expect(large, -ECANCELED, 0);
	KUNIT_EXPECT_EQ(test, copy_cancel(first), 1);
	KUNIT_EXPECT_FALSE(test, copy_is_done(first));
	tdisk_unblock(c.to);
	copy_wait(first);
	copy_expect(first, -ECANCELED, 0);
	expect_sound(test, &c);
}

/* One leg has ended, the other one has it still. */
static void cancel_several_destinations(struct kunit *test)
{
	struct cancel c = cancel_new(test);
	struct tdisk *slow = fixture_small_disk(c.f, 3, DISK_SECTORS);
	struct copy *together = cancel_copy(&c, 0, 8);
	struct copy *apart = cancel_copy(&c, 1000, 600);

	copy_to(together, slow, 0);
	copy_to(apart, slow, 1000);
	tdisk_shut(slow);
	copy_start(together, 0);
	copy_start(apart, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(slow, 2));
	fixture_settle(c.f);
	KUNIT_EXPECT_EQ(test, copy_cancel(together), 1);
	KUNIT_EXPECT_EQ(test, copy_cancel(apart), 1);
	fixture_settle(c.f);
	KUNIT_EXPECT_FALSE(test, copy_is_done(together));
	KUNIT_EXPECT_FALSE(test, copy_is_done(apart));
	tdisk_open(slow);
	copy_wait(together);
	copy_wait(apart);
	copy_expect(together, -ECANCELED, 0);
	copy_expect(apart, -ECANCELED, 0);
	expect_sound(test, &c);
}

static void cancel_zero(struct kunit *test)
{
	struct cancel c = cancel_new(test);
	struct copy *zeroes[3];
	unsigned int i;

	tdisk_shut(c.to);
	for (i = 0; i < ARRAY_SIZE(zeroes); i++) {
		zeroes[i] = fixture_zero(c.client, c.to, 2500 * i, 2400);
		copy_start(zeroes[i], i == 1 ? KCOPYD_WRITE_SEQ : 0);
	}
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(c.to, 3));
	fixture_settle(c.f);
	KUNIT_EXPECT_EQ(test, copy_cancel(zeroes[0]), 1);
	KUNIT_EXPECT_EQ(test, copy_cancel(zeroes[1]), 1);
	tdisk_open(c.to);
	for (i = 0; i < ARRAY_SIZE(zeroes); i++) {
		copy_wait(zeroes[i]);
		copy_expect(zeroes[i], i < 2 ? -ECANCELED : 0, 0);
	}
	copy_expect_zeroed(zeroes[2], 0);
	expect_sound(test, &c);
}

/* A limit does not hold it up. */
static void cancel_throttled(struct kunit *test)
{
	const struct kcopyd_limits limits = { .bytes_per_second = 1 };
	struct cancel c = cancel_new(test);
	struct kcopyd_throttle *throttle;
	struct copy *copies[20];
	unsigned int i;

	KUNIT_ASSERT_EQ(test, kcopyd_throttle_create(&limits, &throttle), 0);
	KUNIT_ASSERT_EQ(test, kcopyd_client_throttle(c.client->kc, throttle), 0);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = cancel_copy(&c, 100 * i, i % 2 ? 80 : 8);
		copy_start(copies[i], 0);
	}
	msleep(20);
	KUNIT_EXPECT_GE(test, kcopyd_client_cancel_sync(c.client->kc), 18);
	for (i = 0; i < ARRAY_SIZE(copies); i++)
		KUNIT_EXPECT_TRUE(test, copy_is_done(copies[i]));
	KUNIT_EXPECT_EQ(test, kcopyd_client_throttle(c.client->kc, NULL), 0);
	kcopyd_throttle_destroy(throttle);
	expect_sound(test, &c);
}

/* Too late: it says so, and the copy is what it is. */
static void cancel_too_late(struct kunit *test)
{
	struct cancel c = cancel_new(test);
	struct copy *copy = cancel_copy(&c, 0, 8), *due = cancel_copy(&c, 100, 8);

	copy->then = copy_hold;
	copy_start(copy, 0);
	KUNIT_ASSERT_TRUE(test, wait_until(atomic_read(&copy->calls)));
	KUNIT_EXPECT_EQ(test, copy_cancel(copy), 0);
	/* Its callback is due and waits for the other one. */
	copy_start(due, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_ended(c.to, 2));
	fixture_settle(c.f);
	KUNIT_EXPECT_EQ(test, copy_cancel(due), 0);
	copy_let_go(copy);
	copy_wait(copy);
	copy_wait(due);
	copy_expect(due, 0, 0);
	copy_expect_copied(due, 0);
	KUNIT_EXPECT_EQ(test, copy_cancel(due), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_client_cancel(c.client->kc), 0);
}

/* All of a client, and nothing of another one. */
static void cancel_client(struct kunit *test)
{
	struct cancel c = cancel_new(test);
	struct tclient *other = fixture_client(c.f, 16);
	struct copy *copies[100], *theirs = fixture_copy(other, c.from, 7000, 100);
	unsigned int i;

	copy_to(theirs, c.to, 7000);
	tdisk_shut(c.to);
	copy_start(theirs, 0);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = i % 20 ? cancel_copy(&c, 64 * i, 8) :
				     fixture_zero(c.client, c.to, 64 * i, 48);
		copy_start(copies[i], 0);
	}
	fixture_settle(c.f);
	KUNIT_EXPECT_EQ(test, kcopyd_client_cancel(c.client->kc), ARRAY_SIZE(copies));
	KUNIT_EXPECT_EQ(test, kcopyd_client_cancel(c.client->kc), 0);
	tdisk_open(c.to);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copy_wait(copies[i]);
		copy_expect(copies[i], -ECANCELED, 0);
	}
	copy_wait(theirs);
	copy_expect(theirs, 0, 0);
	copy_expect_copied(theirs, 0);
	expect_sound(test, &c);
}

/* Many at once, of all kinds, where they wait and where they are in flight. */
static void cancel_many(struct kunit *test)
{
	struct cancel c = cancel_new(test);
	struct fixture *f = c.f;
	struct tdisk *more[] = {
		fixture_small_disk(f, 3, DISK_SECTORS), fixture_small_disk(f, 4, DISK_SECTORS),
	};
	const unsigned int nr = 400;
	struct copy **copies = kunit_kcalloc(test, nr, sizeof(*copies), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, copies);
	tdisk_shut(c.to);
	tdisk_shut(more[0]);
	for (i = 0; i < nr; i++) {
		const sector_t sector = 20 * i, count = i % 7 ? 8 : 100;

		if (i % 3) {
			copies[i] = fixture_copy(c.client, i % 2 ? c.from : more[0], sector, count);
			copy_to(copies[i], c.to, sector);
		} else {
			copies[i] = fixture_zero(c.client, c.to, sector, count);
		}
		if (i % 5 == 1)
			copy_to(copies[i], more[1], sector);
		copy_start(copies[i], i % 11 ? 0 : KCOPYD_WRITE_SEQ);
	}
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(c.to, 1));
	fixture_settle(f);
	KUNIT_EXPECT_GT(test, kcopyd_client_cancel(c.client->kc), 300);
	KUNIT_EXPECT_EQ(test, kcopyd_client_cancel(c.client->kc), 0);
	tdisk_open(c.to);
	tdisk_open(more[0]);
	for (i = 0; i < nr; i++) {
		copy_wait(copies[i]);
		KUNIT_EXPECT_EQ(test, atomic_read(&copies[i]->calls), 1);
	}
	expect_sound(test, &c);
}

/* A copy that is cancelled, and who waits for that. */
struct waiter {
	struct work_struct work;
	struct copy *copy;
	struct completion done;
	int result;
};

static void waiter_work(struct work_struct *work)
{
	struct waiter *waiter = container_of(work, struct waiter, work);

	waiter->result = copy_cancel_sync(waiter->copy);
	complete(&waiter->done);
}

/* The waiting form returns when the callback has returned, not earlier. */
static void cancel_and_wait(struct kunit *test)
{
	struct cancel c = cancel_new(test);
	struct copy *copy = cancel_copy(&c, 0, 4000);
	struct waiter waiter = { .copy = copy };

	INIT_WORK_ONSTACK(&waiter.work, waiter_work);
	init_completion(&waiter.done);
	copy->then = copy_hold;
	tdisk_shut(c.to);
	copy_start(copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(c.to, 1));
	queue_work(system_unbound_wq, &waiter.work);
	msleep(50);
	KUNIT_EXPECT_FALSE(test, completion_done(&waiter.done));
	tdisk_open(c.to);
	KUNIT_EXPECT_TRUE(test, wait_until(atomic_read(&copy->calls)));
	msleep(50);
	KUNIT_EXPECT_FALSE(test, completion_done(&waiter.done));
	copy_let_go(copy);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&waiter.done, TDISK_TIMEOUT), 0UL);
	flush_work(&waiter.work);
	destroy_work_on_stack(&waiter.work);
	KUNIT_EXPECT_EQ(test, waiter.result, 1);
	KUNIT_EXPECT_TRUE(test, copy_is_done(copy));
	copy_expect(copy, -ECANCELED, 0);
	copy->then = NULL;
	expect_sound(test, &c);
}

/* In a callback: others of the client can be cancelled, but not waited for. */
static void cancel_others(struct copy *copy)
{
	struct copy *other = copy->priv;

	copy->result = copy_cancel_sync(other) == -EDEADLK &&
		       kcopyd_client_cancel_sync(copy->client->kc) == -EDEADLK &&
		       copy_cancel(other) == 1 && copy_cancel(copy) == 0 ? 0 : -EPROTO;
}

static void cancel_in_callback(struct kunit *test)
{
	struct cancel c = cancel_new(test);
	struct tdisk *third = fixture_small_disk(c.f, 3, DISK_SECTORS);
	struct copy *other = cancel_copy(&c, 0, 4000);
	struct copy *copy = fixture_copy(c.client, third, 0, 8);

	copy_to(copy, third, 100);
	copy->then = cancel_others;
	copy->priv = other;
	tdisk_shut(c.to);
	copy_start(other, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(c.to, 1));
	copy_run(copy, 0);
	KUNIT_EXPECT_EQ(test, copy->result, 0);
	copy->result = 0;
	tdisk_open(c.to);
	copy_wait(other);
	copy_expect(other, -ECANCELED, 0);
}

struct cancel_irq {
	struct irq_work work;
	struct copy *copy;
	int result;
};

static void cancel_irq_work(struct irq_work *work)
{
	struct cancel_irq *irq = container_of(work, struct cancel_irq, work);

	irq->result = copy_cancel(irq->copy);
}

static void cancel_in_interrupt(struct kunit *test)
{
	struct cancel c = cancel_new(test);
	struct cancel_irq irq = { .copy = cancel_copy(&c, 0, 4000) };

	init_irq_work(&irq.work, cancel_irq_work);
	tdisk_shut(c.to);
	copy_start(irq.copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(c.to, 1));
	irq_work_queue(&irq.work);
	irq_work_sync(&irq.work);
	KUNIT_EXPECT_EQ(test, irq.result, 1);
	tdisk_open(c.to);
	copy_wait(irq.copy);
	copy_expect(irq.copy, -ECANCELED, 0);
	expect_sound(test, &c);
}

/* At whatever moment: one callback, and it says what cancel said. */
static void cancel_races(struct kunit *test)
{
	static const enum tdisk_end ends[] = { TDISK_END_SUBMIT, TDISK_END_IRQ };
	struct cancel c = cancel_new(test);
	struct tdisk *to[2];
	struct rnd_state rnd;
	unsigned int i, won = 0;

	prandom_seed_state(&rnd, 11);
	for (i = 0; i < 2; i++) {
		const struct tdisk_options options = {
			.sectors = DISK_SECTORS,
			.seed = 5 + i,
			.end = ends[i],
		};

		to[i] = fixture_disk(c.f, &options);
	}
	for (i = 0; i < 600; i++) {
		const u32 r = prandom_u32_state(&rnd);
		struct copy *copy = fixture_copy(c.client, r & 1 ? c.from : to[r & 1],
						 r % 1000, r & 2 ? 8 : 1 + r % 700);
		unsigned int delay;
		int cancelled;

		copy_to(copy, r & 4 ? c.to : to[!(r & 1)], r % 6000);
		if (r & 8)
			copy_to(copy, r & 4 ? to[!(r & 1)] : c.to, r % 6000);
		copy_start(copy, r & 16 ? KCOPYD_WRITE_SEQ : 0);
		delay = (r >> 5) % (r & 2 ? 4000 : 20000);
		usleep_range(delay, delay + 20);
		cancelled = r & 0x80000000 ? copy_cancel(copy) : copy_cancel_sync(copy);
		if (!(r & 0x80000000))
			KUNIT_EXPECT_TRUE(test, copy_is_done(copy));
		copy_wait(copy);
		KUNIT_EXPECT_EQ(test, copy->read_err, cancelled ? -ECANCELED : 0);
		won += cancelled;
	}
	/* Or the test is about nothing. */
	KUNIT_EXPECT_GE(test, won, 20);
	KUNIT_EXPECT_LE(test, won, 590);
	fixture_settle(c.f);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(c.client), PAGES);
}

static void cancel_rejects(struct kunit *test)
{
	struct cancel c = cancel_new(test);

	KUNIT_EXPECT_EQ(test, kcopyd_client_cancel(NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_cancel_sync(NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_cancel(NULL, NULL, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_cancel(c.client->kc, NULL, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_cancel_sync(c.client->kc, NULL, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_cancel_sync(c.client->kc), 0);
}

static struct kunit_case cancel_cases[] = {
	KUNIT_CASE(cancel_reads),
	KUNIT_CASE(cancel_writes),
	KUNIT_CASE(cancel_reads_in_sequence),
	KUNIT_CASE(cancel_writes_in_sequence),
	KUNIT_CASE(cancel_that_ignores_errors),
	KUNIT_CASE(cancel_waiting),
	KUNIT_CASE(cancel_behind_blocked),
	KUNIT_CASE(cancel_several_destinations),
	KUNIT_CASE(cancel_zero),
	KUNIT_CASE(cancel_throttled),
	KUNIT_CASE(cancel_too_late),
	KUNIT_CASE(cancel_client),
	KUNIT_CASE(cancel_many),
	KUNIT_CASE(cancel_and_wait),
	KUNIT_CASE(cancel_in_callback),
	KUNIT_CASE(cancel_in_interrupt),
	KUNIT_CASE(cancel_races),
	KUNIT_CASE(cancel_rejects),
	{}
};

static struct kunit_suite cancel_suite = {
	.name = "kcopyd_cancel",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = cancel_cases,
};

kunit_test_suite(cancel_suite);
