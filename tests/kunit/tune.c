// SPDX-License-Identifier: GPL-2.0-only
/* Clients with names, and what can be changed of a client while it works. */
#include <linux/fs.h>
#include <linux/prandom.h>
#include <linux/sched/signal.h>

#include "core/client.h"
#include "core/stats.h"
#include "fixture.h"
#include "log.h"

#define PAGES 64
#define DISK_SECTORS 8192

struct tune {
	struct fixture *f;
	struct tclient *client;
	struct kcopyd_client *kc;
	struct tdisk *from, *to;
};

static struct tune tune_new(struct kunit *test, unsigned int pages)
{
	struct fixture *f = test->priv;
	struct tune t = {
		.f = f,
		.client = fixture_client(f, pages),
		.from = fixture_small_disk(f, 1, DISK_SECTORS),
		.to = fixture_small_disk(f, 2, DISK_SECTORS),
	};

	t.kc = t.client->kc;
	return t;
}

static struct copy *tune_copy(struct tune *t, sector_t sector, sector_t count)
{
	struct copy *copy = fixture_copy(t->client, t->from, sector, count);

	copy_to(copy, t->to, sector);
	return copy;
}

/* ------------------------------------------------------------------------- */
/* Names */

static void name_good(struct kunit *test)
{
	static const char *const names[] = {
		"a", "mirror:253-0.leg_1", "0123456789012345678901234567890",
	};
	struct kcopyd_client *kc;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct kcopyd_client_stats s;

		KUNIT_ASSERT_EQ(test, kcopyd_client_create_named(names[i], 1, &kc), 0);
		KUNIT_EXPECT_EQ(test, kcopyd_client_get_stats(kc, &s), 0);
		KUNIT_EXPECT_STREQ(test, s.name, names[i]);
		kcopyd_client_destroy(kc);
	}
}

static void name_bad(struct kunit *test)
{
	static const char *const names[] = {
		NULL, "", "01234567890123456789012345678901", "a b", "a/b", "a\n", "\xc3\xa4",
	};
	struct kcopyd_client *kc = (void *)1;
	struct kmsg_dump_iter mark;
	unsigned int i;

	log_mark(&mark);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		KUNIT_EXPECT_EQ(test, kcopyd_client_create_named(names[i], 1, &kc), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_create_named("a", 0, &kc), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_create_named("a", 1, NULL), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, kc, (struct kcopyd_client *)1);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "client rejected: "), 9);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "no name"), 2);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "more than 31 characters"), 1);
}

/* It is in what the log says of the client; without one there is that of the module. */
static void name_in_log(struct kunit *test)
{
	struct kmsg_dump_iter mark;
	struct kcopyd_client *kc;

	log_mark(&mark);
	KUNIT_ASSERT_EQ(test, kcopyd_client_create_named("somebody", 1, &kc), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_client_resize(kc, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "(somebody): request rejected: no pages"), 1);
	kcopyd_client_destroy(kc);
	KUNIT_ASSERT_EQ(test, kcopyd_client_create(1, &kc), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_client_resize(kc, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "(kcopyd_kunit): request rejected: no pages"), 1);
	kcopyd_client_destroy(kc);
}

/* ------------------------------------------------------------------------- */
/* Pages */

/* The client has so many pages, all of them free, and copies. */
static void expect_pages(struct kunit *test, struct tune *t, unsigned int pages)
{
	struct copy *copy = tune_copy(t, 0, 3000);

	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	copy_expect_copied_part(copy, 0, 0, 3000);
	fixture_settle(t->f);
	KUNIT_EXPECT_EQ(test, t->kc->pool.nr_pages, pages);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(t->client), pages);
	KUNIT_EXPECT_EQ(test, t->kc->waiting, 0);
	KUNIT_EXPECT_FALSE(test, t->kc->held_back);
	KUNIT_EXPECT_EQ(test, t->kc->resize_pages, 0);
}

static void resize_idle(struct kunit *test)
{
	static const unsigned int sizes[] = { 64, 1, 200, 3, 64 };
	struct tune t = tune_new(test, PAGES);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		KUNIT_EXPECT_EQ(test, kcopyd_client_resize(t.kc, sizes[i]), 0);
		expect_pages(test, &t, sizes[i]);
	}
}

/* Who changes the number of pages in the background. */
struct resizer {
	struct work_struct work;
	struct kcopyd_client *kc;
	unsigned int pages;
	int result;
	struct completion done;
};

static void resizer_work(struct work_struct *work)
{
	struct resizer *resizer = container_of(work, struct resizer, work);

	resizer->result = kcopyd_client_resize(resizer->kc, resizer->pages);
	complete(&resizer->done);
}

static struct resizer *resizer_start(struct tune *t, unsigned int pages)
{
	struct resizer *resizer = kunit_kzalloc(t->f->test, sizeof(*resizer), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(t->f->test, resizer);
	INIT_WORK(&resizer->work, resizer_work);
	init_completion(&resizer->done);
	resizer->kc = t->kc;
	resizer->pages = pages;
	queue_work(system_unbound_wq, &resizer->work);
	return resizer;
}

static void resizer_expect(struct kunit *test, struct resizer *resizer, int result)
{
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&resizer->done, TDISK_TIMEOUT), 0UL);
	flush_work(&resizer->work);
	KUNIT_EXPECT_EQ(test, resizer->result, result);
}

/* What is in flight ends with the old pages; what comes waits for the new ones. */
static void resize_in_flight(struct kunit *test, unsigned int pages)
{
	struct tune t = tune_new(test, PAGES);
	struct copy *copies[60], *large = tune_copy(&t, 1000, 4000);
	struct resizer *resizer;
	unsigned int i, held;

	tdisk_shut(t.from);
	for (i = 0; i < 20; i++) {
		copies[i] = tune_copy(&t, 8 * i, 8);
		copy_start(copies[i], i & 1 ? KCOPYD_WRITE_SEQ : 0);
	}
	copy_start(large, 0);
	fixture_settle(t.f);
	held = t.from->nr_held;
	resizer = resizer_start(&t, pages);
	KUNIT_ASSERT_TRUE(test, wait_until(READ_ONCE(t.kc->held_back)));
	for (; i < ARRAY_SIZE(copies); i++) {
		copies[i] = tune_copy(&t, 8 * i, 8);
		copy_start(copies[i], 0);
	}
	fixture_settle(t.f);
	/* No read was begun. */
	KUNIT_EXPECT_EQ(test, t.from->nr_held, held);
	KUNIT_EXPECT_FALSE(test, completion_done(&resizer->done));
	/* All but one end: still none. */
	tdisk_release(t.from, held - 1);
	KUNIT_EXPECT_TRUE(test, tdisk_wait_ended(t.to, 1));
	fixture_settle(t.f);
	KUNIT_EXPECT_EQ(test, t.from->nr_held, 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&resizer->done));
	KUNIT_EXPECT_EQ(test, t.kc->pool.nr_pages, PAGES);
	tdisk_open(t.from);
	resizer_expect(test, resizer, 0);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copy_wait(copies[i]);
		copy_expect(copies[i], 0, 0);
		copy_expect_copied_part(copies[i], 0, 0, 8);
	}
	copy_wait(large);
	copy_expect(large, 0, 0);
	copy_expect_copied(large, 0);
	expect_pages(test, &t, pages);
}

static void resize_down(struct kunit *test)
{
	resize_in_flight(test, 3);
}

static void resize_up(struct kunit *test)
{
	resize_in_flight(test, 500);
}

/* The last page comes back by a cancelled copy. */
static void resize_cancelled(struct kunit *test)
{
	struct tune t = tune_new(test, PAGES);
	struct copy *copy = tune_copy(&t, 0, 4000), *later = tune_copy(&t, 5000, 8);
	struct resizer *resizer;

	tdisk_shut(t.to);
	copy_start(copy, KCOPYD_WRITE_SEQ);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(t.to, 1));
	fixture_settle(t.f);
	resizer = resizer_start(&t, 16);
	KUNIT_ASSERT_TRUE(test, wait_until(READ_ONCE(t.kc->held_back)));
	copy_start(later, 0);
	KUNIT_EXPECT_EQ(test, copy_cancel(copy), 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&resizer->done));
	tdisk_open(t.to);
	resizer_expect(test, resizer, 0);
	copy_wait(copy);
	copy_wait(later);
	copy_expect(later, 0, 0);
	copy_expect_copied(later, 0);
	expect_pages(test, &t, 16);
}

/* Nobody submits, nothing hangs, while the size goes up and down all the time. */
static void resize_random(struct kunit *test)
{
	struct tune t = tune_new(test, PAGES);
	struct tdisk *other = fixture_small_disk(t.f, 3, DISK_SECTORS);
	struct copy *copies[40];
	struct rnd_state rnd;
	unsigned int i, turn;

	prandom_seed_state(&rnd, 3);
	for (turn = 0; turn < 6; turn++) {
		struct resizer *resizers[2];

		for (i = 0; i < ARRAY_SIZE(copies); i++) {
			const u32 r = prandom_u32_state(&rnd);

			if (i == 10)
				resizers[0] = resizer_start(&t, 1 + r % 100);
			if (i == 30)
				resizers[1] = resizer_start(&t, 1 + r % 7);
			copies[i] = tune_copy(&t, 100 * i, r & 1 ? 8 : 1 + r % 300);
			if (r & 2)
				copy_to(copies[i], other, 100 * i);
			copy_start(copies[i], r & 4 ? KCOPYD_WRITE_SEQ : 0);
		}
		for (i = 0; i < ARRAY_SIZE(copies); i++) {
			copy_wait(copies[i]);
			copy_expect(copies[i], 0, 0);
		}
		resizer_expect(test, resizers[0], 0);
		resizer_expect(test, resizers[1], 0);
	}
	expect_pages(test, &t, t.kc->pool.nr_pages);
	KUNIT_EXPECT_EQ(test, t.kc->together, 0);
}

static void resize_in_callback(struct copy *copy)
{
	copy->result = kcopyd_client_resize(copy->client->kc, 7) == -EDEADLK ? 0 : -EPROTO;
}

static void resize_rejects(struct kunit *test)
{
	struct tune t = tune_new(test, PAGES);
	struct copy *copy = tune_copy(&t, 0, 8);

	KUNIT_EXPECT_EQ(test, kcopyd_client_resize(NULL, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_resize(t.kc, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_resize(t.kc, UINT_MAX), -ENOMEM);
	copy->then = resize_in_callback;
	copy_run(copy, 0);
	KUNIT_EXPECT_EQ(test, copy->result, 0);
	expect_pages(test, &t, PAGES);
}

/* Blocks of 16 KiB: what was accepted can be done, what cannot be done is not accepted. */
static void resize_large_blocks(struct kunit *test)
{
	struct tune t = tune_new(test, PAGES);
	struct copy *copy, *later;
	struct resizer *resizer;

	/* What bdev_logical_block_size() looks at; no block of the kernel's own is so large. */
	t.from->gd->queue->limits.logical_block_size = SZ_16K;
	copy = tune_copy(&t, 0, 64);
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	KUNIT_EXPECT_EQ(test, kcopyd_client_resize(t.kc, 3), -EBUSY);
	KUNIT_EXPECT_EQ(test, kcopyd_client_resize(t.kc, 4), 0);
	copy = tune_copy(&t, 0, 640);
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	copy_expect_copied(copy, 0);

	/* Nor by a copy that comes while the pages become fewer. */
	t = tune_new(test, PAGES);
	copy = tune_copy(&t, 0, 8);
	tdisk_shut(t.from);
	copy_start(copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(t.from, 1));
	resizer = resizer_start(&t, 3);
	KUNIT_ASSERT_TRUE(test, wait_until(READ_ONCE(t.kc->held_back)));
	t.from->gd->queue->limits.logical_block_size = SZ_16K;
	later = tune_copy(&t, 0, 64);
	KUNIT_EXPECT_EQ(test, copy_submit(later, 0), -EINVAL);
	tdisk_open(t.from);
	copy_wait(copy);
	resizer_expect(test, resizer, 0);
}

/* ------------------------------------------------------------------------- */
/* Parts */

static unsigned int largest_write(struct tdisk *disk)
{
	unsigned int i, largest = 0;

	for (i = 0; i < disk->nr_events; i++)
		largest = max(largest, disk->events[i].count);
	return largest;
}

static void part_size(struct kunit *test)
{
	static const unsigned int kib[] = { 64, 4, 256, 4096, 0 };
	struct tune t = tune_new(test, 1024);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kib); i++) {
		/* At most an eighth of the pool. */
		const unsigned int most = min(kib[i] ?: 512, 512U);

		tdisk_reset_log(t.to);
		KUNIT_EXPECT_EQ(test, kcopyd_client_set_part_size(t.kc, kib[i]), 0);
		copy_run(tune_copy(&t, 0, 2048), 0);
		KUNIT_EXPECT_EQ(test, largest_write(t.to), 2 * most);
	}
	KUNIT_EXPECT_EQ(test, kcopyd_client_set_part_size(t.kc, 64), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_client_set_part_size(t.kc, 3), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_set_part_size(t.kc, 4097), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_set_part_size(NULL, 64), -EINVAL);
	KUNIT_EXPECT_EQ(test, t.kc->part_kb, 64);
	KUNIT_EXPECT_EQ(test, t.kc->part_pages, SZ_64K / PAGE_SIZE);
}

static struct kunit_case tune_cases[] = {
	KUNIT_CASE(name_good),
	KUNIT_CASE(name_bad),
	KUNIT_CASE(name_in_log),
	KUNIT_CASE(resize_idle),
	KUNIT_CASE(resize_down),
	KUNIT_CASE(resize_up),
	KUNIT_CASE(resize_cancelled),
	KUNIT_CASE(resize_random),
	KUNIT_CASE(resize_rejects),
	KUNIT_CASE(resize_large_blocks),
	KUNIT_CASE(part_size),
	{}
};

static struct kunit_suite tune_suite = {
	.name = "kcopyd_tune",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = tune_cases,
};

kunit_test_suite(tune_suite);
