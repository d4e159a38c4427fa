/* SPDX-License-Identifier: GPL-2.0-only */
/* The pages that a client owns from its creation to its end. */
#ifndef KCOPYD_CORE_POOL_H
#define KCOPYD_CORE_POOL_H

#include <linux/bitops.h>
#include <linux/dm-io.h>
#include <linux/minmax.h>

/*
 * Everything a client allocates at creation: an allocation that fails does so
 * without the OOM killer and without a splat.
 */
#define KCOPYD_GFP_CREATE	(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* What nobody depends on: taken if it can be had without much effort. */
#define KCOPYD_GFP_SPARE	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

/*
 * What is convenient to have while copies go on, and has a reserve behind it:
 * taken if it is there, and not from what the system keeps for emergencies.
 */
#define KCOPYD_GFP_NOW	(GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN)

/**
 * struct kcopyd_pool - a fixed set of pages
 * @nr_pages: pages in the pool
 * @pages: one node a page; neighbours in this array are neighbours in memory
 *	wherever the page allocator had a large piece to give. Each is linked
 *	to the next one, but for the last of each run that is handed out
 * @runs: length of the run that starts at a page, while it is handed out; else 1
 * @owner: whose pages they are, of the first page of those handed out together;
 *	NULL of the other runs
 * @nr_free: pages not handed out
 * @low: a word of @used before which no page is free
 * @peak: the most pages that were seen handed out
 * @next: where the search for a piece of several pages starts
 * @used: one bit a page, set while it is handed out, and in what is left of the
 *	last word
 */
struct kcopyd_pool {
	/* Never change after kcopyd_pool_init(), but a resize puts another pool here. */
	unsigned int nr_pages;
	struct page_list *pages;

	/* Under the lock of the client that owns the pool, as are links of @pages. */
	unsigned int *runs;
	void **owner;
	unsigned int nr_free;
	unsigned int low;
	unsigned int peak;
	unsigned int next;
	unsigned long *used;
};

/* Links a page to its neighbour. */
static inline void kcopyd_pool_link(struct kcopyd_pool *pool, unsigned int i)
{
	pool->pages[i].next = i + 1 < pool->nr_pages ? &pool->pages[i + 1] :
						       NULL;
}

/* That costs more than to take a page, so it is not done each time. */
static inline void kcopyd_pool_note_peak(struct kcopyd_pool *pool)
{
	pool->peak = max(pool->peak, pool->nr_pages - pool->nr_free);
}

struct page *kcopyd_pool_alloc_piece(unsigned int *order, gfp_t single);
bool kcopyd_pool_fits(unsigned int nr_pages);
int kcopyd_pool_init(struct kcopyd_pool *pool, unsigned int nr_pages);
void kcopyd_pool_exit(struct kcopyd_pool *pool);
struct page_list *kcopyd_pool_get_runs(struct kcopyd_pool *pool,
				       unsigned int nr, void *owner);
void *kcopyd_pool_next_owner(const struct kcopyd_pool *pool, unsigned int *i);
void kcopyd_pool_put_runs(struct kcopyd_pool *pool, struct page_list *head);

/**
 * kcopyd_pool_get() - take pages out of a pool
 * @pool: the pool
 * @nr: how many pages, from 1 to @pool->nr_free
 * @owner: for kcopyd_pool_next_owner()
 *
 * Single pages stay at the low end, out of the way of large pieces.
 *
 * Context: Any, under the client's lock.
 * Return: the first of a chain of exactly @nr nodes.
 */
static __always_inline struct page_list *kcopyd_pool_get(struct kcopyd_pool *pool,
							 unsigned int nr,
							 void *owner)
{
	unsigned int word = pool->low;
	unsigned int i;

	if (nr != 1 || !pool->nr_free)
		return kcopyd_pool_get_runs(pool, nr, owner);
	while (!~pool->used[word])
		word++;
	i = ffz(pool->used[word]);
	pool->used[word] |= BIT(i);
	pool->low = word;
	i += word * BITS_PER_LONG;
	pool->nr_free--;
	pool->owner[i] = owner;
	pool->pages[i].next = NULL;
	return &pool->pages[i];
}

/**
 * kcopyd_pool_put() - give pages back
 * @pool: the pool
 * @head: a chain from kcopyd_pool_get(), whole
 *
 * Context: Any, under the client's lock.
 */
static inline void kcopyd_pool_put(struct kcopyd_pool *pool,
				   struct page_list *head)
{
	unsigned int i = head - pool->pages;

	if (head->next || pool->runs[i] != 1) {
		kcopyd_pool_put_runs(pool, head);
		return;
	}
	kcopyd_pool_link(pool, i);
	__clear_bit(i, pool->used);
	pool->low = min_t(unsigned int, pool->low, i / BITS_PER_LONG);
	pool->nr_free++;
}

#endif /* KCOPYD_CORE_POOL_H */
