// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a job between its acceptance and its callback.
 *
 * A job hands out parts: pieces of its range with pages of their own, as many
 * at a time as its window, the shares of its disks and the pool allow. A part is
 * read, then written to all destinations, then its pages go back.
 *
 * What a job waits for decides in which list it stands: that of a disk which
 * holds its share of the pool, that of the pool when it is empty, that of the
 * throttle, or, in no list, one of its own parts. In each case I/O is in flight
 * whose end looks at that list again, or the throttle's timer does, or who resizes
 * the pool, so nothing is ever waited for that depends on the waiting one. The pool's
 * list goes first; a disk whose turn has come meanwhile is remembered.
 *
 * All of this is short work under the client's lock, and done wherever the
 * event happens: in the submitter, in a worker, in an end_io.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/hash.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>

#include "block.h"
#include "client.h"
#include "copy.h"
#include "dispatch.h"
#include "notify.h"
#include "request.h"
#include "trace.h"

/* Parts of one job on their way: enough to keep both ends of a copy busy. */
#define COPY_WINDOW	8

/* In sequence: one part is written while the next is read. */
#define COPY_WINDOW_SEQ	2

/* Waiting jobs that are looked at in one go, with interrupts off. */
#define COPY_ADVANCE_BATCH 32

/* What a small job holds: its last page is its own, however little is in it. */
static unsigned int job_pages(const struct kcopyd_job *job)
{
	return DIV_ROUND_UP((unsigned int)job->count, PAGE_SECTORS);
}

/* The queues of a job: number 0 is the source's, then one for each write. */
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

/* What is verified is read back beside the data. */
static inline unsigned int page_sets(const struct kcopyd_job *job)
{
	return job->verify ? 2 : 1;
}

/* Pages of a granule, a power of two: a part is made of these. */
static inline unsigned int part_least(const struct kcopyd_job *job)
{
	return DIV_ROUND_UP(job->granule, PAGE_SECTORS) * page_sets(job);
}

/* The data of a part, in pages. @pool: what it may take of the pool */
static inline unsigned int part_data(const struct kcopyd_client *kc,
				     const struct kcopyd_job *job,
				     unsigned int pool)
{
	const unsigned int least = DIV_ROUND_UP(job->granule, PAGE_SECTORS);
	const sector_t remaining = job->count - job->next;

	if (unlikely(remaining > least * PAGE_SECTORS)) {
		unsigned int most = min(pool, kc->part_pages);

		/* dm-io's bios end after so many pages, and must where a block ends. */
		if (unlikely(least > 1))
			most = min(most, BIO_MAX_VECS);
		most = max(round_down(most, least), least);
		if (remaining >= (sector_t)most * PAGE_SECTORS)
			return most;
	}
	return DIV_ROUND_UP((unsigned int)remaining, PAGE_SECTORS);
}

/* The size that a job's next part is to have, in pages. */
static inline unsigned int part_most(const struct kcopyd_client *kc,
				     const struct kcopyd_job *job)
{
	const unsigned int sets = page_sets(job);

	return part_data(kc, job, job->zero ? UINT_MAX :
				  kc->pool.nr_pages / 8 / sets) * sets;
}

/* What disks share of the free pages: the last quarter of all is not for that. */
static inline unsigned int pool_shared(const struct kcopyd_pool *pool)
{
	return pool->nr_free - min(pool->nr_free, pool->nr_pages / 4);
}

/* Would each disk be below its share even if it held everything that is held? */
static inline bool pool_is_plentiful(const struct kcopyd_pool *pool,
				     unsigned int nr)
{
	return share_left(pool->nr_pages - pool->nr_free,
			  pool_shared(pool)) >= nr;
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
	const unsigned int least = part_least(job);
	const unsigned int most = part_most(kc, job);
	const unsigned int shared = pool_shared(&kc->pool);
	unsigned int limit = kc->pool.nr_free;
	unsigned int enough = most;
	unsigned int i;

	*exempt = false;
	if (unlikely(kc->held_back)) {
		*wait = &kc->starved;
		return 0;
	}
	if (pool_is_plentiful(&kc->pool, most))
		return most;

	/*
	 * Rather later than in crumbs; but where small copies are waiting, they
	 * would take the crumbs, and what makes a whole part never come.
	 */
	for (i = 0; i <= job->num_writes; i++) {
		if (!list_empty(&job_queue(job, i)->waiting.small))
			enough = least;
	}

	for (i = 0; i <= job->num_writes; i++) {
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
	return limit < most ? round_down(limit, least) : most;
}

/* The part will be written to its destinations, or, with -nr_pages, not any more. */
static inline void part_coming(const struct kcopyd_part *part, int nr_pages)
{
	const struct kcopyd_job *job = part->job;
	unsigned int i;

	for (i = 0; i < job->num_writes; i++)
		job->dests[i].queue->coming += nr_pages;
}

/*
 * An operation is to be submitted to the queue's disk. @worker: which has nothing
 * left to do otherwise and can do it, or NULL
 */
static inline void queue_add(struct kcopyd_queue *queue, struct kcopyd_op *op,
			     bool small, struct kcopyd_worker *worker)
{
	kcopyd_ops_add(small ? &queue->ready.small : &queue->ready.bulk, op);
	if (queue->active)
		return;
	queue->active = true;
	if (worker && !worker->next)
		worker->next = queue;
	else
		queue_work(queue->kc->io_wq, &queue->worker->work);
}

/* The worker of the queue, if what ends here and now is the last it had to do. */
static inline struct kcopyd_worker *queue_idle_worker(struct kcopyd_queue *queue,
						      const struct kcopyd_op *op)
{
	struct kcopyd_worker *worker = queue->worker;

	return worker->last == op && worker->task == current && in_task() ?
		worker : NULL;
}

static inline void part_read(struct kcopyd_part *part)
{
	struct kcopyd_job *job = part->job;

	kcopyd_part_move(part, KCOPYD_PART_READING);
	part->ops[0].opf = REQ_OP_READ | (part->alone ? REQ_NOMERGE : 0);
	job->queue->reading += part->nr_pages;
	queue_add(job->queue, &part->ops[0], job->small, NULL);
}

/* @worker: as for queue_add() */
static inline void part_write(struct kcopyd_part *part,
			      struct kcopyd_worker *worker)
{
	struct kcopyd_job *job = part->job;
	unsigned int i;

	kcopyd_part_move(part, KCOPYD_PART_WRITING);
	part->pending = job->num_writes;
	for (i = 0; i < job->num_writes; i++) {
		struct kcopyd_queue *queue = job->dests[i].queue;

		part->ops[i].opf = REQ_OP_WRITE;
		if (unlikely(job->zero && !(job->refused & (1U << i))))
			part->ops[i].opf = kcopyd_zero_opf(job);
		queue->coming -= part->nr_pages;
		queue->writing += part->nr_pages;
		queue_add(queue, &part->ops[i], job->small, worker);
	}
}

/* How much of its job the part is: with @nr pages, or as much without them. */
static inline void part_take(struct kcopyd_part *part, unsigned int nr)
{
	struct kcopyd_job *job = part->job;

	if (unlikely(job->special)) {
		nr /= page_sets(job);
		if (job->seq)
			list_add_tail(&part->node, &job->parts);
		if (job->request)
			kcopyd_request_started(job);
	}
	part->offset = job->next;
	part->left = min_t(sector_t, job->count - job->next, nr * PAGE_SECTORS);
	part->count = part->left;
	part->alone = false;
	job->next += part->left;
	job->inflight++;
}

/* Begin a part with so many pages. */
static __always_inline void part_start(struct kcopyd_client *kc,
				       struct kcopyd_part *part,
				       unsigned int nr, bool exempt)
{
	part->pages = kcopyd_pool_get(&kc->pool, nr, part);
	part->nr_pages = nr;
	part->exempt = exempt;
	part_take(part, nr);
	part_coming(part, nr);
	part_read(part);
}

/* The data is there. @worker: as for queue_add() */
static inline void part_ready(struct kcopyd_part *part,
			      struct kcopyd_worker *worker)
{
	struct kcopyd_job *job = part->job;

	if (unlikely(job->special)) {
		if (job->request && !job->zero)
			kcopyd_request_read(job, part->count);
		if (job->seq && !list_is_first(&part->node, &job->parts)) {
			kcopyd_part_move(part, KCOPYD_PART_READ);
			return;
		}
	}
	part_write(part, worker);
}

/* It takes nothing of the pool. */
static void part_without_pages(struct kcopyd_client *kc, struct kcopyd_part *part)
{
	part->pages = &kcopyd_zero_pages;
	part->nr_pages = 0;
	part->exempt = false;
	part->borrowed = false;
	list_add_tail(&part->pageless, &kc->pageless);
}

/* What a part takes of a borrowed block, in pages: whole logical blocks, or 0. */
static unsigned int block_most(const struct kcopyd_client *kc,
			       const struct kcopyd_job *job)
{
	return round_down(min_t(unsigned int, kc->part_pages, KCOPYD_BLOCK_PAGES),
			  part_least(job));
}

/*
 * A borrowed block for the job's next part, or NULL; with *@wait set the job waits
 * in that list for one of those that its disks have, rather than go on in crumbs. A
 * disk holds no more than it leaves to others.
 */
static struct kcopyd_block *block_grant(struct kcopyd_client *kc,
					const struct kcopyd_job *job,
					struct kcopyd_fifo **wait)
{
	const unsigned int left = KCOPYD_BLOCKS_CLIENT - kc->borrowed;
	struct kcopyd_fifo *lent = NULL;
	struct kcopyd_block *block;
	unsigned int i;

	/* The rest needs none. */
	if (part_most(kc, job) * PAGE_SECTORS >= job->count - job->next ||
	    !block_most(kc, job))
		return NULL;
	for (i = 0; i <= job->num_writes; i++) {
		struct kcopyd_queue *queue = job_queue(job, i);

		if (queue->borrowed)
			lent = &queue->waiting;
		if (queue->borrowed > left)
			*wait = lent;
	}
	if (*wait || !left)
		return NULL;
	block = kcopyd_block_get(kc->borrowed);
	if (!block)
		*wait = lent;
	return block;
}

static void block_lent(struct kcopyd_client *kc, struct kcopyd_job *job, int nr)
{
	unsigned int i;

	kc->borrowed += nr;
	for (i = 0; i <= job->num_writes; i++) {
		struct kcopyd_queue *queue = job_queue(job, i);

		queue->borrowed += nr;
		if (nr < 0 && !kcopyd_fifo_empty(&queue->waiting) &&
		    list_empty(&queue->resume))
			list_add_tail(&queue->resume, &kc->resume);
	}
}

/* Begin a part with a block. It counts for nobody's share of the pool. */
static void block_start(struct kcopyd_client *kc, struct kcopyd_part *part,
			struct kcopyd_block *block, unsigned int nr)
{
	part_without_pages(kc, part);
	part->pages = block->pages;
	part->borrowed = true;
	part_take(part, nr);
	block_lent(kc, part->job, 1);
	part_read(part);
}

static void block_return(struct kcopyd_client *kc, struct kcopyd_part *part)
{
	kcopyd_block_put(kcopyd_block_of(part->pages));
	block_lent(kc, part->job, -1);
}

/* Begin a part of a job that zeroes: that needs nothing of the pool. */
static void zero_start(struct kcopyd_client *kc, struct kcopyd_part *part,
		       unsigned int nr)
{
	part_without_pages(kc, part);
	part_take(part, nr);
	part_ready(part, NULL);
}

/* An operation that has ended is followed by another one to the same disk. */
static void write_again(struct kcopyd_part *part, unsigned int slot)
{
	struct kcopyd_job *job = part->job;
	struct kcopyd_queue *queue = job->dests[slot].queue;

	queue->writing += part->nr_pages;
	queue_add(queue, &part->ops[slot], job->small, NULL);
}

/*
 * The device did not zero, and older kernels do not tell whether it refused or
 * failed: the operation goes on with zeroes that are written.
 */
static bool zero_with_data(struct kcopyd_part *part, unsigned int slot)
{
	struct kcopyd_job *job = part->job;

	job->refused |= 1U << slot;
	if (job->stopped)
		return false;
	part->ops[slot].opf = REQ_OP_WRITE;
	write_again(part, slot);
	return true;
}

/* Instead of what it was to do: it could not, and is not read back. */
#define OPF_FAILED ((__force blk_opf_t)REQ_OP_LAST)

/*
 * Read back the next destination that has this part, from number @slot on. One after
 * the other: there is room for one. Returns false if there is none.
 */
static bool part_verify(struct kcopyd_part *part, unsigned int slot)
{
	struct kcopyd_job *job = part->job;

	while (slot < job->num_dests && part->ops[slot].opf == OPF_FAILED)
		slot++;
	if (slot == job->num_dests || job->stopped)
		return false;
	kcopyd_part_move(part, KCOPYD_PART_VERIFYING);
	part->pending = 1;
	part->ops[slot].opf = REQ_OP_READ;
	write_again(part, slot);
	return true;
}

/* All of the job is written: flush the destinations that have no error. */
static bool job_flush(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	struct kcopyd_part *part = job->first;
	unsigned int i;

	if (!job->flush || job->flushed)
		return false;
	job->flushed = true;
	part_without_pages(kc, part);
	part->offset = 0;
	part->left = 0;
	part->count = 0;
	kcopyd_part_move(part, KCOPYD_PART_FLUSHING);
	part->pending = 0;
	for (i = 0; i < job->num_dests; i++) {
		if (job->write_err & (1U << i))
			continue;
		part->pending++;
		part->ops[i].opf = REQ_OP_WRITE | REQ_PREFLUSH;
		write_again(part, i);
	}
	if (!part->pending) {
		list_del(&part->pageless);
		kcopyd_part_put(part);
		return false;
	}
	job->inflight++;
	return true;
}

/*
 * A job that came from another list keeps the turn that it had there, or nearly
 * had: of a large one that goes to and fro between its disks' lists, small ones
 * would else be ahead each time.
 */
static void job_wait(struct kcopyd_client *kc, struct kcopyd_job *job,
		     struct kcopyd_fifo *fifo, const struct kcopyd_fifo *from)
{
	kcopyd_job_move(job, KCOPYD_JOB_WAITING);
	kcopyd_fifo_add(fifo, &job->node, job->small);
	kc->waiting++;
	if (fifo != from)
		kcopyd_stats_wait(kc, fifo);
	if (fifo == from)
		kcopyd_fifo_first(fifo, &job->node, job->small);
	else if (from && !job->small)
		fifo->streak = max_t(unsigned int, fifo->streak, job->streak);
}

/* Where a job that comes from nowhere has to queue up behind others, or NULL. */
static struct kcopyd_fifo *others_first(struct kcopyd_client *kc,
					const struct kcopyd_job *job)
{
	unsigned int i;

	if (!kcopyd_fifo_empty(&kc->starved))
		return &kc->starved;
	if (!kcopyd_fifo_empty(&kc->slowed))
		return &kc->slowed;
	for (i = 0; i <= job->num_writes; i++) {
		struct kcopyd_fifo *waiting = &job_queue(job, i)->waiting;

		if (!kcopyd_fifo_empty(waiting) &&
		    !kcopyd_fifo_pass(waiting, job->small))
			return waiting;
	}
	return NULL;
}

/* As part_grant(), of @nr pages that can be had. At least one. */
static inline unsigned int throttle_grant(struct kcopyd_client *kc,
					  const struct kcopyd_job *job,
					  unsigned int nr,
					  const struct kcopyd_fifo *from,
					  struct kcopyd_fifo **wait)
{
	struct kcopyd_throttle *throttle = kc->throttled.throttle;
	const unsigned int sets = page_sets(job);

	if (likely(!throttle) || kcopyd_throttle_open(throttle))
		return nr;
	*wait = &kc->slowed;
	return kcopyd_throttle_take(kc, job, nr / sets, part_least(job) / sets,
				    from) * sets;
}

enum borrow { BORROWED, BORROW_LATER, BORROW_NOT };

/* As job_advance(), for one part that begins with a block; or not. */
static enum borrow job_borrow(struct kcopyd_client *kc, struct kcopyd_job *job,
			      const struct kcopyd_fifo *from,
			      struct kcopyd_fifo **wait)
{
	struct kcopyd_block *block = block_grant(kc, job, wait);
	struct kcopyd_part *part;
	unsigned int nr;

	if (block) {
		part = kcopyd_part_get(job);
		if (part) {
			nr = throttle_grant(kc, job, block_most(kc, job), from, wait);
			if (nr) {
				block_start(kc, part, block, nr);
				return BORROWED;
			}
			kcopyd_part_put(part);
		}
		kcopyd_block_put(block);
	}
	if (!*wait)
		return BORROW_NOT;
	job_wait(kc, job, *wait, from);
	return BORROW_LATER;
}

/*
 * Hand out the parts that can be had now.
 *
 * @from: the list of which the job is the first; it comes from nowhere if NULL
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
		struct kcopyd_fifo *wait = NULL;
		struct kcopyd_part *part;
		unsigned int nr;
		bool exempt;

		if (unlikely(job->zero)) {
			part = kcopyd_part_get(job);
			if (!part)
				break;
			nr = throttle_grant(kc, job, part_most(kc, job), from,
					    &wait);
			if (!nr) {
				kcopyd_part_put(part);
				job_wait(kc, job, wait, from);
				/* Those before it have not been looked at. */
				return from ? wait : NULL;
			}
			zero_start(kc, part, nr);
			kc->stats.parts++;
			from = NULL;
			continue;
		}
		if (unlikely(kc->waiting && !from)) {
			wait = others_first(kc, job);
			if (wait) {
				job_wait(kc, job, wait, NULL);
				return NULL;
			}
		}
		if (unlikely(job->borrow)) {
			switch (job_borrow(kc, job, from, &wait)) {
			case BORROWED:
				kc->stats.parts++;
				from = NULL;
				continue;
			case BORROW_LATER:
				return wait;
			case BORROW_NOT:
				break;
			}
		}
		nr = part_grant(kc, job, &wait, &exempt);
		if (unlikely(!nr)) {
			job_wait(kc, job, wait, from);
			return wait;
		}
		part = kcopyd_part_get(job);
		if (unlikely(!part))
			break;
		/* Last, as what it grants is charged. */
		nr = throttle_grant(kc, job, nr, from, &wait);
		if (unlikely(!nr)) {
			kcopyd_part_put(part);
			job_wait(kc, job, wait, from);
			return wait;
		}

		if (unlikely(exempt))
			job->queue->exempt = true;
		part_start(kc, part, nr, exempt);
		kc->stats.parts++;
		from = NULL;
	}
	return NULL;
}

/* The next job of a list; returns the list in which it waits now, as above. */
static struct kcopyd_fifo *fifo_advance(struct kcopyd_client *kc,
					struct kcopyd_fifo *fifo)
{
	const unsigned int streak = fifo->streak;
	struct kcopyd_job *job = list_entry(kcopyd_fifo_pop(fifo),
					    struct kcopyd_job, node);

	if (!job->stopped)
		kcopyd_job_move(job, KCOPYD_JOB_RUNNING);
	job->streak = streak;
	kc->waiting--;
	return job_advance(kc, job, fifo);
}

/* Is there I/O of the disk itself, at whose end its list is looked at? */
static bool queue_in_flight(const struct kcopyd_queue *queue)
{
	return queue->reading || queue->writing || queue->borrowed;
}

/*
 * A disk holds so many pages less: its waiting jobs are to be looked at, but not
 * for each of very many.
 */
static inline void queue_mark(struct kcopyd_queue *queue, unsigned int nr_pages)
{
	queue->returned += nr_pages;
	if (queue->returned <= (queue->reading + queue->writing) / 64)
		return;
	queue->returned = 0;
	if (!kcopyd_fifo_empty(&queue->waiting) && list_empty(&queue->resume))
		list_add_tail(&queue->resume, &queue->kc->resume);
}

/*
 * Disks hold fewer pages, and the pool may have more: who can go on?
 *
 * A job that cannot is moved to the list where it has to wait, at most once for
 * each time that its own is looked at, so this comes to an end.
 *
 * @deferred: by the worker for what would have taken too long
 */
static void advance(struct kcopyd_client *kc, bool deferred)
{
	unsigned int budget = COPY_ADVANCE_BATCH;

	/* First, or a throttle would tell it again and again that it is its turn. */
	while (!kcopyd_fifo_empty(&kc->slowed)) {
		if (!budget--)
			goto later;
		if (fifo_advance(kc, &kc->slowed) == &kc->slowed)
			break;
	}
	while (!kcopyd_fifo_empty(&kc->starved)) {
		if (!budget--)
			goto later;
		if (fifo_advance(kc, &kc->starved) == &kc->starved)
			return;
	}
	while (!list_empty(&kc->resume)) {
		struct kcopyd_queue *queue =
			list_first_entry(&kc->resume, struct kcopyd_queue,
					 resume);
		struct kcopyd_fifo *wait;

		if (kcopyd_fifo_empty(&queue->waiting)) {
			list_del_init(&queue->resume);
			continue;
		}
		if (!budget--)
			goto later;
		wait = fifo_advance(kc, &queue->waiting);
		if (wait == &kc->starved)
			return;
		/*
		 * If others are to blame for this one, they may well be for all
		 * of them: better not move the whole list each time. It is
		 * looked at again by queue_mark(); without I/O of the disk, later.
		 */
		if (wait == &queue->waiting || (wait && queue_in_flight(queue))) {
			list_del_init(&queue->resume);
			continue;
		}
		list_move_tail(&queue->resume, &kc->resume);
		if (wait && !deferred)
			goto later;
	}
	return;
later:
	queue_work(kc->io_wq, &kc->resume_work);
}

/* What would have taken too long with interrupts off. */
static void resume_work(struct work_struct *work)
{
	struct kcopyd_client *kc =
		container_of(work, struct kcopyd_client, resume_work);
	unsigned int noio = memalloc_noio_save();

	spin_lock_irq(&kc->lock);
	advance(kc, true);
	if (kc->throttled.throttle)
		kcopyd_throttle_pass(kc);
	spin_unlock_irq(&kc->lock);
	memalloc_noio_restore(noio);
}

static inline void job_finish(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	unsigned int i;

	/* It may have been waiting when it was stopped. */
	if (unlikely(!list_empty(&job->node))) {
		list_del(&job->node);
		kc->waiting--;
	}
	job->queue->users--;
	job->dests[0].queue->users--;
	if (unlikely(job->num_dests > 1)) {
		for (i = 1; i < job->num_writes; i++)
			job->dests[i].queue->users--;
		if (job->num_writes == 1)
			kc->together -= job_pages(job);
	}
	kcopyd_notify(kc, job);
}

/* Nothing of it is on its way any more. Is there something left to do? */
static noinline bool special_goes_on(struct kcopyd_client *kc,
				     struct kcopyd_job *job)
{
	if (!job->stopped && job_flush(kc, job))
		return true;
	if (job->request)
		kcopyd_request_ended(job);
	return false;
}

/* It starts no further I/O: has what there was of it ended? */
static noinline void job_stopped(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	if (job->inflight)
		return;
	if (job->special)
		special_goes_on(kc, job);
	job_finish(kc, job);
	if (job->cancelled)
		wake_up_all(&kc->cancel_wait);
}

/* One part less: go on with the job, or end it. */
static inline void job_continue(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	if (unlikely(job->stopped)) {
		job_stopped(kc, job);
	} else if (job->next == job->count) {
		if (!job->inflight &&
		    !(unlikely(job->special) && special_goes_on(kc, job)))
			job_finish(kc, job);
	} else if (list_empty(&job->node)) {
		job_advance(kc, job, NULL);
	}
}

static noinline void special_retire(struct kcopyd_client *kc,
				    struct kcopyd_part *part)
{
	if (part->job->seq && part->state != KCOPYD_PART_FLUSHING)
		list_del(&part->node);
	if (part->nr_pages) {
		kcopyd_pool_put(&kc->pool, part->pages);
		return;
	}
	list_del(&part->pageless);
	if (part->job->zero)
		kc->stats.zeroed += part->count;
	if (part->borrowed)
		block_return(kc, part);
}

/* The part has nothing more to do. */
static inline void part_retire(struct kcopyd_client *kc, struct kcopyd_part *part)
{
	struct kcopyd_job *job = part->job;

	if (unlikely(job->special))
		special_retire(kc, part);
	else
		kcopyd_pool_put(&kc->pool, part->pages);
	job->inflight--;
	kcopyd_part_put(part);
}

/* What was read is not going to be written. */
static void part_forget(struct kcopyd_part *part)
{
	/* Who waits for a destination waits for what is being written there. */
	part_coming(part, -part->nr_pages);
}

/* In sequence, the next part's data may have been waiting for this one's. */
static void seq_next(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	struct kcopyd_part *part = list_first_entry_or_null(&job->parts,
							    struct kcopyd_part,
							    node);

	if (!part || part->state != KCOPYD_PART_READ)
		return;
	if (job->stopped) {
		kcopyd_stats_dropped(kc, part);
		part_forget(part);
		part_retire(kc, part);
	} else {
		part_write(part, NULL);
	}
}

/* A piece is done with: on to what is left of the part. Or was that the last? */
static __always_inline bool part_next(struct kcopyd_client *kc,
				      struct kcopyd_part *part)
{
	struct kcopyd_job *job = part->job;

	kc->stats.moved += part->count;
	part->offset += part->count;
	part->left -= part->count;
	if (part->left && !job->stopped) {
		part->count = min(part->left, 2 * part->count);
		part_coming(part, part->nr_pages);
		part_read(part);
		return false;
	}
	part_retire(kc, part);
	if (unlikely(job->special) && job->seq)
		seq_next(kc, job);
	return true;
}

/* A read has failed, or its job was stopped meanwhile: then @err may be 0. */
static noinline bool read_failed(struct kcopyd_client *kc,
				 struct kcopyd_part *part, int err)
{
	struct kcopyd_job *job = part->job;

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
	} else {
		/* The destinations keep what they have there. */
		if (err && err != -ECANCELED && part->alone) {
			job->read_err = job->read_err ?: err;
			if (!job->ignore)
				kcopyd_job_stop(job);
			if (job->request)
				kcopyd_request_unread(kc, part);
		}
		kcopyd_stats_unread(kc, part, err);
		part_forget(part);
		return part_next(kc, part);
	}
	return false;
}

/* Returns true if the part has come to its end, as does write_end(). */
static __always_inline bool read_end(struct kcopyd_client *kc, struct kcopyd_part *part,
				     int err)
{
	struct kcopyd_job *job = part->job;
	struct kcopyd_queue *queue = job->queue;

	queue->reading -= part->nr_pages;
	if (unlikely(part->exempt)) {
		queue->exempt = false;
		part->exempt = false;
	}
	if (unlikely(kc->waiting))
		queue_mark(queue, part->nr_pages);

	if (unlikely(err || job->stopped))
		return read_failed(kc, part, err);
	part_ready(part, queue_idle_worker(queue, &part->ops[0]));
	return false;
}

/* Returns 0 if there is another try, or with what it has ended. */
static noinline int write_failed(struct kcopyd_part *part, unsigned int slot, int err)
{
	struct kcopyd_job *job = part->job;
	struct kcopyd_op *op = &part->ops[slot];

	/* What is not tried with data has not failed either. */
	if ((op->opf & REQ_OP_MASK) == REQ_OP_WRITE_ZEROES)
		return zero_with_data(part, slot) ? 0 : -ECANCELED;
	if (op->opf == REQ_OP_READ && err != -EILSEQ && !job->stopped) {
		/* Reading back, as any read: was it a neighbour? */
		op->opf |= REQ_NOMERGE;
		write_again(part, slot);
		return 0;
	}
	op->opf = OPF_FAILED;
	job->write_err |= 1U << slot;
	/* That the others are not flushed then would not show. */
	if (!job->ignore && part->state != KCOPYD_PART_FLUSHING)
		kcopyd_job_stop(job);
	if (job->request)
		kcopyd_request_unwritten(part, slot, err);
	return err;
}

/* An operation of a special job's part has ended. Is that the end of the part? */
static noinline bool special_write_end(struct kcopyd_client *kc,
				       struct kcopyd_part *part,
				       unsigned int slot, int err)
{
	struct kcopyd_job *job = part->job;

	if (part->state == KCOPYD_PART_VERIFYING && !err && !job->stopped) {
		/* That takes time, and may not be done in an interrupt. */
		kcopyd_part_move(part, KCOPYD_PART_COMPARING);
		write_again(part, slot);
		return false;
	}
	if (part->state == KCOPYD_PART_WRITING) {
		if (err)
			kcopyd_stats_unwritten(kc, part, err);
		else if (job->request)
			kcopyd_request_written(part, slot);
	} else if (err) {
		kcopyd_stats_unstable(kc, part, err);
	}
	if (--part->pending) {
		if (part->state == KCOPYD_PART_WRITING)
			kcopyd_stats_more(kc, part);
		return false;
	}
	if (job->verify && part->state != KCOPYD_PART_FLUSHING &&
	    part_verify(part, part->state == KCOPYD_PART_WRITING ? 0 : slot + 1))
		return false;
	if (job->request)
		kcopyd_request_progress(kc, job, part->count);
	return part_next(kc, part);
}

static __always_inline bool write_end(struct kcopyd_client *kc, struct kcopyd_part *part,
				      unsigned int slot, int err)
{
	struct kcopyd_job *job = part->job;
	struct kcopyd_queue *queue = job->dests[slot].queue;

	queue->writing -= part->nr_pages;
	if (unlikely(kc->waiting))
		queue_mark(queue, part->nr_pages);
	if (unlikely(err && err != -ECANCELED)) {
		err = write_failed(part, slot, err);
		if (!err)
			return false;
	}
	if (unlikely(job->special))
		return special_write_end(kc, part, slot, err);
	if (unlikely(err))
		kcopyd_stats_unwritten(kc, part, err);
	if (unlikely(--part->pending)) {
		kcopyd_stats_more(kc, part);
		return false;
	}
	return part_next(kc, part);
}

/* Returns true if the part has come to its end. Inlined: it is what each I/O ends with. */
static __always_inline bool op_end(struct kcopyd_client *kc, struct kcopyd_op *op, int err)
{
	struct kcopyd_part *part = kcopyd_op_part(op);

	if (part->state == KCOPYD_PART_READING) {
		trace_part_read(part, err);
		return read_end(kc, part, err);
	}
	if (trace_part_written_enabled() && part->state == KCOPYD_PART_WRITING)
		trace_part_written(part, op->slot, err);
	return write_end(kc, part, op->slot, err);
}

/* Is there no part on its way any more? The throttle is to know, and who resizes. */
static inline void parts_ended(struct kcopyd_client *kc)
{
	if (unlikely(kc->held_back) && kc->pool.nr_free == kc->pool.nr_pages)
		wake_up_all(&kc->resize_wait);
	if (kc->throttled.busy && list_empty(&kc->pageless) &&
	    kc->pool.nr_free == kc->pool.nr_pages)
		kcopyd_throttle_idle(kc);
}

/*
 * The operations of cancelled jobs that no worker has taken yet end here, and the jobs
 * that have nothing else on its way. One pass for all jobs: interrupts are off.
 */
static void ops_drop_cancelled(struct kcopyd_client *kc, struct kcopyd_ops *ops)
{
	struct kcopyd_op **link = &ops->first, *op;

	while ((op = *link)) {
		struct kcopyd_job *job = kcopyd_op_part(op)->job;

		if (!job->cancelled) {
			link = &op->next;
			continue;
		}
		*link = op->next;
		/* The last one of the part frees it. */
		if (op_end(kc, op, -ECANCELED))
			job_continue(kc, job);
	}
	ops->tail = link;
}

static void queue_drop_cancelled(struct kcopyd_client *kc, struct kcopyd_queue *queue)
{
	ops_drop_cancelled(kc, &queue->ready.bulk);
	ops_drop_cancelled(kc, &queue->ready.small);
}

/*
 * It ends now; or when what is on its way has ended, of which its queues are to drop
 * what they can.
 */
static void job_cancel(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	job->read_err = -ECANCELED;
	job->cancelled = true;
	kcopyd_job_stop(job);
	job->watch |= KCOPYD_WATCH_ERROR;
	trace_job_cancelled(kc, job);
	job_continue(kc, job);
}

/* There may be pages now for others. */
static void cancelled(struct kcopyd_client *kc)
{
	if (!kc->waiting)
		return;
	queue_work(kc->io_wq, &kc->resume_work);
	parts_ended(kc);
}

static bool job_matches(const struct kcopyd_job *job,
			const struct kcopyd_match *match)
{
	if (match->job)
		return job == match->job;
	return !match->fn ||
	       (job->callback.fn == match->fn &&
		job->context == match->context);
}

static unsigned int list_cancel(struct kcopyd_client *kc, struct list_head *list,
				const struct kcopyd_match *match)
{
	struct kcopyd_job *job, *next;
	unsigned int nr = 0;

	list_for_each_entry_safe(job, next, list, node) {
		if (!job->cancelled && job_matches(job, match)) {
			job_cancel(kc, job);
			nr++;
		}
	}
	return nr;
}

static unsigned int fifo_cancel(struct kcopyd_client *kc, struct kcopyd_fifo *fifo,
				const struct kcopyd_match *match)
{
	return list_cancel(kc, &fifo->small, match) +
	       list_cancel(kc, &fifo->bulk, match);
}

/* The next part on its way. @i: 0 to begin with; @zero: NULL to begin with */
static struct kcopyd_part *part_next_in_flight(struct kcopyd_client *kc,
					       unsigned int *i,
					       struct list_head **zero)
{
	struct kcopyd_part *part = NULL;

	if (!*zero) {
		part = kcopyd_pool_next_owner(&kc->pool, i);
		if (part)
			return part;
		*zero = kc->pageless.next;
	}
	if (*zero != &kc->pageless) {
		part = list_entry(*zero, struct kcopyd_part, pageless);
		*zero = (*zero)->next;
	}
	return part;
}

/**
 * kcopyd_copy_cancel() - cancel jobs
 * @kc: the client
 * @match: which jobs
 *
 * A job that is not in flight is in a list where it waits; else its parts are
 * found by their pages, or in the list of those without.
 *
 * Context: Any, under the client's lock.
 * Return: how many there were that had not ended.
 */
unsigned int kcopyd_copy_cancel(struct kcopyd_client *kc,
				const struct kcopyd_match *match)
{
	struct list_head *zero = NULL;
	struct kcopyd_queue *queue;
	struct kcopyd_part *part;
	unsigned int nr, i = 0;

	lockdep_assert_held(&kc->lock);
	nr = fifo_cancel(kc, &kc->starved, match) +
	     fifo_cancel(kc, &kc->slowed, match) +
	     fifo_cancel(kc, &kc->queues.shared.waiting, match);
	hash_for_each(kc->queues.hash, i, queue, node)
		nr += fifo_cancel(kc, &queue->waiting, match);
	i = 0;
	while ((part = part_next_in_flight(kc, &i, &zero))) {
		struct kcopyd_job *job = part->job;

		if (job->cancelled || !job_matches(job, match))
			continue;
		job_cancel(kc, job);
		nr++;
	}
	if (!nr)
		return 0;
	queue_drop_cancelled(kc, &kc->queues.shared);
	hash_for_each(kc->queues.hash, i, queue, node)
		queue_drop_cancelled(kc, queue);
	cancelled(kc);
	return nr;
}

/**
 * kcopyd_copy_cancel_job() - cancel a job
 * @kc: the client
 * @job: a job that has not ended
 *
 * Context: Any, under the client's lock.
 * Return: false if it was cancelled before.
 */
bool kcopyd_copy_cancel_job(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	unsigned int i;

	lockdep_assert_held(&kc->lock);
	if (job->cancelled)
		return false;
	job_cancel(kc, job);
	/* If it has ended, it is there as long as the lock is held. */
	for (i = 0; job->inflight && i <= job->num_writes; i++)
		queue_drop_cancelled(kc, job_queue(job, i));
	cancelled(kc);
	return true;
}

/**
 * kcopyd_copy_cancelling() - are there jobs that were cancelled and go on?
 * @kc: the client
 * @match: which jobs
 *
 * Context: Process context, without the client's lock.
 * Return: true if I/O of such a job is still in flight.
 */
bool kcopyd_copy_cancelling(struct kcopyd_client *kc,
			    const struct kcopyd_match *match)
{
	struct list_head *zero = NULL;
	struct kcopyd_part *part;
	unsigned int i = 0;

	spin_lock_irq(&kc->lock);
	while ((part = part_next_in_flight(kc, &i, &zero))) {
		if (part->job->cancelled && job_matches(part->job, match))
			break;
	}
	spin_unlock_irq(&kc->lock);
	return part;
}

/* Under the lock, which it drops. */
static inline void op_ended(struct kcopyd_client *kc, struct kcopyd_job *job,
			    bool part_ended, unsigned long flags)
	__releases(&kc->lock)
{
	if (unlikely(kc->waiting)) {
		if (!list_empty(&kc->resume) || !kcopyd_fifo_empty(&kc->starved))
			advance(kc, false);
		parts_ended(kc);
	}
	if (part_ended)
		job_continue(kc, job);
	spin_unlock_irqrestore(&kc->lock, flags);
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
	struct kcopyd_job *job = kcopyd_op_part(op)->job;
	struct kcopyd_client *kc = kcopyd_job_client(job);
	unsigned long flags;

	spin_lock_irqsave(&kc->lock, flags);
	op_ended(kc, job, op_end(kc, op, err), flags);
}

static void end_all_traced(const struct kcopyd_part *part, unsigned int failed)
{
	unsigned int i;

	if (!trace_part_written_enabled())
		return;
	for (i = 0; i < part->job->num_dests; i++)
		trace_part_written(part, i, failed & (1U << i) ? -EIO : 0);
}

/**
 * kcopyd_copy_end_all() - a write to all destinations has ended
 * @op: the operation
 * @failed: the destinations where it failed, one bit each
 *
 * Context: As kcopyd_copy_end_op().
 */
void kcopyd_copy_end_all(struct kcopyd_op *op, unsigned int failed)
{
	struct kcopyd_part *part = kcopyd_op_part(op);
	struct kcopyd_job *job = part->job;
	struct kcopyd_client *kc = kcopyd_job_client(job);
	unsigned long flags;

	spin_lock_irqsave(&kc->lock, flags);
	end_all_traced(part, failed);
	kcopyd_stats_together(kc, part, failed);
	job->write_err |= failed;
	if (failed && !job->ignore)
		kcopyd_job_stop(job);
	op_ended(kc, job, write_end(kc, part, op->slot, 0), flags);
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
	kcopyd_fifo_init(&kc->slowed);
	INIT_LIST_HEAD(&kc->throttled.node);
	INIT_LIST_HEAD(&kc->pageless);
	init_waitqueue_head(&kc->cancel_wait);
	INIT_LIST_HEAD(&kc->resume);
	INIT_WORK(&kc->resume_work, resume_work);
}

static inline struct kcopyd_queue *queue_use(struct kcopyd_client *kc,
					     unsigned long key)
{
	struct kcopyd_queue *queue = kcopyd_queue_find(&kc->queues, key);

	if (unlikely(!queue))
		queue = kcopyd_queue_new(kc, key);
	queue->users++;
	return queue;
}

static inline unsigned long disk_key(const struct block_device *bdev)
{
	return (unsigned long)bdev->bd_disk;
}

/*
 * The order of the disks does not matter. Two sets with the same key would share a
 * queue, and wait for each other's disks: but for what is squeezed in between, the
 * sum would depend on that of the addresses alone, which are evenly spaced.
 */
static unsigned long disks_key(const struct kcopyd_job *job)
{
	unsigned long key = 0;
	unsigned int i;

	for (i = 0; i < job->num_dests; i++) {
		unsigned long h = disk_key(job->dests[i].bdev) * GOLDEN_RATIO_PRIME;

		h = (h ^ (h >> (BITS_PER_LONG / 2))) * GOLDEN_RATIO_PRIME;
		key += h ^ (h >> (BITS_PER_LONG / 2));
	}
	return key;
}

/*
 * Are a small copy's destinations to be written together? One call of dm-io for
 * all costs less, but its end does not tell which of the disks hold the pages
 * still. So they have a queue of their own, where nobody waits for them who does
 * not need all of these disks, and only a little of the pool is for this.
 */
static bool write_together(const struct kcopyd_client *kc,
			   const struct kcopyd_job *job)
{
	return job->num_dests <= KCOPYD_TOGETHER_DESTS && !job->special &&
	       job->count * job->num_dests <= KCOPYD_SMALL_SECTORS &&
	       kc->together + job_pages(job) <= kc->pool.nr_pages / 16;
}

static void use_queues(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	unsigned int i;

	job->num_writes = job->num_dests;
	if (write_together(kc, job)) {
		job->num_writes = 1;
		kc->together += job_pages(job);
		job->dests[0].queue = queue_use(kc, disks_key(job));
		return;
	}
	for (i = 0; i < job->num_dests; i++)
		job->dests[i].queue = queue_use(kc, disk_key(job->dests[i].bdev));
}

/**
 * kcopyd_copy_start() - begin a copy
 * @kc: the client
 * @job: an accepted job: what kcopyd_copy() was told is set
 *
 * Context: Process context, under the client's lock.
 */
void kcopyd_copy_start(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	lockdep_assert_held(&kc->lock);
	kcopyd_job_move(job, KCOPYD_JOB_RUNNING);
	job->queue = queue_use(kc, disk_key(job->bdev));
	if (likely(job->num_dests == 1))
		job->dests[0].queue = queue_use(kc, disk_key(job->dests[0].bdev));
	else
		use_queues(kc, job);
	INIT_LIST_HEAD(&job->node);
	job->next = 0;
	job->read_err = 0;
	job->write_err = 0;

	/* Mostly nothing and nobody is in the way, and it is small. */
	if (likely(!job->special && !kc->waiting)) {
		const unsigned int nr = part_data(kc, job, kc->pool.nr_pages / 8);

		if (likely(nr && pool_is_plentiful(&kc->pool, nr))) {
			part_start(kc, job->first, nr, false);
			if (job->next != job->count)
				job_continue(kc, job);
			return;
		}
	}
	kcopyd_stats_long_way(kc, job);
	if (job->special) {
		INIT_LIST_HEAD(&job->parts);
		job->flushed = false;
	}
	job_continue(kc, job);
}
