// SPDX-License-Identifier: GPL-2.0-only
/*
 * The callbacks of a client. They have a workqueue of their own: a callback may
 * sleep, also for another client's, and the I/O of its client must not wait for
 * it.
 */
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "client.h"
#include "notify.h"

/* After so many callbacks the time is looked at. */
#define NOTIFY_BATCH 8

/* Nanoseconds of callbacks before other work on this CPU has its turn. */
#define NOTIFY_SLICE 1000000

static struct kcopyd_job *done_pop(struct kcopyd_client *kc)
{
	struct kcopyd_job *job = kc->done;

	if (job) {
		kc->done = job->next_job;
		if (!kc->done)
			kc->done_tail = &kc->done;
	}
	return job;
}

static void notify_work(struct work_struct *work)
{
	struct kcopyd_client *kc =
		container_of(work, struct kcopyd_client, notify_work);
	unsigned int noio = memalloc_noio_save();
	const u64 began = local_clock();
	struct kcopyd_job *job;
	unsigned int n = 0;

	/* This task does nothing but callbacks from here to the end. */
	WRITE_ONCE(kc->notify_task, current);
	spin_lock_irq(&kc->lock);
	while ((job = done_pop(kc))) {
		kcopyd_notify_fn fn = job->fn;
		void *context = job->context;
		int read_err = job->read_err;
		unsigned int write_err = job->write_err;

		/* Before the callback, which may well submit the next copy. */
		job = kcopyd_job_put(kc, job);
		spin_unlock_irq(&kc->lock);

		kfree(job);
		fn(read_err, write_err, context);
		cond_resched();

		spin_lock_irq(&kc->lock);
		if (!--kc->jobs)
			wake_up_all(&kc->idle_wait);
		/* Callbacks that do not sleep let nobody else have this CPU. */
		if (!(++n % NOTIFY_BATCH) && kc->done &&
		    local_clock() - began > NOTIFY_SLICE) {
			queue_work(kc->notify_wq, &kc->notify_work);
			break;
		}
	}
	WRITE_ONCE(kc->notify_task, NULL);
	spin_unlock_irq(&kc->lock);
	memalloc_noio_restore(noio);
}

void kcopyd_notify_init(struct kcopyd_client *kc)
{
	kc->done_tail = &kc->done;
	INIT_WORK(&kc->notify_work, notify_work);

	/* One client's callbacks may wait for another's, or destroy it. */
	lockdep_register_key(&kc->notify_key);
#ifdef CONFIG_LOCKDEP
	lockdep_init_map(&kc->notify_work.lockdep_map, "kcopyd callbacks",
			 &kc->notify_key, 0);
#endif
}

/**
 * kcopyd_notify_exit() - undo kcopyd_notify_init()
 * @kc: a client with no workers
 *
 * Context: Process context, may sleep.
 */
void kcopyd_notify_exit(struct kcopyd_client *kc)
{
	lockdep_unregister_key(&kc->notify_key);
}

/**
 * kcopyd_notify() - make the callback of a finished job due
 * @kc: the client
 * @job: the job, which is no longer the caller's
 *
 * Context: Any, under the client's lock.
 */
void kcopyd_notify(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	lockdep_assert_held(&kc->lock);
	if (!kc->done)
		queue_work(kc->notify_wq, &kc->notify_work);
	job->next_job = NULL;
	*kc->done_tail = job;
	kc->done_tail = &job->next_job;
}
