// SPDX-License-Identifier: GPL-2.0-only
/* Memory that the clients of device-mapper's calls share. */
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "../compat/shrinker.h"
#include "block.h"
#include "export.h"
#include "param.h"
#include "pool.h"

/* Blocks that were not used for so long are freed. */
#define BLOCKS_IDLE (5 * HZ)

/* Inside the clients' locks; inside it come those of workqueues. */
static DEFINE_SPINLOCK(blocks_lock);

/* Under blocks_lock: those not lent, how many, the fewest of late, all, and missed. */
static LIST_HEAD(blocks);
static unsigned int nr_free, least_free, nr_all, nr_missed;

static void grow_work(struct work_struct *work);
static void trim_work(struct work_struct *work);
static DECLARE_WORK(blocks_grow, grow_work);
static DECLARE_DELAYED_WORK(blocks_trim, trim_work);
static struct kcopyd_compat_shrinker shrinker;

static void block_free(struct kcopyd_block *block)
{
	unsigned int i;

	for (i = 0; i < KCOPYD_BLOCK_PAGES && block->pages[i].page; i++)
		__free_page(block->pages[i].page);
	kfree(block);
}

static struct kcopyd_block *block_alloc(void)
{
	struct kcopyd_block *block = kzalloc(sizeof(*block), KCOPYD_GFP_SPARE);
	unsigned int order = ilog2(KCOPYD_BLOCK_PAGES), i = 0, j;

	if (!block)
		return NULL;
	while (i < KCOPYD_BLOCK_PAGES) {
		struct page *page;

		order = min_t(unsigned int, order, ilog2(KCOPYD_BLOCK_PAGES - i));
		page = kcopyd_pool_alloc_piece(&order, KCOPYD_GFP_SPARE);
		if (!page) {
			block_free(block);
			return NULL;
		}
		for (j = 0; j < 1U << order; j++, i++) {
			block->pages[i].page = page + j;
			if (i)
				block->pages[i - 1].next = &block->pages[i];
		}
	}
	return block;
}

static unsigned int blocks_most(void)
{
	return READ_ONCE(kcopyd_shared_mb) * (SZ_1M / SZ_512K);
}

/* As many as were missed, if there may be that many, and is memory for them. */
static void grow_work(struct work_struct *work)
{
	struct kcopyd_block *block;

	spin_lock_irq(&blocks_lock);
	/* More are missed while one is allocated. */
	while (nr_missed && nr_all < blocks_most()) {
		nr_missed--;
		nr_all++;
		spin_unlock_irq(&blocks_lock);
		block = block_alloc();
		spin_lock_irq(&blocks_lock);
		if (!block) {
			nr_all--;
			break;
		}
		list_add(&block->node, &blocks);
		nr_free++;
	}
	nr_missed = 0;
	schedule_delayed_work(&blocks_trim, BLOCKS_IDLE);
	spin_unlock_irq(&blocks_lock);
}

/**
 * kcopyd_blocks_trim() - free blocks that are not lent
 * @nr: at most so many
 *
 * Context: Process context, also in reclaim.
 * Return: how many were freed.
 */
unsigned int kcopyd_blocks_trim(unsigned int nr)
{
	struct kcopyd_block *block, *next;
	unsigned int freed = 0;
	LIST_HEAD(unused);

	spin_lock_irq(&blocks_lock);
	for (; freed < nr && nr_free; freed++) {
		list_move(blocks.prev, &unused);
		nr_free--;
		nr_all--;
	}
	least_free = min(least_free, nr_free);
	spin_unlock_irq(&blocks_lock);

	list_for_each_entry_safe(block, next, &unused, node)
		block_free(block);
	return freed;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_blocks_trim);

/**
 * kcopyd_blocks_free() - how many blocks are there that are not lent?
 *
 * Context: Any.
 * Return: the number.
 */
unsigned int kcopyd_blocks_free(void)
{
	return READ_ONCE(nr_free);
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_blocks_free);

/* What nobody has needed since the last time, and what is more than allowed. */
static void trim_work(struct work_struct *work)
{
	unsigned int unused;

	spin_lock_irq(&blocks_lock);
	unused = max(least_free, nr_all - min(nr_all, blocks_most()));
	least_free = nr_free;
	spin_unlock_irq(&blocks_lock);
	kcopyd_blocks_trim(unused);

	spin_lock_irq(&blocks_lock);
	if (nr_all)
		schedule_delayed_work(&blocks_trim, BLOCKS_IDLE);
	spin_unlock_irq(&blocks_lock);
}

static unsigned long shrink_count(struct shrinker *s, struct shrink_control *control)
{
	return kcopyd_blocks_free() * KCOPYD_BLOCK_PAGES ?: SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *s, struct shrink_control *control)
{
	const unsigned long nr = DIV_ROUND_UP(control->nr_to_scan,
					      KCOPYD_BLOCK_PAGES);
	const unsigned int freed = kcopyd_blocks_trim(min_t(unsigned long, nr,
							    UINT_MAX));

	return freed ? freed * KCOPYD_BLOCK_PAGES : SHRINK_STOP;
}

/**
 * kcopyd_block_get() - borrow a block
 * @held: how many the client has
 *
 * A client does not get more than are left for others.
 *
 * Context: Any, under the client's lock.
 * Return: the block, or NULL; then there may be one later.
 */
struct kcopyd_block *kcopyd_block_get(unsigned int held)
{
	const unsigned int most = blocks_most();
	struct kcopyd_block *block = NULL;
	unsigned int left;

	spin_lock(&blocks_lock);
	left = most - min(most, nr_all - nr_free);
	if (left > held) {
		block = list_first_entry_or_null(&blocks, struct kcopyd_block, node);
		if (block) {
			list_del(&block->node);
			nr_free--;
			least_free = min(least_free, nr_free);
		} else if (nr_all < most) {
			nr_missed++;
			schedule_work(&blocks_grow);
		}
	}
	spin_unlock(&blocks_lock);
	return block;
}

/**
 * kcopyd_block_put() - give a block back
 * @block: the block
 *
 * Context: Any, under the client's lock.
 */
void kcopyd_block_put(struct kcopyd_block *block)
{
	spin_lock(&blocks_lock);
	list_add(&block->node, &blocks);
	nr_free++;
	spin_unlock(&blocks_lock);
}

/**
 * kcopyd_blocks_init() - set up the module's blocks, of which there are none yet
 *
 * Context: Module initialisation.
 * Return: 0 or -ENOMEM.
 */
int kcopyd_blocks_init(void)
{
	kcopyd_param_init();
	return kcopyd_compat_shrinker_register(&shrinker, shrink_count, shrink_scan);
}

/**
 * kcopyd_blocks_exit() - free all blocks
 *
 * Context: Module exit, with no clients left.
 */
void kcopyd_blocks_exit(void)
{
	cancel_work_sync(&blocks_grow);
	kcopyd_compat_shrinker_unregister(&shrinker);
	cancel_delayed_work_sync(&blocks_trim);
	kcopyd_blocks_trim(UINT_MAX);
	WARN_ON_ONCE(nr_all);
}
