// SPDX-License-Identifier: GPL-2.0-only
/*
 * How I/O goes out. That every bio comes from a worker of the client, may sleep
 * and is under memalloc_noio_save() is checked after each test of every suite.
 */
#include "core/client.h"
#include "fixture.h"

#define DISK_SECTORS 4096

/* The submitter returns while the driver makes the worker sleep. */
static void dispatch_submitter_does_not_block(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	struct copy *copy = fixture_copy(client, from, 0, 1000);

	copy_to(copy, to, 0);
	tdisk_block(from);
	copy_start(copy, 0);
	KUNIT_EXPECT_TRUE(test, tdisk_wait_blocked(from, 1));
	tdisk_block(to);
	tdisk_unblock(from);
	KUNIT_EXPECT_TRUE(test, tdisk_wait_blocked(to, 1));
	tdisk_unblock(to);
	copy_wait(copy);
	copy_expect(copy, 0, 0);
	copy_expect_copied(copy, 0);
}

/*
 * The worker that has read goes on with the write, and sleeps there. The disk that
 * it came from does not wait for it.
 */
static void dispatch_source_of_blocked_destination(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS,
		.seed = 1,
		.end = TDISK_END_SUBMIT,
	};
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 64);
	struct tdisk *from = fixture_disk(f, &options);
	struct tdisk *blocked = fixture_small_disk(f, 2, DISK_SECTORS);
	struct copy *first = fixture_copy(client, from, 0, 8);
	struct copy *second = fixture_copy(client, from, 8, 8);

	copy_to(first, blocked, 0);
	copy_to(second, fixture_small_disk(f, 3, DISK_SECTORS), 0);
	tdisk_block(blocked);
	copy_start(first, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_blocked(blocked, 1));
	/* By the one that has read: or this test is about nothing. */
	KUNIT_EXPECT_PTR_EQ(test, from->events[0].work, blocked->events[0].work);
	copy_run(second, 0);
	copy_expect_copied(second, 0);
	KUNIT_EXPECT_FALSE(test, copy_is_done(first));
	tdisk_unblock(blocked);
	copy_wait(first);
	copy_expect_copied(first, 0);
}

/* However a driver ends its bios. */
static void dispatch_ends(struct kunit *test)
{
	static const enum tdisk_end ends[] = { TDISK_END_SUBMIT, TDISK_END_IRQ, TDISK_END_WORK };
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *disks[3];
	unsigned int i, j;

	for (i = 0; i < 3; i++) {
		const struct tdisk_options options = {
			.sectors = DISK_SECTORS,
			.seed = 1 + i,
			.end = ends[i],
		};

		disks[i] = fixture_disk(f, &options);
	}
	for (i = 0; i < 3; i++) {
		for (j = 0; j < 3; j++) {
			struct copy *copy = fixture_copy(client, disks[i], 0, 400);

			copy_to(copy, disks[j], 500 + 500 * i);
			copy_to(copy, disks[(j + 1) % 3], 2500 + 500 * i);
			copy_run(copy, 0);
			copy_expect(copy, 0, 0);
			copy_expect_copied(copy, 0);
			copy_expect_copied(copy, 1);
		}
	}
}

/* One disk, to itself. */
static void dispatch_same_disk(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *disk = fixture_small_disk(f, 1, DISK_SECTORS);
	struct copy *copy = fixture_copy(client, disk, 0, 1024);

	copy_to(copy, disk, 1030);
	copy_to(copy, disk, 2060);
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	copy_expect_copied(copy, 0);
	copy_expect_copied(copy, 1);
}

/* Several reads are in flight, and writes while others are still read. */
static void dispatch_overlaps(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 128);
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	struct copy *copy = fixture_copy(client, from, 0, 2048);

	copy_to(copy, to, 0);
	tdisk_shut(from);
	tdisk_shut(to);
	copy_start(copy, 0);
	KUNIT_EXPECT_TRUE(test, tdisk_wait_held(from, 3));
	fixture_settle(f);
	tdisk_release(from, 1);
	KUNIT_EXPECT_TRUE(test, tdisk_wait_held(to, 1));
	KUNIT_EXPECT_GE(test, from->nr_held, 2);
	tdisk_open(from);
	fixture_settle(f);
	KUNIT_EXPECT_GE(test, to->nr_held, 3);
	/* Ends in the wrong order do no harm. */
	tdisk_release_sector(to, 2 * 128);
	fixture_settle(f);
	tdisk_open(to);
	copy_wait(copy);
	copy_expect(copy, 0, 0);
	copy_expect_copied(copy, 0);
}

/* All destinations of a part are written at the same time. */
static void dispatch_destinations_in_parallel(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *from = fixture_small_disk(f, 1, 64);
	struct copy *copy = fixture_copy(client, from, 0, 8);
	unsigned int i;

	for (i = 0; i < 4; i++) {
		copy_to(copy, fixture_small_disk(f, 2 + i, 64), i);
		tdisk_shut(f->disks[1 + i]);
	}
	copy_start(copy, 0);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_TRUE(test, tdisk_wait_held(f->disks[1 + i], 1));
	KUNIT_EXPECT_EQ(test, from->nr_events, 1);
	for (i = 4; i--;) {
		KUNIT_EXPECT_FALSE(test, copy_is_done(copy));
		KUNIT_EXPECT_EQ(test, tclient_free_pages(client), 15);
		tdisk_open(f->disks[1 + i]);
		fixture_settle(f);
	}
	copy_wait(copy);
	for (i = 0; i < 4; i++)
		copy_expect_copied(copy, i);
}

/* Large pieces of memory become large bios: one for each part. */
static void dispatch_one_bio_a_part(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 1024);
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	struct copy *copy = fixture_copy(client, from, 0, 4096);

	copy_to(copy, to, 0);
	copy_run(copy, 0);
	/* Parts are of 512 KiB unless told otherwise. */
	KUNIT_EXPECT_EQ(test, from->nr_events, 4);
	KUNIT_EXPECT_EQ(test, to->nr_events, 4);
	copy_expect_copied(copy, 0);
}

/* Through partitions, each with numbers of its own. */
static void dispatch_partitions(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS,
		.seed = 1,
		.part_start = { 512, 2048 },
		.part_sectors = { 1024, 1024 },
	};
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 8);
	struct tdisk *disk = fixture_disk(f, &options);
	struct copy *copy = fixture_copy(client, disk, 8, 1000);

	if (!disk->part[0] || !disk->part[1])
		kunit_skip(test, "the kernel found no partitions on the test disk");
	copy_to(copy, disk, 24);
	copy->from.bdev = disk->part[0];
	copy->dests[0].bdev = disk->part[1];
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	copy->from.sector += 512;
	copy->dests[0].sector += 2048;
	copy_expect_copied(copy, 0);
}

/* More disks than a client keeps queues for, one after the other. */
static void dispatch_many_disks(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 8);
	struct tdisk *to = fixture_small_disk(f, 1, 1024);
	unsigned int i;

	for (i = 0; i < KCOPYD_QUEUES_KEPT + 8; i++) {
		struct tdisk *from = fixture_small_disk(f, 2 + i, 16);
		struct copy *copy = fixture_copy(client, from, 0, 8);

		copy_to(copy, to, 8 * i);
		copy_run(copy, 0);
		copy_expect_copied_part(copy, 0, 0, 8);
	}
	KUNIT_EXPECT_LE(test, client->kc->queues.nr, KCOPYD_QUEUES_KEPT + 1);
}

/* A disk that comes where another has been. */
static void dispatch_disk_comes_and_goes(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 8);
	struct tdisk *to = fixture_small_disk(f, 1, 1024);
	unsigned int i;

	for (i = 0; i < 12; i++) {
		struct tdisk *from = fixture_small_disk(f, 2 + i, 16);
		struct copy *copy = fixture_copy(client, from, 0, 8);

		copy_to(copy, to, 8 * i);
		copy_run(copy, 0);
		copy_expect_copied_part(copy, 0, 0, 8);
		fixture_settle(f);
		f->nr_disks--;
		tdisk_destroy(from);
	}
}

static struct kunit_case dispatch_cases[] = {
	KUNIT_CASE(dispatch_submitter_does_not_block),
	KUNIT_CASE(dispatch_source_of_blocked_destination),
	KUNIT_CASE(dispatch_ends),
	KUNIT_CASE(dispatch_same_disk),
	KUNIT_CASE(dispatch_overlaps),
	KUNIT_CASE(dispatch_destinations_in_parallel),
	KUNIT_CASE(dispatch_one_bio_a_part),
	KUNIT_CASE(dispatch_partitions),
	KUNIT_CASE(dispatch_many_disks),
	KUNIT_CASE(dispatch_disk_comes_and_goes),
	{}
};

static struct kunit_suite dispatch_suite = {
	.name = "kcopyd_dispatch",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = dispatch_cases,
};

kunit_test_suite(dispatch_suite);
