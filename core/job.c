// SPDX-License-Identifier: GPL-2.0-only
/* Job and part objects, and the client's reserve of them. */
#include <linux/slab.h>
#include <linux/wait.h>

#include "client.h"
#include "export.h"
#include "job.h"

/* Most copies have one destination: theirs is to stay a small object. */
static_assert(sizeof(struct kcopyd_job) + sizeof(struct kcopyd_dest) +
	      sizeof(struct kcopyd_part) + sizeof(struct kcopyd_op) <= 256 ||
	      IS_ENABLED(CONFIG_DEBUG_LIST) || BITS_PER_LONG != 64);

static size_t part_size(unsigned int num_dests)
{
	return sizeof(struct kcopyd_part) +
	       num_dests * sizeof(struct kcopyd_op);
}

static size_t job_size(unsigned int num_dests)
{
	return sizeof(struct kcopyd_job) +
	       num_dests * sizeof(struct kcopyd_dest) + part_size(num_dests);
}

static void part_init(struct kcopyd_part *part, struct kcopyd_job *job)
{
	unsigned int i;

	part->job = job;
	INIT_LIST_HEAD(&part->node);
	part->pages = NULL;
	part->state = KCOPYD_PART_FREE;
	for (i = 0; i < job->num_dests; i++) {
		INIT_LIST_HEAD(&part->ops[i].node);
		part->ops[i].slot = i;
	}
}

/**
 * kcopyd_reserve_init() - set job objects aside
 * @kc: the client
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM; kcopyd_reserve_exit() is to be called either way.
 */
int kcopyd_reserve_init(struct kcopyd_client *kc)
{
	struct kcopyd_reserve *reserve = &kc->reserve;
	struct kcopyd_job *job;

	INIT_LIST_HEAD(&reserve->free);
	init_waitqueue_head(&reserve->wait);
	while (reserve->nr_free <
	       KCOPYD_RESERVE_JOBS + KCOPYD_RESERVE_CALLBACK_JOBS) {
		job = kmalloc(job_size(KCOPYD_MAX_DESTS), KCOPYD_GFP_CREATE);
		if (!job)
			return -ENOMEM;
		list_add(&job->node, &reserve->free);
		reserve->nr_free++;
	}
	return 0;
}

void kcopyd_reserve_exit(struct kcopyd_client *kc)
{
	struct kcopyd_job *job, *tmp;

	list_for_each_entry_safe(job, tmp, &kc->reserve.free, node)
		kfree(job);
}

static struct kcopyd_job *reserve_take(struct kcopyd_client *kc,
				       unsigned int keep)
{
	struct kcopyd_reserve *reserve = &kc->reserve;
	struct kcopyd_job *job = NULL;

	spin_lock_irq(&kc->lock);
	if (reserve->nr_free > keep) {
		job = list_first_entry(&reserve->free, struct kcopyd_job, node);
		list_del(&job->node);
		reserve->nr_free--;
	}
	spin_unlock_irq(&kc->lock);
	return job;
}

/**
 * kcopyd_job_alloc() - get a job object
 * @kc: the client
 * @num_dests: destinations, from 1 to KCOPYD_MAX_DESTS
 *
 * Takes memory that can be had without waiting, else an object of the reserve,
 * and sleeps until one is free; but for the client's own callbacks, on whose
 * return the reserve depends.
 *
 * Context: Process context. May sleep, but not in the client's own callbacks.
 * Return: the job with @num_dests set and everything else zero or empty;
 *	ERR_PTR(-EAGAIN) in a callback that has used the reserve up.
 */
struct kcopyd_job *kcopyd_job_alloc(struct kcopyd_client *kc,
				    unsigned int num_dests)
{
	bool reserved = false;
	struct kcopyd_job *job;

	job = kmalloc(job_size(num_dests), KCOPYD_GFP_NOW);
	if (!job) {
		reserved = true;
		if (kcopyd_in_callback(kc))
			job = reserve_take(kc, 0);
		else
			wait_event(kc->reserve.wait,
				   (job = reserve_take(kc, KCOPYD_RESERVE_CALLBACK_JOBS)));
		if (!job)
			return ERR_PTR(-EAGAIN);
	}

	memset(job, 0, sizeof(*job));
	job->num_dests = num_dests;
	job->reserved = reserved;
	job->first = (void *)&job->dests[num_dests];
	INIT_LIST_HEAD(&job->node);
	INIT_LIST_HEAD(&job->parts);
	part_init(job->first, job);
	return job;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_job_alloc);

/**
 * kcopyd_job_free() - give a job object back
 * @kc: the client
 * @job: the job, in no list and with no part on its way
 *
 * Context: Any, without the client's lock.
 */
void kcopyd_job_free(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	unsigned long flags;

	if (!job->reserved) {
		kfree(job);
		return;
	}
	spin_lock_irqsave(&kc->lock, flags);
	list_add(&job->node, &kc->reserve.free);
	kc->reserve.nr_free++;
	wake_up(&kc->reserve.wait);
	spin_unlock_irqrestore(&kc->lock, flags);
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_job_free);

/**
 * kcopyd_part_get() - get a part object for a job
 * @job: the job
 *
 * The job's own part comes first; further ones, for reading ahead, are taken
 * from memory that is there.
 *
 * Context: Any, under the client's lock.
 * Return: the part, or NULL: then the job's own part is on its way.
 */
struct kcopyd_part *kcopyd_part_get(struct kcopyd_job *job)
{
	struct kcopyd_part *part = job->first;

	if (part->state == KCOPYD_PART_FREE)
		return part;

	part = kmalloc(part_size(job->num_dests), KCOPYD_GFP_NOW);
	if (part)
		part_init(part, job);
	return part;
}

/**
 * kcopyd_part_put() - give a part object back
 * @part: the part, in no list and without pages
 *
 * Context: Any, under the client's lock.
 */
void kcopyd_part_put(struct kcopyd_part *part)
{
	part->state = KCOPYD_PART_FREE;
	if (part != part->job->first)
		kfree(part);
}
