// SPDX-License-Identifier: GPL-2.0-only
/* kcopyd-dm: memory, locks and work in process context, for targets in C++. */
#include <linux/device-mapper.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "dm.h"

/**
 * kdm_ms() - how late it is
 *
 * Context: Any.
 * Return: milliseconds since some moment, which are never less than before.
 */
unsigned long long kdm_ms(void)
{
	return ktime_to_ms(ktime_get());
}
EXPORT_SYMBOL_GPL(kdm_ms);

/**
 * kdm_alloc() - allocate memory, large too
 * @size: bytes
 *
 * From 512 bytes on, it is aligned as I/O needs it.
 *
 * Context: Process context, may sleep. Not where I/O waits for it.
 * Return: zeroed memory, or NULL.
 */
void *kdm_alloc(size_t size)
{
	/* What slabs align is what has a power of two as its size. */
	if (size > PAGE_SIZE)
		size = PAGE_ALIGN(size);
	else if (size)
		size = roundup_pow_of_two(size);
	return kvzalloc(size, GFP_KERNEL);
}
EXPORT_SYMBOL_GPL(kdm_alloc);

/**
 * kdm_free() - free what kdm_alloc() returned
 * @memory: the memory, or NULL
 *
 * Context: Process context, may sleep.
 */
void kdm_free(void *memory)
{
	kvfree(memory);
}
EXPORT_SYMBOL_GPL(kdm_free);

/**
 * struct kdm_lock - a lock that is taken in any context, and not for long
 * @lock: the lock
 */
struct kdm_lock {
	spinlock_t lock; /* what the target has it for */
};

/**
 * kdm_lock_create() - create a lock
 * @result: receives it; untouched on failure
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kdm_lock_create(struct kdm_lock **result)
{
	struct kdm_lock *lock = kmalloc(sizeof(*lock), GFP_KERNEL);

	if (!lock)
		return -ENOMEM;
	spin_lock_init(&lock->lock);
	*result = lock;
	return 0;
}
EXPORT_SYMBOL_GPL(kdm_lock_create);

/**
 * kdm_lock_destroy() - destroy a lock that nobody has
 * @lock: the lock, or NULL
 *
 * Context: Any.
 */
void kdm_lock_destroy(struct kdm_lock *lock)
{
	kfree(lock);
}
EXPORT_SYMBOL_GPL(kdm_lock_destroy);

/**
 * kdm_lock_take() - wait for a lock, and have it
 * @lock: the lock
 *
 * Who has it does not sleep, and is not interrupted.
 *
 * Context: Any, hard interrupts included.
 * Return: for kdm_lock_release().
 */
unsigned long kdm_lock_take(struct kdm_lock *lock) __acquires(&lock->lock)
{
	unsigned long flags;

	spin_lock_irqsave(&lock->lock, flags);
	return flags;
}
EXPORT_SYMBOL_GPL(kdm_lock_take);

/**
 * kdm_lock_release() - let others have a lock
 * @lock: the lock
 * @flags: from kdm_lock_take()
 *
 * Context: That of kdm_lock_take().
 */
void kdm_lock_release(struct kdm_lock *lock, unsigned long flags) __releases(&lock->lock)
{
	spin_unlock_irqrestore(&lock->lock, flags);
}
EXPORT_SYMBOL_GPL(kdm_lock_release);

/**
 * struct kdm_worker - a function that is called in process context when it is asked for
 * @wq: its own, so that it waits for nobody else's work, and has a rescuer
 * @work: the call
 * @event: an event of @ti, of which the kernel's other work takes care
 * @fn: the function
 * @context: for @fn
 * @ti: the target that has had an event
 */
struct kdm_worker {
	struct workqueue_struct *wq;
	struct delayed_work work;
	struct work_struct event;
	void (*fn)(void *context);
	void *context;
	struct kdm_target *ti;
};

static void call_worker(struct work_struct *work)
{
	struct kdm_worker *worker = container_of(to_delayed_work(work), struct kdm_worker, work);
	/* I/O may wait for it. */
	const unsigned int noio = memalloc_noio_save();

	worker->fn(worker->context);
	memalloc_noio_restore(noio);
}

static void send_event(struct work_struct *work)
{
	struct kdm_worker *worker = container_of(work, struct kdm_worker, event);

	dm_table_event(((struct dm_target *)worker->ti)->table);
}

/**
 * kdm_worker_create() - create a worker
 * @name: of its workqueue
 * @fn: called once or more after each kdm_worker_wake(), never twice at a time; process
 *	context, may sleep; its allocations start no I/O
 * @context: for @fn
 * @result: receives the worker; untouched on failure
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kdm_worker_create(const char *name, void (*fn)(void *context), void *context,
		      struct kdm_worker **result)
{
	struct kdm_worker *worker = kzalloc(sizeof(*worker), GFP_KERNEL);

	if (!worker)
		return -ENOMEM;
	worker->wq = alloc_ordered_workqueue("%s", WQ_MEM_RECLAIM, name);
	if (!worker->wq) {
		kfree(worker);
		return -ENOMEM;
	}
	INIT_DELAYED_WORK(&worker->work, call_worker);
	INIT_WORK(&worker->event, send_event);
	worker->fn = fn;
	worker->context = context;
	*result = worker;
	return 0;
}
EXPORT_SYMBOL_GPL(kdm_worker_create);

/**
 * kdm_worker_destroy() - wait until the function has returned, and destroy a worker
 * @worker: the worker, which nobody else wakes any more, or NULL
 *
 * What is still to be called is not.
 *
 * Context: Process context, may sleep. Not from its function.
 */
void kdm_worker_destroy(struct kdm_worker *worker)
{
	if (!worker)
		return;
	cancel_delayed_work_sync(&worker->work);
	flush_work(&worker->event);
	destroy_workqueue(worker->wq);
	kfree(worker);
}
EXPORT_SYMBOL_GPL(kdm_worker_destroy);

/**
 * kdm_worker_wake() - have the function called
 * @worker: the worker
 *
 * Context: Any, hard interrupts included.
 */
void kdm_worker_wake(struct kdm_worker *worker)
{
	mod_delayed_work(worker->wq, &worker->work, 0);
}
EXPORT_SYMBOL_GPL(kdm_worker_wake);

/**
 * kdm_worker_wake_in() - have the function called after a time
 * @worker: the worker
 * @ms: milliseconds; without effect if it is to be called anyway, be it later
 *
 * Context: Any, hard interrupts included.
 */
void kdm_worker_wake_in(struct kdm_worker *worker, unsigned int ms)
{
	queue_delayed_work(worker->wq, &worker->work, msecs_to_jiffies(ms));
}
EXPORT_SYMBOL_GPL(kdm_worker_wake_in);

/**
 * kdm_worker_flush() - wait until the function has been called, if it is to be
 * @worker: the worker
 *
 * It is called now if it was to be called after a time.
 *
 * Context: Process context, may sleep. Not from its function.
 */
void kdm_worker_flush(struct kdm_worker *worker)
{
	flush_delayed_work(&worker->work);
}
EXPORT_SYMBOL_GPL(kdm_worker_flush);

/**
 * kdm_worker_event() - wake up who waits for an event of a target's device, soon
 * @worker: the target's
 * @ti: the target, always the same one
 *
 * The kernel's other work does so, and not who calls this, as the worker's function may:
 * device-mapper has one lock for the events of all devices, and others allocate memory
 * under it, for which I/O may be needed that the worker does.
 *
 * Context: Process context.
 */
void kdm_worker_event(struct kdm_worker *worker, struct kdm_target *ti)
{
	worker->ti = ti;
	schedule_work(&worker->event);
}
EXPORT_SYMBOL_GPL(kdm_worker_event);
