/* SPDX-License-Identifier: GPL-2.0-only */
/* The callbacks of a client, one at a time. */
#ifndef KCOPYD_CORE_NOTIFY_H
#define KCOPYD_CORE_NOTIFY_H

#include <linux/lockdep.h>
#include <linux/workqueue.h>

#include "client.h"

void kcopyd_notify_init(struct kcopyd_client *kc);
void kcopyd_notify_exit(struct kcopyd_client *kc);

/**
 * kcopyd_notify() - make the callback of a finished job due
 * @kc: the client
 * @job: the job, which is no longer the caller's
 *
 * Context: Any, under the client's lock.
 */
static inline void kcopyd_notify(struct kcopyd_client *kc,
				 struct kcopyd_job *job)
{
	lockdep_assert_held(&kc->lock);
	kcopyd_job_move(job, KCOPYD_JOB_DUE);
	if (!kc->done)
		queue_work(kc->notify_wq, &kc->notify_work);
	job->next_job = NULL;
	*kc->done_tail = job;
	kc->done_tail = &job->next_job;
}

#endif /* KCOPYD_CORE_NOTIFY_H */
