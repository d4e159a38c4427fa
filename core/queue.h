/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client's queue for one disk: what is ready to be submitted to it, and the
 * jobs that wait for it to give pages back. Submission may sleep in the block
 * layer, so each disk has a worker of its own.
 */
#ifndef KCOPYD_CORE_QUEUE_H
#define KCOPYD_CORE_QUEUE_H

#include <linux/list.h>
#include <linux/workqueue.h>

struct gendisk;
struct kcopyd_client;

/**
 * struct kcopyd_fifo - a list in two classes
 * @bulk: entries of large copies
 * @small: entries of small copies, which go first
 * @streak: small entries that went ahead of the first bulk one
 */
struct kcopyd_fifo {
	struct list_head bulk;
	struct list_head small;
	unsigned int streak;
};

void kcopyd_fifo_init(struct kcopyd_fifo *fifo);
struct list_head *kcopyd_fifo_pop(struct kcopyd_fifo *fifo);
void kcopyd_fifo_unpop(struct kcopyd_fifo *fifo, struct list_head *entry,
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
 * struct kcopyd_queue - a client's queue for one disk
 * @kc: the client
 * @work: submits @ready
 * @node: in the client's table of queues
 * @disk: which disk; a key, never followed
 * @users: accepted jobs that name the disk
 * @reading: pages held by reads from the disk
 * @writing: pages held by writes to the disk, ready ones included
 * @coming: pages held by reads whose data will be written to the disk
 * @exempt: one of the reads goes to a disk that is full of what others have not
 *	read yet, see part_grant()
 * @active: @work is queued or will look at @ready again before it ends
 * @ready: operations (struct kcopyd_op) to submit
 * @waiting: jobs that go on when the disk holds fewer pages
 * @resume: in the client's list of queues whose @waiting is to be looked at
 */
struct kcopyd_queue {
	/* Never change after creation. */
	struct kcopyd_client *kc;
	struct work_struct work;

	/* Under kc->lock. */
	struct hlist_node node;
	const struct gendisk *disk;
	unsigned int users;
	unsigned int reading;
	unsigned int writing;
	unsigned int coming;
	bool exempt;
	bool active;
	struct kcopyd_fifo ready;
	struct kcopyd_fifo waiting;
	struct list_head resume;
};

#define KCOPYD_QUEUE_HASH_BITS 4

/* Beyond so many queues an idle one is given a new disk before one is added. */
#define KCOPYD_QUEUES_KEPT 64

/**
 * struct kcopyd_queues - a client's table of queues
 * @work_fn: the worker of every queue
 * @hash: the queues by disk
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
struct kcopyd_queue *kcopyd_queue_get(struct kcopyd_client *kc,
				      const struct gendisk *disk);
void kcopyd_queue_put(struct kcopyd_queue *queue);
void kcopyd_queue_add(struct kcopyd_queue *queue, struct list_head *op,
		      bool small);

#endif /* KCOPYD_CORE_QUEUE_H */
