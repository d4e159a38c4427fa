/* SPDX-License-Identifier: GPL-2.0-only */
/* The pages that a client owns from its creation to its end. */
#ifndef KCOPYD_CORE_POOL_H
#define KCOPYD_CORE_POOL_H

#include <linux/dm-io.h>

/*
 * Everything a client allocates at creation: an allocation that fails does so
 * without the OOM killer and without a splat.
 */
#define KCOPYD_GFP_CREATE	(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * What is convenient to have while copies go on, and has a reserve behind it:
 * taken if it is there, and not from what the system keeps for emergencies.
 */
#define KCOPYD_GFP_NOW	(GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN)

/**
 * struct kcopyd_pool - a fixed set of pages
 * @nr_pages: pages in the pool
 * @pages: one node a page; neighbours in this array are neighbours in memory
 *	wherever the page allocator had a large piece to give
 * @nr_free: pages not handed out
 * @next: where the search for a piece of several pages starts
 * @used: one bit a page, set while it is handed out
 */
struct kcopyd_pool {
	/* Never change after kcopyd_pool_init(). */
	unsigned int nr_pages;
	struct page_list *pages;

	/* Under the lock of the client that owns the pool. */
	unsigned int nr_free;
	unsigned int next;
	unsigned long *used;
};

bool kcopyd_pool_fits(unsigned int nr_pages);
int kcopyd_pool_init(struct kcopyd_pool *pool, unsigned int nr_pages);
void kcopyd_pool_exit(struct kcopyd_pool *pool);
struct page_list *kcopyd_pool_get(struct kcopyd_pool *pool, unsigned int nr);
void kcopyd_pool_put(struct kcopyd_pool *pool, struct page_list *head);

#endif /* KCOPYD_CORE_POOL_H */
