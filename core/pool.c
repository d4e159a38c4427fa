// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page pool. A bitmap rather than free lists: pieces that come back side
 * by side are one large piece again without any work, and a copy of 4 KiB
 * costs one bit. A chain is made of runs of neighbours, which are linked already:
 * what it costs depends on the runs, not on the pages.
 */
#include <linux/bitmap.h>
#include <linux/find.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "export.h"
#include "pool.h"

/* The largest piece asked of the page allocator: 1 MiB with pages of 4 KiB. */
#define POOL_MAX_ORDER 8

/* What a client takes besides its pages is less: 1 MiB with pages of 4 KiB. */
#define POOL_MARGIN 256

/**
 * kcopyd_pool_alloc_piece() - allocate pages that are neighbours
 * @order: 2^order pages are asked for, or fewer: it is set to what there is
 * @single: how to allocate a page when there is no larger piece
 *
 * Large pieces are a bonus (fewer segments a bio), so they are taken only when
 * they come without effort.
 *
 * Context: Process context, may sleep.
 * Return: the first page, to be freed one by one; or NULL.
 */
struct page *kcopyd_pool_alloc_piece(unsigned int *order, gfp_t single)
{
	struct page *page;

	for (; *order; --*order) {
		page = alloc_pages(KCOPYD_GFP_SPARE, *order);
		if (page) {
			/* Drivers may take references to single pages. */
			split_page(page, *order);
			return page;
		}
	}
	return alloc_page(single);
}

/*
 * What counts as available, but in zones that the kernel's own pages are never in: highmem
 * with 32 bits, and what has to stay movable.
 */
static long others_available(void)
{
	long pages = 0;
	int node, i;

	for_each_online_node(node) {
		struct zone *zones = NODE_DATA(node)->node_zones;

		for (i = ZONE_NORMAL + 1; i < MAX_NR_ZONES; i++)
			pages += zone_page_state(&zones[i], NR_FREE_PAGES) +
				 zone_page_state(&zones[i], NR_ZONE_INACTIVE_FILE) +
				 zone_page_state(&zones[i], NR_ZONE_ACTIVE_FILE);
	}
	return pages;
}

/**
 * kcopyd_pool_fits() - is there memory for a pool?
 * @nr_pages: how many pages
 *
 * To take pages until none is left would starve everybody else first, and bring
 * the OOM killer upon them.
 *
 * Context: Any.
 * Return: true if an eighth of the memory that is available to the kernel and
 * POOL_MARGIN would remain.
 */
bool kcopyd_pool_fits(unsigned int nr_pages)
{
	const long available = si_mem_available() - others_available();
	const long most = available - available / 8 - POOL_MARGIN;

	return most > 0 && nr_pages <= (unsigned long)most;
}

/**
 * kcopyd_pool_init() - allocate the pages of a pool
 * @pool: the pool to set up
 * @nr_pages: how many pages, at least 1
 *
 * Context: Process context, may sleep. Never wakes the OOM killer.
 * Return: 0, or -ENOMEM with nothing left behind.
 */
int kcopyd_pool_init(struct kcopyd_pool *pool, unsigned int nr_pages)
{
	unsigned int order = POOL_MAX_ORDER;
	unsigned int i = 0;

	memset(pool, 0, sizeof(*pool));

	if (!kcopyd_pool_fits(nr_pages))
		return -ENOMEM;

	pool->pages = kvcalloc(nr_pages, sizeof(*pool->pages),
			       KCOPYD_GFP_CREATE);
	pool->runs = kvcalloc(nr_pages, sizeof(*pool->runs), KCOPYD_GFP_CREATE);
	pool->owner = kvcalloc(nr_pages, sizeof(*pool->owner),
			       KCOPYD_GFP_CREATE);
	pool->used = kvcalloc(BITS_TO_LONGS(nr_pages), sizeof(*pool->used),
			      KCOPYD_GFP_CREATE);
	if (!pool->pages || !pool->runs || !pool->owner || !pool->used)
		goto err_free;

	while (i < nr_pages) {
		struct page *page;
		unsigned int j;

		order = min_t(unsigned int, order, ilog2(nr_pages - i));
		page = kcopyd_pool_alloc_piece(&order, KCOPYD_GFP_CREATE);
		if (!page)
			goto err_free;
		for (j = 0; j < 1U << order; j++)
			pool->pages[i++].page = page + j;
		pool->nr_pages = i;
		cond_resched();
	}
	for (i = 0; i < nr_pages; i++) {
		kcopyd_pool_link(pool, i);
		pool->runs[i] = 1;
	}
	bitmap_set(pool->used, nr_pages,
		   round_up(nr_pages, BITS_PER_LONG) - nr_pages);
	pool->nr_free = nr_pages;
	return 0;

err_free:
	pool->nr_free = pool->nr_pages;
	kcopyd_pool_exit(pool);
	return -ENOMEM;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_pool_init);

/**
 * kcopyd_pool_exit() - free the pages of a pool
 * @pool: the pool, with every page given back
 *
 * Context: Process context.
 */
void kcopyd_pool_exit(struct kcopyd_pool *pool)
{
	unsigned int i;

	WARN_ON_ONCE(pool->nr_free != pool->nr_pages);
	for (i = 0; i < pool->nr_pages; i++)
		__free_page(pool->pages[i].page);
	kvfree(pool->used);
	kvfree(pool->owner);
	kvfree(pool->runs);
	kvfree(pool->pages);
	memset(pool, 0, sizeof(*pool));
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_pool_exit);

/**
 * kcopyd_pool_get_runs() - kcopyd_pool_get() of any number of pages
 * @pool: the pool
 * @nr: how many pages, from 1 to @pool->nr_free
 * @owner: for kcopyd_pool_next_owner()
 *
 * Context: Any, under the client's lock.
 * Return: the first of a chain of exactly @nr nodes.
 */
struct page_list *kcopyd_pool_get_runs(struct kcopyd_pool *pool,
				       unsigned int nr, void *owner)
{
	struct page_list *head = NULL, **tail = &head;
	unsigned int at = pool->next;

	if (WARN_ON_ONCE(!nr || nr > pool->nr_free))
		return NULL;

	pool->nr_free -= nr;
	while (nr) {
		unsigned int start, end;

		start = find_next_zero_bit(pool->used, pool->nr_pages, at);
		if (start >= pool->nr_pages) {
			at = 0;
			continue;
		}
		end = min(pool->nr_pages, start + nr);
		end = find_next_bit(pool->used, end, start);
		bitmap_set(pool->used, start, end - start);
		pool->runs[start] = end - start;
		pool->owner[start] = owner;
		owner = NULL;
		nr -= end - start;
		at = end;
		*tail = &pool->pages[start];
		tail = &pool->pages[end - 1].next;
	}
	*tail = NULL;
	pool->next = at;
	kcopyd_pool_note_peak(pool);
	return head;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_pool_get_runs);

/**
 * kcopyd_pool_put_runs() - kcopyd_pool_put() of any number of pages
 * @pool: the pool
 * @head: a chain from kcopyd_pool_get(), whole
 *
 * Context: Any, under the client's lock.
 */
void kcopyd_pool_put_runs(struct kcopyd_pool *pool, struct page_list *head)
{
	while (head) {
		unsigned int start = head - pool->pages;
		unsigned int nr = pool->runs[start];

		head = pool->pages[start + nr - 1].next;
		kcopyd_pool_link(pool, start + nr - 1);
		bitmap_clear(pool->used, start, nr);
		pool->runs[start] = 1;
		pool->low = min_t(unsigned int, pool->low,
				  start / BITS_PER_LONG);
		pool->nr_free += nr;
	}
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_pool_put_runs);

/**
 * kcopyd_pool_next_owner() - go through those who have pages
 * @pool: the pool
 * @i: where to go on; 0 to begin with
 *
 * Pages may be given back meanwhile.
 *
 * Context: Any, under the client's lock.
 * Return: the owner of the next pages that are handed out together, or NULL.
 */
void *kcopyd_pool_next_owner(const struct kcopyd_pool *pool, unsigned int *i)
{
	while ((*i = find_next_bit(pool->used, pool->nr_pages, *i)) <
	       pool->nr_pages) {
		void *owner = pool->owner[*i];

		*i += pool->runs[*i];
		if (owner)
			return owner;
	}
	return NULL;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_pool_next_owner);
