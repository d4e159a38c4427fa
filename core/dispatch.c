// SPDX-License-Identifier: GPL-2.0-only
/*
 * Submission, the one place that knows dm-io. It happens in the queues' workers
 * only: a submitter may be a target's map function, whose bios dm-io could wait
 * for without end, and an end_io must not sleep at all.
 */
#include <linux/blkdev.h>
#include <linux/sched/mm.h>

#include "../compat/dm-io.h"
#include "client.h"
#include "dispatch.h"

/*
 * Operations in a row before the worker lets others run: when memory is gone
 * the workqueue's rescuer alone serves all queues of the client in turn.
 */
#define DISPATCH_BATCH 64

static inline void dispatch_ended_err(int err, void *context)
{
	struct kcopyd_op *op = context;

	kcopyd_job_client(kcopyd_op_part(op)->job)->end_op(op, err);
}

KCOPYD_DM_IO_NOTIFY(dispatch_ended)

/* May sleep; @op may be gone on return. */
static void dispatch_submit(struct kcopyd_client *kc, struct kcopyd_op *op)
{
	const struct kcopyd_part *part = kcopyd_op_part(op);
	const struct kcopyd_job *job = part->job;
	bool write = part->state == KCOPYD_PART_WRITING;
	const struct kcopyd_dest *dest = &job->dests[op->slot];
	struct dm_io_region region = {
		.bdev = write ? dest->bdev : job->bdev,
		.sector = (write ? dest->sector : job->sector) + part->offset,
		.count = part->count,
	};
	struct dm_io_request request = {
		.bi_opf = write ? REQ_OP_WRITE :
			  part->alone ? REQ_OP_READ | REQ_NOMERGE :
					REQ_OP_READ,
		.mem.type = DM_IO_PAGE_LIST,
		.mem.ptr.pl = part->pages,
		.notify.fn = dispatch_ended,
		.notify.context = op,
		.client = kc->io,
	};
	int r;

	r = kcopyd_compat_dm_io(&request, &region);
	if (r)
		kc->end_op(op, r);
}

/**
 * kcopyd_dispatch_work() - submit what is ready on a queue
 * @work: the work of a struct kcopyd_queue
 *
 * Context: Process context, on the client's own workqueue. Sleeps where the
 * block layer does, and delays only its own disk by that.
 */
void kcopyd_dispatch_work(struct work_struct *work)
{
	struct kcopyd_queue *queue =
		container_of(work, struct kcopyd_queue, work);
	struct kcopyd_client *kc = queue->kc;
	unsigned int noio = memalloc_noio_save();
	unsigned int budget = DISPATCH_BATCH;
	struct list_head *node;
	struct blk_plug plug;

	blk_start_plug(&plug);
	spin_lock_irq(&kc->lock);
	while ((node = budget ? kcopyd_fifo_pop(&queue->ready) : NULL)) {
		struct kcopyd_op *op = list_entry(node, struct kcopyd_op, node);
		bool stopped = kcopyd_op_part(op)->job->stopped;

		spin_unlock_irq(&kc->lock);
		if (stopped)
			kc->end_op(op, -ECANCELED);
		else
			dispatch_submit(kc, op);
		budget--;
		spin_lock_irq(&kc->lock);
	}
	if (budget)
		queue->active = false;
	else
		queue_work(kc->io_wq, &queue->work);
	spin_unlock_irq(&kc->lock);
	blk_finish_plug(&plug);

	memalloc_noio_restore(noio);
}
