// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is not there: each allocation of a call fails in turn, and the
 * reserve of job objects runs out.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "core/client.h"
#include "fixture.h"
#include "log.h"
#include "starve.h"

#define DISK_SECTORS 4096
#define MAX_SITES 4000

static int alloc_suite_init(struct kunit *test)
{
	void *p;

	if (!IS_ENABLED(CONFIG_FAULT_INJECTION) || !IS_ENABLED(CONFIG_FAILSLAB))
		kunit_skip(test, "this kernel has no fault injection");
	starve(1);
	p = kmalloc(64, GFP_KERNEL);
	starve_stop();
	kfree(p);
	/* As set, it would spare the allocations that count most. */
	if (p)
		KUNIT_FAIL(test, "failslab/ignore-gfp-wait must be N");
	return fixture_suite_init(test);
}

/*
 * Create a client with the @nth allocation failing. Is there an @nth one? Many
 * are optional; but a call that fails says so, and leaves nothing behind.
 */
static bool create_with_failure(struct kunit *test, unsigned int num_pages, unsigned int nth,
				int *r)
{
	struct kcopyd_client *const untouched = (void *)test;
	struct kcopyd_client *kc = untouched;
	bool failed;

	starve(nth);
	*r = kcopyd_client_create(num_pages, &kc);
	failed = starve_stop();
	if (*r) {
		KUNIT_EXPECT_EQ(test, *r, -ENOMEM);
		KUNIT_EXPECT_TRUE_MSG(test, failed, "the call failed, not allocation %u", nth);
		KUNIT_EXPECT_PTR_EQ(test, kc, untouched);
	} else {
		KUNIT_EXPECT_PTR_NE(test, kc, untouched);
		kcopyd_client_destroy(kc);
	}
	return failed;
}

static void alloc_client_create(struct kunit *test)
{
	unsigned int nth, failures = 0;
	struct kmsg_dump_iter mark;
	int r;

	log_mark(&mark);
	for (nth = 1; create_with_failure(test, 7, nth, &r); nth++) {
		failures += r == -ENOMEM;
		KUNIT_ASSERT_LT(test, nth, MAX_SITES);
	}
	KUNIT_EXPECT_EQ(test, r, 0);
	/* The client, 8 job objects, dm-io's, two workqueues, the pool: at least. */
	KUNIT_EXPECT_GE(test, failures, 15);
	KUNIT_EXPECT_GE(test, log_count(&mark, "client rejected: no memory"), 1);
}

static long available_kb(void)
{
	return si_mem_available() << (PAGE_SHIFT - 10);
}

/* Set up a pool with the @nth allocation failing; nothing stays in either case. */
static bool pool_with_failure(struct kunit *test, unsigned int num_pages, unsigned int nth, int *r)
{
	struct kcopyd_pool pool;
	bool failed;

	starve(nth);
	*r = kcopyd_pool_init(&pool, num_pages);
	failed = starve_stop();
	if (*r) {
		KUNIT_EXPECT_EQ(test, *r, -ENOMEM);
		KUNIT_EXPECT_TRUE(test, failed);
		KUNIT_EXPECT_PTR_EQ(test, (void *)pool.pages, NULL);
		KUNIT_EXPECT_PTR_EQ(test, (void *)pool.used, NULL);
		KUNIT_EXPECT_EQ(test, pool.nr_pages, 0);
	}
	kcopyd_pool_exit(&pool);
	return failed;
}

static void alloc_pool_init(struct kunit *test)
{
	unsigned int nth, failures = 0;
	int r;

	for (nth = 1; pool_with_failure(test, 100, nth, &r); nth++) {
		failures += !!r;
		KUNIT_ASSERT_LT(test, nth, MAX_SITES);
	}
	KUNIT_EXPECT_EQ(test, r, 0);
	/*
	 * The two arrays, but which of them is the nth allocation changes with
	 * the state of the slab; larger pieces give way to smaller ones.
	 */
	KUNIT_EXPECT_GE(test, failures, 1);
}

/* A pool that is almost complete when memory ends gives everything back. */
static void alloc_pool_init_leaves_nothing(struct kunit *test)
{
	const unsigned int num_pages = 2047;	/* its last piece is one page */
	unsigned int nth = 1, failures = 0, i;
	long before;
	int r;

	while (pool_with_failure(test, num_pages, nth, &r)) {
		nth++;
		KUNIT_ASSERT_LT(test, nth, MAX_SITES);
	}
	KUNIT_ASSERT_GT(test, nth, 4);
	before = available_kb();
	/*
	 * Which allocation is the last changes with caches and with what pieces
	 * there are: follow it.
	 */
	for (i = 0; i < 400 && failures < 20; i++) {
		if (pool_with_failure(test, num_pages, nth, &r))
			nth++;
		else if (nth > 1)
			nth--;
		failures += !!r;
	}
	KUNIT_EXPECT_EQ(test, failures, 20);
	/* Pools of 8 MB that were almost complete: all of them would be 160 MB. */
	KUNIT_EXPECT_LT(test, before - available_kb(), 60000);
}

struct alloc {
	struct fixture *f;
	struct tclient *client;
	struct tdisk *from, *to;
};

static struct alloc alloc_new(struct kunit *test, enum tdisk_end end)
{
	const struct tdisk_options from = { .sectors = DISK_SECTORS, .seed = 1, .end = end };
	const struct tdisk_options to = { .sectors = DISK_SECTORS, .seed = 2, .end = end };
	struct fixture *f = test->priv;

	return (struct alloc){
		.f = f,
		.client = fixture_client(f, 64),
		.from = fixture_disk(f, &from),
		.to = fixture_disk(f, &to),
	};
}

static struct copy *alloc_copy(struct alloc *a, sector_t sector, sector_t count)
{
	struct copy *copy = fixture_copy(a->client, a->from, sector, count);

	copy_to(copy, a->to, sector);
	return copy;
}

/* Submit without any memory for a job object. */
static int submit_starved(struct copy *copy, unsigned int flags)
{
	int r;

	starve(1);
	r = copy_submit(copy, flags);
	starve_stop();
	return r;
}

/* Whichever allocation fails, the copy is accepted and done. */
static void alloc_copy_each(struct kunit *test)
{
	struct alloc a = alloc_new(test, TDISK_END_IRQ);
	unsigned int nth;
	bool failed = true;

	for (nth = 1; failed; nth++) {
		/* A new client has no queues yet. */
		struct tclient *client = fixture_client(a.f, 16);
		struct copy *copy = fixture_copy(client, a.from, 0, 300);
		int r;

		copy_to(copy, a.to, 0);
		copy_to(copy, a.to, 500);
		starve(nth);
		r = copy_submit(copy, 0);
		failed = starve_stop();
		KUNIT_ASSERT_EQ(test, r, 0);
		copy_wait(copy);
		copy_expect(copy, 0, 0);
		copy_expect_copied(copy, 0);
		copy_expect_copied(copy, 1);
		tdisk_fill(a.to, 0, DISK_SECTORS, 2, 0);
		tclient_end(client);
		KUNIT_ASSERT_LT(test, nth, 100);
	}
	/* At least a job object, two queues, and parts to read ahead. */
	KUNIT_EXPECT_GE(test, nth, 5);
}

/* The largest job fits in the reserve, too. */
static void alloc_reserve_of_32_destinations(struct kunit *test)
{
	struct alloc a = alloc_new(test, TDISK_END_IRQ);
	struct copy *copy = fixture_copy(a.client, a.from, 0, 100);
	unsigned int i;

	for (i = 0; i < 32; i++)
		copy_to(copy, a.to, 110 * i);
	KUNIT_ASSERT_EQ(test, submit_starved(copy, 0), 0);
	copy_wait(copy);
	copy_expect(copy, 0, 0);
	for (i = 0; i < 32; i++)
		copy_expect_copied(copy, i);
	fixture_settle(a.f);
	KUNIT_EXPECT_EQ(test, a.client->kc->reserve.nr_free,
			KCOPYD_RESERVE_JOBS + KCOPYD_RESERVE_CALLBACK_JOBS);
}

/*
 * Clients whose pools take all the memory there is: who asks for more is told so,
 * the OOM killer stays out of it, and each of them does its copy.
 */
static void alloc_eight_clients(struct kunit *test)
{
	struct alloc a = alloc_new(test, TDISK_END_IRQ);
	unsigned int i, num_pages, refused = 0;
	struct copy *copies[8];

	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		for (num_pages = totalram_pages() / 8; num_pages; num_pages /= 2) {
			a.client = fixture_try_client(a.f, num_pages);
			if (a.client)
				break;
			refused++;
		}
		KUNIT_ASSERT_NOT_NULL(test, a.client);
		copies[i] = alloc_copy(&a, 500 * i, 450);
	}
	KUNIT_EXPECT_GT(test, refused, 0);
	for (i = 0; i < ARRAY_SIZE(copies); i++)
		copy_start(copies[i], 0);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copy_wait(copies[i]);
		copy_expect(copies[i], 0, 0);
		copy_expect_copied(copies[i], 0);
	}
}

struct submitter {
	struct copy *before[KCOPYD_RESERVE_JOBS];
	struct copy *copy;
	struct completion done;
	int r;
};

static int submitter_thread(void *data)
{
	struct submitter *s = data;

	starve_task(current, true);
	s->r = copy_submit(s->copy, 0);
	starve_task(current, false);
	complete(&s->done);
	return 0;
}

/* Copies from a disk that is shut have the reserve; a thread sleeps for an object. */
static struct task_struct *submitter_start(struct kunit *test, struct alloc *a, struct submitter *s)
{
	wait_queue_head_t *wait = &a->client->kc->reserve.wait;
	struct task_struct *task;
	unsigned int i;

	tdisk_shut(a->from);
	for (i = 0; i < ARRAY_SIZE(s->before); i++) {
		s->before[i] = alloc_copy(a, 8 * i, 8);
		KUNIT_ASSERT_EQ(test, submit_starved(s->before[i], 0), 0);
	}
	KUNIT_EXPECT_EQ(test, a->client->kc->reserve.nr_free, KCOPYD_RESERVE_CALLBACK_JOBS);

	init_completion(&s->done);
	s->copy = alloc_copy(a, 1000, 8);
	task = kthread_run(submitter_thread, s, "kcopyd_submitter");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	wait_until(wq_has_sleeper(wait) || completion_done(&s->done));
	KUNIT_EXPECT_TRUE_MSG(test, wq_has_sleeper(wait), "the submitter does not sleep");
	/* However often it asks for memory. */
	msleep(300);
	KUNIT_EXPECT_FALSE(test, completion_done(&s->done));
	return task;
}

static void submitter_end(struct kunit *test, struct alloc *a, struct submitter *s)
{
	unsigned int i;

	if (!wait_for_completion_timeout(&s->done, TDISK_TIMEOUT)) {
		tclient_hangs(a->client);
		KUNIT_FAIL(test, "the submitter is not woken");
		return;
	}
	tdisk_open(a->from);
	KUNIT_EXPECT_EQ(test, s->r, 0);
	copy_wait(s->copy);
	copy_expect_copied(s->copy, 0);
	for (i = 0; i < ARRAY_SIZE(s->before); i++) {
		copy_wait(s->before[i]);
		copy_expect(s->before[i], 0, 0);
	}
	kfree(s);
}

static int note_wake(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	WRITE_ONCE(*(bool *)entry->private, true);
	return 0;
}

/*
 * With the reserve in use a submitter sleeps, and one copy that ends wakes it. It would look
 * again by itself, so that it goes on does not show that.
 */
static void alloc_reserve_exhausted(struct kunit *test)
{
	struct alloc a = alloc_new(test, TDISK_END_IRQ);
	struct submitter *s = kzalloc(sizeof(*s), GFP_KERNEL);
	wait_queue_head_t *wait = &a.client->kc->reserve.wait;
	struct wait_queue_entry entry;
	bool woken = false;

	KUNIT_ASSERT_NOT_NULL(test, s);
	submitter_start(test, &a, s);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(a.from, 1));
	init_waitqueue_func_entry(&entry, note_wake);
	entry.private = &woken;
	add_wait_queue(wait, &entry);
	/* One object is enough. */
	tdisk_release(a.from, 1);
	submitter_end(test, &a, s);
	remove_wait_queue(wait, &entry);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(woken));
}

/* None of them ends, but there is memory again. */
static void alloc_reserve_or_memory(struct kunit *test)
{
	struct alloc a = alloc_new(test, TDISK_END_IRQ);
	struct submitter *s = kzalloc(sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	starve_task(submitter_start(test, &a, s), false);
	submitter_end(test, &a, s);
}

#define MANY (KCOPYD_RESERVE_JOBS + KCOPYD_RESERVE_CALLBACK_JOBS + 3)

/* What a callback can have without memory: its own copy's object is kept, too. */
#define CALLBACK_JOBS (KCOPYD_RESERVE_CALLBACK_JOBS + 1)

/* In a callback: one copy after the other without memory, until there is no reserve. */
static void submit_many_starved(struct copy *copy)
{
	struct copy **others = copy->priv;
	unsigned int i;

	for (i = 0; i < MANY; i++)
		submit_starved(others[i], 0);
}

static void alloc_reserve_in_callback(struct kunit *test)
{
	struct alloc a = alloc_new(test, TDISK_END_IRQ);
	struct copy *before[KCOPYD_RESERVE_JOBS], *others[MANY];
	struct copy *first = fixture_copy(a.client, a.to, 0, 8);
	struct tdisk *third = fixture_small_disk(a.f, 3, 64);
	unsigned int i;

	copy_to(first, third, 0);
	/* What others than callbacks may take is taken. */
	tdisk_shut(a.from);
	for (i = 0; i < ARRAY_SIZE(before); i++) {
		before[i] = alloc_copy(&a, 8 * i, 8);
		KUNIT_ASSERT_EQ(test, submit_starved(before[i], 0), 0);
	}
	for (i = 0; i < MANY; i++)
		others[i] = alloc_copy(&a, 1000 + 16 * i, 8);
	first->then = submit_many_starved;
	first->priv = others;
	copy_run(first, 0);
	for (i = 0; i < MANY; i++) {
		KUNIT_EXPECT_EQ_MSG(test, others[i]->result,
				    i < CALLBACK_JOBS ? 0 : -EAGAIN,
				    "submission %u in the callback", i);
	}
	tdisk_open(a.from);
	for (i = 0; i < CALLBACK_JOBS; i++) {
		copy_wait(others[i]);
		copy_expect_copied(others[i], 0);
	}
	for (i = 0; i < ARRAY_SIZE(before); i++)
		copy_wait(before[i]);
	fixture_settle(a.f);
	KUNIT_EXPECT_EQ(test, a.client->kc->reserve.nr_free,
			KCOPYD_RESERVE_JOBS + KCOPYD_RESERVE_CALLBACK_JOBS);
}

/* No memory for parts: with the one that each job has, it goes on. */
static void alloc_parts(struct kunit *test)
{
	struct alloc a = alloc_new(test, TDISK_END_WORK);
	struct copy *copies[4];
	unsigned int i;

	a.from->starve_end = true;
	a.to->starve_end = true;
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = alloc_copy(&a, 1000 * i, 900);
		starve(2);
		copy_submit(copies[i], i & 1 ? KCOPYD_WRITE_SEQ : 0);
		starve_stop();
		KUNIT_ASSERT_EQ(test, copies[i]->result, 0);
	}
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copy_wait(copies[i]);
		copy_expect(copies[i], 0, 0);
		copy_expect_copied(copies[i], 0);
	}
	KUNIT_EXPECT_GT(test, a.from->starved + a.to->starved, 0);
}

/* The same with errors on the way. */
static void alloc_parts_and_errors(struct kunit *test)
{
	struct alloc a = alloc_new(test, TDISK_END_WORK);
	struct copy *copy = alloc_copy(&a, 0, 2000);
	unsigned int i;

	a.from->starve_end = true;
	a.to->starve_end = true;
	tdisk_fail(a.from, false, 999, 1, BLK_STS_MEDIUM);
	for (i = 0; i < 3; i++) {
		copy = alloc_copy(&a, 0, 2000);
		KUNIT_ASSERT_EQ(test, submit_starved(copy, i == 1 ? KCOPYD_WRITE_SEQ : i), 0);
		copy_wait(copy);
		copy_expect(copy, -EIO, 0);
	}
	copy_expect_copied_part(copy, 0, 0, 992);
	copy_expect_copied_part(copy, 0, 1000, 1000);
	KUNIT_EXPECT_GT(test, a.from->starved + a.to->starved, 0);
}

/* What workers allocate for a bio, in dm-io and below: each of it fails in turn. */
static void alloc_workers(struct kunit *test)
{
	struct alloc a = alloc_new(test, TDISK_END_IRQ);
	unsigned int nth = 0, before;

	do {
		struct copy *copy = alloc_copy(&a, 0, 2000);

		before = a.from->starved + a.to->starved;
		a.from->starve_submit = ++nth;
		a.to->starve_submit = nth;
		copy_run(copy, nth & 1 ? 0 : KCOPYD_WRITE_SEQ);
		copy_expect(copy, 0, 0);
		copy_expect_copied(copy, 0);
		tdisk_fill(a.to, 0, DISK_SECTORS, 2, 0);
		KUNIT_ASSERT_LT(test, nth, 100);
	} while (a.from->starved + a.to->starved > before);
	KUNIT_EXPECT_GT(test, nth, 1);
}

/* Disks for which there was no memory for a queue share one. */
static void alloc_queues(struct kunit *test)
{
	struct alloc a = alloc_new(test, TDISK_END_IRQ);
	struct tclient *client = fixture_client(a.f, 32);
	struct copy *copies[KCOPYD_RESERVE_JOBS];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		struct tdisk *disk = fixture_small_disk(a.f, 5 + i, 512);

		copies[i] = fixture_copy(client, disk, 0, 333);
		copy_to(copies[i], a.to, 500 * i);
		tdisk_shut(disk);
		/* Nor for a job object, which is of the reserve then. */
		starve_task(current, true);
		copy_submit(copies[i], 0);
		starve_task(current, false);
		KUNIT_ASSERT_EQ(test, copies[i]->result, 0);
		KUNIT_EXPECT_GT(test, READ_ONCE(client->kc->queues.shared.users), i);
	}
	for (i = 0; i < ARRAY_SIZE(copies); i++)
		tdisk_open(copies[i]->source);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copy_wait(copies[i]);
		copy_expect(copies[i], 0, 0);
		copy_expect_copied(copies[i], 0);
	}
}

static struct kunit_case alloc_cases[] = {
	KUNIT_CASE(alloc_client_create),
	KUNIT_CASE(alloc_pool_init),
	KUNIT_CASE(alloc_pool_init_leaves_nothing),
	KUNIT_CASE(alloc_copy_each),
	KUNIT_CASE(alloc_eight_clients),
	KUNIT_CASE(alloc_reserve_of_32_destinations),
	KUNIT_CASE(alloc_reserve_exhausted),
	KUNIT_CASE(alloc_reserve_or_memory),
	KUNIT_CASE(alloc_reserve_in_callback),
	KUNIT_CASE(alloc_parts),
	KUNIT_CASE(alloc_parts_and_errors),
	KUNIT_CASE(alloc_workers),
	KUNIT_CASE(alloc_queues),
	{}
};

static struct kunit_suite alloc_suite = {
	.name = "kcopyd_alloc",
	.suite_init = fixture_suite_start,
	.init = alloc_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = alloc_cases,
};

kunit_test_suite(alloc_suite);
