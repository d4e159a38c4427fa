/* SPDX-License-Identifier: GPL-2.0-only */
/* What a client is inside. */
#ifndef KCOPYD_CORE_CLIENT_H
#define KCOPYD_CORE_CLIENT_H

#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "job.h"
#include "pool.h"
#include "queue.h"
#include "stats.h"
#include "throttle.h"

struct dm_io_client;
struct kcopyd_dir;
struct task_struct;

/**
 * struct kcopyd_client - a client
 * @id: its number in messages
 * @name: its name, for people
 * @dm: it was made for device-mapper's calls, which cannot fail
 * @io: memory of dm-io for this client's I/O
 * @io_wq: runs the queues' workers; these may sleep in the block layer
 * @notify_wq: runs @notify_work
 * @notify_work: calls the callbacks of @done
 * @notify_key: tells lockdep the clients' callbacks apart
 * @resume_work: goes on with @starved and @resume where that would take long, and
 *	with @slowed when the throttle says so
 * @teardown_work: ends the client when it is destroyed from a callback
 * @dir: its directory in sysfs, or NULL
 * @node: in the list of all clients
 * @resize_mutex: one change of its pool at a time, outside of @lock
 * @log_limit: bounds the messages about rejected copies
 * @lock: see below
 * @pool: its pages
 * @queues: a queue for each disk
 * @reserve: job objects set aside
 * @borrowed: blocks that it has borrowed, if it is one of device-mapper's
 * @together: pages for the jobs whose destinations are written together
 * @pageless: parts on their way that have no pages of the pool: those that zero or
 *	flush, and those with a borrowed block
 * @waiting: jobs in @starved, @slowed and the lists of disks; and one more if the
 *	client has a throttle, and if parts are held back
 * @starved: jobs that wait because the pool is empty
 * @slowed: jobs that wait because of the throttle
 * @throttled: the throttle
 * @resume: queues whose waiting jobs are to be looked at
 * @prepared: callbacks that were prepared and are not due yet
 * @done: finished jobs whose callbacks are due
 * @done_tail: where the next one is to be linked
 * @jobs: accepted jobs and prepared callbacks that have not returned
 * @shutdown: no further job is accepted, unless of device-mapper's calls
 * @attention: why the next job is looked at more closely, KCOPYD_ATTENTION_TRACE and
 *	others
 * @part_kb: the largest part of a copy, in KiB; 0 is that of the module's parameter
 * @part_pages: the same in pages, as it holds now
 * @least_pages: what an accepted job cannot do without
 * @resize_pages: what the pool is going to have, or 0
 * @held_back: no part is to begin, as the pool is going to be another one
 * @stats: what it counts
 * @warned: it was said that such a call was not refused
 * @notify_task: the task that runs the callbacks, or NULL
 * @idle_wait: teardown waits here for @jobs to become 0
 * @cancel_wait: who has cancelled jobs waits here for them to end
 * @resize_wait: who changes the pool waits here for all pages to come back
 *
 * @lock is the only spinlock of the client. It is taken in end_io context, which
 * may be a hard interrupt; nothing sleeps and no I/O is submitted under it.
 * Inside it come only a throttle's lock, that of the blocks, and those of workqueues,
 * timers, wait queues and the slab.
 */
struct kcopyd_client {
	/* Never change after creation, but @dir becomes NULL at the end. */
	unsigned int id;
	char name[KCOPYD_NAME_SIZE];
	bool dm;
	struct dm_io_client *io;
	struct workqueue_struct *io_wq;
	struct workqueue_struct *notify_wq;
	struct work_struct notify_work;
	struct lock_class_key notify_key;
	struct work_struct resume_work;
	struct work_struct teardown_work;
	struct kcopyd_dir *dir;

	/* Under the mutex of the list. */
	struct list_head node;

	/* Taken by who changes the pool. */
	struct mutex resize_mutex;

	/* Has a lock of its own. */
	struct ratelimit_state log_limit;

	/* Protects the next group, and jobs, parts and queues. */
	spinlock_t lock;

	/* Under @lock. */
	struct kcopyd_pool pool;
	struct kcopyd_queues queues;
	struct kcopyd_reserve reserve;
	unsigned int borrowed;
	unsigned int together;
	struct list_head pageless;
	unsigned int waiting;
	struct kcopyd_fifo starved;
	struct kcopyd_fifo slowed;
	struct kcopyd_throttled throttled;
	struct list_head resume;
	struct list_head prepared;
	struct kcopyd_job *done;
	struct kcopyd_job **done_tail;
	unsigned int jobs;
	bool shutdown;
	u8 attention;
	bool warned;
	unsigned int part_kb;
	unsigned int part_pages;
	unsigned int least_pages;
	unsigned int resize_pages;
	bool held_back;
	struct kcopyd_stats stats;

	/* Written by the worker of @notify_work, compared with current by anyone. */
	struct task_struct *notify_task;

	/* Has a lock of its own, inside @lock. */
	wait_queue_head_t idle_wait;
	wait_queue_head_t cancel_wait;
	wait_queue_head_t resize_wait;
};

/* It is being destroyed. */
#define KCOPYD_ATTENTION_SHUTDOWN	BIT(0)
/* Somebody follows jobs. */
#define KCOPYD_ATTENTION_TRACE		BIT(1)
/* A small copy is to be timed. */
#define KCOPYD_ATTENTION_SAMPLE		BIT(2)

static inline struct kcopyd_client *kcopyd_job_client(const struct kcopyd_job *job)
{
	return job->queue->kc;
}

/* Is this code running in one of the client's own callbacks? */
static inline bool kcopyd_in_callback(const struct kcopyd_client *kc)
{
	return READ_ONCE(kc->notify_task) == current;
}

#endif /* KCOPYD_CORE_CLIENT_H */
