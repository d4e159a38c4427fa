// SPDX-License-Identifier: GPL-2.0-only
/*
 * What copies of one client do to each other. Disks are stopped by gates, so
 * that a copy which completes has demonstrably not waited for them.
 */
#include "core/client.h"
#include "fixture.h"

#define PAGES 128
#define DISK_SECTORS 8192
#define PART_SECTORS (16 * 8)

struct fair {
	struct fixture *f;
	struct tclient *client;
	struct tdisk *a, *b;		/* of the huge copy */
	struct tdisk *c, *d;		/* of the small one */
	struct copy *huge, *small;
};

static struct fair fair_new_with(struct kunit *test, unsigned int num_pages)
{
	struct fixture *f = test->priv;
	struct fair x = {
		.f = f,
		.client = fixture_client(f, num_pages),
		.a = fixture_huge_disk(f, 1),
		.b = fixture_huge_disk(f, 2),
		.c = fixture_small_disk(f, 3, DISK_SECTORS),
		.d = fixture_small_disk(f, 4, DISK_SECTORS),
	};

	x.b->expect_seed = 1;
	x.huge = fixture_copy(x.client, x.a, 0, HUGE_SECTORS);
	copy_to(x.huge, x.b, 0);
	x.small = fixture_copy(x.client, x.c, 80, 8);
	copy_to(x.small, x.d, 160);
	return x;
}

static struct fair fair_new(struct kunit *test)
{
	return fair_new_with(test, PAGES);
}

/* Bios that arrived after a moment and before a certain one, or up to now. */
static unsigned int arrived_between(const struct tdisk *disk, unsigned int after, sector_t until)
{
	unsigned int i, n = 0;

	for (i = 0; i < disk->nr_events; i++) {
		const struct tdisk_event *event = &disk->events[i];

		if (event->arrived <= after)
			continue;
		if (event->sector == until)
			break;
		n++;
	}
	return n;
}

/*
 * On the disks of a huge copy a small one goes ahead: of what comes to a disk
 * after it, at most the one part that was just being submitted is served first.
 */
static void fairness_small_behind_huge(struct kunit *test)
{
	struct fair x = fair_new(test);
	const sector_t at = HUGE_SECTORS - 8;
	unsigned int submitted, released = 0, at_a, at_b;
	struct copy *small;

	/* The last sectors are not the huge copy's. */
	x.huge->from.count -= 64;
	x.huge->dests[0].count -= 64;
	small = fixture_copy(x.client, x.a, at, 8);
	copy_to(small, x.b, at);
	tdisk_shut(x.a);
	tdisk_shut(x.b);
	copy_start(x.huge, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(x.a, 1));
	fixture_settle(x.f);
	/* Both disks have of it what they can get. */
	tdisk_release(x.a, 2);
	fixture_settle(x.f);
	at_a = x.a->nr_held;
	at_b = x.b->nr_held;

	submitted = tdisk_now();
	copy_start(small, 0);
	fixture_settle(x.f);
	while (!copy_is_done(small) && released < 200) {
		released += tdisk_release(x.a, 1);
		fixture_settle(x.f);
		released += tdisk_release(x.b, 1);
		fixture_settle(x.f);
		flush_workqueue(x.client->kc->notify_wq);
	}
	KUNIT_ASSERT_TRUE(test, copy_is_done(small));
	copy_expect(small, 0, 0);
	KUNIT_EXPECT_LE(test, arrived_between(x.a, submitted, at), 1);
	/* On the destination, after it was read. */
	KUNIT_EXPECT_LE(test, released, 2 * (at_a + at_b) + 4);
	KUNIT_EXPECT_EQ(test, x.b->wrong, 0);
}

/* A gate that is shut at the huge copy's source, or destination, or both. */
static void small_passes_with(struct kunit *test, unsigned int num_pages, bool source, bool dest,
			      bool block)
{
	struct fair x = fair_new_with(test, num_pages);
	struct tdisk *slow = source ? x.a : x.b;

	if (block) {
		tdisk_block(slow);
	} else {
		if (source)
			tdisk_shut(x.a);
		if (dest)
			tdisk_shut(x.b);
	}
	copy_start(x.huge, 0);
	if (block)
		KUNIT_ASSERT_TRUE(test, tdisk_wait_blocked(slow, 1));
	else
		KUNIT_ASSERT_TRUE(test, tdisk_wait_held(slow, 1));
	copy_run(x.small, 0);
	copy_expect(x.small, 0, 0);
	copy_expect_copied(x.small, 0);
	KUNIT_EXPECT_FALSE(test, copy_is_done(x.huge));
	KUNIT_EXPECT_EQ(test, x.b->wrong, 0);
}

static void small_passes(struct kunit *test, bool source, bool dest, bool block)
{
	small_passes_with(test, PAGES, source, dest, block);
}

static void fairness_slow_source(struct kunit *test)
{
	small_passes(test, true, false, false);
}

static void fairness_slow_destination(struct kunit *test)
{
	small_passes(test, false, true, false);
}

static void fairness_blocking_source(struct kunit *test)
{
	small_passes(test, true, false, true);
}

static void fairness_blocking_destination(struct kunit *test)
{
	small_passes(test, false, true, true);
}

/* Not one but 512 copies are waiting for the slow disk. */
static void many_waiting(struct kunit *test, unsigned int num_pages, bool block)
{
	struct fair x = fair_new_with(test, num_pages);
	struct copy *last = NULL;
	unsigned int i;

	if (block)
		tdisk_block(x.a);
	else
		tdisk_shut(x.a);
	copy_start(x.huge, 0);
	for (i = 0; i < 512; i++) {
		last = fixture_copy(x.client, x.a, i * 7919 * 8 % (HUGE_SECTORS - 8), 8);
		copy_to(last, x.b, i * 104729 * 8 % (HUGE_SECTORS - 8));
		copy_start(last, 0);
	}
	if (block)
		KUNIT_ASSERT_TRUE(test, tdisk_wait_blocked(x.a, 1));
	else
		KUNIT_ASSERT_TRUE(test, tdisk_wait_held(x.a, 1));
	copy_run(x.small, 0);
	copy_expect_copied(x.small, 0);
	KUNIT_EXPECT_FALSE(test, copy_is_done(last));
}

static void fairness_512_waiting(struct kunit *test)
{
	many_waiting(test, PAGES, false);
}

static void fairness_512_waiting_blocked(struct kunit *test)
{
	many_waiting(test, PAGES, true);
}

/* All that with the smallest pool for which it is promised: 8 granules for each disk. */
static void fairness_smallest_pool(struct kunit *test)
{
	const unsigned int num_pages = 8 * 4;

	small_passes_with(test, num_pages, true, false, false);
	small_passes_with(test, num_pages, false, true, false);
	small_passes_with(test, num_pages, true, true, false);
	small_passes_with(test, num_pages, true, false, true);
	small_passes_with(test, num_pages, false, true, true);
	many_waiting(test, num_pages, false);
}

static void fairness_two_slow_disks(struct kunit *test)
{
	struct fair x = fair_new(test);
	struct tdisk *e = fixture_huge_disk(x.f, 5), *g = fixture_huge_disk(x.f, 6);
	struct copy *second = fixture_copy(x.client, e, 0, HUGE_SECTORS);
	struct copy *mixed = fixture_copy(x.client, x.a, 0, HUGE_SECTORS / 2);
	struct copy *large;

	copy_to(second, g, 0);
	copy_to(mixed, g, 0);
	tdisk_shut(x.b);
	tdisk_block(e);
	copy_start(x.huge, 0);
	copy_start(second, 0);
	copy_start(mixed, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(x.b, 1));
	KUNIT_ASSERT_TRUE(test, tdisk_wait_blocked(e, 1));
	copy_run(x.small, 0);
	copy_expect_copied(x.small, 0);
	/* A copy that is not small needs no more than its disks either. */
	large = fixture_copy(x.client, x.d, 1000, 3000);
	copy_to(large, x.c, 2000);
	copy_run(large, 0);
	copy_expect_copied(large, 0);
	KUNIT_EXPECT_FALSE(test, copy_is_done(x.huge));
	KUNIT_EXPECT_FALSE(test, copy_is_done(second));
}

/* I/O of other copies goes on while a callback takes its time. */
static void fairness_slow_callback(struct kunit *test)
{
	struct fair x = fair_new(test);
	struct copy *large = fixture_copy(x.client, x.c, 1000, 4000);

	copy_to(large, x.d, 3000);
	x.small->then = copy_hold;
	copy_start(x.small, 0);
	KUNIT_ASSERT_TRUE(test, wait_until(atomic_read(&x.small->calls)));
	copy_start(large, 0);
	/* Its own one, and all of the large one's. */
	KUNIT_EXPECT_TRUE(test, tdisk_wait_ended(x.d, 1 + DIV_ROUND_UP(4000, PART_SECTORS)));
	fixture_settle(x.f);
	copy_expect_copied(large, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&large->calls), 0);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(x.client), PAGES);
	copy_let_go(x.small);
	copy_wait(large);
	copy_wait(x.small);
}

static void submit_again(struct copy *copy)
{
	struct copy *bulk = copy->priv;

	if (copy_is_done(bulk) || READ_ONCE(copy->fixture->ending))
		return;
	/* The same copy once more; one callback for each is what counts. */
	atomic_dec(&copy->calls);
	copy_submit(copy, 0);
}

/* An endless stream of small copies through the same two disks does not starve it. */
static void fairness_bulk_is_not_starved(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *from = fixture_small_disk(f, 1, DISK_SECTORS);
	struct tdisk *to = fixture_small_disk(f, 2, DISK_SECTORS);
	/* So long as that it would get stuck if it could. */
	struct copy *bulk = fixture_copy(client, from, 0, 1500);
	unsigned int i;

	copy_to(bulk, to, 0);
	for (i = 0; i < 40; i++) {
		struct copy *small = fixture_copy(client, from, 2048 + 8 * i, 8);

		copy_to(small, to, 2048 + 8 * i);
		small->then = submit_again;
		small->priv = bulk;
		copy_start(small, 0);
	}
	copy_run(bulk, 0);
	copy_expect(bulk, 0, 0);
	copy_expect_copied_part(bulk, 0, 0, 1500);
}

/* Of two that wait for the one page, the same one is not passed by each time. */
static void fairness_one_page_in_turn(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 1);
	struct tdisk *disks[5];
	struct copy *copy, *others[2];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(disks); i++)
		disks[i] = fixture_small_disk(f, 1 + i, DISK_SECTORS);
	copy = fixture_copy(client, disks[0], 0, 400);
	copy_to(copy, disks[1], 0);
	others[0] = fixture_copy(client, disks[2], 0, 200);
	copy_to(others[0], disks[3], 0);
	copy_to(others[0], disks[4], 0);
	others[1] = fixture_copy(client, disks[0], 1000, 200);
	copy_to(others[1], disks[1], 1000);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		others[i]->then = submit_again;
		others[i]->priv = copy;
		copy_start(others[i], 0);
	}
	copy_run(copy, 0);
	copy_expect(copy, 0, 0);
	copy_expect_copied(copy, 0);
}

/* Nor do small ones starve each other, or one bulk copy another. */
static void fairness_bulk_copies_take_turns(struct kunit *test)
{
	struct fair x = fair_new(test);
	struct copy *second = fixture_copy(x.client, x.a, HUGE_SECTORS / 2, HUGE_SECTORS / 4);
	unsigned int i, mine = 0, from;

	x.huge->from.count /= 4;
	x.huge->dests[0].count /= 4;
	copy_to(second, x.b, HUGE_SECTORS / 2);
	tdisk_shut(x.a);
	copy_start(x.huge, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(x.a, 1));
	fixture_settle(x.f);
	copy_start(second, 0);
	fixture_settle(x.f);
	from = x.a->nr_events;
	for (i = 0; i < 16; i++) {
		KUNIT_ASSERT_EQ(test, tdisk_release(x.a, 1), 1);
		fixture_settle(x.f);
	}
	for (i = from; i < x.a->nr_events; i++)
		mine += x.a->events[i].sector >= HUGE_SECTORS / 2;
	KUNIT_EXPECT_GE(test, mine, (x.a->nr_events - from) / 2 - 2);
	KUNIT_EXPECT_LE(test, mine, (x.a->nr_events - from) / 2 + 2);
}

/* What a slow disk may hold of the pool, as source and as destination. */
#define SHARE (PAGES * 3 / 8)

static void share(struct kunit *test, struct fair *x, struct tdisk *slow, unsigned int most)
{
	const unsigned int page = PAGE_SIZE / SECTOR_SIZE;

	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(slow, 1));
	fixture_settle(x->f);
	KUNIT_EXPECT_LE(test, tdisk_held_sectors(slow), most * page);
	/* But it has something to do. */
	KUNIT_EXPECT_GE(test, tdisk_held_sectors(slow), PAGES / 8 * page);
	KUNIT_EXPECT_GE(test, tclient_free_pages(x->client), PAGES - most);
}

static void fairness_share_of_source(struct kunit *test)
{
	struct fair x = fair_new(test);

	tdisk_shut(x.a);
	copy_start(x.huge, 0);
	share(test, &x, x.a, SHARE);
}

static void fairness_share_of_destination(struct kunit *test)
{
	struct fair x = fair_new(test);

	tdisk_shut(x.b);
	copy_start(x.huge, 0);
	share(test, &x, x.b, SHARE);
}

/* What is read for a slow destination counts as its own, from whatever disks it comes. */
static void fairness_share_of_common_destination(struct kunit *test)
{
	struct fair x = fair_new(test);
	struct tdisk *sources[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		struct copy *copy;

		sources[i] = fixture_huge_disk(x.f, 10 + i);
		tdisk_shut(sources[i]);
		copy = fixture_copy(x.client, sources[i], 0, HUGE_SECTORS / 4);
		copy_to(copy, x.b, i * (HUGE_SECTORS / 4));
		copy_start(copy, 0);
		fixture_settle(x.f);
	}
	tdisk_shut(x.b);
	for (i = 0; i < 4; i++)
		tdisk_open(sources[i]);
	/* A granule of each source goes beyond, and once it is read one more may. */
	share(test, &x, x.b, PAGES / 2 + 3);
	copy_run(x.small, 0);
	copy_expect_copied(x.small, 0);
}

/* Many small copies may not fill the pool with one disk either. */
static void fairness_share_of_small_copies(struct kunit *test)
{
	struct fair x = fair_new(test);
	unsigned int i;

	tdisk_shut(x.b);
	for (i = 0; i < 300; i++) {
		struct copy *copy = fixture_copy(x.client, x.a, 8 * i, 8);

		copy_to(copy, x.b, 8 * i);
		copy_start(copy, 0);
	}
	/* And the one granule that each source can have beyond that. */
	share(test, &x, x.b, SHARE + 1);
	copy_run(x.small, 0);
	copy_expect_copied(x.small, 0);
}

/*
 * Slow sources whose copies all go to one disk: another source's copies to the
 * same disk do not wait for them, be they small or large.
 */
static void slow_sources(struct kunit *test, unsigned int nr, bool many, bool block,
			 sector_t count)
{
	struct fair x = fair_new(test);
	struct copy *copy, *other = fixture_copy(x.client, x.c, 0, count);
	unsigned int i, j;

	for (i = 0; i < nr; i++) {
		struct tdisk *slow = fixture_huge_disk(x.f, 10 + i);

		if (block)
			tdisk_block(slow);
		else
			tdisk_shut(slow);
		for (j = 0; j < (many ? 256 : 1); j++) {
			copy = fixture_copy(x.client, slow, 0, many ? 8 : 2000);
			copy_to(copy, x.d, 2000 * i + (many ? 8 * j : 0));
			copy_start(copy, 0);
		}
		if (block)
			KUNIT_ASSERT_TRUE(test, tdisk_wait_blocked(slow, 1));
		else
			fixture_settle(x.f);
	}
	copy_to(other, x.d, 6001);
	copy_run(other, 0);
	copy_expect(other, 0, 0);
	copy_expect_copied_part(other, 0, 0, count);
}

static void fairness_slow_source_large_and_small(struct kunit *test)
{
	slow_sources(test, 1, false, false, 8);
}

static void fairness_slow_source_many_and_small(struct kunit *test)
{
	slow_sources(test, 1, true, false, 8);
}

static void fairness_slow_source_large_and_large(struct kunit *test)
{
	slow_sources(test, 1, false, false, 2000);
}

static void fairness_slow_source_many_and_large(struct kunit *test)
{
	slow_sources(test, 1, true, false, 2000);
}

static void fairness_blocking_source_many_and_small(struct kunit *test)
{
	slow_sources(test, 1, true, true, 8);
}

static void fairness_slow_sources_large_and_small(struct kunit *test)
{
	slow_sources(test, 3, false, false, 8);
}

static void fairness_slow_sources_many_and_small(struct kunit *test)
{
	slow_sources(test, 3, true, false, 8);
}

static void fairness_slow_sources_large_and_large(struct kunit *test)
{
	slow_sources(test, 3, false, false, 2000);
}

static void copies_start(struct copy **copies, unsigned int nr, struct tclient *client,
			 struct tdisk *from, struct tdisk *to, sector_t sector)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		copies[i] = fixture_copy(client, from, sector + 8 * i, 8);
		copy_to(copies[i], to, sector + 8 * i);
		copy_start(copies[i], 0);
	}
}

/*
 * Copies wait for a source that has had its share. When it is idle again all of
 * them are looked at, also if data for it is still on its way from a disk that
 * hangs, and the first ones go to another one that hangs.
 */
static void fairness_idle_disk_is_used(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 64);
	struct tdisk *hung = fixture_small_disk(f, 1, 2048);
	struct tdisk *from = fixture_small_disk(f, 2, 4096);
	struct tdisk *full = fixture_small_disk(f, 3, 2048);
	struct tdisk *to = fixture_small_disk(f, 4, 2048);
	struct copy *coming[4], *filling[22], *reading[11], *behind[20], *last;

	tdisk_shut(hung);
	tdisk_shut(full);
	copies_start(coming, ARRAY_SIZE(coming), client, hung, from, 1536);
	copies_start(filling, ARRAY_SIZE(filling), client, from, full, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(full, ARRAY_SIZE(filling)));
	tdisk_shut(from);
	copies_start(reading, ARRAY_SIZE(reading), client, from, to, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(from, ARRAY_SIZE(reading)));
	copies_start(behind, ARRAY_SIZE(behind), client, from, full, 512);
	copies_start(&last, 1, client, from, to, 1024);

	tdisk_open(from);
	copy_wait(last);
	copy_expect_copied(last, 0);
	tdisk_open(full);
	tdisk_open(hung);
}

/* Another client feels nothing of it, on the same disks as far as they can help it. */
static void fairness_other_client(struct kunit *test)
{
	struct fair x = fair_new(test);
	struct tclient *other = fixture_client(x.f, 4);
	struct copy *copy = fixture_copy(other, x.a, HUGE_SECTORS - 8, 8);
	struct copy *second = fixture_copy(other, x.c, 0, 2000);

	copy_to(copy, x.d, 0);
	copy_to(second, x.d, 4000);
	tdisk_shut(x.b);
	x.small->then = copy_hold;
	copy_start(x.small, 0);
	copy_start(x.huge, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(x.b, 1));
	copy_run(copy, 0);
	copy_expect_copied_part(copy, 0, 0, 8);
	copy_run(second, 0);
	copy_expect_copied(second, 0);
	copy_let_go(x.small);
	copy_wait(x.small);
}

/* With very few pages isolation may go, progress may not. */
static void fairness_few_pages(struct kunit *test)
{
	static const unsigned int sizes[] = { 1, 2, 3, 5, 8 };
	struct fixture *f = test->priv;
	unsigned int i, j;

	for (i = 0; i < 3; i++)
		fixture_small_disk(f, 1 + i, DISK_SECTORS);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct tclient *client = fixture_client(f, sizes[i]);
		struct copy *copies[24];

		for (j = 0; j < ARRAY_SIZE(copies); j++) {
			copies[j] = fixture_copy(client, f->disks[j % 3], 100 * j,
						 j % 4 ? 8 : 150 + j);
			copy_to(copies[j], f->disks[(j + 1) % 3], 4096 + 170 * j);
			if (j % 5 == 0)
				copy_to(copies[j], f->disks[(j + 2) % 3], 4096 + 170 * j);
			copy_start(copies[j], j % 8 == 4 ? KCOPYD_WRITE_SEQ : 0);
		}
		for (j = 0; j < ARRAY_SIZE(copies); j++) {
			copy_wait(copies[j]);
			copy_expect(copies[j], 0, 0);
			copy_expect_copied_part(copies[j], 0, 0, copies[j]->from.count);
		}
		KUNIT_EXPECT_EQ(test, tclient_free_pages(client), sizes[i]);
	}
}

/* A copy that waits for the one page there is, and for no disk, gets it. */
static void fairness_one_page(struct kunit *test)
{
	struct fair x = fair_new_with(test, 1);
	struct copy *first = fixture_copy(x.client, x.a, 0, 8);

	copy_to(first, x.b, 0);
	tdisk_shut(x.b);
	copy_start(first, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(x.b, 1));
	copy_start(x.small, 0);
	fixture_settle(x.f);
	KUNIT_EXPECT_EQ(test, x.c->nr_events, 0);
	tdisk_open(x.b);
	copy_wait(x.small);
	copy_expect_copied(x.small, 0);
	copy_wait(first);
}

static struct kunit_case fairness_cases[] = {
	KUNIT_CASE(fairness_small_behind_huge),
	KUNIT_CASE(fairness_slow_source),
	KUNIT_CASE(fairness_slow_destination),
	KUNIT_CASE(fairness_blocking_source),
	KUNIT_CASE(fairness_blocking_destination),
	KUNIT_CASE(fairness_512_waiting),
	KUNIT_CASE(fairness_512_waiting_blocked),
	KUNIT_CASE(fairness_smallest_pool),
	KUNIT_CASE(fairness_two_slow_disks),
	KUNIT_CASE(fairness_slow_callback),
	KUNIT_CASE(fairness_bulk_is_not_starved),
	KUNIT_CASE(fairness_one_page_in_turn),
	KUNIT_CASE(fairness_bulk_copies_take_turns),
	KUNIT_CASE(fairness_share_of_source),
	KUNIT_CASE(fairness_share_of_destination),
	KUNIT_CASE(fairness_share_of_common_destination),
	KUNIT_CASE(fairness_share_of_small_copies),
	KUNIT_CASE(fairness_slow_source_large_and_small),
	KUNIT_CASE(fairness_slow_source_many_and_small),
	KUNIT_CASE(fairness_slow_source_large_and_large),
	KUNIT_CASE(fairness_slow_source_many_and_large),
	KUNIT_CASE(fairness_blocking_source_many_and_small),
	KUNIT_CASE(fairness_slow_sources_large_and_small),
	KUNIT_CASE(fairness_slow_sources_many_and_small),
	KUNIT_CASE(fairness_slow_sources_large_and_large),
	KUNIT_CASE(fairness_idle_disk_is_used),
	KUNIT_CASE(fairness_other_client),
	KUNIT_CASE(fairness_few_pages),
	KUNIT_CASE(fairness_one_page),
	{}
};

static struct kunit_suite fairness_suite = {
	.name = "kcopyd_fairness",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = fairness_cases,
};

kunit_test_suite(fairness_suite);
