// SPDX-License-Identifier: GPL-2.0-only
/* Small copies to several disks, whose writes are submitted together. */
#include "core/client.h"
#include "fixture.h"

#define DISK_SECTORS 8192
#define PAGES 128
#define TOGETHER_PAGES (PAGES / 16)

struct together {
	struct fixture *f;
	struct tclient *client;
	struct tdisk *from;
	struct tdisk *to[KCOPYD_TOGETHER_DESTS + 1];
};

static struct together together_new(struct kunit *test, unsigned int num_dests)
{
	struct fixture *f = test->priv;
	struct together t = {
		.f = f,
		.client = fixture_client(f, PAGES),
		.from = fixture_small_disk(f, 1, DISK_SECTORS),
	};
	unsigned int i;

	for (i = 0; i < num_dests; i++)
		t.to[i] = fixture_small_disk(f, 2 + i, DISK_SECTORS);
	return t;
}

static struct copy *together_copy(struct together *t, unsigned int num_dests, sector_t count)
{
	struct copy *copy = fixture_copy(t->client, t->from, 24, count);
	unsigned int i;

	for (i = 0; i < num_dests; i++)
		copy_to(copy, t->to[i], 40 + 8 * i);
	return copy;
}

/* Were the first writes to all of them submitted by one worker? */
static bool by_one_worker(const struct together *t, unsigned int num_dests)
{
	unsigned int i;

	for (i = 1; i < num_dests; i++) {
		if (t->to[i]->events[0].work != t->to[0]->events[0].work)
			return false;
	}
	return true;
}

static void together_run(struct kunit *test, unsigned int num_dests, sector_t count,
			 unsigned int flags, bool together)
{
	struct together t = together_new(test, num_dests);
	struct copy *copy = together_copy(&t, num_dests, count);
	unsigned int i;

	copy_run(copy, flags);
	copy_expect(copy, 0, 0);
	for (i = 0; i < num_dests; i++) {
		copy_expect_copied(copy, i);
		KUNIT_EXPECT_EQ(test, tdisk_count(t.to[i], true), 1);
	}
	KUNIT_EXPECT_EQ(test, by_one_worker(&t, num_dests), together);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(t.client), PAGES);
	KUNIT_EXPECT_EQ(test, t.client->kc->together, 0);
}

static void together_is_written(struct kunit *test)
{
	together_run(test, 3, 8, 0, true);
}

static void together_at_most(struct kunit *test)
{
	together_run(test, KCOPYD_TOGETHER_DESTS, KCOPYD_SMALL_SECTORS / KCOPYD_TOGETHER_DESTS, 0,
		     true);
}

static void together_too_large(struct kunit *test)
{
	together_run(test, KCOPYD_TOGETHER_DESTS,
		     KCOPYD_SMALL_SECTORS / KCOPYD_TOGETHER_DESTS + 1, 0, false);
}

static void together_too_many(struct kunit *test)
{
	together_run(test, KCOPYD_TOGETHER_DESTS + 1, 1, 0, false);
}

/* In sequence each destination is on its own. */
static void together_not_in_sequence(struct kunit *test)
{
	together_run(test, 3, 8, KCOPYD_WRITE_SEQ, false);
}

/* One copy after another, of which only some are written together. */
static void together_mixed(struct kunit *test)
{
	struct together t = together_new(test, 4);
	struct copy *copies[64];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = fixture_copy(t.client, t.from, 16 * i, i % 3 ? 8 : 16);
		for (j = 0; j <= i % 4; j++)
			copy_to(copies[i], t.to[(i + j) % 4], 24 * i);
		copy_start(copies[i], i % 5 ? 0 : KCOPYD_IGNORE_ERROR);
	}
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copy_wait(copies[i]);
		copy_expect(copies[i], 0, 0);
		for (j = 0; j <= i % 4; j++)
			copy_expect_copied_part(copies[i], j, 0, copies[i]->from.count);
	}
	KUNIT_EXPECT_EQ(test, t.client->kc->together, 0);
}

/* Whichever of them fail, these have an error, and the others the data. */
static void together_errors(struct kunit *test)
{
	struct together t = together_new(test, 3);
	unsigned int failing, flags, i;

	for (failing = 0; failing < 8; failing++) {
		for (i = 0; i < 3; i++) {
			tdisk_heal(t.to[i]);
			if (failing & (1U << i))
				tdisk_fail(t.to[i], true, 0, DISK_SECTORS, BLK_STS_MEDIUM);
		}
		for (flags = 0; flags <= KCOPYD_IGNORE_ERROR; flags += KCOPYD_IGNORE_ERROR) {
			struct copy *copy = together_copy(&t, 3, 8);

			copy_run(copy, flags);
			copy_expect(copy, 0, failing);
			for (i = 0; i < 3; i++) {
				if (!(failing & (1U << i)))
					copy_expect_copied(copy, i);
			}
		}
	}
	KUNIT_EXPECT_TRUE(test, by_one_worker(&t, 3));
	KUNIT_EXPECT_EQ(test, t.client->kc->together, 0);
}

/* The bit of the last of the most. */
static void together_last_error(struct kunit *test)
{
	const unsigned int last = KCOPYD_TOGETHER_DESTS - 1;
	struct together t = together_new(test, KCOPYD_TOGETHER_DESTS);
	struct copy *copy = together_copy(&t, KCOPYD_TOGETHER_DESTS, 8);

	tdisk_fail(t.to[last], true, 0, DISK_SECTORS, BLK_STS_IOERR);
	copy_run(copy, 0);
	copy_expect(copy, 0, 1U << last);
	copy_expect_copied(copy, 0);
	KUNIT_EXPECT_TRUE(test, by_one_worker(&t, KCOPYD_TOGETHER_DESTS));
}

/* What cannot be read is written nowhere; what is around it everywhere. */
static void together_bad_read(struct kunit *test)
{
	struct together t = together_new(test, 3);
	struct copy *copy = together_copy(&t, 3, 40);
	unsigned int i;

	tdisk_fail(t.from, false, 24 + 9, 1, BLK_STS_MEDIUM);
	copy_run(copy, 0);
	copy_expect(copy, -EIO, 0);
	for (i = 0; i < 3; i++)
		copy_expect_kept(copy, i, 0, 40);
	KUNIT_EXPECT_EQ(test, t.client->kc->together, 0);

	copy = together_copy(&t, 3, 40);
	copy_run(copy, KCOPYD_IGNORE_ERROR);
	copy_expect(copy, -EIO, 0);
	for (i = 0; i < 3; i++) {
		copy_expect_copied_part(copy, i, 0, 8);
		copy_expect_kept(copy, i, 8, 8);
		copy_expect_copied_part(copy, i, 16, 24);
	}
	KUNIT_EXPECT_EQ(test, t.client->kc->together, 0);
}

/*
 * Many small copies go to a disk that hangs, or makes its submitters sleep, and
 * to one that does not. Copies that need only the other one do not wait, and of
 * the pool the slow one has only its share and what is for this.
 */
static void together_slow_disk(struct kunit *test, bool block, sector_t count)
{
	struct together t;
	struct copy *slow[100], *fast;
	unsigned int i, tries = 5;

	do {
		t = together_new(test, 4);
		if (block)
			tdisk_block(t.to[0]);
		else
			tdisk_shut(t.to[0]);
		for (i = 0; i < ARRAY_SIZE(slow); i++) {
			slow[i] = fixture_copy(t.client, t.from, 8 * i, count);
			copy_to(slow[i], t.to[i % 2 ? 0 : 1], 24 * i);
			copy_to(slow[i], t.to[i % 2 ? 1 : 0], 24 * i);
			/* Also in another set. */
			if (!block && i % 3 == 2)
				copy_to(slow[i], t.to[2], 24 * i);
			copy_start(slow[i], 0);
		}
		/* The queues of the set and of the disk */
		KUNIT_ASSERT_TRUE(test, block ? tdisk_wait_blocked(t.to[0], 2) :
						tdisk_wait_held(t.to[0], TOGETHER_PAGES));
	} while (block && fixture_rescued(t.to[0]) && --tries);
	KUNIT_ASSERT_GT(test, tries, 0);
	if (!block)
		fixture_settle(t.f);
	KUNIT_EXPECT_LE(test, t.client->kc->together, TOGETHER_PAGES);
	KUNIT_EXPECT_GE(test, tclient_free_pages(t.client),
			PAGES - PAGES * 3 / 8 - TOGETHER_PAGES - 1);

	for (i = 0; i < 40; i++) {
		fast = fixture_copy(t.client, t.from, 8 * i, 8);
		copy_to(fast, t.to[1], 5000 + 24 * i);
		if (i % 2)
			copy_to(fast, t.to[3], 5000 + 24 * i);
		copy_run(fast, 0);
		copy_expect(fast, 0, 0);
		copy_expect_copied(fast, i % 2);
	}
	/* Nor does a large one. */
	fast = fixture_copy(t.client, t.from, 0, 1000);
	copy_to(fast, t.to[3], 0);
	copy_run(fast, 0);
	copy_expect_copied(fast, 0);
	KUNIT_EXPECT_FALSE(test, copy_is_done(slow[0]));

	if (block)
		tdisk_unblock(t.to[0]);
	else
		tdisk_open(t.to[0]);
	for (i = 0; i < ARRAY_SIZE(slow); i++) {
		copy_wait(slow[i]);
		copy_expect(slow[i], 0, 0);
		copy_expect_copied(slow[i], 0);
	}
	KUNIT_EXPECT_EQ(test, t.client->kc->together, 0);
}

static void together_disk_hangs(struct kunit *test)
{
	together_slow_disk(test, false, 8);
}

/* A sector takes a page, too. */
static void together_single_sectors(struct kunit *test)
{
	together_slow_disk(test, false, 1);
}

/* Each set of disks has a queue of its own, also of disks that are neighbours. */
static void together_sets(struct kunit *test)
{
	const unsigned int num_disks = 8;
	struct together t = together_new(test, num_disks);
	unsigned int i, j, sets = 0;

	for (i = 0; i < num_disks; i++) {
		for (j = 0; j < num_disks; j++) {
			struct copy *copy = fixture_copy(t.client, t.from, 8, 8);

			if (i == j)
				continue;
			copy_to(copy, t.to[i], 100);
			copy_to(copy, t.to[j], 100);
			copy_run(copy, 0);
			copy_expect(copy, 0, 0);
			sets += i < j;
		}
	}
	/* And the source's */
	KUNIT_EXPECT_EQ(test, t.client->kc->queues.nr, sets + 1);
}

static void together_disk_blocks(struct kunit *test)
{
	together_slow_disk(test, true, 8);
}

static struct kunit_case together_cases[] = {
	KUNIT_CASE(together_is_written),
	KUNIT_CASE(together_at_most),
	KUNIT_CASE(together_too_large),
	KUNIT_CASE(together_too_many),
	KUNIT_CASE(together_not_in_sequence),
	KUNIT_CASE(together_mixed),
	KUNIT_CASE(together_errors),
	KUNIT_CASE(together_last_error),
	KUNIT_CASE(together_bad_read),
	KUNIT_CASE(together_disk_hangs),
	KUNIT_CASE(together_single_sectors),
	KUNIT_CASE(together_sets),
	KUNIT_CASE(together_disk_blocks),
	{}
};

static struct kunit_suite together_suite = {
	.name = "kcopyd_together",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = together_cases,
};

kunit_test_suite(together_suite);
