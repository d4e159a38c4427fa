// SPDX-License-Identifier: GPL-2.0-only
/* A client's queues, one a disk. */
#include <linux/hashtable.h>
#include <linux/slab.h>

#include "client.h"
#include "export.h"
#include "queue.h"

/* After so many small entries in a row a large one has its turn. */
#define FIFO_STREAK 8

void kcopyd_fifo_init(struct kcopyd_fifo *fifo)
{
	INIT_LIST_HEAD(&fifo->bulk);
	INIT_LIST_HEAD(&fifo->small);
	fifo->streak = 0;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_fifo_init);

/**
 * kcopyd_fifo_pop() - take the next entry out
 * @fifo: the list
 *
 * Context: Any, under the client's lock.
 * Return: the entry, or NULL if there is none.
 */
struct list_head *kcopyd_fifo_pop(struct kcopyd_fifo *fifo)
{
	struct list_head *entry;

	if (!list_empty(&fifo->small) &&
	    (list_empty(&fifo->bulk) || fifo->streak < FIFO_STREAK)) {
		entry = fifo->small.next;
		if (!list_empty(&fifo->bulk))
			fifo->streak++;
	} else if (!list_empty(&fifo->bulk)) {
		entry = fifo->bulk.next;
		fifo->streak = 0;
	} else {
		return NULL;
	}
	list_del_init(entry);
	return entry;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_fifo_pop);

/**
 * kcopyd_fifo_unpop() - undo kcopyd_fifo_pop()
 * @fifo: the list
 * @entry: what was taken out last
 * @small: its class
 *
 * It will be the next one again, a bulk entry even if small ones have come.
 *
 * Context: Any, under the client's lock.
 */
void kcopyd_fifo_unpop(struct kcopyd_fifo *fifo, struct list_head *entry,
		       bool small)
{
	if (!small)
		fifo->streak = FIFO_STREAK;
	else if (fifo->streak)
		fifo->streak--;
	list_add(entry, kcopyd_fifo_class(fifo, small));
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_fifo_unpop);

/**
 * kcopyd_fifo_pass() - may a new entry go ahead of those in the list?
 * @fifo: the list
 * @small: the class of the new entry
 *
 * Context: Any, under the client's lock.
 * Return: true if it need not queue up behind entries of its own class, nor
 * behind a bulk one whose turn it is.
 */
bool kcopyd_fifo_pass(struct kcopyd_fifo *fifo, bool small)
{
	if (!list_empty(kcopyd_fifo_class(fifo, small)))
		return false;
	if (!small || list_empty(&fifo->bulk))
		return true;
	return fifo->streak < FIFO_STREAK && ++fifo->streak;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_fifo_pass);

static void queue_init(struct kcopyd_queue *queue, struct kcopyd_client *kc)
{
	queue->kc = kc;
	INIT_WORK(&queue->work, kc->queues.work_fn);
	kcopyd_fifo_init(&queue->ready);
	kcopyd_fifo_init(&queue->waiting);
	INIT_LIST_HEAD(&queue->resume);
}

void kcopyd_queues_init(struct kcopyd_client *kc, work_func_t work_fn)
{
	hash_init(kc->queues.hash);
	kc->queues.work_fn = work_fn;
	queue_init(&kc->queues.shared, kc);
}

static void queue_check_idle(const struct kcopyd_queue *queue)
{
	WARN_ON_ONCE(queue->users || queue->reading || queue->writing ||
		     queue->coming);
}

/**
 * kcopyd_queues_exit() - free the queues
 * @kc: a client with no jobs and no workers
 *
 * Context: Process context.
 */
void kcopyd_queues_exit(struct kcopyd_client *kc)
{
	struct kcopyd_queue *queue;
	struct hlist_node *tmp;
	unsigned int bucket;

	queue_check_idle(&kc->queues.shared);
	hash_for_each_safe(kc->queues.hash, bucket, tmp, queue, node) {
		queue_check_idle(queue);
		kfree(queue);
	}
}

/* An idle queue to serve another disk, if there are enough of them. */
static struct kcopyd_queue *queue_recycle(struct kcopyd_queues *queues)
{
	struct kcopyd_queue *queue;
	unsigned int bucket;

	if (queues->nr < KCOPYD_QUEUES_KEPT)
		return NULL;
	hash_for_each(queues->hash, bucket, queue, node) {
		if (!queue->users) {
			hash_del(&queue->node);
			queues->nr--;
			return queue;
		}
	}
	return NULL;
}

/**
 * kcopyd_queue_get() - find or make the queue for a disk
 * @kc: the client
 * @disk: the disk
 *
 * Without memory for a new queue the disk shares one with others in the same
 * position: isolation suffers, progress does not.
 *
 * Context: Any, under the client's lock.
 * Return: the queue, with one more user.
 */
struct kcopyd_queue *kcopyd_queue_get(struct kcopyd_client *kc,
				      const struct gendisk *disk)
{
	struct kcopyd_queues *queues = &kc->queues;
	struct kcopyd_queue *queue;

	lockdep_assert_held(&kc->lock);

	hash_for_each_possible(queues->hash, queue, node, (unsigned long)disk) {
		if (queue->disk == disk)
			goto out;
	}
	queue = queue_recycle(queues);
	if (!queue) {
		queue = kzalloc(sizeof(*queue), KCOPYD_GFP_NOW);
		if (!queue) {
			queue = &queues->shared;
			goto out;
		}
		queue_init(queue, kc);
	}
	queue->disk = disk;
	hash_add(queues->hash, &queue->node, (unsigned long)disk);
	queues->nr++;
out:
	queue->users++;
	return queue;
}

/**
 * kcopyd_queue_put() - drop a user
 * @queue: from kcopyd_queue_get(); it is kept, the next copy of its disk finds it
 *
 * Context: Any, under the client's lock.
 */
void kcopyd_queue_put(struct kcopyd_queue *queue)
{
	lockdep_assert_held(&queue->kc->lock);
	queue->users--;
}

/**
 * kcopyd_queue_add() - make an operation ready for submission
 * @queue: the queue of its disk
 * @op: its list node
 * @small: it belongs to a small copy
 *
 * Context: Any, under the client's lock.
 */
void kcopyd_queue_add(struct kcopyd_queue *queue, struct list_head *op,
		      bool small)
{
	lockdep_assert_held(&queue->kc->lock);
	kcopyd_fifo_add(&queue->ready, op, small);
	if (!queue->active) {
		queue->active = true;
		queue_work(queue->kc->io_wq, &queue->work);
	}
}
