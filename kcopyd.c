// SPDX-License-Identifier: GPL-2.0-only
/* Clients and the public calls. */
#define pr_fmt(fmt) "kcopyd: " fmt

#include <linux/blkdev.h>
#include <linux/dm-io.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "compat/workqueue.h"
#include "core/block.h"
#include "core/check.h"
#include "core/client.h"
#include "core/clients.h"
#include "core/copy.h"
#include "core/debugfs.h"
#include "core/dispatch.h"
#include "core/notify.h"
#include "core/request.h"
#include "core/sysfs.h"
#include "core/throttle.h"
#include "core/tune.h"
#include "include/linux/dm-kcopyd.h"
#include "kcopyd.h"

/* What device-mapper's own sets aside for a client: one job of 512 KiB. */
#define DM_CLIENT_PAGES (SZ_512K >> PAGE_SHIFT)

/* How often a client that cannot be destroyed yet says so. */
#define TEARDOWN_REMIND (60 * HZ)

/* Ends clients that were destroyed from one of their own callbacks. */
static struct workqueue_struct *teardown_wq;

static atomic_t last_id = ATOMIC_INIT(0);

/* Everything but the jobs; also for a client that is not complete. */
static void client_free(struct kcopyd_client *kc)
{
	WARN_ON_ONCE(kc->throttled.throttle);
	kcopyd_clients_del(kc);
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

static void teardown_remind(struct kcopyd_client *kc)
{
	const struct kcopyd_job *job;
	kcopyd_notify_fn fn = NULL;

	spin_lock_irq(&kc->lock);
	job = list_first_entry_or_null(&kc->prepared, struct kcopyd_job, node);
	if (job)
		fn = job->callback.fn;
	spin_unlock_irq(&kc->lock);

	pr_warn("client %u (%s): destroy is waiting for %u copies and callbacks\n",
		kc->id, kc->name, READ_ONCE(kc->jobs));
	if (fn)
		pr_warn("client %u (%s): the callback %ps was prepared, and kcopyd_do_callback() not called for it\n",
			kc->id, kc->name, fn);
}

static void client_teardown(struct kcopyd_client *kc)
{
	kcopyd_sysfs_del(kc);
	while (!wait_event_timeout(kc->idle_wait, !READ_ONCE(kc->jobs),
				   TEARDOWN_REMIND))
		teardown_remind(kc);
	client_free(kc);
}

static void teardown_work(struct work_struct *work)
{
	client_teardown(container_of(work, struct kcopyd_client,
				     teardown_work));
}

/* If nobody gave it one: that of the module, or else of the function, that made it. */
static void client_name(struct kcopyd_client *kc, const void *creator)
{
	char symbol[KSYM_SYMBOL_LEN], *name = symbol, *module;

	snprintf(symbol, sizeof(symbol), "%ps", creator);
	module = strchr(symbol, '[');
	if (module)
		name = module + 1;
	name[strcspn(name, " ]")] = '\0';
	strscpy(kc->name, name, sizeof(kc->name));
}

/* @name: NULL if it is to be called after its creator */
static int client_create(const char *name, unsigned int num_pages, bool dm,
			 const void *creator, struct kcopyd_client **result)
{
	struct dm_io_client *io;
	struct kcopyd_client *kc;
	int r = -ENOMEM;

	/* Before allocations that would call the OOM killer: see below. */
	if (!kcopyd_pool_fits(num_pages))
		goto err_log;

	kc = kzalloc(sizeof(*kc), KCOPYD_GFP_CREATE);
	if (!kc)
		goto err_log;

	kc->id = atomic_inc_return(&last_id);
	kc->dm = dm;
	if (name)
		strscpy(kc->name, name, sizeof(kc->name));
	else
		client_name(kc, creator);
	spin_lock_init(&kc->lock);
	init_waitqueue_head(&kc->idle_wait);
	ratelimit_state_init(&kc->log_limit, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	INIT_WORK(&kc->teardown_work, teardown_work);
	INIT_LIST_HEAD(&kc->prepared);
	INIT_LIST_HEAD(&kc->node);
	kcopyd_stats_init(kc);
	kcopyd_tune_init(kc);
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
	kc->io_wq = alloc_workqueue("kcopyd/%u", WQ_MEM_RECLAIM | KCOPYD_WQ_PERCPU, 0, kc->id);
	if (!kc->io_wq)
		goto err_free;
	kc->notify_wq = alloc_workqueue("kcopyd_cb/%u", WQ_MEM_RECLAIM | KCOPYD_WQ_PERCPU, 0,
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

	kcopyd_clients_add(kc);
	kcopyd_sysfs_add(kc);
	*result = kc;
	return 0;

err_free:
	client_free(kc);
err_log:
	pr_err_ratelimited("%ps: client rejected: no memory for it and its %u pages (error %d)\n",
			   creator, num_pages, r);
	return r;
}

static int reject_create(const void *creator, unsigned int num_pages)
{
	pr_err_ratelimited("%ps: client rejected: %s\n", creator,
			   num_pages ? "no place for the result" : "no pages");
	return -EINVAL;
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

	if (!num_pages || !result)
		return reject_create(creator, num_pages);
	return client_create(NULL, num_pages, false, creator, result);
}
EXPORT_SYMBOL_GPL(kcopyd_client_create);

#define NAME_CHARACTERS	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"

/* What is wrong with a name, or NULL. */
static const char *name_flaw(const char *name)
{
	if (!name || !*name)
		return "no name";
	if (strnlen(name, KCOPYD_NAME_SIZE) == KCOPYD_NAME_SIZE)
		return "a name of more than 31 characters";
	if (name[strspn(name, NAME_CHARACTERS)])
		return "a name with other characters than letters, digits and ._:-";
	return NULL;
}

/**
 * kcopyd_client_create_named() - create a client with a name
 * @name: for people to read: of up to 31 letters, digits, and characters of ``._:-``;
 *	several clients can have the same
 * @num_pages: as for kcopyd_client_create()
 * @result: as for kcopyd_client_create()
 *
 * Context: As kcopyd_client_create().
 * Return: As kcopyd_client_create(); -EINVAL also for any other name.
 */
int kcopyd_client_create_named(const char *name, unsigned int num_pages,
			       struct kcopyd_client **result)
{
	const void *creator = __builtin_return_address(0);
	const char *flaw = name_flaw(name);

	if (!num_pages || !result)
		return reject_create(creator, num_pages);
	if (flaw) {
		pr_err_ratelimited("%ps: client rejected: %s\n", creator, flaw);
		return -EINVAL;
	}
	return client_create(name, num_pages, false, creator, result);
}
EXPORT_SYMBOL_GPL(kcopyd_client_create_named);

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
	kc->attention |= KCOPYD_ATTENTION_SHUTDOWN;
	spin_unlock_irq(&kc->lock);
	kcopyd_throttle_attach(kc, NULL);

	if (kcopyd_in_callback(kc)) {
		pr_err("client %u (%s): destroyed from its own callback; the rest is done when the callback has returned\n",
		       kc->id, kc->name);
		queue_work(teardown_wq, &kc->teardown_work);
		return;
	}
	client_teardown(kc);
}
EXPORT_SYMBOL_GPL(kcopyd_client_destroy);

static int reject_client(void *caller)
{
	pr_err_ratelimited("%ps: request rejected: no client\n", caller);
	return -EINVAL;
}

/**
 * kcopyd_client_throttle() - limit how fast a client's copies go
 * @kc: the client
 * @throttle: the limits, which several clients can share; NULL for none
 *
 * What the client has queued is subject to them, too. While it is being destroyed
 * it has none.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL if @kc is NULL; -ESHUTDOWN while the client is being destroyed,
 * unless @throttle is NULL.
 */
int kcopyd_client_throttle(struct kcopyd_client *kc,
			   struct kcopyd_throttle *throttle)
{
	if (!kc)
		return reject_client(__builtin_return_address(0));
	if (!kcopyd_throttle_attach(kc, throttle))
		return kcopyd_reject(kc, -ESHUTDOWN, "it is being destroyed");
	return 0;
}
EXPORT_SYMBOL_GPL(kcopyd_client_throttle);

/**
 * kcopyd_client_resize() - give a client more pages, or fewer
 * @kc: the client
 * @num_pages: how many, at least 1
 *
 * The new pages are there before the old ones go. No part that takes pages begins until
 * those on their way have ended, so it takes as long as these; what is queued goes on
 * then. One change waits for the other.
 *
 * Context: Process context, may sleep, but not in the client's own callbacks.
 * Return: 0, or everything is as it was: -EINVAL for a NULL client and for no pages;
 * -ENOMEM; -EBUSY if a copy that was accepted, at whatever time, could not be done
 * with so few; -EINTR if the caller is being killed; -EDEADLK in one of the client's
 * own callbacks; -ESHUTDOWN while the client is being destroyed.
 */
int kcopyd_client_resize(struct kcopyd_client *kc, unsigned int num_pages)
{
	if (!kc)
		return reject_client(__builtin_return_address(0));
	if (kcopyd_in_callback(kc))
		return kcopyd_reject(kc, -EDEADLK,
				     "a resize in its own callback might wait for that");
	return kcopyd_tune_pages(kc, num_pages);
}
EXPORT_SYMBOL_GPL(kcopyd_client_resize);

/**
 * kcopyd_client_set_part_size() - set the largest part of a client's copies
 * @kc: the client
 * @kib: its size in KiB, from 4 to 4096; 0 is that of the module's parameter part_kb
 *
 * It holds for parts that begin from now on.
 *
 * Context: Process context.
 * Return: 0; -EINVAL for a NULL client and for other sizes.
 */
int kcopyd_client_set_part_size(struct kcopyd_client *kc, unsigned int kib)
{
	if (!kc)
		return reject_client(__builtin_return_address(0));
	return kcopyd_tune_part_kb(kc, kib);
}
EXPORT_SYMBOL_GPL(kcopyd_client_set_part_size);

static int reject_for_memory(struct kcopyd_client *kc)
{
	return kcopyd_reject(kc, -EAGAIN,
			     "no memory, and its callbacks have used up the reserve");
}

/* Under the lock, which it drops; @job may be NULL. */
static noinline int reject_shutdown(struct kcopyd_client *kc,
				    struct kcopyd_job *job)
	__releases(&kc->lock)
{
	if (job)
		job = kcopyd_job_put(&kc->reserve, job);
	spin_unlock_irq(&kc->lock);
	kfree(job);
	return kcopyd_reject(kc, -ESHUTDOWN, "it is being destroyed");
}

/*
 * Accept the job, unless the client is being destroyed. @from: NULL to zero; @block:
 * the largest logical block of the devices, in sectors. Under the lock.
 */
static __always_inline bool job_accept(struct kcopyd_client *kc,
				       struct kcopyd_job *job,
				       const struct io_region *from,
				       unsigned int num_dests,
				       const struct io_region *dests,
				       unsigned int flags, unsigned int block,
				       bool request, bool dm)
{
	unsigned int i;

	kcopyd_job_begin(job);
	job->granule = max_t(unsigned int, KCOPYD_GRANULE, block);
	job->ignore = false;
	if (unlikely(request || !from || flags)) {
		job->ignore = flags & KCOPYD_IGNORE_ERROR;
		job->request = request;
		if (!from) {
			job->zero = true;
			job->watch = KCOPYD_WATCH_ZERO;
		}
		job->seq = flags & KCOPYD_WRITE_SEQ;
		job->flush = flags & KCOPYD_FLUSH;
		job->verify = flags & KCOPYD_VERIFY;
		job->detect = flags & KCOPYD_DETECT_ZEROES;
		job->no_unmap = flags & KCOPYD_NO_UNMAP;
		if (job->seq)
			job->ignore = false;
		if (flags & KCOPYD_SALVAGE) {
			job->ignore = true;
			job->granule = block;
		}
		/* One that goes wrong may leave a zone that takes no data either. */
		job->refused = 0;
		for (i = 0; i < num_dests; i++) {
			if (bdev_is_zoned(dests[i].bdev))
				job->refused |= 1U << i;
		}
	}
	if (dm && from)
		job->borrow = from->count > DM_CLIENT_PAGES / 8 * PAGE_SECTORS;
	if (!from)
		from = dests;
	job->bdev = from->bdev;
	job->sector = from->sector;
	job->count = from->count;
	job->small = from->count <= KCOPYD_SMALL_SECTORS;
	if (unlikely(!job->small))
		kcopyd_stats_large(kc, job);
	job->dests[0].bdev = dests[0].bdev;
	job->dests[0].sector = dests[0].sector;
	for (i = 1; unlikely(i < num_dests); i++) {
		job->dests[i].bdev = dests[i].bdev;
		job->dests[i].sector = dests[i].sector;
	}
	if (unlikely(kc->attention) && !kcopyd_stats_attend(kc, job, dm))
		return false;
	kc->jobs++;
	kcopyd_copy_start(kc, job);
	return true;
}

/*
 * @from is NULL to zero. The caller has looked at all but the regions and flags.
 * @dm: it is one of device-mapper's calls, and is not rejected
 */
static __always_inline int submit(struct kcopyd_client *kc, bool dm,
				  const struct io_region *from,
				  unsigned int num_dests,
				  const struct io_region *dests,
				  unsigned int flags, union kcopyd_callback callback,
				  void *context)
{
	struct kcopyd_job *job;
	int r;

	if (dm)
		r = kcopyd_check_dm(kc, from, num_dests, dests, &flags);
	else
		r = kcopyd_check(kc, from, num_dests, dests, &flags);
	if (r < 0)
		return r;

	spin_lock_irq(&kc->lock);
	job = kcopyd_job_kept(&kc->reserve, num_dests);
	if (unlikely(!job)) {
		if (kc->shutdown && !dm)
			return reject_shutdown(kc, NULL);
		spin_unlock_irq(&kc->lock);
		job = kcopyd_job_alloc(kc, num_dests);
		if (IS_ERR(job))
			return reject_for_memory(kc);
		spin_lock_irq(&kc->lock);
	}

	job->callback = callback;
	job->context = context;
	if (!job_accept(kc, job, from, num_dests, dests, flags, r, false, dm))
		return reject_shutdown(kc, job);
	spin_unlock_irq(&kc->lock);
	return 0;
}

/**
 * kcopyd_copy() - copy a range of sectors to one or more places
 * @kc: the client
 * @from: the source
 * @num_dests: number of destinations, from 1 to KCOPYD_MAX_DESTS
 * @dests: the destinations, each with as many sectors as @from
 * @flags: KCOPYD_IGNORE_ERROR and so on, or 0
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
	if (!kc)
		return reject_client(__builtin_return_address(0));
	if (!fn)
		return kcopyd_reject(kc, -EINVAL, "no callback");
	if (!from)
		return kcopyd_reject(kc, -EINVAL, "no source");
	return submit(kc, false, from, num_dests, dests, flags,
		      (union kcopyd_callback){ .fn = fn }, context);
}
EXPORT_SYMBOL_GPL(kcopyd_copy);

/**
 * kcopyd_zero() - fill a range of sectors of one or more devices with zeroes
 * @kc: the client
 * @num_dests: number of destinations, from 1 to KCOPYD_MAX_DESTS
 * @dests: the ranges, all of the same length
 * @flags: KCOPYD_IGNORE_ERROR, KCOPYD_WRITE_SEQ, KCOPYD_FLUSH, KCOPYD_NO_UNMAP, or 0
 * @fn: as for kcopyd_copy(), with a @read_err of 0
 * @context: passed to @fn
 *
 * A device is told to write the zeroes itself, and may unmap the blocks if they
 * read as zeroes then. Where it cannot, or refuses, or fails, zeroes are written
 * like data. None of it takes pages of the client's pool.
 *
 * Context: As kcopyd_copy().
 * Return: As kcopyd_copy().
 */
int kcopyd_zero(struct kcopyd_client *kc, unsigned int num_dests,
		struct io_region *dests, unsigned int flags,
		kcopyd_notify_fn fn, void *context)
{
	if (!kc)
		return reject_client(__builtin_return_address(0));
	if (!fn)
		return kcopyd_reject(kc, -EINVAL, "no callback");
	return submit(kc, false, NULL, num_dests, dests, flags,
		      (union kcopyd_callback){ .fn = fn }, context);
}
EXPORT_SYMBOL_GPL(kcopyd_zero);

/**
 * kcopyd_submit() - copy, or zero, as a request says
 * @kc: the client
 * @request: in memory of kcopyd_request_size() bytes, which is kcopyd's from here to
 *	the request's callback
 *
 * As kcopyd_copy() and kcopyd_zero(), but for memory: it needs none. A request is not
 * submitted again before its callback is called.
 *
 * Context: Process context, with interrupts enabled. Does not sleep.
 * Return: 0 if the request is accepted. Otherwise nothing is written, its callback is
 * not called, and it is unchanged: as kcopyd_copy(), without -EAGAIN; -EINVAL for an
 * unknown I/O priority, and -EOPNOTSUPP for any on a kernel whose dm-io has none.
 */
int kcopyd_submit(struct kcopyd_client *kc, struct kcopyd_request *request)
{
	const struct io_region *from;
	struct kcopyd_job *job;
	unsigned int flags;
	int r;

	if (!kc)
		return reject_client(__builtin_return_address(0));
	if (!request)
		return kcopyd_reject(kc, -EINVAL, "no request");
	r = kcopyd_request_check(kc, request);
	if (r)
		return r;
	from = request->flags & KCOPYD_ZERO ? NULL : &request->from;
	flags = request->flags & ~KCOPYD_ZERO;
	r = kcopyd_check(kc, from, request->num_dests, request->dests, &flags);
	if (r < 0)
		return r;

	spin_lock_irq(&kc->lock);
	if (kc->shutdown)
		return reject_shutdown(kc, NULL);
	job = kcopyd_request_init(kc, request);
	job->callback = kcopyd_request_callback();
	job->context = request;
	job_accept(kc, job, from, request->num_dests, request->dests, flags, r,
		   true, false);
	spin_unlock_irq(&kc->lock);
	return 0;
}
EXPORT_SYMBOL_GPL(kcopyd_submit);

static int prepare_callback(struct kcopyd_client *kc, bool dm,
			    union kcopyd_callback callback, void *context,
			    struct kcopyd_job **result)
{
	struct kcopyd_job *job = kcopyd_job_alloc(kc, 1);

	if (IS_ERR(job))
		return reject_for_memory(kc);

	spin_lock_irq(&kc->lock);
	if (kc->shutdown && !dm)
		return reject_shutdown(kc, job);
	job->callback = callback;
	job->context = context;
	job->queue = &kc->queues.shared;
	kcopyd_job_move(job, KCOPYD_JOB_PREPARED);
	list_add_tail(&job->node, &kc->prepared);
	kcopyd_stats_prepared(kc, job);
	kc->jobs++;
	spin_unlock_irq(&kc->lock);
	*result = job;
	return 0;
}

/**
 * kcopyd_prepare_callback() - set up a callback for an event of the caller's own
 * @kc: the client
 * @fn: what kcopyd_do_callback() will call, in turn with the callbacks of copies
 * @context: passed to @fn
 * @result: receives the callback; untouched on failure
 *
 * For work that ends where it must not sleep, such as in an end_io, but is to be
 * followed up like a copy. kcopyd_client_destroy() waits for the callback.
 *
 * Context: As kcopyd_copy().
 * Return: 0; -EINVAL for a NULL argument; -ESHUTDOWN and -EAGAIN as from
 * kcopyd_copy().
 */
int kcopyd_prepare_callback(struct kcopyd_client *kc, kcopyd_notify_fn fn,
			    void *context, struct kcopyd_job **result)
{
	if (!kc)
		return reject_client(__builtin_return_address(0));
	if (!fn || !result)
		return kcopyd_reject(kc, -EINVAL, fn ? "no place for the prepared callback" :
						       "no callback");
	return prepare_callback(kc, false, (union kcopyd_callback){ .fn = fn }, context,
				result);
}
EXPORT_SYMBOL_GPL(kcopyd_prepare_callback);

/**
 * kcopyd_do_callback() - make a prepared callback due
 * @callback: from kcopyd_prepare_callback(); not to be used again
 * @read_err: passed to the callback
 * @write_err: passed to the callback
 *
 * Context: Any, hard interrupts included. The callback runs later, on the client's
 * workqueue.
 */
void kcopyd_do_callback(struct kcopyd_job *callback, int read_err,
			unsigned int write_err)
{
	struct kcopyd_client *kc = kcopyd_job_client(callback);
	unsigned long flags;

	spin_lock_irqsave(&kc->lock, flags);
	list_del(&callback->node);
	callback->read_err = read_err;
	callback->write_err = write_err;
	kcopyd_notify(kc, callback);
	spin_unlock_irqrestore(&kc->lock, flags);
}
EXPORT_SYMBOL_GPL(kcopyd_do_callback);

static void flush_reached(int read_err, unsigned int write_err, void *context)
{
	complete(context);
}

static void dm_flush_reached(int read_err, unsigned long write_err,
			     void *context)
{
	complete(context);
}

/**
 * kcopyd_client_flush() - wait for the callbacks that are due
 * @kc: the client
 *
 * When it returns, every callback has returned whose copy had ended before. It
 * does not wait for I/O in flight, nor for callbacks that become due meanwhile.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL if @kc is NULL; -EDEADLK in one of the client's own
 * callbacks, said in the log.
 */
int kcopyd_client_flush(struct kcopyd_client *kc)
{
	DECLARE_COMPLETION_ONSTACK(reached);
	/* The last callback that is due is this one's own. */
	struct kcopyd_job mark = { .reserved = KCOPYD_RESERVED_CALLER };

	if (!kc)
		return reject_client(__builtin_return_address(0));
	if (kcopyd_in_callback(kc))
		return kcopyd_reject(kc, -EDEADLK,
				     "flush in its own callback would wait for itself");
	if (kc->dm)
		mark.callback.dm_fn = dm_flush_reached;
	else
		mark.callback.fn = flush_reached;
	mark.context = &reached;
	spin_lock_irq(&kc->lock);
	kcopyd_stats_mark(kc, &mark);
	kc->jobs++;
	kcopyd_notify(kc, &mark);
	spin_unlock_irq(&kc->lock);
	wait_for_completion(&reached);
	return 0;
}
EXPORT_SYMBOL_GPL(kcopyd_client_flush);

static int cancel(struct kcopyd_client *kc, const struct kcopyd_match *match)
{
	unsigned long flags;
	unsigned int nr;

	spin_lock_irqsave(&kc->lock, flags);
	nr = kcopyd_copy_cancel(kc, match);
	spin_unlock_irqrestore(&kc->lock, flags);
	return min_t(unsigned int, nr, INT_MAX);
}

static int reject_cancel_sync(struct kcopyd_client *kc)
{
	return kcopyd_reject(kc, -EDEADLK,
			     "to wait in its own callback for what is cancelled would wait for itself");
}

static int cancel_sync(struct kcopyd_client *kc, const struct kcopyd_match *match)
{
	int r;

	if (kcopyd_in_callback(kc))
		return reject_cancel_sync(kc);
	r = cancel(kc, match);
	wait_event(kc->cancel_wait, !kcopyd_copy_cancelling(kc, match));
	kcopyd_client_flush(kc);
	return r;
}

/**
 * kcopyd_cancel() - cancel copies
 * @kc: the client
 * @fn: their callback
 * @context: and its argument
 *
 * Those that have not ended start no further I/O. They complete, by their callback
 * with a @read_err of -ECANCELED, as soon as what the devices have of them has
 * ended; what is in their destinations is undefined then. Prepared callbacks are
 * not copies.
 *
 * Context: Any, hard interrupts included. Does not wait.
 * Return: how many copies were cancelled, 0 if all had ended; -EINVAL for a NULL
 * client or callback.
 */
int kcopyd_cancel(struct kcopyd_client *kc, kcopyd_notify_fn fn, void *context)
{
	const struct kcopyd_match match = { .fn = fn, .context = context };

	if (!kc)
		return reject_client(__builtin_return_address(0));
	if (!fn)
		return kcopyd_reject(kc, -EINVAL, "no callback");
	return cancel(kc, &match);
}
EXPORT_SYMBOL_GPL(kcopyd_cancel);

/**
 * kcopyd_cancel_sync() - cancel copies and wait for their callbacks
 * @kc: the client
 * @fn: their callback
 * @context: and its argument
 *
 * As kcopyd_cancel(). When it returns, the callbacks have returned of all such
 * copies that were submitted before.
 *
 * Context: Process context, may sleep.
 * Return: as kcopyd_cancel(); -EDEADLK in one of the client's own callbacks, said in
 * the log, and nothing is cancelled.
 */
int kcopyd_cancel_sync(struct kcopyd_client *kc, kcopyd_notify_fn fn,
		       void *context)
{
	const struct kcopyd_match match = { .fn = fn, .context = context };

	if (!kc)
		return reject_client(__builtin_return_address(0));
	if (!fn)
		return kcopyd_reject(kc, -EINVAL, "no callback");
	return cancel_sync(kc, &match);
}
EXPORT_SYMBOL_GPL(kcopyd_cancel_sync);

/**
 * kcopyd_client_cancel() - cancel all copies of a client
 * @kc: the client
 *
 * Context: As kcopyd_cancel().
 * Return: As kcopyd_cancel().
 */
int kcopyd_client_cancel(struct kcopyd_client *kc)
{
	const struct kcopyd_match all = {};

	if (!kc)
		return reject_client(__builtin_return_address(0));
	return cancel(kc, &all);
}
EXPORT_SYMBOL_GPL(kcopyd_client_cancel);

/**
 * kcopyd_client_cancel_sync() - cancel all copies of a client and wait for them
 * @kc: the client
 *
 * Context: As kcopyd_cancel_sync().
 * Return: As kcopyd_cancel_sync().
 */
int kcopyd_client_cancel_sync(struct kcopyd_client *kc)
{
	const struct kcopyd_match all = {};

	if (!kc)
		return reject_client(__builtin_return_address(0));
	return cancel_sync(kc, &all);
}
EXPORT_SYMBOL_GPL(kcopyd_client_cancel_sync);

/* Cancels @request unless it is another client's than @kc by now. */
static bool request_cancel_of(struct kcopyd_request *request, struct kcopyd_client *kc)
{
	struct kcopyd_request_state *state = kcopyd_request_state(request);
	unsigned long flags;
	bool won;

	spin_lock_irqsave(&kc->lock, flags);
	/* In this order: see kcopyd_request_init(). */
	won = smp_load_acquire(&state->active) && READ_ONCE(state->kc) == kc &&
	      kcopyd_copy_cancel_job(kc, state->job);
	spin_unlock_irqrestore(&kc->lock, flags);
	return won;
}

/**
 * kcopyd_request_cancel() - cancel a request
 * @request: an accepted request whose callback has not returned
 *
 * As kcopyd_cancel(). The request is not freed, be it by its callback, before this has
 * returned, nor is a client that it was submitted to destroyed. If its callback submits
 * it once more meanwhile, that may be cancelled or not.
 *
 * Context: Any, hard interrupts included. Does not wait.
 * Return: 1 if it was cancelled, 0 if it had ended or was cancelled before.
 */
int kcopyd_request_cancel(struct kcopyd_request *request)
{
	return request_cancel_of(request, READ_ONCE(kcopyd_request_state(request)->kc));
}
EXPORT_SYMBOL_GPL(kcopyd_request_cancel);

/**
 * kcopyd_request_cancel_sync() - cancel a request and wait for its callback
 * @request: an accepted request whose callback has not returned; as for
 *	kcopyd_request_cancel(), it is not freed meanwhile, be it by its callback
 *
 * Context: Process context, may sleep.
 * Return: as kcopyd_request_cancel(), when the callback has returned; -EDEADLK in one
 * of the client's own callbacks, said in the log, and nothing is cancelled.
 */
int kcopyd_request_cancel_sync(struct kcopyd_request *request)
{
	struct kcopyd_request_state *state = kcopyd_request_state(request);
	const struct kcopyd_match match = { .job = state->job };
	struct kcopyd_client *kc = READ_ONCE(state->kc);
	int r;

	if (kcopyd_in_callback(kc))
		return reject_cancel_sync(kc);
	/* Of the client that is waited for: its callback may give it to another one. */
	r = request_cancel_of(request, kc);
	wait_event(kc->cancel_wait, !kcopyd_copy_cancelling(kc, &match));
	kcopyd_client_flush(kc);
	return r;
}
EXPORT_SYMBOL_GPL(kcopyd_request_cancel_sync);

/**
 * kcopyd_client_get_stats() - what a client is, and what it has done
 * @kc: the client
 * @result: receives it, all of the same moment
 *
 * Context: Any, hard interrupts included.
 * Return: 0; -EINVAL for a NULL client or result.
 */
int kcopyd_client_get_stats(struct kcopyd_client *kc,
			    struct kcopyd_client_stats *result)
{
	if (!kc)
		return reject_client(__builtin_return_address(0));
	if (!result)
		return kcopyd_reject(kc, -EINVAL, "no place for statistics");
	kcopyd_stats_get(kc, result);
	return 0;
}
EXPORT_SYMBOL_GPL(kcopyd_client_get_stats);

/*
 * Device-mapper's calls, as include/linux/dm-kcopyd.h has them. They cannot fail,
 * and reject nothing that the kernel's own dm-kcopyd accepts.
 */

static_assert(sizeof(struct dm_io_region) == sizeof(struct io_region) &&
	      offsetof(struct dm_io_region, bdev) == offsetof(struct io_region, bdev) &&
	      offsetof(struct dm_io_region, sector) == offsetof(struct io_region, sector) &&
	      offsetof(struct dm_io_region, count) == offsetof(struct io_region, count));

static struct kcopyd_client *dm_client(struct dm_kcopyd_client *kc)
{
	return (struct kcopyd_client *)kc;
}

static const struct io_region *dm_regions(const struct dm_io_region *regions)
{
	return (const struct io_region *)regions;
}

/**
 * kcopyd_dm_client_create() - create a client for device-mapper's calls
 * @throttle: whose member throttle is read whenever a part is to begin, so that it
 *	has to exist as long as the client; or NULL for no limit
 *
 * Context: Process context, may sleep.
 * Return: the client, or ERR_PTR(-ENOMEM).
 */
struct dm_kcopyd_client *kcopyd_dm_client_create(struct dm_kcopyd_throttle *throttle)
{
	struct kcopyd_throttle *limit = NULL;
	struct kcopyd_client *kc;
	int r;

	if (throttle) {
		limit = kcopyd_throttle_by_percent(&throttle->throttle);
		if (!limit)
			return ERR_PTR(-ENOMEM);
	}
	r = client_create(NULL, DM_CLIENT_PAGES, true, __builtin_return_address(0),
			  &kc);
	if (!r)
		kcopyd_throttle_attach(kc, limit);
	kcopyd_throttle_destroy(limit);
	return r ? ERR_PTR(r) : (struct dm_kcopyd_client *)kc;
}
EXPORT_SYMBOL_GPL(kcopyd_dm_client_create);

/**
 * kcopyd_dm_client_destroy() - as kcopyd_client_destroy()
 * @kc: the client, or NULL
 *
 * What its callbacks submit meanwhile is done, too.
 *
 * Context: Process context, may sleep.
 */
void kcopyd_dm_client_destroy(struct dm_kcopyd_client *kc)
{
	kcopyd_client_destroy(dm_client(kc));
}
EXPORT_SYMBOL_GPL(kcopyd_dm_client_destroy);

/**
 * kcopyd_dm_client_flush() - as kcopyd_client_flush()
 * @kc: the client
 *
 * Context: Process context, may sleep.
 */
void kcopyd_dm_client_flush(struct dm_kcopyd_client *kc)
{
	kcopyd_client_flush(dm_client(kc));
}
EXPORT_SYMBOL_GPL(kcopyd_dm_client_flush);

/* More destinations than there are bits for, or none: that ends with an error. */
static noinline void dm_reject(struct kcopyd_client *kc, unsigned int num_dests,
			       union kcopyd_callback callback, void *context)
{
	struct kcopyd_job *job;

	pr_err_ratelimited("client %u (%s): %u destinations, from 1 to %u are possible\n",
			   kc->id, kc->name, num_dests, KCOPYD_MAX_DESTS);
	if (!prepare_callback(kc, true, callback, context, &job))
		kcopyd_do_callback(job, -EINVAL, ~0U);
}

static void dm_submit(struct dm_kcopyd_client *client,
		      const struct dm_io_region *from, unsigned int num_dests,
		      const struct dm_io_region *dests, unsigned int flags,
		      dm_kcopyd_notify_fn fn, void *context)
{
	const union kcopyd_callback callback = { .dm_fn = fn };
	struct kcopyd_client *kc = dm_client(client);

	if (!num_dests || num_dests > KCOPYD_MAX_DESTS)
		dm_reject(kc, num_dests, callback, context);
	else
		submit(kc, true, dm_regions(from), num_dests, dm_regions(dests),
		       flags, callback, context);
}

/**
 * kcopyd_dm_copy() - as kcopyd_copy(), but nothing is rejected
 * @kc: the client
 * @from: the source
 * @num_dests: number of destinations
 * @dests: the destinations
 * @flags: with a bit for each of the numbers DM_KCOPYD_IGNORE_ERROR and
 *	DM_KCOPYD_WRITE_SEQ
 * @fn: called when the copy has ended
 * @context: passed to @fn
 *
 * Context: As kcopyd_copy(). In a callback it may sleep for the page allocator.
 */
void kcopyd_dm_copy(struct dm_kcopyd_client *kc, struct dm_io_region *from,
		    unsigned int num_dests, struct dm_io_region *dests,
		    unsigned int flags, dm_kcopyd_notify_fn fn, void *context)
{
	dm_submit(kc, from, num_dests, dests, flags, fn, context);
}
EXPORT_SYMBOL_GPL(kcopyd_dm_copy);

/**
 * kcopyd_dm_zero() - as kcopyd_zero(), but nothing is rejected
 * @kc: the client
 * @num_dests: number of destinations
 * @dests: the destinations
 * @flags: as for kcopyd_dm_copy()
 * @fn: called when they are zeroed
 * @context: passed to @fn
 *
 * Context: As kcopyd_dm_copy().
 */
void kcopyd_dm_zero(struct dm_kcopyd_client *kc, unsigned int num_dests,
		    struct dm_io_region *dests, unsigned int flags,
		    dm_kcopyd_notify_fn fn, void *context)
{
	dm_submit(kc, NULL, num_dests, dests, flags, fn, context);
}
EXPORT_SYMBOL_GPL(kcopyd_dm_zero);

/**
 * kcopyd_dm_prepare_callback() - as kcopyd_prepare_callback()
 * @kc: the client
 * @fn: what kcopyd_dm_do_callback() will call
 * @context: passed to @fn
 *
 * Context: As kcopyd_dm_copy().
 * Return: the callback; never NULL.
 */
void *kcopyd_dm_prepare_callback(struct dm_kcopyd_client *kc,
				 dm_kcopyd_notify_fn fn, void *context)
{
	struct kcopyd_job *job = NULL;

	prepare_callback(dm_client(kc), true, (union kcopyd_callback){ .dm_fn = fn },
			 context, &job);
	return job;
}
EXPORT_SYMBOL_GPL(kcopyd_dm_prepare_callback);

/**
 * kcopyd_dm_do_callback() - as kcopyd_do_callback()
 * @callback: from kcopyd_dm_prepare_callback()
 * @read_err: passed to the callback
 * @write_err: passed to the callback; bits from 32 on become the lowest one
 *
 * Context: Any, hard interrupts included.
 */
void kcopyd_dm_do_callback(void *callback, int read_err,
			   unsigned long write_err)
{
	unsigned int bits = lower_32_bits(write_err);

	if (upper_32_bits(write_err))
		bits |= 1;
	kcopyd_do_callback(callback, read_err, bits);
}
EXPORT_SYMBOL_GPL(kcopyd_dm_do_callback);

static int __init kcopyd_init(void)
{
	int r;

	kcopyd_dispatch_init();
	r = kcopyd_blocks_init();
	if (r)
		return r;
	teardown_wq = alloc_workqueue("kcopyd_teardown",
				      WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	r = -ENOMEM;
	if (!teardown_wq)
		goto err_blocks;
	r = kcopyd_sysfs_init();
	if (r)
		goto err_teardown;
	kcopyd_debugfs_init();
	return 0;

err_teardown:
	destroy_workqueue(teardown_wq);
err_blocks:
	kcopyd_blocks_exit();
	return r;
}

static void __exit kcopyd_exit(void)
{
	kcopyd_debugfs_exit();
	kcopyd_sysfs_exit();
	destroy_workqueue(teardown_wq);
	kcopyd_blocks_exit();
}

module_init(kcopyd_init);
module_exit(kcopyd_exit);

MODULE_DESCRIPTION("Asynchronous copies between block devices");
MODULE_AUTHOR("The kcopyd authors");
MODULE_VERSION(KCOPYD_VERSION);
MODULE_LICENSE("GPL");
