// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a job between its acceptance and its callback.
 *
 * A job hands out parts: pieces of its range with pages of their own, as many
 * at a time as its window, the shares of its disks and the pool allow. A part is
 * read, then written to all destinations, then its pages go back. What a job
 * waits for decides in which list it stands: a disk that holds its share of
 * the pool, the pool itself, or, in no list, one of its own parts. In each case
 * I/O is in flight whose end looks at that list again, so nothing is ever
 * waited for that depends on the waiting one.
 *
 * All of this is short work under the client's lock, and done wherever the
 * event happens: in the submitter, in a worker, in an end_io.
 */
#include <linux/blkdev.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>

#include "client.h"
#include "copy.h"
#include "notify.h"
#include "param.h"

/* Parts of one job on their way: enough to keep both ends of a copy busy. */
#define COPY_WINDOW	8

/* In sequence: one part is written while the next is read. */
#define COPY_WINDOW_SEQ	2

/* Waiting jobs that are looked at in one go, with interrupts off. */
#define COPY_ADVANCE_BATCH 32

/* The queues of a job: number 0 is the source's. */
static struct kcopyd_queue *job_queue(const struct kcopyd_job *job,
				      unsigned int i)
{
	return i ? job->dests[i - 1].queue : job->queue;
}

/* The pages a disk may still take: never more than what is left for others. */
static unsigned int share_left(unsigned int held, unsigned int nr_free)
{
	return nr_free > held ? (nr_free - held) / 2 : 0;
}

/*
 * The size of a job's next part, in pages, if it can be had now; else 0, and
 * *@wait is the list to wait in. A disk that holds nothing gets a granule as
 * long as there is one, whatever other disks hold, and the last quarter of the
 * pool is for that only.
 *
 * Data on its way to a destination counts as if it were there, or many sources
 * would fill the pool for one disk. But those sources may be slow when it is
 * not: so each source can have one granule on its way that is *@exempt.
 */
static unsigned int part_grant(struct kcopyd_client *kc,
			       const struct kcopyd_job *job,
			       struct kcopyd_fifo **wait, bool *exempt)
{
	const unsigned int least = DIV_ROUND_UP(job->granule, PAGE_SECTORS);
	const unsigned int nr_free = kc->pool.nr_free;
	const unsigned int shared = nr_free - min(nr_free,
						  kc->pool.nr_pages / 4);
	const sector_t remaining = job->count - job->next;
	unsigned int limit = nr_free;
	unsigned int most, enough, i;

	most = min(kc->pool.nr_pages / 8, kcopyd_part_pages());
	most = max(rounddown(most, least), least);
	if (remaining < (sector_t)most * PAGE_SECTORS)
		most = DIV_ROUND_UP((unsigned int)remaining, PAGE_SECTORS);
	/* Rather later than in crumbs. */
	enough = max(most / 4, least);

	*exempt = false;
	for (i = 0; i <= job->num_dests; i++) {
		struct kcopyd_queue *queue = job_queue(job, i);
		unsigned int held = i ? queue->writing + queue->coming :
					queue->reading;
		unsigned int left = share_left(held, shared);

		if (!held) {
			left = max(left, least);
		} else if (left < enough) {
			/* Is the disk itself to blame, or this source? */
			if (!i || (queue->writing &&
				   share_left(queue->writing, shared) < enough)) {
				*wait = &queue->waiting;
				return 0;
			}
			if (job->queue->exempt ||
			    (most > least &&
			     queue->coming <= job->queue->reading)) {
				*wait = &job->queue->waiting;
				return 0;
			}
			*exempt = true;
			left = least;
		}
		limit = min(limit, left);
	}
	if (limit < least) {
		*wait = &kc->starved;
		return 0;
	}
	return limit < most ? rounddown(limit, least) : most;
}

static void part_read(struct kcopyd_part *part)
{
	struct kcopyd_job *job = part->job;
	unsigned int i;

	part->state = KCOPYD_PART_READING;
	job->queue->reading += part->nr_pages;
	for (i = 0; i < job->num_dests; i++)
		job->dests[i].queue->coming += part->nr_pages;
	kcopyd_queue_add(job->queue, &part->ops[0].node, job->small);
}

static void part_write(struct kcopyd_part *part)
{
	struct kcopyd_job *job = part->job;
	unsigned int i;

	part->state = KCOPYD_PART_WRITING;
	part->pending = job->num_dests;
	for (i = 0; i < job->num_dests; i++) {
		job->dests[i].queue->writing += part->nr_pages;
		kcopyd_queue_add(job->dests[i].queue, &part->ops[i].node,
				 job->small);
	}
}

/*
 * Where the job has to queue up because others are before it, or NULL.
 *
 * @from: the list of which the job is the first; it comes from nowhere if NULL
 */
static struct kcopyd_fifo *others_first(struct kcopyd_client *kc,
					const struct kcopyd_job *job,
					const struct kcopyd_fifo *from)
{
	unsigned int i;

	if (from == &kc->starved)
		return NULL;
	if (!kcopyd_fifo_empty(&kc->starved))
		return &kc->starved;
	if (from)
		return NULL;
	for (i = 0; i <= job->num_dests; i++) {
		struct kcopyd_queue *queue = job_queue(job, i);

		if (!kcopyd_fifo_pass(&queue->waiting, job->small))
			return &queue->waiting;
	}
	return NULL;
}

/*
 * Hand out the parts that can be had now.
 *
 * @from: as in others_first()
 *
 * Return: the list in which the job waits because what it needs is not there;
 * NULL if it has handed out everything, waits for one of its own parts, or has
 * stepped back for other jobs.
 */
static struct kcopyd_fifo *job_advance(struct kcopyd_client *kc,
				       struct kcopyd_job *job,
				       const struct kcopyd_fifo *from)
{
	const unsigned int window = job->seq ? COPY_WINDOW_SEQ : COPY_WINDOW;

	while (!job->stopped && job->next < job->count &&
	       job->inflight < window) {
		struct kcopyd_fifo *wait = others_first(kc, job, from);
		struct kcopyd_part *part;
		unsigned int nr;
		bool exempt;

		if (wait) {
			kcopyd_fifo_add(wait, &job->node, job->small);
			return NULL;
		}
		nr = part_grant(kc, job, &wait, &exempt);
		if (!nr) {
			if (wait == from)
				kcopyd_fifo_unpop(wait, &job->node, job->small);
			else
				kcopyd_fifo_add(wait, &job->node, job->small);
			return wait;
		}
		part = kcopyd_part_get(job);
		if (!part)
			break;

		part->pages = kcopyd_pool_get(&kc->pool, nr);
		part->nr_pages = nr;
		part->offset = job->next;
		part->left = min_t(sector_t, job->count - job->next,
				   nr * PAGE_SECTORS);
		part->count = part->left;
		part->alone = false;
		part->exempt = exempt;
		job->queue->exempt |= exempt;
		list_add_tail(&part->node, &job->parts);
		job->next += part->left;
		job->inflight++;
		part_read(part);
		from = NULL;
	}
	return NULL;
}

/* Look at the jobs of a list, in turn. Returns true if that is to go on. */
static bool fifo_advance(struct kcopyd_client *kc, struct kcopyd_fifo *fifo)
{
	unsigned int budget = COPY_ADVANCE_BATCH;
	struct list_head *node;

	while (budget-- && (node = kcopyd_fifo_pop(fifo))) {
		struct kcopyd_job *job =
			list_entry(node, struct kcopyd_job, node);

		if (job_advance(kc, job, fifo) == fifo)
			return false;
	}
	return !kcopyd_fifo_empty(fifo);
}

/* A disk holds fewer pages, and the pool may have more: who can go on? */
static void queue_advance(struct kcopyd_queue *queue)
{
	struct kcopyd_client *kc = queue->kc;
	bool more = fifo_advance(kc, &kc->starved);

	more |= fifo_advance(kc, &queue->waiting);
	if (more && list_empty(&queue->resume)) {
		list_add_tail(&queue->resume, &kc->resume);
		queue_work(kc->io_wq, &kc->resume_work);
	}
}

/* What would have taken too long with interrupts off. */
static void resume_work(struct work_struct *work)
{
	struct kcopyd_client *kc =
		container_of(work, struct kcopyd_client, resume_work);
	unsigned int noio = memalloc_noio_save();
	struct kcopyd_queue *queue;

	spin_lock_irq(&kc->lock);
	while ((queue = list_first_entry_or_null(&kc->resume,
						 struct kcopyd_queue,
						 resume))) {
		list_del_init(&queue->resume);
		queue_advance(queue);
		spin_unlock_irq(&kc->lock);
		cond_resched();
		spin_lock_irq(&kc->lock);
	}
	spin_unlock_irq(&kc->lock);
	memalloc_noio_restore(noio);
}

static void job_finish(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	unsigned int i;

	/* It may have been waiting when it was stopped. */
	list_del_init(&job->node);
	kcopyd_queue_put(job->queue);
	for (i = 0; i < job->num_dests; i++)
		kcopyd_queue_put(job->dests[i].queue);
	kcopyd_notify(kc, job);
}

/* One part less: go on with the job, or end it. */
static void job_continue(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	if (!job->inflight && (job->stopped || job->next == job->count))
		job_finish(kc, job);
	else if (list_empty(&job->node))
		job_advance(kc, job, NULL);
}

/* The part has nothing more to do. */
static void part_retire(struct kcopyd_client *kc, struct kcopyd_part *part)
{
	list_del_init(&part->node);
	kcopyd_pool_put(&kc->pool, part->pages);
	part->job->inflight--;
	kcopyd_part_put(part);
}

/* In sequence, the next part's data may have been waiting for this one's. */
static void seq_next(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	struct kcopyd_part *part = list_first_entry_or_null(&job->parts,
							    struct kcopyd_part,
							    node);

	if (!part || part->state != KCOPYD_PART_READ)
		return;
	if (job->stopped)
		part_retire(kc, part);
	else
		part_write(part);
}

/* A piece is done with: on to what is left of the part. */
static void part_next(struct kcopyd_client *kc, struct kcopyd_part *part)
{
	struct kcopyd_job *job = part->job;

	part->offset += part->count;
	part->left -= part->count;
	if (part->left && !job->stopped) {
		part->count = min(part->left, 2 * part->count);
		part_read(part);
		return;
	}
	part_retire(kc, part);
	if (job->seq)
		seq_next(kc, job);
}

static void read_end(struct kcopyd_client *kc, struct kcopyd_part *part,
		     int err)
{
	struct kcopyd_job *job = part->job;
	struct kcopyd_queue *queue = job->queue;
	unsigned int i;

	queue->reading -= part->nr_pages;
	for (i = 0; i < job->num_dests; i++)
		job->dests[i].queue->coming -= part->nr_pages;
	if (part->exempt)
		queue->exempt = false;
	part->exempt = false;

	if (err && !job->stopped && !part->alone) {
		/* Was it a neighbour, merged into one request with this one? */
		part->alone = true;
		part_read(part);
	} else if (err && !job->stopped && job->ignore &&
		   part->count > job->granule) {
		/* Which half is it? */
		part->count = max_t(unsigned int, job->granule,
				    rounddown(part->count / 2, job->granule));
		part_read(part);
	} else if (err || job->stopped) {
		/* The destinations keep what they have there. */
		if (err && err != -ECANCELED && part->alone) {
			job->read_err = job->read_err ?: err;
			if (!job->ignore)
				job->stopped = true;
		}
		part_next(kc, part);
	} else if (!job->seq || list_is_first(&part->node, &job->parts)) {
		part_write(part);
	} else {
		part->state = KCOPYD_PART_READ;
	}
	queue_advance(queue);
	/* Less may be on its way to them now. */
	for (i = 0; i < job->num_dests; i++)
		queue_advance(job->dests[i].queue);
	job_continue(kc, job);
}

static void write_end(struct kcopyd_client *kc, struct kcopyd_part *part,
		      unsigned int slot, int err)
{
	struct kcopyd_job *job = part->job;
	struct kcopyd_queue *queue = job->dests[slot].queue;

	queue->writing -= part->nr_pages;
	if (err && err != -ECANCELED) {
		job->write_err |= 1U << slot;
		if (!job->ignore)
			job->stopped = true;
	}
	if (!--part->pending)
		part_next(kc, part);
	queue_advance(queue);
	job_continue(kc, job);
}

/**
 * kcopyd_copy_end_op() - an operation has ended
 * @op: the operation
 * @err: 0, a negative errno, or -ECANCELED if it was not submitted because the
 *	job is stopped
 *
 * Context: Any, hard interrupts included, without the client's lock.
 */
void kcopyd_copy_end_op(struct kcopyd_op *op, int err)
{
	struct kcopyd_part *part = kcopyd_op_part(op);
	struct kcopyd_client *kc = kcopyd_job_client(part->job);
	unsigned long flags;

	spin_lock_irqsave(&kc->lock, flags);
	if (part->state == KCOPYD_PART_READING)
		read_end(kc, part, err);
	else
		write_end(kc, part, op->slot, err);
	spin_unlock_irqrestore(&kc->lock, flags);
}

/**
 * kcopyd_copy_init() - set up what jobs wait in
 * @kc: the new client
 *
 * Context: Any.
 */
void kcopyd_copy_init(struct kcopyd_client *kc)
{
	kcopyd_fifo_init(&kc->starved);
	INIT_LIST_HEAD(&kc->resume);
	INIT_WORK(&kc->resume_work, resume_work);
}

/**
 * kcopyd_copy_start() - begin a copy
 * @kc: the client
 * @job: an accepted job, complete but for its queues
 *
 * Context: Process context, under the client's lock.
 */
void kcopyd_copy_start(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	unsigned int i;

	lockdep_assert_held(&kc->lock);
	job->queue = kcopyd_queue_get(kc, job->bdev->bd_disk);
	for (i = 0; i < job->num_dests; i++)
		job->dests[i].queue =
			kcopyd_queue_get(kc, job->dests[i].bdev->bd_disk);
	job_continue(kc, job);
}
