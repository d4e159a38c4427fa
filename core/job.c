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
	      IS_ENABLED(CONFIG_DEBUG_LIST) || IS_ENABLED(KCOPYD_TEST_EXPORTS) ||
	      BITS_PER_LONG != 64);

#ifdef KCOPYD_TEST_EXPORTS
static const char *const part_states[] = {
#define KCOPYD_PART_STATE(state) \
	[KCOPYD_PART_##state] = #state,
#include "states.h"
};

static const bool part_moves[ARRAY_SIZE(part_states)][ARRAY_SIZE(part_states)] = {
#define KCOPYD_PART_MOVE(from, to) \
	[KCOPYD_PART_##from][KCOPYD_PART_##to] = true,
#include "states.h"
};

static const char *const job_states[] = {
#define KCOPYD_JOB_STATE(state) \
	[KCOPYD_JOB_##state] = #state,
#include "states.h"
};

static const bool job_moves[ARRAY_SIZE(job_states)][ARRAY_SIZE(job_states)] = {
#define KCOPYD_JOB_MOVE(from, to) \
	[KCOPYD_JOB_##from][KCOPYD_JOB_##to] = true,
#include "states.h"
};

/* A state may be anything where memory was overwritten. */
static const char *state_name(const char *const *names, unsigned int nr,
			      unsigned int state)
{
	return state < nr ? names[state] : "?";
}

void kcopyd_part_check_move(const struct kcopyd_part *part,
			    enum kcopyd_part_state state)
{
	const unsigned int from = part->state, to = state;
	const unsigned int nr = ARRAY_SIZE(part_states);

	WARN_ONCE(from >= nr || to >= nr || !part_moves[from][to],
		  "kcopyd: a part moved from %s to %s\n",
		  state_name(part_states, nr, from),
		  state_name(part_states, nr, to));
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_part_check_move);

void kcopyd_job_move(struct kcopyd_job *job, enum kcopyd_job_state state)
{
	const unsigned int from = job->state, to = state;
	const unsigned int nr = ARRAY_SIZE(job_states);

	WARN_ONCE(from >= nr || to >= nr || !job_moves[from][to],
		  "kcopyd: a job moved from %s to %s\n",
		  state_name(job_states, nr, from),
		  state_name(job_states, nr, to));
	job->state = to;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_job_move);
#endif

static size_t part_size(unsigned int num_dests)
{
	return sizeof(struct kcopyd_part) +
	       num_dests * sizeof(struct kcopyd_op);
}

/**
 * kcopyd_job_size() - what a job object takes
 * @num_dests: destinations, from 1 to KCOPYD_MAX_DESTS
 *
 * Context: Any.
 * Return: its size in bytes.
 */
size_t kcopyd_job_size(unsigned int num_dests)
{
	return sizeof(struct kcopyd_job) +
	       num_dests * sizeof(struct kcopyd_dest) + part_size(num_dests);
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_job_size);

static void part_init(struct kcopyd_part *part, struct kcopyd_job *job)
{
	unsigned int i;

	part->job = job;
	part->state = KCOPYD_PART_FREE;
	for (i = 0; i < job->num_dests; i++)
		part->ops[i].slot = i;
}

/**
 * kcopyd_job_init() - set up a job object
 * @job: as large as kcopyd_job_size() says
 * @num_dests: destinations
 *
 * Sets what stays as it is for as long as it serves so many destinations.
 *
 * Context: Any.
 */
void kcopyd_job_init(struct kcopyd_job *job, unsigned int num_dests)
{
	job->num_dests = num_dests;
	job->num_writes = num_dests;
#ifdef KCOPYD_TEST_EXPORTS
	job->state = KCOPYD_JOB_FREE;
#endif
	job->first = (void *)&job->dests[num_dests];
	part_init(job->first, job);
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_job_init);

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

	init_waitqueue_head(&reserve->wait);
	while (reserve->nr_free <
	       KCOPYD_RESERVE_JOBS + KCOPYD_RESERVE_CALLBACK_JOBS) {
		job = kmalloc(kcopyd_job_size(KCOPYD_MAX_DESTS), KCOPYD_GFP_CREATE);
		if (!job)
			return -ENOMEM;
		kcopyd_reserve_put(reserve, job);
	}
	return 0;
}

/**
 * kcopyd_job_free() - free job objects
 * @job: the first one of a list, or NULL
 *
 * Context: Any, without the client's lock.
 */
void kcopyd_job_free(struct kcopyd_job *job)
{
	while (job) {
		struct kcopyd_job *next = job->next_job;

		kfree(job);
		job = next;
	}
}

void kcopyd_reserve_exit(struct kcopyd_client *kc)
{
	kcopyd_job_free(kc->reserve.free);
	kcopyd_job_free(kc->reserve.kept);
	kcopyd_job_free(kc->reserve.kept_together);
}

/*
 * Callbacks have a share of the reserve to themselves. They take the other one's
 * as well, and objects that are kept, unless somebody sleeps for those.
 */
static bool reserve_allows(const struct kcopyd_reserve *reserve,
			   enum kcopyd_reserved who, bool asleep)
{
	if (!reserve->nr_free)
		return false;
	if (who == KCOPYD_RESERVED_SUBMITTER)
		return reserve->used[who] < KCOPYD_RESERVE_JOBS;
	return !asleep || reserve->used[who] < KCOPYD_RESERVE_CALLBACK_JOBS;
}

static struct kcopyd_job *reserve_take(struct kcopyd_client *kc,
				       unsigned int num_dests,
				       enum kcopyd_reserved who)
{
	struct kcopyd_reserve *reserve = &kc->reserve;
	struct kcopyd_job *job = NULL;
	bool asleep;

	spin_lock_irq(&kc->lock);
	/* Sleepers and what they wait for are both looked at under the lock. */
	asleep = waitqueue_active(&reserve->wait);
	if (who == KCOPYD_RESERVED_SUBMITTER || !asleep)
		job = kcopyd_job_take_kept(reserve, num_dests);
	if (!job && reserve_allows(reserve, who, asleep)) {
		job = reserve->free;
		reserve->free = job->next_job;
		reserve->nr_free--;
		reserve->used[who]++;
		job->reserved = who;
		kcopyd_job_init(job, num_dests);
	}
	spin_unlock_irq(&kc->lock);
	return job;
}

/* As kcopyd_job_take_kept(), for more than one destination. */
struct kcopyd_job *kcopyd_job_take_together(struct kcopyd_reserve *reserve,
					    unsigned int num_dests)
{
	struct kcopyd_job *job = reserve->kept_together;

	if (!job || job->num_dests != num_dests)
		return NULL;
	reserve->kept_together = job->next_job;
	reserve->nr_kept_together--;
	return job;
}

/**
 * kcopyd_job_keep_together() - keep an object for the next copies
 * @reserve: the client's objects
 * @job: the object, of several destinations
 *
 * Context: Any, under the client's lock.
 * Return: false if it is not kept.
 */
bool kcopyd_job_keep_together(struct kcopyd_reserve *reserve,
			      struct kcopyd_job *job)
{
	const struct kcopyd_job *first = reserve->kept_together;

	if (job->num_writes != 1 ||
	    reserve->nr_kept_together >= KCOPYD_JOBS_KEPT_TOGETHER ||
	    (first && first->num_dests != job->num_dests))
		return false;
	job->next_job = reserve->kept_together;
	reserve->kept_together = job;
	reserve->nr_kept_together++;
	return true;
}

/* How often a submitter that waits for the reserve asks for memory. */
#define JOB_RETRY	(HZ / 10)

static struct kcopyd_job *job_from_memory(unsigned int num_dests, gfp_t gfp)
{
	struct kcopyd_job *job = kmalloc(kcopyd_job_size(num_dests), gfp);

	if (job) {
		job->reserved = KCOPYD_RESERVED_NOT;
		kcopyd_job_init(job, num_dests);
	}
	return job;
}

/**
 * kcopyd_job_alloc() - get a job object when none is kept
 * @kc: the client
 * @num_dests: destinations, from 1 to KCOPYD_MAX_DESTS
 *
 * Takes memory that can be had without waiting, else an object of the reserve,
 * and sleeps until there is one or the other; but for the client's own callbacks,
 * on whose return the reserve depends.
 *
 * Context: Process context, without the client's lock. May sleep, but not in
 * the client's own callbacks.
 * Return: the job, of which only what describes the object itself is set;
 *	ERR_PTR(-EAGAIN) in a callback that has used the reserve up, but for a
 *	client made for device-mapper's calls.
 */
struct kcopyd_job *kcopyd_job_alloc(struct kcopyd_client *kc,
				    unsigned int num_dests)
{
	struct kcopyd_job *job;

	job = job_from_memory(num_dests, KCOPYD_GFP_NOW);
	if (job)
		return job;
	if (kcopyd_in_callback(kc)) {
		job = reserve_take(kc, num_dests, KCOPYD_RESERVED_CALLBACK);
		if (job)
			return job;
		if (!kc->dm)
			return ERR_PTR(-EAGAIN);
		/* As it cannot be told, it is the allocator that is waited for. */
		return job_from_memory(num_dests, GFP_NOIO | __GFP_NOFAIL);
	}
	/* Who has the reserve may be on a disk that hangs: memory comes back sooner. */
	while (!wait_event_timeout(kc->reserve.wait,
				   (job = reserve_take(kc, num_dests,
						       KCOPYD_RESERVED_SUBMITTER)),
				   JOB_RETRY)) {
		job = job_from_memory(num_dests, KCOPYD_GFP_NOW);
		if (job)
			break;
	}
	return job;
}

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
