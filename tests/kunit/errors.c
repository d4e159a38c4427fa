// SPDX-License-Identifier: GPL-2.0-only
/* Failed reads and writes: what is reported, and what is written all the same. */
#include "fixture.h"

#define DISK_SECTORS 4096
#define FROM 40
#define TO 100
#define GRANULE 8

/* Of 128 pages a part has 16. */
#define PAGES 128
#define PART (16 * 8)

struct errors {
	struct fixture *f;
	struct tclient *client;
	struct tdisk *from, *to;
	struct copy *copy;
};

static struct errors errors_new(struct kunit *test, unsigned int num_pages, sector_t count)
{
	struct fixture *f = test->priv;
	struct errors e = {
		.f = f,
		.client = fixture_client(f, num_pages),
		.from = fixture_small_disk(f, 1, DISK_SECTORS),
		.to = fixture_small_disk(f, 2, DISK_SECTORS),
	};

	e.copy = fixture_copy(e.client, e.from, FROM, count);
	copy_to(e.copy, e.to, TO);
	return e;
}

static void bad_read(struct errors *e, sector_t offset, sector_t count)
{
	tdisk_fail(e->from, false, FROM + offset, count, BLK_STS_MEDIUM);
}

/* Let the read of a bad sector fail, and what repeats it. */
static void fail_now(struct errors *e, sector_t offset)
{
	struct kunit *test = e->f->test;
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, tdisk_release_sector(e->from, FROM + offset));
	fixture_settle(e->f);
	for (i = 0; i < 3 && tdisk_release_sector(e->from, FROM + offset); i++)
		fixture_settle(e->f);
}

/*
 * The gate of the source lets one part after the other through, up to the one
 * that fails. From then on no disk gets anything more.
 */
static void stops_after_read(struct kunit *test, sector_t bad)
{
	struct errors e = errors_new(test, PAGES, 16 * PART);
	const unsigned int limit = 16 * PART;
	unsigned int reads, writes, i;
	sector_t before;

	bad_read(&e, bad, 1);
	tdisk_shut(e.from);
	copy_start(e.copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(e.from, 1));
	fixture_settle(e.f);
	for (i = 0; i < limit && !tdisk_next_covers(e.from, FROM + bad); i++) {
		KUNIT_ASSERT_EQ(test, tdisk_release(e.from, 1), 1);
		fixture_settle(e.f);
	}
	writes = tdisk_count(e.to, true);
	KUNIT_EXPECT_EQ(test, writes, i);
	before = e.from->events[i].sector - FROM;

	fail_now(&e, bad);
	reads = tdisk_count(e.from, false);
	/* What the source already has comes to its end, and to nothing else. */
	tdisk_open(e.from);
	copy_wait(e.copy);
	copy_expect(e.copy, -EIO, 0);
	fixture_settle(e.f);
	KUNIT_EXPECT_EQ(test, tdisk_count(e.to, true), writes);
	KUNIT_EXPECT_EQ(test, tdisk_count(e.from, false), reads);
	copy_expect_copied_part(e.copy, 0, 0, before);
	copy_expect_kept(e.copy, 0, before, 16 * PART - before);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(e.client), PAGES);
}

static void errors_read_first_part(struct kunit *test)
{
	stops_after_read(test, 0);
}

static void errors_read_middle_part(struct kunit *test)
{
	stops_after_read(test, 7 * PART + 9);
}

static void errors_read_last_part(struct kunit *test)
{
	stops_after_read(test, 16 * PART - 1);
}

/* The first of two that fails is not followed by the other's write. */
static void errors_read_stops_earlier_parts(struct kunit *test)
{
	struct errors e = errors_new(test, PAGES, 16 * PART);

	bad_read(&e, 2 * PART, 1);
	tdisk_shut(e.from);
	copy_start(e.copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(e.from, 3));
	fail_now(&e, 2 * PART);
	/* Parts 0 and 1 are read only after that. */
	tdisk_open(e.from);
	copy_wait(e.copy);
	copy_expect(e.copy, -EIO, 0);
	KUNIT_EXPECT_EQ(test, e.to->nr_events, 0);
	copy_expect_kept(e.copy, 0, 0, 16 * PART);
}

/* What is ready for a disk that lets its submitter sleep is dropped. */
static void errors_write_drops_ready(struct kunit *test)
{
	struct errors e = errors_new(test, PAGES, 16 * PART);
	struct tdisk *other = fixture_small_disk(e.f, 3, DISK_SECTORS);

	copy_to(e.copy, other, TO);
	tdisk_fail(other, true, TO, 1, BLK_STS_IOERR);
	tdisk_block(e.to);
	tdisk_shut(other);
	copy_start(e.copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_blocked(e.to, 1));
	/* As many parts wait for the sleeping one. */
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(other, 3));

	tdisk_open(other);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_ended(other, 3));
	tdisk_unblock(e.to);
	copy_wait(e.copy);
	copy_expect(e.copy, 0, 2);
	KUNIT_EXPECT_EQ(test, tdisk_count(e.to, true), 1);
}

static void errors_read_small(struct kunit *test)
{
	struct errors e = errors_new(test, 1, 8);

	bad_read(&e, 3, 1);
	copy_run(e.copy, 0);
	copy_expect(e.copy, -EIO, 0);
	KUNIT_EXPECT_EQ(test, e.to->nr_events, 0);
}

/*
 * The bad granules are not written, everything else is; exactly. Read errors
 * before have left other sectors in the pages, which must not show up.
 */
static void expect_holes(struct errors *e, const sector_t *holes, unsigned int nr)
{
	const sector_t count = e->copy->from.count;
	sector_t at, end;
	unsigned int i;

	for (at = 0; at < count; at = end) {
		bool hole = false;

		end = min(count, at + GRANULE);
		for (i = 0; i < nr; i++)
			hole |= holes[i] == at / GRANULE;
		if (hole)
			copy_expect_kept(e->copy, 0, at, end - at);
		else
			copy_expect_copied_part(e->copy, 0, at, end - at);
	}
	/* Nor is anything beside the range. */
	expect_kept(e->f, e->to, 0, TO);
	expect_kept(e->f, e->to, TO + count, DISK_SECTORS - TO - count);
}

static void salvage(struct kunit *test, unsigned int num_pages, sector_t count,
		    const sector_t *bad, unsigned int nr)
{
	struct errors e = errors_new(test, num_pages, count);
	struct copy *before;
	sector_t holes[TDISK_MAX_FAULTS];
	unsigned int i;

	/* Something that could be left behind in the pages. */
	before = fixture_copy(e.client, fixture_small_disk(e.f, 9, DISK_SECTORS), 0, count);
	copy_to(before, fixture_small_disk(e.f, 10, DISK_SECTORS), 0);
	copy_run(before, 0);

	for (i = 0; i < nr; i++) {
		bad_read(&e, bad[i], 1);
		holes[i] = bad[i] / GRANULE;
	}
	copy_run(e.copy, KCOPYD_IGNORE_ERROR);
	copy_expect(e.copy, -EIO, 0);
	expect_holes(&e, holes, nr);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(e.client), num_pages);
	KUNIT_EXPECT_LE(test, e.f->census->nr, num_pages);
}

struct pool_size {
	unsigned int num_pages;
};

static const struct pool_size pool_sizes[] = { { 1 }, { 7 }, { 128 } };

static void pool_size_name(const struct pool_size *size, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u pages", size->num_pages);
}

KUNIT_ARRAY_PARAM(pool, pool_sizes, pool_size_name);

static unsigned int num_pages_of(struct kunit *test)
{
	const struct pool_size *size = test->param_value;

	return size->num_pages;
}

static void salvage_first_sector(struct kunit *test)
{
	static const sector_t bad[] = { 0 };

	salvage(test, num_pages_of(test), 1500, bad, ARRAY_SIZE(bad));
}

static void salvage_middle_sector(struct kunit *test)
{
	static const sector_t bad[] = { 731 };

	salvage(test, num_pages_of(test), 1500, bad, ARRAY_SIZE(bad));
}

/* In a tail that is no whole granule. */
static void salvage_last_sector(struct kunit *test)
{
	static const sector_t bad[] = { 1498 };

	salvage(test, num_pages_of(test), 1499, bad, ARRAY_SIZE(bad));
}

static void salvage_several(struct kunit *test)
{
	static const sector_t bad[] = { 0, 1, 7, 8, 17, 127, 128, 135, 136, 1023, 1400, 1499 };

	salvage(test, num_pages_of(test), 1500, bad, ARRAY_SIZE(bad));
}

static void salvage_nothing_readable(struct kunit *test)
{
	struct errors e = errors_new(test, 16, 300);

	bad_read(&e, 0, 300);
	copy_run(e.copy, KCOPYD_IGNORE_ERROR);
	copy_expect(e.copy, -EIO, 0);
	KUNIT_EXPECT_EQ(test, e.to->nr_events, 0);
}

static void salvage_one_sector(struct kunit *test)
{
	struct errors e = errors_new(test, 16, 1);

	bad_read(&e, 0, 1);
	copy_run(e.copy, KCOPYD_IGNORE_ERROR);
	copy_expect(e.copy, -EIO, 0);
	KUNIT_EXPECT_EQ(test, e.to->nr_events, 0);
}

/* Without errors the flag changes nothing: as many reads as without it. */
static void salvage_not_needed(struct kunit *test)
{
	struct errors e = errors_new(test, PAGES, 4 * PART);

	copy_run(e.copy, KCOPYD_IGNORE_ERROR);
	copy_expect(e.copy, 0, 0);
	copy_expect_copied(e.copy, 0);
	KUNIT_EXPECT_EQ(test, e.from->nr_events, 4);
}

/* A granule is a logical block where that is larger, and then no less is read. */
static void salvage_large_blocks(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS,
		.block_size = 4096,
		.seed = 1,
		.end = TDISK_END_IRQ,
	};
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *from = fixture_disk(f, &options);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	struct copy *copy = fixture_copy(client, from, 80, 800);

	copy_to(copy, to, 160);
	tdisk_fail(from, false, 80 + 45, 1, BLK_STS_MEDIUM);
	copy_run(copy, KCOPYD_IGNORE_ERROR);
	copy_expect(copy, -EIO, 0);
	copy_expect_copied_part(copy, 0, 0, 40);
	copy_expect_kept(copy, 0, 40, 8);
	copy_expect_copied_part(copy, 0, 48, 752);
}

/* Read and write errors of one copy do not hide each other. */
static void salvage_with_write_error(struct kunit *test)
{
	struct errors e = errors_new(test, 16, 800);
	struct tdisk *good = fixture_small_disk(e.f, 3, DISK_SECTORS);

	copy_to(e.copy, good, TO);
	bad_read(&e, 100, 1);
	tdisk_fail(e.to, true, TO + 400, 1, BLK_STS_IOERR);
	copy_run(e.copy, KCOPYD_IGNORE_ERROR);
	copy_expect(e.copy, -EIO, 1);
	copy_expect_copied_part(e.copy, 1, 0, 96);
	copy_expect_kept(e.copy, 1, 96, 8);
	copy_expect_copied_part(e.copy, 1, 104, 696);
	copy_expect_kept(e.copy, 0, 96, 8);
	copy_expect_copied_part(e.copy, 0, 0, 96);
	/* Only around its own error may the other one differ. */
	copy_expect_copied_part(e.copy, 0, 104, 200);
	copy_expect_copied_part(e.copy, 0, 600, 200);
}

/* One of eight destinations fails: its bit, and no other. */
static void one_of_eight(struct kunit *test, unsigned int flags)
{
	unsigned int bad, i;

	for (bad = 0; bad < 8; bad += 7) {
		struct fixture *f = test->priv;
		struct tclient *client = fixture_client(f, 32);
		struct tdisk *from = fixture_small_disk(f, 1, 1024), *to[8];
		struct copy *copy = fixture_copy(client, from, 3, 500);

		for (i = 0; i < 8; i++) {
			to[i] = fixture_small_disk(f, 2 + i, 1024);
			copy_to(copy, to[i], 11 * i);
		}
		tdisk_fail(to[bad], true, 11 * bad + 200, 1, BLK_STS_IOERR);
		copy_run(copy, flags);
		copy_expect(copy, 0, BIT(bad));
		for (i = 0; i < 8 && flags; i++) {
			if (i != bad)
				copy_expect_copied(copy, i);
		}
		if (flags) {
			copy_expect_copied_part(copy, bad, 0, 160);
			copy_expect_copied_part(copy, bad, 240, 260);
		}
	}
}

static void errors_write_one_of_eight(struct kunit *test)
{
	one_of_eight(test, 0);
}

static void errors_write_one_of_eight_ignored(struct kunit *test)
{
	one_of_eight(test, KCOPYD_IGNORE_ERROR);
}

static void errors_write_all(struct kunit *test)
{
	struct errors e = errors_new(test, 16, 800);
	struct tdisk *other = fixture_small_disk(e.f, 3, DISK_SECTORS);

	copy_to(e.copy, other, TO);
	tdisk_fail(e.to, true, 0, DISK_SECTORS, BLK_STS_IOERR);
	tdisk_fail(other, true, 0, DISK_SECTORS, BLK_STS_IOERR);
	copy_run(e.copy, KCOPYD_IGNORE_ERROR);
	copy_expect(e.copy, 0, 3);
	copy_expect_kept(e.copy, 0, 0, 800);
	copy_expect_kept(e.copy, 1, 0, 800);
}

/* Destination 31 has a bit like any other. */
static void errors_write_last_of_32(struct kunit *test)
{
	struct errors e = errors_new(test, 16, 8);
	unsigned int i;

	for (i = 1; i < 31; i++)
		copy_to(e.copy, e.to, TO + 8 * i);
	copy_to(e.copy, fixture_small_disk(e.f, 3, 64), 0);
	tdisk_fail(e.f->disks[2], true, 0, 64, BLK_STS_IOERR);
	copy_run(e.copy, KCOPYD_IGNORE_ERROR);
	copy_expect(e.copy, 0, 1U << 31);
}

/* After a failed write no disk gets anything more. */
static void errors_write_stops(struct kunit *test)
{
	struct errors e = errors_new(test, PAGES, 16 * PART);
	unsigned int reads, writes;

	tdisk_fail(e.to, true, TO + PART, 1, BLK_STS_IOERR);
	tdisk_shut(e.to);
	copy_start(e.copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(e.to, 2));
	fixture_settle(e.f);
	reads = e.from->nr_events;
	writes = e.to->nr_events;
	KUNIT_ASSERT_LT(test, reads, 16);
	KUNIT_ASSERT_TRUE(test, tdisk_release_sector(e.to, TO + PART));
	fixture_settle(e.f);
	KUNIT_EXPECT_FALSE(test, copy_is_done(e.copy));
	tdisk_open(e.to);
	copy_wait(e.copy);
	copy_expect(e.copy, 0, 1);
	KUNIT_EXPECT_EQ(test, e.from->nr_events, reads);
	KUNIT_EXPECT_EQ(test, e.to->nr_events, writes);
}

/* An operation that a device does not know is an error, however the kernel says so. */
static void errors_not_supported(struct kunit *test)
{
	struct errors e = errors_new(test, 16, 100);
	struct copy *copy;

	tdisk_fail(e.to, true, TO, 1, BLK_STS_NOTSUPP);
	copy_run(e.copy, 0);
	copy_expect(e.copy, 0, 1);

	copy = fixture_copy(e.client, e.from, 500, 100);
	copy_to(copy, e.to, 500);
	tdisk_fail(e.from, false, 510, 1, BLK_STS_NOTSUPP);
	copy_run(copy, 0);
	KUNIT_EXPECT_TRUE(test, copy->read_err == -EIO || copy->read_err == -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, copy->write_err, 0);
	copy_expect_kept(copy, 0, 8, 8);
}

/* A failed copy leaves nothing that disturbs the next. */
static void errors_then_success(struct kunit *test)
{
	struct errors e = errors_new(test, 16, 800);
	struct copy *copy;
	unsigned int i;

	bad_read(&e, 333, 1);
	tdisk_fail(e.to, true, TO + 99, 1, BLK_STS_IOERR);
	for (i = 0; i < 8; i++) {
		copy = fixture_copy(e.client, e.from, FROM, 800);
		copy_to(copy, e.to, TO);
		copy_run(copy, i & 1 ? KCOPYD_IGNORE_ERROR : 0);
	}
	tdisk_heal(e.from);
	tdisk_heal(e.to);
	copy_run(e.copy, 0);
	copy_expect(e.copy, 0, 0);
	copy_expect_copied(e.copy, 0);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(e.client), 16);
}

static struct kunit_case errors_cases[] = {
	KUNIT_CASE(errors_read_first_part),
	KUNIT_CASE(errors_read_middle_part),
	KUNIT_CASE(errors_read_last_part),
	KUNIT_CASE(errors_read_stops_earlier_parts),
	KUNIT_CASE(errors_read_small),
	KUNIT_CASE_PARAM(salvage_first_sector, pool_gen_params),
	KUNIT_CASE_PARAM(salvage_middle_sector, pool_gen_params),
	KUNIT_CASE_PARAM(salvage_last_sector, pool_gen_params),
	KUNIT_CASE_PARAM(salvage_several, pool_gen_params),
	KUNIT_CASE(salvage_nothing_readable),
	KUNIT_CASE(salvage_one_sector),
	KUNIT_CASE(salvage_not_needed),
	KUNIT_CASE(salvage_large_blocks),
	KUNIT_CASE(salvage_with_write_error),
	KUNIT_CASE(errors_write_one_of_eight),
	KUNIT_CASE(errors_write_one_of_eight_ignored),
	KUNIT_CASE(errors_write_all),
	KUNIT_CASE(errors_write_last_of_32),
	KUNIT_CASE(errors_write_stops),
	KUNIT_CASE(errors_write_drops_ready),
	KUNIT_CASE(errors_not_supported),
	KUNIT_CASE(errors_then_success),
	{}
};

static struct kunit_suite errors_suite = {
	.name = "kcopyd_errors",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = errors_cases,
};

kunit_test_suite(errors_suite);
