// SPDX-License-Identifier: GPL-2.0-only
/*
 * The callbacks of a client. They have a workqueue of their own: a callback may
 * sleep, also for another client's, and the I/O of its client must not wait for
 * it.
 */
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include "client.h"
#include "notify.h"

/* Callbacks that are called in a row without the lock between them. */
#define NOTIFY_BATCH 8

/* Nanoseconds of callbacks before other work on this CPU has its turn. */
#define NOTIFY_SLICE 1000000

/* What is left of a job when its callback is due. */
struct notify {
	union kcopyd_callback callback;
	void *context;
	int read_err;
	unsigned int write_err;
};

/* Takes jobs out; those objects that are not kept are linked in @unused. */
static unsigned int done_pop(struct kcopyd_client *kc, struct notify *batch,
			     struct kcopyd_job **unused)
{
	struct kcopyd_job *job;
	unsigned int nr = 0;

	*unused = NULL;
	while (nr < NOTIFY_BATCH && (job = kc->done)) {
		kc->done = job->next_job;
		kcopyd_job_move(job, KCOPYD_JOB_FREE);
		batch[nr++] = (struct notify){
			.callback = job->callback,
			.context = job->context,
			.read_err = job->read_err,
			.write_err = job->write_err,
		};
		if (unlikely(job->watch))
			kcopyd_stats_done(kc, job);
		/* Before the callback, which may well submit the next copy. */
		job = kcopyd_job_put(&kc->reserve, job);
		if (job) {
			job->next_job = *unused;
			*unused = job;
		}
	}
	if (!kc->done)
		kc->done_tail = &kc->done;
	return nr;
}

/* @dm: they are of device-mapper's type; each is called as what it is */
static __always_inline void notify_call(const struct notify *batch,
					unsigned int nr, bool dm)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct notify *n = &batch[i];

		if (dm)
			n->callback.dm_fn(n->read_err, n->write_err, n->context);
		else
			n->callback.fn(n->read_err, n->write_err, n->context);
		if (need_resched())
			cond_resched();
	}
}

static void notify_work(struct work_struct *work)
{
	struct kcopyd_client *kc =
		container_of(work, struct kcopyd_client, notify_work);
	unsigned int noio = memalloc_noio_save();
	struct notify batch[NOTIFY_BATCH];
	const u64 began = local_clock();
	struct kcopyd_job *unused;
	unsigned int nr;

	/* This task does nothing but callbacks from here to the end. */
	WRITE_ONCE(kc->notify_task, current);
	spin_lock_irq(&kc->lock);
	while ((nr = done_pop(kc, batch, &unused))) {
		spin_unlock_irq(&kc->lock);

		kcopyd_job_free(unused);
		if (unlikely(kc->dm))
			notify_call(batch, nr, true);
		else
			notify_call(batch, nr, false);

		spin_lock_irq(&kc->lock);
		kc->jobs -= nr;
		if (unlikely(kcopyd_stats_returned(&kc->stats, nr)))
			kc->attention |= KCOPYD_ATTENTION_SAMPLE;
		if (!kc->jobs)
			wake_up_all(&kc->idle_wait);
		/* Callbacks that do not sleep let nobody else have this CPU. */
		if (kc->done && local_clock() - began > NOTIFY_SLICE) {
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
