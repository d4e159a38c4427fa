// SPDX-License-Identifier: GPL-2.0-only
/* What can be changed of a client while it works. */
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/wait.h>

#include "check.h"
#include "client.h"
#include "param.h"
#include "tune.h"

/* The largest logical block there is: device-mapper's calls cannot be rejected. */
#define DM_LEAST_PAGES DIV_ROUND_UP(SZ_64K, PAGE_SIZE)

/**
 * kcopyd_tune_init() - set up what a client needs to be tuned
 * @kc: the new client
 *
 * Context: Any.
 */
void kcopyd_tune_init(struct kcopyd_client *kc)
{
	mutex_init(&kc->resize_mutex);
	init_waitqueue_head(&kc->resize_wait);
	kc->part_pages = kcopyd_part_pages(0);
	kc->least_pages = kc->dm ? DM_LEAST_PAGES : 1;
}

/**
 * kcopyd_tune_holds() - is the pool large enough, and will it stay so?
 * @kc: the client
 * @pages: what a job cannot do without
 *
 * From now on the pool is not made smaller than that.
 *
 * Context: Any, without the client's lock.
 * Return: false if it is too small.
 */
bool kcopyd_tune_holds(struct kcopyd_client *kc, unsigned int pages)
{
	unsigned long flags;
	unsigned int least;
	bool holds;

	spin_lock_irqsave(&kc->lock, flags);
	least = kc->pool.nr_pages;
	if (kc->resize_pages)
		least = min(least, kc->resize_pages);
	holds = pages <= least;
	if (holds)
		kc->least_pages = max(kc->least_pages, pages);
	spin_unlock_irqrestore(&kc->lock, flags);
	return holds;
}

/* From here on, what needs @num_pages or less is not rejected, and nothing else is accepted. */
static int resize_announce(struct kcopyd_client *kc, unsigned int num_pages)
{
	unsigned int least = 0;
	bool shutdown;

	spin_lock_irq(&kc->lock);
	shutdown = kc->shutdown;
	if (num_pages < kc->least_pages)
		least = kc->least_pages;
	else
		kc->resize_pages = num_pages;
	spin_unlock_irq(&kc->lock);

	if (shutdown)
		return kcopyd_reject(kc, -ESHUTDOWN, "it is being destroyed");
	if (least)
		return kcopyd_reject(kc, -EBUSY,
				     "%u pages are less than the %u that its copies need",
				     num_pages, least);
	return 0;
}

/*
 * No part is begun while it is held back. @pool is the new one, and the old one on
 * return, unless it was killed.
 */
static int resize_swap(struct kcopyd_client *kc, struct kcopyd_pool *pool)
{
	int r;

	spin_lock_irq(&kc->lock);
	kc->held_back = true;
	/* Jobs take the long way, and what ends looks at those that wait. */
	kc->waiting++;
	spin_unlock_irq(&kc->lock);

	r = wait_event_killable(kc->resize_wait,
				READ_ONCE(kc->pool.nr_free) == kc->pool.nr_pages);

	spin_lock_irq(&kc->lock);
	if (!r)
		swap(kc->pool, *pool);
	kc->held_back = false;
	kc->waiting--;
	queue_work(kc->io_wq, &kc->resume_work);
	spin_unlock_irq(&kc->lock);
	return r ? -EINTR : 0;
}

/**
 * kcopyd_tune_pages() - give a client another number of pages
 * @kc: the client
 * @num_pages: how many
 *
 * Context: Process context, may sleep, but not in the client's own callbacks.
 * Return: as kcopyd_client_resize()
 */
int kcopyd_tune_pages(struct kcopyd_client *kc, unsigned int num_pages)
{
	struct kcopyd_pool pool;
	int r;

	if (!num_pages)
		return kcopyd_reject(kc, -EINVAL, "no pages");
	if (mutex_lock_killable(&kc->resize_mutex))
		return -EINTR;
	r = resize_announce(kc, num_pages);
	if (r)
		goto unlock;

	r = kcopyd_pool_init(&pool, num_pages);
	if (r) {
		kcopyd_reject(kc, r, "no memory for a pool of %u pages", num_pages);
	} else {
		r = resize_swap(kc, &pool);
		kcopyd_pool_exit(&pool);
	}

unlock:
	spin_lock_irq(&kc->lock);
	kc->resize_pages = 0;
	spin_unlock_irq(&kc->lock);
	mutex_unlock(&kc->resize_mutex);
	return r;
}

/**
 * kcopyd_tune_part_kb() - set the largest part of a client's copies
 * @kc: the client
 * @kib: its size in KiB; 0 is that of the module's parameter
 *
 * Context: Process context, without the client's lock.
 * Return: as kcopyd_client_set_part_size()
 */
int kcopyd_tune_part_kb(struct kcopyd_client *kc, unsigned int kib)
{
	if (kib && (kib < KCOPYD_PART_KB_MIN || kib > KCOPYD_PART_KB_MAX))
		return kcopyd_reject(kc, -EINVAL,
				     "parts of %u KiB, from %u to %u are possible",
				     kib, KCOPYD_PART_KB_MIN, KCOPYD_PART_KB_MAX);
	spin_lock_irq(&kc->lock);
	kc->part_kb = kib;
	kc->part_pages = kcopyd_part_pages(kib);
	spin_unlock_irq(&kc->lock);
	return 0;
}
