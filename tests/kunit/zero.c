// SPDX-License-Identifier: GPL-2.0-only
/* Zeroing, by the device itself and, where it cannot or will not, by writing. */
#include "core/client.h"
#include "fixture.h"

#define DISK_SECTORS 24576
#define AT 40
/* 20 parts, of which 8 are on their way at a time; 2 in sequence. */
#define COUNT 20001

static struct tdisk *zeroing_disk(struct fixture *f, u8 seed)
{
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS,
		.seed = seed,
		.zeroes = true,
	};

	return fixture_disk(f, &options);
}

static void zero_by_device(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 1);
	struct tdisk *disk = zeroing_disk(f, 1);
	struct copy *zero = fixture_zero(client, disk, AT, COUNT);

	copy_run(zero, 0);
	copy_expect(zero, 0, 0);
	copy_expect_zeroed(zero, 0);
	KUNIT_EXPECT_GT(test, tdisk_count_zeroes(disk), 0);
	KUNIT_EXPECT_EQ(test, tdisk_count_zeroes(disk), disk->nr_events);
}

static void zero_by_writing(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 1);
	struct tdisk *disk = fixture_small_disk(f, 1, DISK_SECTORS);
	struct copy *zero = fixture_zero(client, disk, AT, COUNT);

	copy_run(zero, 0);
	copy_expect(zero, 0, 0);
	copy_expect_zeroed(zero, 0);
	KUNIT_EXPECT_EQ(test, tdisk_count_zeroes(disk), 0);
	KUNIT_EXPECT_EQ(test, tdisk_count(disk, false), 0);
}

/* Each destination in its own way. */
static void zero_mixed(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *able = zeroing_disk(f, 1);
	struct tdisk *unable = fixture_small_disk(f, 2, DISK_SECTORS);
	struct copy *zero = fixture_zero(client, unable, AT, COUNT);

	copy_to(zero, able, AT + 1);
	copy_run(zero, 0);
	copy_expect(zero, 0, 0);
	copy_expect_zeroed(zero, 0);
	copy_expect_zeroed(zero, 1);
	KUNIT_EXPECT_EQ(test, tdisk_count_zeroes(able), able->nr_events);
	KUNIT_EXPECT_EQ(test, tdisk_count_zeroes(unable), 0);
}

/* The device said that it could, and then it does not. */
static void refused(struct kunit *test, blk_status_t status, unsigned int flags,
		    unsigned int most)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *disk = zeroing_disk(f, 1);
	struct copy *zero = fixture_zero(client, disk, AT, COUNT);

	disk->refuse_zeroes = status;
	copy_run(zero, flags);
	copy_expect(zero, 0, 0);
	copy_expect_zeroed(zero, 0);
	KUNIT_EXPECT_GT(test, tdisk_count_zeroes(disk), 0);
	/* It is not asked again and again. */
	KUNIT_EXPECT_LE(test, tdisk_count_zeroes(disk), most);
}

static void zero_refused(struct kunit *test)
{
	refused(test, BLK_STS_NOTSUPP, 0, 8);
}

static void zero_refused_with_io_error(struct kunit *test)
{
	refused(test, BLK_STS_IOERR, KCOPYD_IGNORE_ERROR, 8);
}

static void zero_refused_in_sequence(struct kunit *test)
{
	refused(test, BLK_STS_NOTSUPP, KCOPYD_WRITE_SEQ, 2);
}

/* A device that zeroes again when another job asks. */
static void zero_asked_again(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *disk = zeroing_disk(f, 1);
	struct copy *first = fixture_zero(client, disk, AT, 100);
	struct copy *second = fixture_zero(client, disk, 4000, 100);

	disk->refuse_zeroes = BLK_STS_NOTSUPP;
	copy_run(first, 0);
	disk->refuse_zeroes = BLK_STS_OK;
	tdisk_reset_log(disk);
	copy_run(second, 0);
	copy_expect(second, 0, 0);
	copy_expect_zeroed(second, 0);
	KUNIT_EXPECT_EQ(test, tdisk_count_zeroes(disk), 1);
	KUNIT_EXPECT_EQ(test, disk->nr_events, 1);
}

/* What neither way helps with is an error, and of that destination only. */
static void zero_error(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *good = zeroing_disk(f, 1), *bad = zeroing_disk(f, 2);
	struct copy *zero = fixture_zero(client, good, AT, COUNT);

	copy_to(zero, bad, AT);
	tdisk_fail(bad, true, AT + 3000, 1, BLK_STS_IOERR);
	copy_run(zero, KCOPYD_IGNORE_ERROR);
	copy_expect(zero, 0, 2);
	copy_expect_zeroed(zero, 0);
	KUNIT_EXPECT_TRUE(test, tdisk_is_zero(bad, AT, 1000));
	KUNIT_EXPECT_TRUE(test, tdisk_is_zero(bad, AT + COUNT - 1000, 1000));
	expect_kept(f, bad, AT + 3000, 1);
}

static void zero_error_stops(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *bad = fixture_small_disk(f, 1, DISK_SECTORS);
	struct copy *zero = fixture_zero(client, bad, AT, COUNT);

	tdisk_fail(bad, true, 0, DISK_SECTORS, BLK_STS_IOERR);
	copy_run(zero, KCOPYD_WRITE_SEQ);
	copy_expect(zero, 0, 1);
	expect_kept(f, bad, 0, DISK_SECTORS);
	KUNIT_EXPECT_EQ(test, bad->nr_events, 1);
}

/* One part at a time, each after the one before it. */
static void zero_in_sequence(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *disk = fixture_small_disk(f, 1, DISK_SECTORS);
	struct copy *zero = fixture_zero(client, disk, AT, COUNT);
	sector_t next = AT;
	unsigned int i;

	copy_run(zero, KCOPYD_WRITE_SEQ);
	copy_expect(zero, 0, 0);
	copy_expect_zeroed(zero, 0);
	KUNIT_EXPECT_GT(test, disk->nr_events, 1);
	for (i = 0; i < disk->nr_events; i++) {
		KUNIT_EXPECT_EQ(test, disk->events[i].sector, next);
		next += disk->events[i].count;
	}
	KUNIT_EXPECT_EQ(test, disk->in_flight_max, 1);
}

/* It needs no pages: a pool that is all taken is not waited for. */
static void zero_without_pages(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 1);
	struct tdisk *slow = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *disk = fixture_small_disk(f, 2, DISK_SECTORS);
	struct copy *copy = fixture_copy(client, slow, 0, 8);
	struct copy *waiting = fixture_copy(client, disk, 0, 8);
	struct copy *zero = fixture_zero(client, disk, AT, COUNT);

	copy_to(copy, disk, 24000);
	copy_to(waiting, slow, 24000);
	tdisk_shut(slow);
	copy_start(copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(slow, 1));
	copy_start(waiting, 0);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(client), 0);
	copy_run(zero, 0);
	copy_expect(zero, 0, 0);
	copy_expect_zeroed(zero, 0);
	KUNIT_EXPECT_FALSE(test, copy_is_done(copy));
	tdisk_open(slow);
	copy_wait(copy);
	copy_wait(waiting);
}

/* A zoned disk is not asked, and written in order. */
static void zero_zoned(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS, .seed = 1, .zeroes = true, .zoned = true,
	};
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 1);
	struct tdisk *disk = fixture_disk(f, &options);
	struct copy *zero = fixture_zero(client, disk, 0, COUNT);

	copy_run(zero, 0);
	copy_expect(zero, 0, 0);
	copy_expect_zeroed(zero, 0);
	KUNIT_EXPECT_EQ(test, tdisk_count_zeroes(disk), 0);
	KUNIT_EXPECT_EQ(test, disk->in_flight_max, 1);
}

static void zero_large_blocks(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS, .block_size = 4096, .seed = 1, .zeroes = true,
	};
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 1);
	struct tdisk *disk = fixture_disk(f, &options);
	struct copy *zero = fixture_zero(client, disk, 8, 20000);

	disk->refuse_zeroes = BLK_STS_NOTSUPP;
	copy_run(zero, 0);
	copy_expect(zero, 0, 0);
	copy_expect_zeroed(zero, 0);
	KUNIT_EXPECT_EQ(test, disk->misaligned, 0);
}

static void zero_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 1);
	struct tdisk *disk = fixture_small_disk(f, 1, DISK_SECTORS);
	struct copy *zero = fixture_zero(client, disk, AT, 0);

	copy_run(zero, 0);
	copy_expect(zero, 0, 0);
	KUNIT_EXPECT_EQ(test, disk->nr_events, 0);
	expect_kept(f, disk, 0, DISK_SECTORS);
}

static void expect_rejected(struct copy *zero, unsigned int flags, int err)
{
	struct kunit *test = zero->fixture->test;

	KUNIT_EXPECT_EQ(test, copy_submit(zero, flags), err);
	KUNIT_EXPECT_EQ(test, zero->targets[0]->nr_events, 0);
}

static void not_called(int read_err, unsigned int write_err, void *context)
{
	struct kunit *test = context;

	KUNIT_FAIL(test, "a callback of what was rejected");
}

static void zero_rejected(struct kunit *test)
{
	const struct tdisk_options coarse = {
		.sectors = DISK_SECTORS, .block_size = 4096, .seed = 2, .zeroes = true,
	};
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 1);
	struct tdisk *disk = zeroing_disk(f, 1);
	struct tdisk *blocks = fixture_disk(f, &coarse);
	struct copy *zero;

	expect_rejected(fixture_zero(client, disk, DISK_SECTORS - 8, 9), 0, -ERANGE);
	expect_rejected(fixture_zero(client, disk, AT, 8), 1U << 30, -EINVAL);
	expect_rejected(fixture_zero(client, blocks, 4, 8), 0, -EINVAL);
	expect_rejected(fixture_zero(client, blocks, 8, 12), 0, -EINVAL);

	zero = fixture_zero(client, disk, AT, 8);
	zero->num_dests = 0;
	expect_rejected(zero, 0, -EINVAL);

	/* Of two lengths, and one over the other. */
	zero = fixture_zero(client, disk, AT, 8);
	copy_to(zero, disk, AT + 100);
	zero->dests[1].count = 7;
	expect_rejected(zero, 0, -EINVAL);
	zero->dests[1].count = 8;
	zero->dests[1].sector = AT + 7;
	expect_rejected(zero, 0, -EINVAL);
	zero->dests[1].bdev = NULL;
	expect_rejected(zero, 0, -EINVAL);

	KUNIT_EXPECT_EQ(test, kcopyd_zero(client->kc, 1, zero->dests, 0, NULL, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_zero(client->kc, 1, NULL, 0, not_called, test), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_zero(NULL, 1, zero->dests, 0, not_called, test), -EINVAL);
	expect_kept(f, disk, 0, DISK_SECTORS);
}

static struct kunit_case zero_cases[] = {
	KUNIT_CASE(zero_by_device),
	KUNIT_CASE(zero_by_writing),
	KUNIT_CASE(zero_mixed),
	KUNIT_CASE(zero_refused),
	KUNIT_CASE(zero_refused_with_io_error),
	KUNIT_CASE(zero_refused_in_sequence),
	KUNIT_CASE(zero_asked_again),
	KUNIT_CASE(zero_error),
	KUNIT_CASE(zero_error_stops),
	KUNIT_CASE(zero_in_sequence),
	KUNIT_CASE(zero_without_pages),
	KUNIT_CASE(zero_zoned),
	KUNIT_CASE(zero_large_blocks),
	KUNIT_CASE(zero_nothing),
	KUNIT_CASE(zero_rejected),
	{}
};

static struct kunit_suite zero_suite = {
	.name = "kcopyd_zero",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = zero_cases,
};

kunit_test_suite(zero_suite);
