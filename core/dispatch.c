// SPDX-License-Identifier: GPL-2.0-only
/*
 * Submission, the one place that knows dm-io. It happens in the queues' workers
 * only: a submitter may be a target's map function, whose bios dm-io could wait
 * for without end, and an end_io must not sleep at all.
 */
#include <linux/bits.h>
#include <linux/blkdev.h>
#include <linux/minmax.h>
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>

#include "../compat/dm-io.h"
#include "client.h"
#include "copy.h"
#include "dispatch.h"
#include "request.h"

/*
 * Operations in a row before the worker lets others run: when memory is gone
 * the workqueue's rescuer alone serves all queues of the client in turn.
 */
#define DISPATCH_BUDGET 64U

/*
 * And so long, in nanoseconds: a driver that copies memory, for instance, does not
 * sleep, and then nobody else begins what is queued on this CPU.
 */
#define DISPATCH_SLICE 1000000

/* Small operations that are taken out of the queue in one go. */
#define DISPATCH_BATCH 16U

/* As many pages of zeroes as anybody asks for. */
struct page_list kcopyd_zero_pages = { .next = &kcopyd_zero_pages };

/**
 * kcopyd_dispatch_init() - set up what is the same for all clients
 *
 * Context: Module initialisation.
 */
void kcopyd_dispatch_init(void)
{
	kcopyd_zero_pages.page = ZERO_PAGE(0);
}

static inline void dispatch_ended_err(int err, void *context)
{
	kcopyd_copy_end_op(context, err);
}

KCOPYD_DM_IO_NOTIFY(dispatch_ended)

static inline void dispatch_all_ended_failed(unsigned long failed, void *context)
{
	kcopyd_copy_end_all(context, failed);
}

KCOPYD_DM_IO_NOTIFY_EACH(dispatch_all_ended)

/* Write a part to all destinations at once. */
static noinline void dispatch_submit_all(struct kcopyd_client *kc,
					 struct kcopyd_op *op)
{
	const struct kcopyd_part *part = kcopyd_op_part(op);
	const struct kcopyd_job *job = part->job;
	const unsigned int num_dests = job->num_dests;
	struct dm_io_region regions[KCOPYD_TOGETHER_DESTS];
	struct dm_io_request request = {
		.bi_opf = op->opf,
		.mem.type = DM_IO_PAGE_LIST,
		.mem.ptr.pl = part->pages,
		.notify.fn = dispatch_all_ended,
		.notify.context = op,
		.client = kc->io,
	};
	unsigned int i;

	for (i = 0; i < num_dests; i++) {
		regions[i].bdev = job->dests[i].bdev;
		regions[i].sector = job->dests[i].sector + part->offset;
		regions[i].count = part->count;
	}
	if (kcopyd_compat_dm_io(&request, num_dests, regions,
				KCOPYD_IOPRIO_DEFAULT))
		kcopyd_copy_end_all(op, GENMASK(num_dests - 1, 0));
}

/* The room for what is read back is after the data. */
static struct page_list *verify_pages(const struct kcopyd_part *part)
{
	struct page_list *pages = part->pages;
	unsigned int i;

	for (i = 0; i < part->nr_pages / 2; i++)
		pages = pages->next;
	return pages;
}

static size_t bytes_in_page(size_t left)
{
	return min_t(size_t, left, PAGE_SIZE);
}

static bool part_is_zero(const struct kcopyd_part *part)
{
	const struct page_list *pages = part->pages;
	size_t left = (size_t)part->count << SECTOR_SHIFT;

	for (; left; left -= bytes_in_page(left), pages = pages->next) {
		if (memchr_inv(page_address(pages->page), 0, bytes_in_page(left)))
			return false;
	}
	return true;
}

static bool part_is_same(const struct kcopyd_part *part)
{
	const struct page_list *a = part->pages, *b = verify_pages(part);
	size_t left = (size_t)part->count << SECTOR_SHIFT;

	for (; left; left -= bytes_in_page(left), a = a->next, b = b->next) {
		if (memcmp(page_address(a->page), page_address(b->page),
			   bytes_in_page(left)))
			return false;
	}
	return true;
}

/*
 * A device that says it has read, and has not, is not to be verified by what another
 * one has left there: no sector is what it should be before.
 */
static struct page_list *verify_prepare(const struct kcopyd_part *part)
{
	struct page_list *const pages = verify_pages(part);
	const struct page_list *a = part->pages, *b = pages;
	unsigned int i;

	for (i = 0; i < part->count; i++) {
		const unsigned int at = i % PAGE_SECTORS << SECTOR_SHIFT;

		if (i && !at) {
			a = a->next;
			b = b->next;
		}
		*(u64 *)(page_address(b->page) + at) =
			~*(u64 *)(page_address(a->page) + at);
	}
	return pages;
}

/* As dispatch_submit(), for a job that is not an ordinary copy. */
static noinline void dispatch_special(struct kcopyd_client *kc,
				      struct kcopyd_op *op)
{
	const struct kcopyd_part *part = kcopyd_op_part(op);
	const struct kcopyd_job *job = part->job;
	const struct kcopyd_dest *dest = &job->dests[op->slot];
	struct dm_io_region region = {
		.bdev = dest->bdev,
		.sector = dest->sector + part->offset,
		.count = part->count,
	};
	struct dm_io_request request = {
		.mem.type = DM_IO_PAGE_LIST,
		.mem.ptr.pl = part->pages,
		.notify.fn = dispatch_ended,
		.notify.context = op,
		.client = kc->io,
	};
	int r;

	switch (part->state) {
	case KCOPYD_PART_READING:
		region.bdev = job->bdev;
		region.sector = job->sector + part->offset;
		break;
	case KCOPYD_PART_WRITING:
		if (job->detect && op->opf == REQ_OP_WRITE &&
		    !(READ_ONCE(job->refused) & (1U << op->slot)) &&
		    part_is_zero(part))
			op->opf = kcopyd_zero_opf(job);
		break;
	case KCOPYD_PART_VERIFYING:
		request.mem.ptr.pl = verify_prepare(part);
		break;
	case KCOPYD_PART_COMPARING:
		kcopyd_copy_end_op(op, part_is_same(part) ? 0 : -EILSEQ);
		return;
	}
	request.bi_opf = op->opf;
	r = kcopyd_compat_dm_io(&request, 1, &region, kcopyd_request_ioprio(job));
	if (r)
		kcopyd_copy_end_op(op, r);
}

/* May sleep; @op may be gone on return. */
static __always_inline void dispatch_submit(struct kcopyd_client *kc,
					    struct kcopyd_op *op)
{
	const struct kcopyd_part *part = kcopyd_op_part(op);
	const struct kcopyd_job *job = part->job;
	struct dm_io_region region;
	struct dm_io_request request = {
		.bi_opf = op->opf,
		.mem.type = DM_IO_PAGE_LIST,
		.mem.ptr.pl = part->pages,
		.notify.fn = dispatch_ended,
		.notify.context = op,
		.client = kc->io,
	};
	int r;

	if (unlikely(job->special)) {
		dispatch_special(kc, op);
		return;
	}
	if (op_is_write(op->opf)) {
		const struct kcopyd_dest *dest = &job->dests[op->slot];

		if (unlikely(job->num_writes != job->num_dests)) {
			dispatch_submit_all(kc, op);
			return;
		}
		region.bdev = dest->bdev;
		region.sector = dest->sector + part->offset;
	} else {
		region.bdev = job->bdev;
		region.sector = job->sector + part->offset;
	}
	region.count = part->count;
	r = kcopyd_compat_dm_io(&request, 1, &region, KCOPYD_IOPRIO_DEFAULT);
	if (r)
		kcopyd_copy_end_op(op, r);
}

/*
 * The queue's worker has nothing left to do, and what it did last made another
 * queue ready that has no worker running. Instead of waking that one up, it goes
 * on there itself, and leaves the other's worker to this queue.
 */
static struct kcopyd_queue *take_over(struct kcopyd_worker *worker,
				      struct kcopyd_queue *queue)
{
	struct kcopyd_queue *next = worker->next;

	worker->next = NULL;
	queue->active = false;
	queue->worker = next->worker;
	queue->worker->queue = queue;
	next->worker = worker;
	worker->queue = next;
	return next;
}

static bool time_is_up(u64 *began)
{
	const u64 now = local_clock();

	if (!*began)
		*began = now;
	return now - *began > DISPATCH_SLICE;
}

/**
 * kcopyd_dispatch_work() - submit what is ready on a queue
 * @work: the work of a struct kcopyd_worker
 *
 * Context: Process context, on the client's own workqueue. Sleeps where the
 * block layer does, and delays only its own disk by that.
 */
void kcopyd_dispatch_work(struct work_struct *work)
{
	struct kcopyd_worker *worker =
		container_of(work, struct kcopyd_worker, work);
	/* Only this worker changes it while it is active. */
	struct kcopyd_queue *queue = READ_ONCE(worker->queue);
	struct kcopyd_client *kc = queue->kc;
	unsigned int noio = memalloc_noio_save();
	unsigned int budget = DISPATCH_BUDGET, nr;
	bool plugged = false, alone;
	struct kcopyd_op *op;
	u64 began = 0;
	struct blk_plug plug;

	spin_lock_irq(&kc->lock);
	worker->task = current;
	while (budget) {
		op = kcopyd_ready_pop(&queue->ready, min(budget, DISPATCH_BATCH),
				      &nr);
		if (!op) {
			if (worker->next) {
				queue = take_over(worker, queue);
				continue;
			}
			if (!plugged)
				break;
			/*
			 * Now, as that may sleep: the worker is not idle, and
			 * of no use to another queue, before it is done.
			 */
			spin_unlock_irq(&kc->lock);
			blk_finish_plug(&plug);
			plugged = false;
			spin_lock_irq(&kc->lock);
			continue;
		}
		if (unlikely(worker->next)) {
			/* It must not wait for what may sleep here. */
			queue_work(kc->io_wq, &worker->next->worker->work);
			worker->next = NULL;
		}
		alone = nr == 1 && kcopyd_ready_empty(&queue->ready);
		worker->last = alone && !plugged ? op : NULL;
		spin_unlock_irq(&kc->lock);
		budget -= nr;
		/* A small one alone is not worth a look at the clock. */
		if (!(alone && kcopyd_op_part(op)->job->small) && time_is_up(&began))
			budget = 0;
		/* One alone has nothing to be merged with. */
		if (!plugged && !alone) {
			blk_start_plug(&plug);
			plugged = true;
		}
		do {
			/* It may be gone, or in another list, once submitted. */
			struct kcopyd_op *next = op->next;

			if (READ_ONCE(kcopyd_op_part(op)->job->stopped))
				kcopyd_copy_end_op(op, -ECANCELED);
			else
				dispatch_submit(kc, op);
			op = next;
		} while (op);
		spin_lock_irq(&kc->lock);
		worker->last = NULL;
	}
	if (worker->next)
		queue_work(kc->io_wq, &worker->next->worker->work);
	worker->next = NULL;
	if (budget)
		queue->active = false;
	else
		queue_work(kc->io_wq, &worker->work);
	spin_unlock_irq(&kc->lock);
	if (plugged)
		blk_finish_plug(&plug);

	memalloc_noio_restore(noio);
}
