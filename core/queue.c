// SPDX-License-Identifier: GPL-2.0-only
/* A client's queues, one a disk. */
#include <linux/hashtable.h>
#include <linux/slab.h>

#include "client.h"
#include "export.h"
#include "queue.h"

/* Is it a small one's turn? Counts how many in a row that were. */
static bool turn_small(bool small, bool bulk, unsigned int *streak)
{
	if (!small || (bulk && *streak >= KCOPYD_STREAK)) {
		*streak = 0;
		return false;
	}
	*streak += bulk;
	return true;
}

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

	if (kcopyd_fifo_empty(fifo))
		return NULL;
	entry = kcopyd_fifo_class(fifo, turn_small(!list_empty(&fifo->small),
						   !list_empty(&fifo->bulk),
						   &fifo->streak))->next;
	list_del_init(entry);
	return entry;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_fifo_pop);

/**
 * kcopyd_fifo_first() - let an entry be the next one
 * @fifo: the list
 * @entry: what was taken out last, and added again
 * @small: its class
 *
 * It is, if it is a bulk one even if small ones have come.
 *
 * Context: Any, under the client's lock.
 */
void kcopyd_fifo_first(struct kcopyd_fifo *fifo, struct list_head *entry,
		       bool small)
{
	if (!small)
		fifo->streak = KCOPYD_STREAK;
	else if (fifo->streak)
		fifo->streak--;
	list_move(entry, kcopyd_fifo_class(fifo, small));
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_fifo_first);

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
	return fifo->streak < KCOPYD_STREAK && ++fifo->streak;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_fifo_pass);

static void ops_init(struct kcopyd_ops *ops)
{
	ops->first = NULL;
	ops->tail = &ops->first;
}

void kcopyd_ready_init(struct kcopyd_ready *ready)
{
	ops_init(&ready->bulk);
	ops_init(&ready->small);
	ready->streak = 0;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_ready_init);

/**
 * kcopyd_ready_pop() - take the next operations out
 * @ready: the operations
 * @most: how many at most, at least 1
 * @nr: receives how many
 *
 * A large one comes alone: a small one that is added next has to wait for one
 * submission, not for several.
 *
 * Context: Any, under the client's lock.
 * Return: the first of @nr linked operations, or NULL if there is none.
 */
struct kcopyd_op *kcopyd_ready_pop(struct kcopyd_ready *ready, unsigned int most,
				   unsigned int *nr)
{
	struct kcopyd_ops *ops = &ready->small;
	struct kcopyd_op *first, *last;
	unsigned int n = 1;

	if (!turn_small(ready->small.first, ready->bulk.first, &ready->streak)) {
		ops = &ready->bulk;
		most = 1;
	}
	first = ops->first;
	if (!first)
		return NULL;
	if (ready->bulk.first)
		most = 1;
	for (last = first; n < most && last->next; n++)
		last = last->next;
	ops->first = last->next;
	if (!ops->first)
		ops->tail = &ops->first;
	last->next = NULL;
	*nr = n;
	return first;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_ready_pop);

static void queue_init(struct kcopyd_queue *queue, struct kcopyd_client *kc)
{
	queue->kc = kc;
	INIT_WORK(&queue->own.work, kc->queues.work_fn);
	queue->own.queue = queue;
	queue->worker = &queue->own;
	kcopyd_ready_init(&queue->ready);
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
		     queue->coming || queue->borrowed);
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
		/* It may still be submitting, for others, what has ended. */
		if (!queue->users && !queue->active) {
			hash_del(&queue->node);
			queues->nr--;
			return queue;
		}
	}
	return NULL;
}

/**
 * kcopyd_queue_new() - make the queue for a disk that has none
 * @kc: the client
 * @key: the disk, as for kcopyd_queue_find()
 *
 * Without memory for a new queue the disk shares one with others in the same
 * position: isolation suffers, progress does not.
 *
 * Context: Any, under the client's lock.
 * Return: the queue.
 */
struct kcopyd_queue *kcopyd_queue_new(struct kcopyd_client *kc,
				      unsigned long key)
{
	struct kcopyd_queues *queues = &kc->queues;
	struct kcopyd_queue *queue;

	queue = queue_recycle(queues);
	if (!queue) {
		queue = kzalloc(sizeof(*queue), KCOPYD_GFP_NOW);
		if (!queue)
			return &queues->shared;
		queue_init(queue, kc);
	}
	queue->key = key;
	hash_add(queues->hash, &queue->node, key);
	queues->nr++;
	return queue;
}
