// SPDX-License-Identifier: GPL-2.0-only
/* Clients and the public calls. */
#define pr_fmt(fmt) "kcopyd: " fmt

#include <linux/blkdev.h>
#include <linux/dm-io.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "core/check.h"
#include "core/client.h"
#include "core/copy.h"
#include "core/dispatch.h"
#include "core/notify.h"
#include "kcopyd.h"

/* How often a client that cannot be destroyed yet says so. */
#define TEARDOWN_REMIND (60 * HZ)

/* Ends clients that were destroyed from one of their own callbacks. */
static struct workqueue_struct *teardown_wq;

static atomic_t last_id = ATOMIC_INIT(0);

/* Everything but the jobs; also for a client that is not complete. */
static void client_free(struct kcopyd_client *kc)
{
	if (kc->io_wq)
		destroy_workqueue(kc->io_wq);
	if (kc->notify_wq)
		destroy_workqueue(kc->notify_wq);
	kcopyd_pool_exit(&kc->pool);
	kcopyd_queues_exit(kc);
	kcopyd_reserve_exit(kc);
	if (kc->io)
		dm_io_client_destroy(kc->io);
	kcopyd_notify_exit(kc);
	kfree(kc);
}

static void client_teardown(struct kcopyd_client *kc)
{
	while (!wait_event_timeout(kc->idle_wait, !READ_ONCE(kc->jobs),
				   TEARDOWN_REMIND))
		pr_warn("client %u (%ps): destroy is waiting for %u copies\n",
			kc->id, kc->creator, READ_ONCE(kc->jobs));
	client_free(kc);
}

static void teardown_work(struct work_struct *work)
{
	client_teardown(container_of(work, struct kcopyd_client,
				     teardown_work));
}

/**
 * kcopyd_client_create() - create a client
 * @num_pages: pages to set aside for the data of its copies, at least 1; the
 *	client never holds more
 * @result: receives the client; untouched on failure
 *
 * Context: Process context, may sleep. Does not wake the OOM killer.
 * Return: 0; -EINVAL if @num_pages is 0 or @result is NULL; -ENOMEM, with
 * nothing left behind.
 */
int kcopyd_client_create(unsigned int num_pages, struct kcopyd_client **result)
{
	const void *creator = __builtin_return_address(0);
	struct dm_io_client *io;
	struct kcopyd_client *kc;
	int r = -ENOMEM;

	if (!num_pages || !result) {
		pr_err_ratelimited("%ps: client rejected: %s\n", creator,
				   num_pages ? "no place for the result" :
					       "no pages");
		return -EINVAL;
	}

	/* Before allocations that would call the OOM killer: see below. */
	if (!kcopyd_pool_fits(num_pages))
		goto err_log;

	kc = kzalloc(sizeof(*kc), KCOPYD_GFP_CREATE);
	if (!kc)
		goto err_log;

	kc->id = atomic_inc_return(&last_id);
	kc->creator = creator;
	spin_lock_init(&kc->lock);
	init_waitqueue_head(&kc->idle_wait);
	ratelimit_state_init(&kc->log_limit, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	INIT_WORK(&kc->teardown_work, teardown_work);
	kcopyd_notify_init(kc);
	kcopyd_copy_init(kc);
	kcopyd_queues_init(kc, kcopyd_dispatch_work);

	r = kcopyd_reserve_init(kc);
	if (r)
		goto err_free;

	io = dm_io_client_create();
	if (IS_ERR(io)) {
		r = PTR_ERR(io);
		goto err_free;
	}
	kc->io = io;

	r = -ENOMEM;
	kc->io_wq = alloc_workqueue("kcopyd/%u", WQ_MEM_RECLAIM, 0, kc->id);
	if (!kc->io_wq)
		goto err_free;
	kc->notify_wq = alloc_workqueue("kcopyd_cb/%u", WQ_MEM_RECLAIM, 0,
					kc->id);
	if (!kc->notify_wq)
		goto err_free;

	/*
	 * Last: after the pages there may be too little left for allocations
	 * that would call the OOM killer, such as those of the workqueues.
	 */
	r = kcopyd_pool_init(&kc->pool, num_pages);
	if (r)
		goto err_free;

	*result = kc;
	return 0;

err_free:
	client_free(kc);
err_log:
	pr_err_ratelimited("%ps: client rejected: no memory for it and its %u pages (error %d)\n",
			   creator, num_pages, r);
	return r;
}
EXPORT_SYMBOL_GPL(kcopyd_client_create);

/**
 * kcopyd_client_destroy() - destroy a client
 * @kc: the client, or NULL; nobody else uses it any more, its own callbacks
 *	excepted
 *
 * Waits until all copies have completed and their callbacks have returned.
 * Copies that those callbacks submit meanwhile are rejected with -ESHUTDOWN.
 *
 * To destroy a client from one of its own callbacks is an error. It is logged,
 * and the client is freed soon after the callback has returned.
 *
 * Context: Process context, may sleep.
 */
void kcopyd_client_destroy(struct kcopyd_client *kc)
{
	if (!kc)
		return;

	spin_lock_irq(&kc->lock);
	kc->shutdown = true;
	spin_unlock_irq(&kc->lock);

	if (kcopyd_in_callback(kc)) {
		pr_err("client %u (%ps): destroyed from its own callback; the rest is done when the callback has returned\n",
		       kc->id, kc->creator);
		queue_work(teardown_wq, &kc->teardown_work);
		return;
	}
	client_teardown(kc);
}
EXPORT_SYMBOL_GPL(kcopyd_client_destroy);

/**
 * kcopyd_copy() - copy a range of sectors to one or more places
 * @kc: the client
 * @from: the source
 * @num_dests: number of destinations, from 1 to KCOPYD_MAX_DESTS
 * @dests: the destinations, each with as many sectors as @from
 * @flags: KCOPYD_IGNORE_ERROR, KCOPYD_WRITE_SEQ, or 0
 * @fn: called exactly once when an accepted copy has ended, never from inside
 *	this call
 * @context: passed to @fn
 *
 * @from and @dests are not used after the call. The caller holds the block
 * devices open until @fn was called. What the page cache of a destination's
 * block device holds is stale after a copy.
 *
 * Context: Process context. May sleep, but only for a job object of the
 * client's reserve, and not in the client's own callbacks.
 * Return: 0 if the copy is accepted. Otherwise nothing is written and @fn is
 * not called: -EINVAL for arguments that make no sense, for ranges that overlap
 * or are not aligned to each device's logical blocks, and for a pool that
 * cannot hold one such block; -ERANGE past the end of a device; -EROFS for a
 * read-only destination; -ESHUTDOWN while the client is being destroyed;
 * -EAGAIN in the client's own callback when memory and the reserve are used up.
 */
int kcopyd_copy(struct kcopyd_client *kc, struct io_region *from,
		unsigned int num_dests, struct io_region *dests,
		unsigned int flags, kcopyd_notify_fn fn, void *context)
{
	struct kcopyd_job *job;
	unsigned int i;
	int r;

	if (!kc) {
		pr_err_ratelimited("%ps: copy rejected: no client\n",
				   __builtin_return_address(0));
		return -EINVAL;
	}
	if (!fn)
		return kcopyd_reject(kc, -EINVAL, "no callback");
	r = kcopyd_check(kc, from, num_dests, dests, flags);
	if (r < 0)
		return r;

	spin_lock_irq(&kc->lock);
	job = kcopyd_job_kept(&kc->reserve, num_dests);
	if (unlikely(!job && !kc->shutdown)) {
		spin_unlock_irq(&kc->lock);
		job = kcopyd_job_alloc(kc, num_dests);
		if (IS_ERR(job))
			return kcopyd_reject(kc, PTR_ERR(job),
					     "no memory, and its callbacks have used up the reserve");
		spin_lock_irq(&kc->lock);
	}
	if (unlikely(kc->shutdown)) {
		if (job)
			job = kcopyd_job_put(&kc->reserve, job);
		spin_unlock_irq(&kc->lock);
		kfree(job);
		return kcopyd_reject(kc, -ESHUTDOWN,
				     "it is being destroyed");
	}

	job->fn = fn;
	job->context = context;
	job->bdev = from->bdev;
	job->sector = from->sector;
	job->count = from->count;
	job->granule = max_t(unsigned int, KCOPYD_GRANULE, r);
	job->small = from->count <= KCOPYD_SMALL_SECTORS;
	job->seq = flags & KCOPYD_WRITE_SEQ;
	for (i = 0; i < num_dests; i++) {
		job->dests[i].bdev = dests[i].bdev;
		job->dests[i].sector = dests[i].sector;
		job->seq |= bdev_is_zoned(dests[i].bdev);
	}
	job->ignore = (flags & KCOPYD_IGNORE_ERROR) && !job->seq;
	kc->jobs++;
	kcopyd_copy_start(kc, job);
	spin_unlock_irq(&kc->lock);
	return 0;
}
EXPORT_SYMBOL_GPL(kcopyd_copy);

static int __init kcopyd_init(void)
{
	teardown_wq = alloc_workqueue("kcopyd_teardown",
				      WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return teardown_wq ? 0 : -ENOMEM;
}

static void __exit kcopyd_exit(void)
{
	destroy_workqueue(teardown_wq);
}

module_init(kcopyd_init);
module_exit(kcopyd_exit);

MODULE_DESCRIPTION("Asynchronous copies between block devices");
MODULE_AUTHOR("The kcopyd authors");
MODULE_LICENSE("GPL");
