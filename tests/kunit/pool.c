// SPDX-License-Identifier: GPL-2.0-only
/* The page pool by itself. */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "core/pool.h"
#include "starve.h"

struct pool_fixture {
	struct kcopyd_pool pool;
	struct rnd_state rnd;
};

static int pool_test_init(struct kunit *test)
{
	struct pool_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	prandom_seed_state(&f->rnd, 20240229);
	test->priv = f;
	return 0;
}

static void pool_test_exit(struct kunit *test)
{
	struct pool_fixture *f = test->priv;

	if (!f)
		return;
	/* Whatever a test that failed has not given back. */
	f->pool.nr_free = f->pool.nr_pages;
	kcopyd_pool_exit(&f->pool);
}

static unsigned int random_below(struct pool_fixture *f, unsigned int limit)
{
	return prandom_u32_state(&f->rnd) % limit;
}

static unsigned int chain_length(const struct page_list *pl)
{
	unsigned int n = 0;

	for (; pl; pl = pl->next)
		n++;
	return n;
}

static unsigned int chain_pieces(const struct page_list *pl)
{
	unsigned int n = 0;

	for (; pl; pl = pl->next)
		n += pl->next != pl + 1;
	return n;
}

static void pool_sizes(struct kunit *test)
{
	static const unsigned int sizes[] = { 1, 2, 3, 7, 8, 63, 64, 65, 255, 256, 257, 1024 };
	struct pool_fixture *f = test->priv;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct kcopyd_pool *pool = &f->pool;

		KUNIT_ASSERT_EQ(test, kcopyd_pool_init(pool, sizes[i]), 0);
		KUNIT_EXPECT_EQ(test, pool->nr_pages, sizes[i]);
		KUNIT_EXPECT_EQ(test, pool->nr_free, sizes[i]);
		KUNIT_EXPECT_TRUE(test, bitmap_empty(pool->used, sizes[i]));
		for (j = 0; j < sizes[i]; j++) {
			KUNIT_ASSERT_NOT_NULL(test, pool->pages[j].page);
			KUNIT_EXPECT_EQ(test, page_count(pool->pages[j].page), 1);
			/* Each is a page of its own, whatever piece it was part of. */
			KUNIT_EXPECT_FALSE(test, PageCompound(pool->pages[j].page));
		}
		kcopyd_pool_exit(pool);
		KUNIT_EXPECT_EQ(test, pool->nr_pages, 0);
		KUNIT_EXPECT_PTR_EQ(test, (void *)pool->pages, NULL);
	}
}

static void pool_pages_are_distinct(struct kunit *test)
{
	struct pool_fixture *f = test->priv;
	struct kcopyd_pool *pool = &f->pool;
	struct page_list *pl;

	KUNIT_ASSERT_EQ(test, kcopyd_pool_init(pool, 300), 0);
	pl = kcopyd_pool_get(pool, 300, f);
	for (; pl; pl = pl->next)
		memset(page_address(pl->page), 0, PAGE_SIZE);
	for (pl = pool->pages; pl; pl = pl->next) {
		u32 *word = page_address(pl->page);

		KUNIT_EXPECT_EQ(test, *word, 0);
		*word = 1;
	}
	kcopyd_pool_put(pool, pool->pages);
}

static void pool_exit_frees(struct kunit *test)
{
	struct pool_fixture *f = test->priv;
	struct kcopyd_pool *pool = &f->pool;
	struct page **pages;
	unsigned int i;

	pages = kunit_kcalloc(test, 100, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_ASSERT_EQ(test, kcopyd_pool_init(pool, 100), 0);
	for (i = 0; i < 100; i++) {
		pages[i] = pool->pages[i].page;
		get_page(pages[i]);
	}
	kcopyd_pool_exit(pool);
	for (i = 0; i < 100; i++) {
		KUNIT_EXPECT_EQ(test, page_count(pages[i]), 1);
		put_page(pages[i]);
	}
}

static void pool_too_large(struct kunit *test)
{
	struct pool_fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, kcopyd_pool_init(&f->pool, UINT_MAX), -ENOMEM);
	KUNIT_EXPECT_PTR_EQ(test, (void *)f->pool.pages, NULL);
	KUNIT_EXPECT_PTR_EQ(test, (void *)f->pool.used, NULL);
	KUNIT_EXPECT_EQ(test, f->pool.nr_pages, 0);
}

static void pool_piece_is_contiguous(struct kunit *test)
{
	struct pool_fixture *f = test->priv;
	struct kcopyd_pool *pool = &f->pool;
	struct page_list *a, *b, *c;

	KUNIT_ASSERT_EQ(test, kcopyd_pool_init(pool, 128), 0);
	a = kcopyd_pool_get(pool, 16, f);
	b = kcopyd_pool_get(pool, 64, f);
	c = kcopyd_pool_get(pool, 48, f);
	KUNIT_EXPECT_EQ(test, chain_length(a), 16);
	KUNIT_EXPECT_EQ(test, chain_length(b), 64);
	KUNIT_EXPECT_EQ(test, chain_length(c), 48);
	KUNIT_EXPECT_EQ(test, chain_pieces(a), 1);
	KUNIT_EXPECT_EQ(test, chain_pieces(b), 1);
	KUNIT_EXPECT_EQ(test, chain_pieces(c), 1);
	KUNIT_EXPECT_EQ(test, pool->nr_free, 0);

	/* What comes back side by side is one piece again. */
	kcopyd_pool_put(pool, c);
	kcopyd_pool_put(pool, a);
	kcopyd_pool_put(pool, b);
	a = kcopyd_pool_get(pool, 128, f);
	KUNIT_EXPECT_LE(test, chain_pieces(a), 2);
	kcopyd_pool_put(pool, a);
	KUNIT_EXPECT_EQ(test, pool->nr_free, 128);
}

static void pool_scattered(struct kunit *test)
{
	struct pool_fixture *f = test->priv;
	struct kcopyd_pool *pool = &f->pool;
	struct page_list *one[64], *pl;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, kcopyd_pool_init(pool, 64), 0);
	for (i = 0; i < 64; i++)
		one[i] = kcopyd_pool_get(pool, 1, f);
	for (i = 0; i < 64; i += 2)
		kcopyd_pool_put(pool, one[i]);
	/* All that is left, in as many pieces as there are. */
	pl = kcopyd_pool_get(pool, 32, f);
	KUNIT_EXPECT_EQ(test, chain_length(pl), 32);
	KUNIT_EXPECT_EQ(test, chain_pieces(pl), 32);
	KUNIT_EXPECT_EQ(test, pool->nr_free, 0);
	kcopyd_pool_put(pool, pl);
	for (i = 1; i < 64; i += 2)
		kcopyd_pool_put(pool, one[i]);
	KUNIT_EXPECT_EQ(test, pool->nr_free, 64);
}

static void pool_singles_from_the_low_end(struct kunit *test)
{
	struct pool_fixture *f = test->priv;
	struct kcopyd_pool *pool = &f->pool;
	struct page_list *large, *a, *b, *c;

	KUNIT_ASSERT_EQ(test, kcopyd_pool_init(pool, 64), 0);
	large = kcopyd_pool_get(pool, 8, f);
	kcopyd_pool_put(pool, large);
	a = kcopyd_pool_get(pool, 1, f);
	b = kcopyd_pool_get(pool, 1, f);
	KUNIT_EXPECT_PTR_EQ(test, a, &pool->pages[0]);
	KUNIT_EXPECT_PTR_EQ(test, b, &pool->pages[1]);
	kcopyd_pool_put(pool, a);
	c = kcopyd_pool_get(pool, 1, f);
	KUNIT_EXPECT_PTR_EQ(test, c, &pool->pages[0]);
	/* Large pieces go on elsewhere. */
	large = kcopyd_pool_get(pool, 8, f);
	KUNIT_EXPECT_EQ(test, chain_pieces(large), 1);
	KUNIT_EXPECT_PTR_NE(test, large, &pool->pages[0]);
	kcopyd_pool_put(pool, large);
	kcopyd_pool_put(pool, b);
	kcopyd_pool_put(pool, c);
}

/* Random pieces against a model that knows who holds what. */
static void pool_random(struct kunit *test)
{
	static const unsigned int sizes[] = { 1, 2, 7, 16, 128, 333 };
	struct pool_fixture *f = test->priv;
	struct kcopyd_pool *pool = &f->pool;
	struct page_list *held[64];
	unsigned int round, i, nr_held, step;
	u8 *owner;

	owner = kunit_kzalloc(test, 512, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, owner);

	for (round = 0; round < ARRAY_SIZE(sizes); round++) {
		unsigned int free = sizes[round];

		KUNIT_ASSERT_EQ(test, kcopyd_pool_init(pool, sizes[round]), 0);
		memset(owner, 0, 512);
		nr_held = 0;
		for (step = 0; step < 3000; step++) {
			struct page_list *pl;
			unsigned int nr;

			if (free && nr_held < ARRAY_SIZE(held) && random_below(f, 2)) {
				nr = 1 + random_below(f, random_below(f, 2) ? free : min(free, 4U));
				held[nr_held++] = kcopyd_pool_get(pool, nr, f);
				free -= nr;
				for (pl = held[nr_held - 1]; pl; pl = pl->next, nr--) {
					i = pl - pool->pages;
					KUNIT_ASSERT_LT(test, i, pool->nr_pages);
					KUNIT_ASSERT_EQ(test, owner[i], 0);
					owner[i] = 1;
				}
				KUNIT_ASSERT_EQ(test, nr, 0);
			} else if (nr_held) {
				i = random_below(f, nr_held);
				for (pl = held[i]; pl; pl = pl->next, free++)
					owner[pl - pool->pages] = 0;
				kcopyd_pool_put(pool, held[i]);
				held[i] = held[--nr_held];
			}
			KUNIT_ASSERT_EQ(test, pool->nr_free, free);
			for (i = 0; i < pool->nr_pages; i++)
				KUNIT_ASSERT_EQ(test, test_bit(i, pool->used), owner[i] != 0);
		}
		while (nr_held)
			kcopyd_pool_put(pool, held[--nr_held]);
		KUNIT_EXPECT_EQ(test, pool->nr_free, pool->nr_pages);
		kcopyd_pool_exit(pool);
	}
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE(pool_sizes),
	KUNIT_CASE(pool_pages_are_distinct),
	KUNIT_CASE(pool_exit_frees),
	KUNIT_CASE(pool_too_large),
	KUNIT_CASE(pool_piece_is_contiguous),
	KUNIT_CASE(pool_scattered),
	KUNIT_CASE(pool_singles_from_the_low_end),
	KUNIT_CASE(pool_random),
	{}
};

static struct kunit_suite pool_suite = {
	.name = "kcopyd_pool",
	.init = pool_test_init,
	.exit = pool_test_exit,
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);
