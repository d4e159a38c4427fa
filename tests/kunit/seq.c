// SPDX-License-Identifier: GPL-2.0-only
/* Copies that write in order. */
#include "fixture.h"

#define DISK_SECTORS 6144
#define FROM 40
#define TO 100
#define PAGES 128
#define PART (16 * 8)
#define PARTS 10
#define COUNT (PARTS * PART - 3)

/* Each write of the range starts where the last one ended, after its end. */
static void expect_in_order(struct kunit *test, const struct tdisk *disk, sector_t sector,
			    sector_t count)
{
	const struct tdisk_event *last = NULL;
	sector_t next = sector;
	unsigned int i;

	for (i = 0; i < disk->nr_events; i++) {
		const struct tdisk_event *event = &disk->events[i];

		if (!event->write || event->sector < sector || event->sector >= sector + count)
			continue;
		KUNIT_EXPECT_EQ(test, event->sector, next);
		if (last) {
			KUNIT_EXPECT_NE(test, last->ended, 0);
			KUNIT_EXPECT_GT(test, event->arrived, last->ended);
		}
		next = event->sector + event->count;
		last = event;
	}
}

static void expect_all_in_order(struct kunit *test, const struct copy *copy)
{
	unsigned int i;

	for (i = 0; i < copy->num_dests; i++)
		expect_in_order(test, copy->targets[i], copy->dests[i].sector, copy->from.count);
}

struct seq {
	struct fixture *f;
	struct tclient *client;
	struct tdisk *from, *to[2];
	struct copy *copy;
};

static struct seq seq_new(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct seq s = {
		.f = f,
		.client = fixture_client(f, PAGES),
		.from = fixture_small_disk(f, 1, DISK_SECTORS),
		.to = {
			fixture_small_disk(f, 2, DISK_SECTORS),
			fixture_small_disk(f, 3, DISK_SECTORS),
		},
	};

	s.copy = fixture_copy(s.client, s.from, FROM, COUNT);
	copy_to(s.copy, s.to[0], TO);
	copy_to(s.copy, s.to[1], TO + 5);
	return s;
}

static void seq_order(struct kunit *test)
{
	struct seq s = seq_new(test);

	copy_run(s.copy, KCOPYD_WRITE_SEQ);
	copy_expect(s.copy, 0, 0);
	copy_expect_copied(s.copy, 0);
	copy_expect_copied(s.copy, 1);
	expect_all_in_order(test, s.copy);
	KUNIT_EXPECT_EQ(test, s.to[0]->in_flight_max, 1);
	KUNIT_EXPECT_EQ(test, s.to[1]->in_flight_max, 1);
	KUNIT_EXPECT_EQ(test, tdisk_count(s.to[0], true), PARTS);
}

/* The source answers in the wrong order. */
static void seq_reads_out_of_order(struct kunit *test)
{
	struct seq s = seq_new(test);

	tdisk_shut(s.from);
	copy_start(s.copy, KCOPYD_WRITE_SEQ);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(s.from, 2));
	KUNIT_ASSERT_TRUE(test, tdisk_release_sector(s.from, FROM + PART));
	fixture_settle(s.f);
	/* The second part is there, and waits for the first. */
	KUNIT_EXPECT_EQ(test, s.to[0]->nr_events, 0);
	KUNIT_EXPECT_EQ(test, s.to[1]->nr_events, 0);
	tdisk_open(s.from);
	copy_wait(s.copy);
	copy_expect(s.copy, 0, 0);
	expect_all_in_order(test, s.copy);
	copy_expect_copied(s.copy, 0);
	copy_expect_copied(s.copy, 1);
}

/* The next part is read while one is written. */
static void seq_reads_ahead(struct kunit *test)
{
	struct seq s = seq_new(test);

	tdisk_shut(s.to[0]);
	copy_start(s.copy, KCOPYD_WRITE_SEQ);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(s.to[0], 1));
	fixture_settle(s.f);
	KUNIT_EXPECT_GE(test, tdisk_count(s.from, false), 2);
	KUNIT_EXPECT_EQ(test, s.to[0]->nr_held, 1);
	KUNIT_EXPECT_LE(test, tdisk_count(s.to[1], true), 1);
	tdisk_open(s.to[0]);
	copy_wait(s.copy);
	expect_all_in_order(test, s.copy);
}

/* The job completes; what comes after the failed read is written nowhere. */
static void read_fails(struct kunit *test, unsigned int part, unsigned int flags)
{
	struct seq s = seq_new(test);
	unsigned int i;

	tdisk_fail(s.from, false, FROM + part * PART + 1, 1, BLK_STS_MEDIUM);
	copy_run(s.copy, KCOPYD_WRITE_SEQ | flags);
	copy_expect(s.copy, -EIO, 0);
	expect_all_in_order(test, s.copy);
	for (i = 0; i < 2; i++) {
		const sector_t end = COUNT - part * PART;

		copy_expect_kept(s.copy, i, part * PART, end);
		KUNIT_EXPECT_LE(test, tdisk_count(s.to[i], true), part);
	}
	KUNIT_EXPECT_EQ(test, tclient_free_pages(s.client), PAGES);
}

static void seq_first_read_fails(struct kunit *test)
{
	read_fails(test, 0, 0);
}

static void seq_second_read_fails(struct kunit *test)
{
	read_fails(test, 1, 0);
}

static void seq_middle_read_fails(struct kunit *test)
{
	read_fails(test, PARTS / 2, 0);
}

static void seq_last_read_fails(struct kunit *test)
{
	read_fails(test, PARTS - 1, 0);
}

/* KCOPYD_IGNORE_ERROR is overridden: nothing is skipped. */
static void seq_read_fails_with_ignore(struct kunit *test)
{
	read_fails(test, PARTS / 2, KCOPYD_IGNORE_ERROR);
}

/* The read fails while the part before it is being written, and the other way round. */
static void seq_read_fails_during_write(struct kunit *test)
{
	struct seq s = seq_new(test);

	tdisk_fail(s.from, false, FROM + PART, 1, BLK_STS_MEDIUM);
	tdisk_shut(s.from);
	tdisk_shut(s.to[0]);
	copy_start(s.copy, KCOPYD_WRITE_SEQ);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(s.from, 1));
	tdisk_release(s.from, 1);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(s.to[0], 1));
	tdisk_open(s.from);
	fixture_settle(s.f);
	KUNIT_EXPECT_FALSE(test, copy_is_done(s.copy));
	tdisk_open(s.to[0]);
	copy_wait(s.copy);
	copy_expect(s.copy, -EIO, 0);
	copy_expect_copied_part(s.copy, 0, 0, PART);
	copy_expect_kept(s.copy, 0, PART, COUNT - PART);
	KUNIT_EXPECT_EQ(test, s.to[0]->nr_events, 1);
}

static void seq_second_read_fails_before_first_ends(struct kunit *test)
{
	struct seq s = seq_new(test);

	unsigned int i;

	tdisk_fail(s.from, false, FROM + PART, 1, BLK_STS_MEDIUM);
	tdisk_shut(s.from);
	copy_start(s.copy, KCOPYD_WRITE_SEQ);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(s.from, 2));
	/* The read, and what repeats it. */
	for (i = 0; i < 4 && tdisk_release_sector(s.from, FROM + PART); i++)
		fixture_settle(s.f);
	tdisk_open(s.from);
	copy_wait(s.copy);
	copy_expect(s.copy, -EIO, 0);
	KUNIT_EXPECT_EQ(test, s.to[0]->nr_events, 0);
}

/* After a failed write the destination gets no more, and its bit is set. */
static void write_fails(struct kunit *test, unsigned int part, unsigned int flags)
{
	struct seq s = seq_new(test);

	tdisk_fail(s.to[1], true, TO + 5 + part * PART, 1, BLK_STS_IOERR);
	copy_run(s.copy, KCOPYD_WRITE_SEQ | flags);
	copy_expect(s.copy, 0, 2);
	expect_all_in_order(test, s.copy);
	copy_expect_copied_part(s.copy, 1, 0, part * PART);
	copy_expect_kept(s.copy, 1, part * PART, COUNT - part * PART);
	KUNIT_EXPECT_EQ(test, tdisk_count(s.to[1], true), part + 1);
	KUNIT_EXPECT_LE(test, tdisk_count(s.to[0], true), part + 1);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(s.client), PAGES);
}

static void seq_first_write_fails(struct kunit *test)
{
	write_fails(test, 0, 0);
}

static void seq_middle_write_fails(struct kunit *test)
{
	write_fails(test, PARTS / 2, 0);
}

static void seq_last_write_fails(struct kunit *test)
{
	write_fails(test, PARTS - 1, 0);
}

static void seq_write_fails_with_ignore(struct kunit *test)
{
	write_fails(test, 3, KCOPYD_IGNORE_ERROR);
}

/*
 * A copy waits for its share of a disk that another copy in order holds. When
 * that one fails at its other destination, what it had read is dropped, and the
 * waiting copy must learn that the pages are free.
 */
static void seq_failure_lets_others_go_on(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 4);
	struct tdisk *a = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *b = fixture_small_disk(f, 2, DISK_SECTORS);
	struct tdisk *bad = fixture_small_disk(f, 3, DISK_SECTORS);
	struct tdisk *shared = fixture_small_disk(f, 4, DISK_SECTORS);
	struct copy *fails = fixture_copy(client, a, 0, 64);
	struct copy *waits = fixture_copy(client, b, 0, 8);

	copy_to(fails, bad, 0);
	copy_to(fails, shared, 0);
	copy_to(waits, shared, 1000);
	tdisk_fail(bad, true, 0, 1, BLK_STS_IOERR);
	tdisk_shut(bad);
	tdisk_shut(shared);
	copy_start(fails, KCOPYD_WRITE_SEQ);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(bad, 1));
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(shared, 1));
	fixture_settle(f);
	copy_start(waits, 0);
	fixture_settle(f);
	tdisk_open(shared);
	fixture_settle(f);
	tdisk_open(bad);
	copy_wait(fails);
	copy_expect(fails, 0, 1);
	copy_wait(waits);
	copy_expect(waits, 0, 0);
	copy_expect_copied(waits, 0);
}

/* A zoned destination is written in order without being asked for. */
static void seq_zoned(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS,
		.seed = 2,
		.end = TDISK_END_IRQ,
		.zoned = true,
	};
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, PAGES);
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *zoned, *plain = fixture_small_disk(f, 3, DISK_SECTORS);
	struct copy *copy = fixture_copy(client, from, FROM, COUNT);

	if (tdisk_create(&zoned, &options))
		kunit_skip(test, "this kernel makes no zoned disk of a test disk");
	f->disks[f->nr_disks++] = zoned;
	copy_to(copy, plain, TO);
	copy_to(copy, zoned, 0);
	copy_run(copy, KCOPYD_IGNORE_ERROR);
	copy_expect(copy, 0, 0);
	copy_expect_copied(copy, 0);
	copy_expect_copied(copy, 1);
	expect_all_in_order(test, copy);
	KUNIT_EXPECT_EQ(test, zoned->in_flight_max, 1);

	/* With an error, too. */
	tdisk_fail(from, false, FROM + 5 * PART, 1, BLK_STS_MEDIUM);
	copy = fixture_copy(client, from, FROM, COUNT);
	copy_to(copy, zoned, 4000);
	copy_run(copy, KCOPYD_IGNORE_ERROR);
	copy_expect(copy, -EIO, 0);
	expect_all_in_order(test, copy);
	copy_expect_kept(copy, 0, 5 * PART, COUNT - 5 * PART);
}

static void seq_small_pools(struct kunit *test)
{
	static const unsigned int sizes[] = { 1, 2, 3, 7 };
	struct seq s = seq_new(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct copy *copy = fixture_copy(fixture_client(s.f, sizes[i]), s.from, 0, 333);

		copy_to(copy, s.to[0], 2000 + 400 * i);
		copy_to(copy, s.to[1], 2000 + 400 * i);
		copy_run(copy, KCOPYD_WRITE_SEQ);
		copy_expect(copy, 0, 0);
		copy_expect_copied(copy, 0);
		copy_expect_copied(copy, 1);
		expect_all_in_order(test, copy);
	}
}

static struct kunit_case seq_cases[] = {
	KUNIT_CASE(seq_order),
	KUNIT_CASE(seq_reads_out_of_order),
	KUNIT_CASE(seq_reads_ahead),
	KUNIT_CASE(seq_first_read_fails),
	KUNIT_CASE(seq_second_read_fails),
	KUNIT_CASE(seq_middle_read_fails),
	KUNIT_CASE(seq_last_read_fails),
	KUNIT_CASE(seq_read_fails_with_ignore),
	KUNIT_CASE(seq_read_fails_during_write),
	KUNIT_CASE(seq_second_read_fails_before_first_ends),
	KUNIT_CASE(seq_first_write_fails),
	KUNIT_CASE(seq_middle_write_fails),
	KUNIT_CASE(seq_last_write_fails),
	KUNIT_CASE(seq_write_fails_with_ignore),
	KUNIT_CASE(seq_failure_lets_others_go_on),
	KUNIT_CASE(seq_zoned),
	KUNIT_CASE(seq_small_pools),
	{}
};

static struct kunit_suite seq_suite = {
	.name = "kcopyd_seq",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = seq_cases,
};

kunit_test_suite(seq_suite);
