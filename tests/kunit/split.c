// SPDX-License-Identifier: GPL-2.0-only
/* Copies of every size through pools of every size. */
#include "core/client.h"
#include "fixture.h"

static const sector_t sizes[] = { 1, 3, 8, 9, 127, 1 * 2048 + 1 };

/* A part of this for each page of a small pool would take long. */
#define LARGE (16 * 2048)
#define LARGE_MIN_PAGES 16

#define DISK_SECTORS 40000

struct split_pages {
	const char *name;
	unsigned int num_pages;
};

static const struct split_pages split_params[] = {
	{ "1 page", 1 },     { "2 pages", 2 },	   { "7 pages", 7 },
	{ "16 pages", 16 },  { "128 pages", 128 }, { "1024 pages", 1024 },
};

static void split_name(const struct split_pages *param, char *name)
{
	strscpy(name, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(split, split_params, split_name);

static void split_one(struct fixture *f, struct tclient *client, sector_t count,
		      unsigned int num_dests)
{
	struct copy *copy = fixture_copy(client, f->disks[0], 77, count);
	unsigned int i;

	for (i = 0; i < num_dests; i++)
		copy_to(copy, f->disks[1 + i], 1000 * i + 11);
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	for (i = 0; i < num_dests; i++) {
		copy_expect_copied(copy, i);
		tdisk_fill(f->disks[1 + i], 1000 * i + 11, count, 2 + i, 1000 * i + 11);
	}
	KUNIT_EXPECT_EQ(f->test, tclient_free_pages(client), client->kc->pool.nr_pages);
}

/* Every sector in its place, none beside it, and no page but the pool's. */
static void split_sizes(struct kunit *test)
{
	const struct split_pages *param = test->param_value;
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, param->num_pages);
	unsigned int i;

	for (i = 0; i < 4; i++)
		fixture_small_disk(f, 1 + i, DISK_SECTORS);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		split_one(f, client, sizes[i], 3);
	if (param->num_pages >= LARGE_MIN_PAGES)
		split_one(f, client, LARGE, 1);
	KUNIT_EXPECT_LE(test, f->census->nr, param->num_pages);
	KUNIT_EXPECT_GT(test, f->census->nr, 0);
}

/* Many copies at once, each of which wants more than there is. */
static void split_contention(struct kunit *test)
{
	const struct split_pages *param = test->param_value;
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, param->num_pages);
	struct copy *copies[12];
	unsigned int i;

	for (i = 0; i < 3; i++)
		fixture_small_disk(f, 1 + i, DISK_SECTORS);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = fixture_copy(client, f->disks[i % 2], 5 + i * 2000, 300 + i * 7);
		copy_to(copies[i], f->disks[2], 9 + i * 2000);
		if (i % 3 == 0)
			copy_to(copies[i], f->disks[(i + 1) % 2], 1000 + i * 2000);
		copy_start(copies[i], i % 4 == 1 ? KCOPYD_WRITE_SEQ : 0);
	}
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copy_wait(copies[i]);
		copy_expect(copies[i], 0, 0);
		copy_expect_copied(copies[i], 0);
		if (copies[i]->num_dests > 1)
			copy_expect_copied(copies[i], 1);
	}
	KUNIT_EXPECT_EQ(test, tclient_free_pages(client), param->num_pages);
	KUNIT_EXPECT_LE(test, f->census->nr, param->num_pages);
}

/*
 * Parts of devices with blocks larger than a page are no larger than what dm-io puts into a
 * bio, whatever its pages are: it would end in the middle of a block.
 */
static void split_large_blocks(struct kunit *test)
{
	struct tdisk_options options = {
		.sectors = LARGE, .block_size = SZ_16K, .seed = 1, .end = TDISK_END_IRQ,
	};
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 8192);
	unsigned int i, largest = 0;
	struct tdisk *from;
	struct copy *copy;

	if (tdisk_create(&from, &options))
		kunit_skip(test, "this kernel has no logical blocks larger than a page");
	f->disks[f->nr_disks++] = from;
	options.seed = 2;
	KUNIT_ASSERT_EQ(test, kcopyd_client_set_part_size(client->kc, 4096), 0);
	copy = fixture_copy(client, from, 0, LARGE);
	copy_to(copy, fixture_disk(f, &options), 0);
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	copy_expect_copied(copy, 0);
	for (i = 0; i < from->nr_events; i++)
		largest = max(largest, from->events[i].count);
	KUNIT_EXPECT_EQ(test, largest, BIO_MAX_VECS * (PAGE_SIZE / SECTOR_SIZE));
	KUNIT_EXPECT_EQ(test, from->misaligned, 0);
}

static struct kunit_case split_cases[] = {
	KUNIT_CASE_PARAM(split_sizes, split_gen_params),
	KUNIT_CASE_PARAM(split_contention, split_gen_params),
	KUNIT_CASE(split_large_blocks),
	{}
};

static struct kunit_suite split_suite = {
	.name = "kcopyd_split",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = split_cases,
};

kunit_test_suite(split_suite);
