// SPDX-License-Identifier: GPL-2.0-only
/* What is rejected up front, and what only looks as if it should be. */
#include "core/client.h"
#include "fixture.h"
#include "log.h"

#define DISK_SECTORS 2048

/* Two disks and a client, and a copy between them that is all right as it is. */
struct check {
	struct fixture *f;
	struct kunit *test;
	struct tdisk *a, *b;
	struct tclient *client;
};

static struct check check_new(struct kunit *test)
{
	struct fixture *f = test->priv;

	return (struct check){
		.f = f,
		.test = test,
		.a = fixture_small_disk(f, 1, DISK_SECTORS),
		.b = fixture_small_disk(f, 2, DISK_SECTORS),
		.client = fixture_client(f, 16),
	};
}

static struct copy *good_copy(struct check *c)
{
	struct copy *copy = fixture_copy(c->client, c->a, 16, 8);

	copy_to(copy, c->b, 32);
	return copy;
}

static void never_called(int read_err, unsigned int write_err, void *context)
{
	struct kunit *test = context;

	KUNIT_FAIL(test, "the callback of a rejected copy was called");
}

/*
 * The copy is rejected with exactly this error and a line in the log, and no
 * disk gets to see anything of it. The end of the test case checks that the
 * callback was never called.
 */
static void expect_rejected(struct check *c, struct copy *copy, unsigned int flags, int err,
			    const char *reason)
{
	struct kunit *test = c->test;
	struct kmsg_dump_iter mark;
	unsigned int i;

	/* Each message is looked for, so none may fall to the limit of their rate. */
	ratelimit_state_init(&c->client->kc->log_limit, 0, 0);
	log_mark(&mark);
	KUNIT_EXPECT_EQ_MSG(test, copy_submit(copy, flags), err, "(%s)", reason);
	KUNIT_EXPECT_GE_MSG(test, log_count(&mark, reason), 1, "no line in the log says: %s",
			    reason);
	fixture_settle(c->f);
	for (i = 0; i < c->f->nr_disks; i++)
		KUNIT_EXPECT_EQ(test, c->f->disks[i]->nr_events, 0);
}

static void check_client_create(struct kunit *test)
{
	struct kcopyd_client *untouched = (void *)test;
	struct kcopyd_client *kc = untouched;

	KUNIT_EXPECT_EQ(test, kcopyd_client_create(0, &kc), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, kc, untouched);
	KUNIT_EXPECT_EQ(test, kcopyd_client_create(1, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_create(0, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_create(UINT_MAX, &kc), -ENOMEM);
	KUNIT_EXPECT_PTR_EQ(test, kc, untouched);
}

static void check_null_arguments(struct kunit *test)
{
	struct check c = check_new(test);
	struct kcopyd_client *kc = c.client->kc;
	struct io_region from = { c.a->bdev, 16, 8 };
	struct io_region to = { c.b->bdev, 32, 8 };
	struct io_region none = { NULL, 16, 8 };

	KUNIT_EXPECT_EQ(test, kcopyd_copy(NULL, &from, 1, &to, 0, never_called, test), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_copy(kc, NULL, 1, &to, 0, never_called, test), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_copy(kc, &from, 1, NULL, 0, never_called, test), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_copy(kc, &from, 1, &to, 0, NULL, test), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_copy(kc, &none, 1, &to, 0, never_called, test), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_copy(kc, &from, 1, &none, 0, never_called, test), -EINVAL);
	tclient_end(c.client);
	KUNIT_EXPECT_EQ(test, c.a->nr_events + c.b->nr_events, 0);
}

static void check_number_of_destinations(struct kunit *test)
{
	struct check c = check_new(test);
	struct copy *none = fixture_copy(c.client, c.a, 16, 8);
	struct copy *many = fixture_copy(c.client, c.a, 0, 8);
	unsigned int i;

	expect_rejected(&c, none, 0, -EINVAL, "0 destinations");
	for (i = 0; i < 33; i++)
		copy_to(many, c.b, 8 * i);
	expect_rejected(&c, many, 0, -EINVAL, "33 destinations");
	many->num_dests = UINT_MAX;
	expect_rejected(&c, many, 0, -EINVAL, "4294967295 destinations");
}

static void check_flags(struct kunit *test)
{
	const unsigned int known = KCOPYD_IGNORE_ERROR | KCOPYD_WRITE_SEQ | KCOPYD_FLUSH |
				   KCOPYD_VERIFY | KCOPYD_DETECT_ZEROES | KCOPYD_NO_UNMAP |
				   KCOPYD_SALVAGE;
	struct check c = check_new(test);
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		if (!(BIT(bit) & known))
			expect_rejected(&c, good_copy(&c), BIT(bit) | KCOPYD_WRITE_SEQ, -EINVAL,
					"unknown flags");
	}
	copy_run(good_copy(&c), 0);
	copy_run(good_copy(&c), KCOPYD_IGNORE_ERROR);
	copy_run(good_copy(&c), KCOPYD_WRITE_SEQ);
	copy_run(good_copy(&c), KCOPYD_IGNORE_ERROR | KCOPYD_WRITE_SEQ);
	/* The values are an ABI. */
	KUNIT_EXPECT_EQ(test, KCOPYD_IGNORE_ERROR, 2);
	KUNIT_EXPECT_EQ(test, KCOPYD_WRITE_SEQ, 4);
	KUNIT_EXPECT_EQ(test, known, 0x1f06);
}

static void check_count_mismatch(struct kunit *test)
{
	struct check c = check_new(test);
	struct copy *copy = good_copy(&c);

	copy_to(copy, c.b, 64);
	copy->dests[1].count = 7;
	expect_rejected(&c, copy, 0, -EINVAL, "destination 1");
	copy = good_copy(&c);
	copy->dests[0].count = 0;
	expect_rejected(&c, copy, 0, -EINVAL, "destination 0");
	copy = good_copy(&c);
	copy->from.count = 0;
	expect_rejected(&c, copy, 0, -EINVAL, "destination 0");
}

/* A range in sectors, on the first disk or the second. */
static void expect_range(struct check *c, sector_t sector, sector_t count, int err)
{
	struct copy *copy = fixture_copy(c->client, c->a, sector, count);

	copy_to(copy, c->b, 0);
	expect_rejected(c, copy, 0, err, "source");

	copy = fixture_copy(c->client, c->a, 0, count);
	copy_to(copy, c->b, sector);
	/* Here the source may be the one that is found to be too short. */
	expect_rejected(c, copy, 0, err, "past the end");
}

static void check_past_the_end(struct kunit *test)
{
	struct check c = check_new(test);
	struct copy *copy;

	expect_range(&c, DISK_SECTORS, 1, -ERANGE);
	expect_range(&c, DISK_SECTORS - 1, 2, -ERANGE);
	expect_range(&c, 0, DISK_SECTORS + 1, -ERANGE);
	expect_range(&c, 1, DISK_SECTORS, -ERANGE);
	expect_range(&c, DISK_SECTORS + 1, 0, -ERANGE);
	/* The sum wraps round. */
	expect_range(&c, U64_MAX, 1, -ERANGE);
	expect_range(&c, U64_MAX - 3, 8, -ERANGE);
	expect_range(&c, 8, U64_MAX - 7, -ERANGE);
	expect_range(&c, 8, U64_MAX, -ERANGE);
	expect_range(&c, 1ULL << 63, 1ULL << 63, -ERANGE);

	/* Up to the end is fine. */
	copy = fixture_copy(c.client, c.a, DISK_SECTORS - 8, 8);
	copy_to(copy, c.b, DISK_SECTORS - 8);
	copy_run(copy, 0);
	copy_expect_copied(copy, 0);
	copy = fixture_copy(c.client, c.a, DISK_SECTORS, 0);
	copy_to(copy, c.b, DISK_SECTORS);
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
}

static void check_read_only(struct kunit *test)
{
	struct check c = check_new(test);
	struct copy *copy = good_copy(&c);

	copy_to(copy, c.b, 64);
	set_disk_ro(c.b->gd, true);
	expect_rejected(&c, copy, 0, -EROFS, "read-only");
	/* To be read from, it is good enough. */
	copy = fixture_copy(c.client, c.b, 16, 8);
	copy_to(copy, c.a, 32);
	copy_run(copy, 0);
	copy_expect_copied(copy, 0);
	set_disk_ro(c.b->gd, false);
}

static void check_overlap(struct kunit *test)
{
	static const struct {
		sector_t to;
		bool overlaps;
	} cases[] = {
		{ 100, true }, { 93, true }, { 107, true }, { 99, true }, { 101, true },
		{ 92, false }, { 108, false }, { 0, false }, { 1000, false },
	};
	struct check c = check_new(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct copy *source = fixture_copy(c.client, c.a, 100, 8);
		struct copy *dest = fixture_copy(c.client, c.a, 100, 8);

		copy_to(source, c.a, cases[i].to);
		copy_to(dest, c.b, 100);
		copy_to(dest, c.b, 500);
		copy_to(dest, c.b, cases[i].to);
		if (cases[i].overlaps) {
			expect_rejected(&c, source, 0, -EINVAL, "overlaps the source");
			expect_rejected(&c, dest, 0, -EINVAL, "destinations 0");
			continue;
		}
		copy_run(source, 0);
		copy_run(dest, 0);
		copy_expect_copied_part(source, 0, 0, 8);
		copy_expect_copied_part(dest, 0, 0, 8);
		copy_expect_copied_part(dest, 2, 0, 8);
		tdisk_fill(c.a, 0, DISK_SECTORS, 1, 0);
		tdisk_fill(c.b, 0, DISK_SECTORS, 2, 0);
		tdisk_reset_log(c.a);
		tdisk_reset_log(c.b);
	}
}

static struct copy *whole_disk_copy(struct check *c, struct block_device *from, sector_t sector,
				    struct block_device *to, sector_t to_sector)
{
	struct copy *copy = fixture_copy(c->client, c->a, sector, 8);

	copy_to(copy, c->a, to_sector);
	copy->from.bdev = from;
	copy->dests[0].bdev = to;
	return copy;
}

/* Partitions start at sectors 128 and 1024. */
static void check_partitions(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS,
		.seed = 1,
		.part_start = { 128, 1024 },
		.part_sectors = { 512, 256 },
	};
	struct fixture *f = test->priv;
	struct check c = { .f = f, .test = test };
	struct tdisk *disk = fixture_disk(f, &options);
	struct block_device *p1 = disk->part[0], *p2 = disk->part[1];
	struct copy *copy;

	if (!p1 || !p2)
		kunit_skip(test, "the kernel found no partitions on the test disk");
	KUNIT_ASSERT_EQ(test, get_start_sect(p1), 128);
	KUNIT_ASSERT_EQ(test, get_start_sect(p2), 1024);
	c.a = disk;
	c.b = fixture_small_disk(f, 2, DISK_SECTORS);
	c.client = fixture_client(f, 16);

	/* The same place by its two names. */
	expect_rejected(&c, whole_disk_copy(&c, disk->bdev, 128, p1, 0), 0, -EINVAL,
			"overlaps the source");
	expect_rejected(&c, whole_disk_copy(&c, p1, 0, disk->bdev, 135), 0, -EINVAL,
			"overlaps the source");
	expect_rejected(&c, whole_disk_copy(&c, p2, 8, disk->bdev, 1032), 0, -EINVAL,
			"overlaps the source");
	copy = fixture_copy(c.client, c.b, 0, 8);
	copy_to(copy, disk, 1030);
	copy_to(copy, disk, 0);
	copy->dests[1].bdev = p2;
	expect_rejected(&c, copy, 0, -EINVAL, "destinations 0");
	/* A partition ends before its disk does. */
	expect_rejected(&c, whole_disk_copy(&c, disk->bdev, 0, p1, 505), 0, -ERANGE,
			"past the end");
	expect_rejected(&c, whole_disk_copy(&c, p2, 249, p1, 0), 0, -ERANGE, "past the end");

	/* The same number in two partitions is not the same place. */
	copy = whole_disk_copy(&c, p1, 16, p2, 16);
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	copy->from.sector += 128;
	copy->dests[0].sector += 1024;
	copy_expect_copied(copy, 0);
}

static void check_alignment(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS,
		.block_size = 4096,
		.seed = 3,
		.end = TDISK_END_IRQ,
	};
	static const struct {
		sector_t from, to, count;
		bool good;
	} cases[] = {
		{ 8, 16, 8, true },  { 0, 0, 800, true }, { 8, 16, 7, false }, { 8, 16, 1, false },
		{ 9, 16, 8, false }, { 8, 17, 8, false }, { 4, 4, 4, false },  { 12, 16, 8, false },
		{ 8, 12, 8, false }, { 8, 8, 0, true },   { 1, 8, 0, false },
	};
	struct check c = check_new(test);
	struct tdisk *coarse = fixture_disk(c.f, &options);
	struct tdisk *coarse2 = fixture_disk(c.f, &options);
	struct tdisk *pairs[][2] = { { c.a, coarse }, { coarse, c.a }, { coarse, coarse2 } };
	unsigned int i, j, k;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (j = 0; j < ARRAY_SIZE(pairs); j++) {
			struct copy *copy = fixture_copy(c.client, pairs[j][0], cases[i].from,
							 cases[i].count);

			/* The other destination does not mind. */
			copy_to(copy, c.b, cases[i].to);
			copy_to(copy, pairs[j][1], cases[i].to);
			if (!cases[i].good) {
				expect_rejected(&c, copy, 0, -EINVAL, "not aligned");
				continue;
			}
			copy_run(copy, 0);
			copy_expect_copied(copy, 0);
			copy_expect_copied(copy, 1);
			for (k = 0; k < c.f->nr_disks; k++) {
				struct tdisk *disk = c.f->disks[k];

				tdisk_fill(disk, 0, DISK_SECTORS, disk->options.seed, 0);
				tdisk_settle(disk);
				tdisk_reset_log(disk);
			}
		}
	}
}

/* Without a coarse device, any sector will do. */
static void check_single_sectors(struct kunit *test)
{
	struct check c = check_new(test);
	struct copy *copy = fixture_copy(c.client, c.a, 13, 1);

	copy_to(copy, c.b, 29);
	copy_run(copy, 0);
	copy_expect_copied(copy, 0);
}

static void check_pool_smaller_than_block(struct kunit *test)
{
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS,
		.block_size = 4 * PAGE_SIZE,
		.seed = 1,
		.end = TDISK_END_IRQ,
	};
	struct fixture *f = test->priv;
	struct check c = { .f = f, .test = test };
	struct copy *copy;

	if (tdisk_create(&c.a, &options))
		kunit_skip(test, "this kernel has no logical blocks larger than a page");
	f->disks[f->nr_disks++] = c.a;
	c.b = fixture_small_disk(f, 2, DISK_SECTORS);
	c.client = fixture_client(f, 3);
	copy = fixture_copy(c.client, c.a, 32, 64);
	copy_to(copy, c.b, 32);
	expect_rejected(&c, copy, 0, -EINVAL, "cannot hold one logical block");

	c.client = fixture_client(f, 4);
	copy = fixture_copy(c.client, c.a, 32, 320);
	copy_to(copy, c.b, 32);
	copy_run(copy, 0);
	copy_expect_copied(copy, 0);
}

/* As many as there can be: half of them disks, half of them ranges of one disk. */
static void check_32_destinations(struct kunit *test)
{
	struct check c = check_new(test);
	struct copy *copy = fixture_copy(c.client, c.a, 16, 100);
	unsigned int i;

	for (i = 0; i < 16; i++)
		copy_to(copy, fixture_small_disk(c.f, 3 + i, 256), 5);
	for (i = 0; i < 16; i++)
		copy_to(copy, c.b, 120 * i);
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	for (i = 0; i < 32; i++)
		copy_expect_copied(copy, i);
}

/* Nothing to do is still done later, from the workqueue, whatever the disks do. */
static void check_empty_range(struct kunit *test)
{
	struct check c = check_new(test);
	struct copy *copy = fixture_copy(c.client, c.a, 16, 0);

	tdisk_shut(c.a);
	tdisk_block(c.b);
	copy_to(copy, c.b, 16);
	copy_to(copy, c.b, 16);
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	copy = fixture_copy(c.client, c.a, DISK_SECTORS, 0);
	copy_to(copy, c.b, 0);
	copy_run(copy, KCOPYD_WRITE_SEQ);
	copy_expect(copy, 0, 0);
	KUNIT_EXPECT_EQ(test, c.a->nr_events + c.b->nr_events, 0);
}

/* What a bad caller repeats must not fill the log, nor hide another's mistake. */
static void check_log_is_bounded(struct kunit *test)
{
	struct check c = check_new(test);
	struct tclient *other = fixture_client(c.f, 4);
	struct kmsg_dump_iter mark;
	struct copy *copy;
	unsigned int i;

	log_mark(&mark);
	for (i = 0; i < 40; i++) {
		copy = good_copy(&c);
		copy_submit(copy, 1);
	}
	KUNIT_EXPECT_GE(test, log_count(&mark, "unknown flags"), 1);
	KUNIT_EXPECT_LE(test, log_count(&mark, "unknown flags"), 20);
	copy = fixture_copy(other, c.a, 1, U64_MAX);
	copy_to(copy, c.b, 1);
	copy_submit(copy, 0);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "past the end"), 1);
}

static struct kunit_case check_cases[] = {
	KUNIT_CASE(check_client_create),
	KUNIT_CASE(check_null_arguments),
	KUNIT_CASE(check_number_of_destinations),
	KUNIT_CASE(check_flags),
	KUNIT_CASE(check_count_mismatch),
	KUNIT_CASE(check_past_the_end),
	KUNIT_CASE(check_read_only),
	KUNIT_CASE(check_overlap),
	KUNIT_CASE(check_partitions),
	KUNIT_CASE(check_alignment),
	KUNIT_CASE(check_single_sectors),
	KUNIT_CASE(check_pool_smaller_than_block),
	KUNIT_CASE(check_32_destinations),
	KUNIT_CASE(check_empty_range),
	KUNIT_CASE(check_log_is_bounded),
	{}
};

static struct kunit_suite check_suite = {
	.name = "kcopyd_check",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = check_cases,
};

kunit_test_suite(check_suite);
