/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client's queue for one disk: what is ready to be submitted to it, and the
 * jobs that wait for it to give pages back. Submission may sleep in the block
 * layer, so each disk has a worker of its own. So has each set of disks that
 * small copies are written to together: it is a disk like any other here.
 */
#ifndef KCOPYD_CORE_QUEUE_H
#define KCOPYD_CORE_QUEUE_H

#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/workqueue.h>

#include "job.h"

struct kcopyd_client;

/**
 * struct kcopyd_fifo - jobs that wait, in two classes
 * @bulk: large copies
 * @small: small copies, which go first
 * @streak: small ones that went ahead of the first bulk one
 */
struct kcopyd_fifo {
	struct list_head bulk;
	struct list_head small;
	unsigned int streak;
};

/* After so many small entries in a row a large one has its turn. */
#define KCOPYD_STREAK 8U

void kcopyd_fifo_init(struct kcopyd_fifo *fifo);
struct list_head *kcopyd_fifo_pop(struct kcopyd_fifo *fifo);
void kcopyd_fifo_first(struct kcopyd_fifo *fifo, struct list_head *entry,
		       bool small);
bool kcopyd_fifo_pass(struct kcopyd_fifo *fifo, bool small);

static inline struct list_head *kcopyd_fifo_class(struct kcopyd_fifo *fifo,
						  bool small)
{
	return small ? &fifo->small : &fifo->bulk;
}

static inline bool kcopyd_fifo_empty(const struct kcopyd_fifo *fifo)
{
	return list_empty(&fifo->small) && list_empty(&fifo->bulk);
}

static inline void kcopyd_fifo_add(struct kcopyd_fifo *fifo,
				   struct list_head *entry, bool small)
{
	list_add_tail(entry, kcopyd_fifo_class(fifo, small));
}

/**
 * struct kcopyd_ops - operations in order
 * @first: the first one, or NULL
 * @tail: where the next one is to be linked
 */
struct kcopyd_ops {
	struct kcopyd_op *first;
	struct kcopyd_op **tail;
};

/**
 * struct kcopyd_ready - operations to submit, in the same two classes
 * @bulk: of large copies
 * @small: of small copies, which go first
 * @streak: small ones that went ahead of the first bulk one
 */
struct kcopyd_ready {
	struct kcopyd_ops bulk;
	struct kcopyd_ops small;
	unsigned int streak;
};

static inline void kcopyd_ops_add(struct kcopyd_ops *ops, struct kcopyd_op *op)
{
	op->next = NULL;
	*ops->tail = op;
	ops->tail = &op->next;
}

static inline bool kcopyd_ready_empty(const struct kcopyd_ready *ready)
{
	return !ready->small.first && !ready->bulk.first;
}

void kcopyd_ready_init(struct kcopyd_ready *ready);
struct kcopyd_op *kcopyd_ready_pop(struct kcopyd_ready *ready, unsigned int most,
				   unsigned int *nr);

/**
 * struct kcopyd_worker - what submits a queue's operations
 * @work: in the client's workqueue for I/O
 * @queue: the queue that it serves now
 * @last: the operation that it is submitting and after which there is nothing
 *	left to do, or NULL
 * @task: who runs @work, as long as @last is not NULL
 * @next: a queue that is to be served by this worker next, or NULL
 */
struct kcopyd_worker {
	/* Never changes after creation. */
	struct work_struct work;

	/* Under kc->lock. */
	struct kcopyd_queue *queue;
	struct kcopyd_op *last;
	struct task_struct *task;
	struct kcopyd_queue *next;
};

/**
 * struct kcopyd_queue - a client's queue for one disk
 * @kc: the client
 * @own: the worker that it came with
 * @worker: submits @ready; a worker that goes on with another queue is exchanged
 *	for that one's
 * @node: in the client's table of queues
 * @key: which disk, or set of disks
 * @users: accepted jobs that name the disk
 * @reading: pages held by reads from the disk
 * @writing: pages held by writes to the disk, ready ones included
 * @coming: pages held by reads whose data will be written to the disk
 * @borrowed: parts with a borrowed block that come from the disk or go to it
 * @returned: pages that it holds less since @waiting was looked at
 * @exempt: one of the reads goes to a disk that is full of what others have not
 *	read yet, see part_grant()
 * @active: @worker is queued or will look at @ready again before it ends
 * @ready: operations to submit
 * @waiting: jobs that go on when the disk holds fewer pages
 * @resume: in the client's list of queues whose @waiting is to be looked at
 */
struct kcopyd_queue {
	/* Never changes after creation. */
	struct kcopyd_client *kc;

	/* See there. */
	struct kcopyd_worker own;

	/* Under kc->lock. */
	struct kcopyd_worker *worker;
	struct hlist_node node;
	unsigned long key;
	unsigned int users;
	unsigned int reading;
	unsigned int writing;
	unsigned int coming;
	unsigned int borrowed;
	unsigned int returned;
	bool exempt;
	bool active;
	struct kcopyd_ready ready;
	struct kcopyd_fifo waiting;
	struct list_head resume;
};

#define KCOPYD_QUEUE_HASH_BITS 4

/* Beyond so many queues an idle one is given a new disk before one is added. */
#define KCOPYD_QUEUES_KEPT 64

/**
 * struct kcopyd_queues - a client's table of queues
 * @work_fn: the function of every worker
 * @hash: the queues by key
 * @nr: how many there are in @hash
 * @shared: serves every disk for which no memory for a queue could be had
 */
struct kcopyd_queues {
	/* Never changes after kcopyd_queues_init(). */
	work_func_t work_fn;

	/* Under kc->lock. */
	struct hlist_head hash[1 << KCOPYD_QUEUE_HASH_BITS];
	unsigned int nr;
	struct kcopyd_queue shared;
};

void kcopyd_queues_init(struct kcopyd_client *kc, work_func_t work_fn);
void kcopyd_queues_exit(struct kcopyd_client *kc);
struct kcopyd_queue *kcopyd_queue_new(struct kcopyd_client *kc,
				      unsigned long key);

/**
 * kcopyd_queue_find() - find the queue of a disk
 * @queues: the client's queues
 * @key: the disk's address, or a hash of those of a set
 *
 * Context: Any, under the client's lock.
 * Return: the queue, or NULL if the disk has none of its own.
 */
static inline struct kcopyd_queue *
kcopyd_queue_find(struct kcopyd_queues *queues, unsigned long key)
{
	struct kcopyd_queue *queue;

	hash_for_each_possible(queues->hash, queue, node, key) {
		if (queue->key == key)
			return queue;
	}
	return NULL;
}

#endif /* KCOPYD_CORE_QUEUE_H */
