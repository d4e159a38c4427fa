// SPDX-License-Identifier: GPL-2.0-only
/* The memory that clients of device-mapper's calls borrow. */
#include <linux/slab.h>

#include "core/block.h"
#include "core/client.h"
#include "core/param.h"
#include "fixture.h"
#include "include/linux/dm-kcopyd.h"

#define DISK_SECTORS 10240
#define COUNT 10000
#define BLOCK_SECTORS (KCOPYD_BLOCK_PAGES * PAGE_SECTORS)

struct lent {
	struct completion done;
	struct tdisk *from, *to;
	int read_err;
	unsigned long write_err;
};

static void lent_done(int read_err, unsigned long write_err, void *context)
{
	struct lent *lent = context;

	lent->read_err = read_err;
	lent->write_err = write_err;
	complete(&lent->done);
}

static struct dm_kcopyd_client *lent_client(struct kunit *test)
{
	struct dm_kcopyd_client *client = dm_kcopyd_client_create(NULL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(client));
	return client;
}

static struct kcopyd_client *of_dm(struct dm_kcopyd_client *client)
{
	return (struct kcopyd_client *)client;
}

static struct lent *lent_start(struct kunit *test, struct dm_kcopyd_client *client,
			       struct tdisk *from, struct tdisk *to, sector_t count)
{
	struct lent *lent = kunit_kzalloc(test, sizeof(*lent), GFP_KERNEL);
	struct dm_io_region source = { from->bdev, 0, count }, dest = { to->bdev, 0, count };

	KUNIT_ASSERT_NOT_NULL(test, lent);
	init_completion(&lent->done);
	lent->from = from;
	lent->to = to;
	dm_kcopyd_copy(client, &source, 1, &dest, 0, lent_done, lent);
	return lent;
}

static void lent_wait(struct kunit *test, struct lent *lent)
{
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&lent->done, TDISK_TIMEOUT), 0UL);
	KUNIT_EXPECT_EQ(test, lent->read_err, 0);
	KUNIT_EXPECT_EQ(test, lent->write_err, 0UL);
}

static void lent_run(struct kunit *test, struct dm_kcopyd_client *client, struct tdisk *from,
		     struct tdisk *to, sector_t count)
{
	struct lent *lent = lent_start(test, client, from, to, count);
	sector_t where;

	lent_wait(test, lent);
	KUNIT_EXPECT_TRUE(test, tdisk_holds(to, 0, count, from->options.seed, 0, &where));
}

static unsigned int largest(struct tdisk *disk)
{
	unsigned int i, n = 0;

	for (i = 0; i < disk->nr_events; i++)
		n = max(n, disk->events[i].count);
	return n;
}

/* Some are missed, and then they are there. */
static void lent_warm(struct kunit *test, struct dm_kcopyd_client *client, unsigned int nr)
{
	struct fixture *f = test->priv;
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	unsigned int i;

	for (i = 0; i < 20 && kcopyd_blocks_free() < nr; i++) {
		lent_run(test, client, from, to, COUNT);
		msleep(20);
	}
	KUNIT_ASSERT_GE(test, kcopyd_blocks_free(), nr);
}

static void block_large_parts(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct dm_kcopyd_client *client = lent_client(test);
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	const unsigned int shared = READ_ONCE(kcopyd_shared_mb);
	unsigned int before;

	WRITE_ONCE(kcopyd_shared_mb, 0);
	lent_run(test, client, from, to, 1000);
	WRITE_ONCE(kcopyd_shared_mb, shared);
	/* An eighth of its own pages. */
	KUNIT_EXPECT_EQ(test, largest(from), KCOPYD_BLOCK_PAGES / 8 * PAGE_SECTORS);

	lent_warm(test, client, 4);
	before = kcopyd_blocks_free();
	tdisk_fill(to, 0, DISK_SECTORS, 2, 0);
	lent_run(test, client, from, to, COUNT);
	KUNIT_EXPECT_EQ(test, largest(from), BLOCK_SECTORS);
	KUNIT_EXPECT_EQ(test, largest(to), BLOCK_SECTORS);
	KUNIT_EXPECT_EQ(test, of_dm(client)->borrowed, 0);
	KUNIT_EXPECT_TRUE(test, wait_until(kcopyd_blocks_free() >= before));
	expect_kept(f, to, COUNT, 1);
	dm_kcopyd_client_destroy(client);
}

/* With errors as without. */
static void block_errors(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct dm_kcopyd_client *client = lent_client(test);
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	struct dm_io_region source = { from->bdev, 0, COUNT }, dest = { to->bdev, 0, COUNT };
	struct lent lent = {};
	sector_t where;

	lent_warm(test, client, 4);
	tdisk_fail(from, false, 3000, 1, BLK_STS_IOERR);
	tdisk_fail(to, true, 8000, 1, BLK_STS_IOERR);
	init_completion(&lent.done);
	dm_kcopyd_copy(client, &source, 1, &dest, BIT(DM_KCOPYD_IGNORE_ERROR), lent_done, &lent);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&lent.done, TDISK_TIMEOUT), 0UL);
	KUNIT_EXPECT_EQ(test, lent.read_err, -EIO);
	KUNIT_EXPECT_EQ(test, lent.write_err, 1UL);
	KUNIT_EXPECT_TRUE(test, tdisk_holds(to, 0, 3000, 1, 0, &where));
	expect_kept(f, to, 3000, 8);
	KUNIT_EXPECT_TRUE(test, tdisk_holds(to, 3008, 1000, 1, 3008, &where));
	KUNIT_EXPECT_EQ(test, of_dm(client)->borrowed, 0);

	/* And it ends at the first one. */
	init_completion(&lent.done);
	dm_kcopyd_copy(client, &source, 1, &dest, 0, lent_done, &lent);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&lent.done, TDISK_TIMEOUT), 0UL);
	KUNIT_EXPECT_TRUE(test, lent.read_err || lent.write_err);
	KUNIT_EXPECT_EQ(test, of_dm(client)->borrowed, 0);
	dm_kcopyd_client_destroy(client);
}

static void block_in_sequence(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct dm_kcopyd_client *client = lent_client(test);
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	struct dm_io_region source = { from->bdev, 0, COUNT }, dest = { to->bdev, 0, COUNT };
	struct lent lent = {};
	unsigned int i;

	lent_warm(test, client, 4);
	init_completion(&lent.done);
	dm_kcopyd_copy(client, &source, 1, &dest, BIT(DM_KCOPYD_WRITE_SEQ), lent_done, &lent);
	lent_wait(test, &lent);
	for (i = 1; i < to->nr_events; i++)
		KUNIT_EXPECT_GT(test, to->events[i].sector, to->events[i - 1].sector);
	KUNIT_EXPECT_EQ(test, largest(to), BLOCK_SECTORS);
	dm_kcopyd_client_destroy(client);
}

/* All clients together, and each disk, have their bounds. */
static void block_bounds(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct dm_kcopyd_client *client = lent_client(test), *other = lent_client(test);
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	struct tdisk *from2 = fixture_small_disk(f, 3, DISK_SECTORS);
	struct tdisk *to2 = fixture_small_disk(f, 4, DISK_SECTORS);
	const unsigned int shared = READ_ONCE(kcopyd_shared_mb);
	struct lent *slow[4], *mine, *others, *small;
	unsigned int i;

	lent_warm(test, client, 8);
	WRITE_ONCE(kcopyd_shared_mb, 16);
	tdisk_shut(to);
	for (i = 0; i < ARRAY_SIZE(slow); i++)
		slow[i] = lent_start(test, client, from, to, COUNT);
	fixture_settle(f);
	KUNIT_EXPECT_TRUE(test, tdisk_wait_held(to, 1));
	msleep(100);
	/* No disk holds more than it leaves to others. */
	KUNIT_EXPECT_GT(test, READ_ONCE(of_dm(client)->borrowed), 0);
	KUNIT_EXPECT_LE(test, READ_ONCE(of_dm(client)->borrowed), KCOPYD_BLOCKS_CLIENT / 2 + 1);

	/* Between other disks there is no waiting, nor for another client. */
	small = lent_start(test, client, from2, to2, 8);
	lent_wait(test, small);
	mine = lent_start(test, client, from2, to2, COUNT);
	lent_wait(test, mine);
	others = lent_start(test, other, from2, to2, COUNT);
	lent_wait(test, others);

	/* None is lent any more, and all goes on in small parts. */
	WRITE_ONCE(kcopyd_shared_mb, 0);
	tdisk_reset_log(from2);
	others = lent_start(test, other, from2, to2, COUNT);
	lent_wait(test, others);
	KUNIT_EXPECT_EQ(test, largest(from2), KCOPYD_BLOCK_PAGES / 8 * PAGE_SECTORS);
	tdisk_open(to);
	for (i = 0; i < ARRAY_SIZE(slow); i++)
		lent_wait(test, slow[i]);
	WRITE_ONCE(kcopyd_shared_mb, shared);
	KUNIT_EXPECT_EQ(test, of_dm(client)->borrowed, 0);
	dm_kcopyd_client_destroy(client);
	dm_kcopyd_client_destroy(other);
}

/* Memory that is not used goes back; what is lent does not. */
static void block_trim(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct dm_kcopyd_client *client = lent_client(test);
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	struct lent *lent;
	sector_t where;

	lent_warm(test, client, 4);
	KUNIT_EXPECT_GE(test, kcopyd_blocks_trim(2), 2);
	tdisk_shut(from);
	lent = lent_start(test, client, from, to, COUNT);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(from, 1));
	kcopyd_blocks_trim(UINT_MAX);
	KUNIT_EXPECT_EQ(test, kcopyd_blocks_trim(UINT_MAX), 0);
	tdisk_open(from);
	lent_wait(test, lent);
	KUNIT_EXPECT_TRUE(test, tdisk_holds(to, 0, COUNT, 1, 0, &where));
	/* In time by themselves as well. */
	KUNIT_EXPECT_TRUE(test, wait_until(!kcopyd_blocks_free()));
	dm_kcopyd_client_destroy(client);
}

static void block_cancel(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct dm_kcopyd_client *client = lent_client(test);
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	struct lent *lent[5];
	unsigned int i;

	lent_warm(test, client, 4);
	tdisk_shut(from);
	for (i = 0; i < ARRAY_SIZE(lent); i++)
		lent[i] = lent_start(test, client, from, to, COUNT);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(from, 1));
	KUNIT_EXPECT_EQ(test, kcopyd_client_cancel(of_dm(client)), (int)ARRAY_SIZE(lent));
	tdisk_open(from);
	for (i = 0; i < ARRAY_SIZE(lent); i++) {
		KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&lent[i]->done, TDISK_TIMEOUT),
				0UL);
		KUNIT_EXPECT_EQ(test, lent[i]->read_err, -ECANCELED);
	}
	KUNIT_EXPECT_EQ(test, of_dm(client)->borrowed, 0);
	dm_kcopyd_client_destroy(client);
}

static struct kunit_case block_cases[] = {
	KUNIT_CASE(block_large_parts),
	KUNIT_CASE(block_errors),
	KUNIT_CASE(block_in_sequence),
	KUNIT_CASE(block_bounds),
	KUNIT_CASE(block_trim),
	KUNIT_CASE(block_cancel),
	{}
};

static struct kunit_suite block_suite = {
	.name = "kcopyd_block",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = block_cases,
};

kunit_test_suite(block_suite);
