/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A job is one accepted copy. It moves its range in parts, each with pages of
 * its own: a part is read once and then written to every destination.
 */
#ifndef KCOPYD_CORE_JOB_H
#define KCOPYD_CORE_JOB_H

#include <linux/bits.h>
#include <linux/blk_types.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "../include/linux/dm-kcopyd.h"
#include "../kcopyd.h"

struct kcopyd_queue;
struct page_list;

/**
 * struct kcopyd_dest - one destination of a job
 * @bdev: the device
 * @sector: first sector of the range on @bdev
 * @queue: the client's queue for the disk; of the first one of a job whose
 *	destinations are written together, that for all of them
 */
struct kcopyd_dest {
	struct block_device *bdev;
	sector_t sector;
	struct kcopyd_queue *queue;
};

/**
 * struct kcopyd_op - one read or write of a part
 * @next: the one after it in a list of operations
 * @slot: index in the part's array; the destination's number for a write, 0 for
 *	one to all of them
 * @opf: what is to be done, with flags
 */
struct kcopyd_op {
	struct kcopyd_op *next;
	unsigned int slot;
	blk_opf_t opf;
};

/* What a part is doing; core/states.h has the states and says what they are. */
enum kcopyd_part_state {
#define KCOPYD_PART_STATE(state) KCOPYD_PART_##state,
#include "states.h"
};

/* Where a job is in its life, which only the debug build knows; likewise. */
enum kcopyd_job_state {
#define KCOPYD_JOB_STATE(state) KCOPYD_JOB_##state,
#include "states.h"
};

/**
 * struct kcopyd_part - a stretch of a job that is on its way
 * @job: the job
 * @node: in the list of parts of a job in sequence, in ascending order
 * @pages: the data, and after it as much room for what is read back, if it is
 *	verified; zeroes, and not of the pool, in a job that zeroes; or a block
 * @offset: sectors from the start of the job to the piece in hand
 * @left: sectors from @offset to the end of the part
 * @count: sectors of the piece in hand; less than @left only while the part
 *	goes round an unreadable place
 * @nr_pages: length of @pages, as far as they are of the pool
 * @pending: writes of the piece that have not ended
 * @state: enum kcopyd_part_state, changed by kcopyd_part_move()
 * @alone: its reads are not to be merged with others, after one has failed
 * @borrowed: its pages are a block
 * @exempt: its read is the one that is marked in the source's queue
 * @pageless: in the client's list, if it has no pages of the pool
 * @ops: one a destination
 *
 * All of it under the client's lock, but for a part in flight: then what the
 * submission reads does not change.
 */
struct kcopyd_part {
	struct kcopyd_job *job;
	struct list_head node;
	struct page_list *pages;
	sector_t offset;
	unsigned int left;
	unsigned int count;
	unsigned int nr_pages;
	u8 pending;
	u8 state;
	bool alone : 1;
	bool borrowed : 1;
	bool exempt;
	struct list_head pageless;
	struct kcopyd_op ops[];
};

/**
 * enum kcopyd_reserved - whose part of the client's reserve an object is of
 * @KCOPYD_RESERVED_NOT: it is no object of the reserve
 * @KCOPYD_RESERVED_SUBMITTER: for those who can sleep for one
 * @KCOPYD_RESERVED_CALLBACK: for the client's own callbacks
 * @KCOPYD_RESERVED_CALLER: the object is not the client's
 */
enum kcopyd_reserved {
	KCOPYD_RESERVED_NOT,
	KCOPYD_RESERVED_SUBMITTER,
	KCOPYD_RESERVED_CALLBACK,
	KCOPYD_RESERVED_CALLER,
};

/**
 * union kcopyd_callback - what is called when a job has ended
 * @fn: in a client of kcopyd_client_create()
 * @dm_fn: in one made for device-mapper's calls
 */
union kcopyd_callback {
	kcopyd_notify_fn fn;
	dm_kcopyd_notify_fn dm_fn;
};

/**
 * struct kcopyd_job - an accepted copy
 * @callback: the callback
 * @context: its argument
 * @bdev: the source; of a job that zeroes, the first destination
 * @sector: first sector of the range on @bdev
 * @queue: the client's queue for the source's disk
 * @count: sectors to copy
 * @first: the part that every job has, so that it never depends on an allocation
 * @num_dests: destinations
 * @num_writes: the writes that a part takes: one a destination, or one to all
 * @granule: sectors to which an unreadable place is found: 4 KiB, or a logical
 *	block of the coarsest device if that is larger; a part is whole granules
 * @ignore: go on after errors
 * @small: goes ahead of large copies
 * @seq: write in order
 * @zero: there is no source, zeroes are written
 * @flush: flush the destinations' caches in the end
 * @verify: read back what was written and compare it
 * @detect: what is all zeroes need not be written as data
 * @no_unmap: devices that write zeroes themselves keep the blocks allocated
 * @request: @context is the struct kcopyd_request that it is part of
 * @borrow: large parts can have borrowed blocks
 * @special: any of the eight above, of which ordinary copies have none
 * @reserved: enum kcopyd_reserved
 * @watch: why its end is looked at more closely, KCOPYD_WATCH_ID and others
 * @stopped: no further I/O is started
 * @cancelled: that is because it was cancelled
 * @inflight: parts on their way
 * @streak: small ones that went ahead of it in the list that it waited in last
 * @flushed: the caches are flushed, or being flushed
 * @read_err: as in kcopyd_notify_fn
 * @write_err: as in kcopyd_notify_fn
 * @refused: destinations that are not asked to zero themselves, one bit each; only
 *	of a job that zeroes or detects zeroes
 * @id: its number in the client, if @watch says so
 * @began: when it was accepted, in nanoseconds, if @watch says so
 * @state: enum kcopyd_job_state, in the debug build; changed by kcopyd_job_move()
 * @next: sectors handed out to parts so far
 * @node: in a list of jobs that wait; empty otherwise
 * @next_job: the one after it in a list of jobs that do not
 * @parts: the parts on their way, in ascending order, if it is in sequence
 * @dests: the destinations, followed by @first
 */
struct kcopyd_job {
	/* Never change once the job is accepted. */
	union kcopyd_callback callback;
	void *context;
	struct block_device *bdev;
	sector_t sector;
	sector_t count;
	struct kcopyd_queue *queue;
	struct kcopyd_part *first;
	u16 granule;
	u8 num_dests;
	u8 num_writes;
	bool ignore;
	bool small;
	u8 reserved;
	union {
		struct {
			bool seq : 1;
			bool zero : 1;
			bool flush : 1;
			bool verify : 1;
			bool detect : 1;
			bool no_unmap : 1;
			bool request : 1;
			bool borrow : 1;
		};
		u8 special;
	};

	/* Under the client's lock. */
	u8 watch;
	bool stopped;
	bool cancelled;
	u8 inflight;
	u8 streak;
	bool flushed;
#ifdef KCOPYD_TEST_EXPORTS
	u8 state;
#endif
	int read_err;
	unsigned int write_err;
	unsigned int refused;
	u32 id;
	u64 began;
	sector_t next;
	union {
		struct list_head node;
		struct kcopyd_job *next_job;
	};
	struct list_head parts;

	struct kcopyd_dest dests[];
};

/* It has a number. */
#define KCOPYD_WATCH_ID		BIT(0)
/* It is timed. */
#define KCOPYD_WATCH_TIME	BIT(1)
/* Something of it has failed, or it was cancelled. */
#define KCOPYD_WATCH_ERROR	BIT(2)
/* It zeroes. */
#define KCOPYD_WATCH_ZERO	BIT(3)
/* It is a prepared callback. */
#define KCOPYD_WATCH_CALLBACK	BIT(4)
/* It is what a flush waits for. */
#define KCOPYD_WATCH_MARK	BIT(5)

/* It is no copy. */
#define KCOPYD_WATCH_OTHER	(KCOPYD_WATCH_ZERO | KCOPYD_WATCH_CALLBACK | KCOPYD_WATCH_MARK)

/* Its number, or 0 if it has none. */
static inline u32 kcopyd_job_id(const struct kcopyd_job *job)
{
	return job->watch & KCOPYD_WATCH_ID ? job->id : 0;
}

/* The granule of devices with small logical blocks, in sectors: 4 KiB. */
#define KCOPYD_GRANULE 8U

/* Copies up to this size, in sectors, go ahead of larger ones: 64 KiB. */
#define KCOPYD_SMALL_SECTORS 128U

/* Not more destinations are written together. */
#define KCOPYD_TOGETHER_DESTS	16U

static inline struct kcopyd_part *kcopyd_op_part(struct kcopyd_op *op)
{
	return container_of(op - op->slot, struct kcopyd_part, ops[0]);
}

/* How a device is told to zero: mostly it may unmap what then reads as zeroes. */
static inline blk_opf_t kcopyd_zero_opf(const struct kcopyd_job *job)
{
	return REQ_OP_WRITE_ZEROES | (job->no_unmap ? REQ_NOUNMAP : 0);
}

/* Job objects set aside, each for the largest number of destinations. */
#define KCOPYD_RESERVE_JOBS		4
/* And so many more that only the client's own callbacks may take. */
#define KCOPYD_RESERVE_CALLBACK_JOBS	4

/* Objects of ended copies to one destination that are kept for the next ones. */
#define KCOPYD_JOBS_KEPT		128

/* And of those to several, which are written together. */
#define KCOPYD_JOBS_KEPT_TOGETHER	64

/**
 * struct kcopyd_reserve - a client's unused job objects
 * @kept: objects for one destination
 * @nr_kept: how many
 * @kept_together: objects for several destinations, all for the same number
 * @nr_kept_together: how many
 * @free: objects set aside for when memory is gone
 * @nr_free: how many
 * @used: objects set aside that are in use, by enum kcopyd_reserved: those who
 *	took them, whichever they are
 * @wait: submitters that sleep for an object
 */
struct kcopyd_reserve {
	/* Under the client's lock. */
	struct kcopyd_job *kept;
	unsigned int nr_kept;
	struct kcopyd_job *kept_together;
	unsigned int nr_kept_together;
	struct kcopyd_job *free;
	unsigned int nr_free;
	unsigned int used[KCOPYD_RESERVED_CALLBACK + 1];

	/* Has a lock of its own, inside the client's. */
	wait_queue_head_t wait;
};

struct kcopyd_client;

#ifdef KCOPYD_TEST_EXPORTS
void kcopyd_part_check_move(const struct kcopyd_part *part,
			    enum kcopyd_part_state state);
void kcopyd_job_move(struct kcopyd_job *job, enum kcopyd_job_state state);
#else
static inline void kcopyd_part_check_move(const struct kcopyd_part *part,
					  enum kcopyd_part_state state)
{
}

static inline void kcopyd_job_move(struct kcopyd_job *job,
				   enum kcopyd_job_state state)
{
}
#endif

/**
 * kcopyd_part_move() - a part is doing something else from now on
 * @part: the part
 * @state: what; the debug build warns if the model of the life of a part has no
 *	such move
 *
 * Context: Any, under the client's lock.
 */
static inline void kcopyd_part_move(struct kcopyd_part *part,
				    enum kcopyd_part_state state)
{
	kcopyd_part_check_move(part, state);
	part->state = state;
}

/* No further I/O of the job is started. */
static inline void kcopyd_job_stop(struct kcopyd_job *job)
{
	if (!job->stopped)
		kcopyd_job_move(job, KCOPYD_JOB_STOPPED);
	job->stopped = true;
}

size_t kcopyd_job_size(unsigned int num_dests);
void kcopyd_job_init(struct kcopyd_job *job, unsigned int num_dests);
int kcopyd_reserve_init(struct kcopyd_client *kc);
void kcopyd_reserve_exit(struct kcopyd_client *kc);
struct kcopyd_job *kcopyd_job_alloc(struct kcopyd_client *kc,
				    unsigned int num_dests);
void kcopyd_job_free(struct kcopyd_job *job);
struct kcopyd_part *kcopyd_part_get(struct kcopyd_job *job);
struct kcopyd_job *kcopyd_job_take_together(struct kcopyd_reserve *reserve,
					    unsigned int num_dests);
bool kcopyd_job_keep_together(struct kcopyd_reserve *reserve,
			      struct kcopyd_job *job);

/* Whether others sleep for it or not; NULL if there is none. */
static inline struct kcopyd_job *
kcopyd_job_take_kept(struct kcopyd_reserve *reserve, unsigned int num_dests)
{
	struct kcopyd_job *job = reserve->kept;

	if (unlikely(num_dests != 1))
		return kcopyd_job_take_together(reserve, num_dests);
	if (job) {
		reserve->kept = job->next_job;
		reserve->nr_kept--;
	}
	return job;
}

/**
 * kcopyd_job_kept() - get the object of an earlier copy
 * @reserve: the client's objects
 * @num_dests: destinations, from 1 to KCOPYD_MAX_DESTS
 *
 * Context: Any, under the client's lock.
 * Return: the job as from kcopyd_job_alloc(), or NULL if there is none, or if
 * others sleep for it.
 */
static inline struct kcopyd_job *kcopyd_job_kept(struct kcopyd_reserve *reserve,
						 unsigned int num_dests)
{
	/* Sleepers and what they wait for are both looked at under the lock. */
	if (waitqueue_active(&reserve->wait))
		return NULL;
	return kcopyd_job_take_kept(reserve, num_dests);
}

/* The objects set aside are in no order. */
static inline void kcopyd_reserve_put(struct kcopyd_reserve *reserve,
				      struct kcopyd_job *job)
{
	job->next_job = reserve->free;
	reserve->free = job;
	reserve->nr_free++;
}

/* What each copy begins with: stores that are next to each other. */
static inline void kcopyd_job_begin(struct kcopyd_job *job)
{
	job->special = 0;
	job->watch = 0;
	job->stopped = false;
	job->cancelled = false;
	job->inflight = 0;
}

/**
 * kcopyd_job_put() - give a job object back
 * @reserve: the client's objects
 * @job: the job, in no list and with no part on its way
 *
 * Context: Any, under the client's lock.
 * Return: what is left to kcopyd_job_free(), without the lock; or NULL.
 */
static inline struct kcopyd_job *kcopyd_job_put(struct kcopyd_reserve *reserve,
						struct kcopyd_job *job)
{
	if (unlikely(job->reserved != KCOPYD_RESERVED_NOT)) {
		if (job->reserved == KCOPYD_RESERVED_CALLER)
			return NULL;
		reserve->used[job->reserved]--;
		kcopyd_reserve_put(reserve, job);
	} else if (job->num_dests == 1 && reserve->nr_kept < KCOPYD_JOBS_KEPT) {
		job->next_job = reserve->kept;
		reserve->kept = job;
		reserve->nr_kept++;
	} else if (job->num_dests == 1 ||
		   !kcopyd_job_keep_together(reserve, job)) {
		return job;
	}
	/* A sleeper looked under the lock after it had become visible here. */
	if (unlikely(waitqueue_active(&reserve->wait)))
		wake_up(&reserve->wait);
	return NULL;
}

/**
 * kcopyd_part_put() - give a part object back
 * @part: the part, in no list and without pages
 *
 * Context: Any, under the client's lock.
 */
static inline void kcopyd_part_put(struct kcopyd_part *part)
{
	kcopyd_part_move(part, KCOPYD_PART_FREE);
	if (unlikely(part != part->job->first))
		kfree(part);
}

#endif /* KCOPYD_CORE_JOB_H */
