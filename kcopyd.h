/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kcopyd: asynchronous copies of sector ranges between block devices.
 *
 * The public C interface. Readable from kernel C, and from freestanding C++
 * that includes no kernel header.
 *
 * Sectors are 512 bytes, whatever the logical block size of a device is.
 * Documentation/kcopyd.rst is the contract of these calls.
 */
#ifndef KCOPYD_H
#define KCOPYD_H

#ifdef __cplusplus
/* Kernel headers are not C++; this is the kernel's own type on every architecture. */
typedef unsigned long long sector_t;
typedef __SIZE_TYPE__ size_t;

extern "C" {
#else
#include <linux/types.h>
#endif

struct block_device;
struct kcopyd_client;
struct kcopyd_job;
struct kcopyd_throttle;

/* Each destination has one bit of the callback's write_err. */
#define KCOPYD_MAX_DESTS	32U

/*
 * Go on after an error: copy what can be read to every destination that takes
 * it. What cannot be read is not written.
 */
#define KCOPYD_IGNORE_ERROR	(1U << 1)

/*
 * Write each destination in ascending order, each part of the copy after the one
 * before it has succeeded. Overrides KCOPYD_IGNORE_ERROR: no part is written
 * after a failed read or write. Implied by a zoned destination.
 */
#define KCOPYD_WRITE_SEQ	(1U << 2)

/*
 * The destinations' caches are flushed in the end: the copy survives the loss of
 * power, if the devices are honest. A flush that fails is a write error.
 */
#define KCOPYD_FLUSH		(1U << 8)

/*
 * Read back what was written, and compare. What differs, or cannot be read, is a
 * write error. Not with kcopyd_zero().
 */
#define KCOPYD_VERIFY		(1U << 9)

/*
 * Parts that are all zeroes are not written as data: the device is told to write
 * zeroes, as by kcopyd_zero(). Not with kcopyd_zero().
 */
#define KCOPYD_DETECT_ZEROES	(1U << 10)

/*
 * With kcopyd_zero() and KCOPYD_DETECT_ZEROES: devices do not unmap the blocks
 * that they zero.
 */
#define KCOPYD_NO_UNMAP		(1U << 11)

/*
 * Copy all that can be read: KCOPYD_IGNORE_ERROR, with what cannot be read found to
 * a single logical block. Not with KCOPYD_WRITE_SEQ nor kcopyd_zero().
 */
#define KCOPYD_SALVAGE		(1U << 12)

/* Of kcopyd_submit() only: there is no source, as with kcopyd_zero(). */
#define KCOPYD_ZERO		(1U << 13)

/**
 * struct io_region - a range of sectors on a block device
 * @bdev: the device, a whole disk or a partition; held open by the caller until
 *	the copy's callback has run
 * @sector: first sector, relative to the start of @bdev
 * @count: length in sectors
 */
struct io_region {
	struct block_device *bdev;
	sector_t sector;
	sector_t count;
};

/**
 * typedef kcopyd_notify_fn - completion callback of a copy
 * @read_err: 0, or the negative errno of the first read that failed
 * @write_err: bit i is set if a write to destination i failed
 * @context: as passed to kcopyd_copy()
 *
 * Called exactly once for each accepted copy, from the client's own workqueue,
 * one callback of a client at a time. Process context: it may sleep and may
 * submit further copies. Memory allocations in it are implicitly GFP_NOIO.
 *
 * After an error in a copy that was not told to ignore errors, the contents of
 * all its destinations' ranges are undefined.
 */
typedef void (*kcopyd_notify_fn)(int read_err, unsigned int write_err,
				 void *context);

int kcopyd_client_create(unsigned int num_pages,
			 struct kcopyd_client **result);

int kcopyd_client_create_named(const char *name, unsigned int num_pages,
			       struct kcopyd_client **result);

void kcopyd_client_destroy(struct kcopyd_client *kc);

int kcopyd_client_resize(struct kcopyd_client *kc, unsigned int num_pages);

int kcopyd_client_set_part_size(struct kcopyd_client *kc, unsigned int kib);

int kcopyd_copy(struct kcopyd_client *kc, struct io_region *from,
		unsigned int num_dests, struct io_region *dests,
		unsigned int flags, kcopyd_notify_fn fn, void *context);

int kcopyd_zero(struct kcopyd_client *kc, unsigned int num_dests,
		struct io_region *dests, unsigned int flags,
		kcopyd_notify_fn fn, void *context);

struct kcopyd_request;

/**
 * struct kcopyd_bad_range - sectors that could not be read
 * @sector: the first one, from the start of the source's device
 * @count: how many
 */
struct kcopyd_bad_range {
	sector_t sector;
	sector_t count;
};

/**
 * struct kcopyd_result - what became of a request
 * @read_err: as in kcopyd_notify_fn
 * @write_err: as in kcopyd_notify_fn
 * @unsupported: those of @write_err that failed with -EOPNOTSUPP, as far as the
 *	kernel tells
 * @mismatch: those of @write_err that contain something else than what was written
 * @failed_offset: where the first piece starts that failed, in sectors from the
 *	start of the range; in flushing nothing is
 * @failed_count: its length in sectors; 0 if there is none
 * @bytes_read: read from the source, without what was read again
 * @bytes_written: written as data, to all destinations together
 * @bytes_zeroed: written as zeroes by the devices themselves, likewise
 * @bytes_skipped: of the range, that could not be read
 * @nr_bad: ranges in the request's bad
 * @bad_incomplete: there were more than max_bad at a time, before neighbours had
 *	become one; told are the first ones, without a gap
 * @submitted: when it was submitted, in nanoseconds of CLOCK_MONOTONIC
 * @started: when its first part began; 0 if none did
 * @ended: when it ended; its callback comes later
 */
struct kcopyd_result {
	int read_err;
	unsigned int write_err;
	unsigned int unsupported;
	unsigned int mismatch;
	sector_t failed_offset;
	sector_t failed_count;
	unsigned long long bytes_read;
	unsigned long long bytes_written;
	unsigned long long bytes_zeroed;
	unsigned long long bytes_skipped;
	unsigned int nr_bad;
	unsigned int bad_incomplete;
	unsigned long long submitted;
	unsigned long long started;
	unsigned long long ended;
};

/**
 * typedef kcopyd_request_fn - completion callback of a request
 * @request: the request, which is the caller's again, to be submitted once more or
 *	freed
 *
 * In all else as kcopyd_notify_fn.
 */
typedef void (*kcopyd_request_fn)(struct kcopyd_request *request);

/**
 * typedef kcopyd_progress_fn - progress of a request
 * @request: the request, which is not to be changed
 * @done: sectors of the range that are done with, well or badly
 *
 * Called in turn with the client's callbacks, and never after the request's own.
 */
typedef void (*kcopyd_progress_fn)(struct kcopyd_request *request, sector_t done);

/**
 * struct kcopyd_request - a copy, in memory of the caller's
 * @from: the source; all zeroes with KCOPYD_ZERO
 * @dests: the destinations; not used after kcopyd_submit()
 * @num_dests: how many, at most as many as kcopyd_request_size() was told
 * @flags: KCOPYD_IGNORE_ERROR and so on, or 0
 * @ioprio: I/O priority as in ioprio_set(2), class and level; 0 for the normal one
 * @fn: called exactly once when an accepted request has ended
 * @context: for the caller
 * @progress: called now and then while it goes on, or NULL
 * @progress_sectors: but not before so many more sectors are done with
 * @bad: receives the ranges that could not be read, in ascending order; or NULL
 * @max_bad: how many there is room for
 * @result: what became of it, when @fn is called
 *
 * What is not used is 0. kcopyd's own memory follows: see kcopyd_request_size().
 */
struct kcopyd_request {
	struct io_region from;
	const struct io_region *dests;
	unsigned int num_dests;
	unsigned int flags;
	unsigned short ioprio;
	kcopyd_request_fn fn;
	void *context;
	kcopyd_progress_fn progress;
	sector_t progress_sectors;
	struct kcopyd_bad_range *bad;
	unsigned int max_bad;
	struct kcopyd_result result;
};

size_t kcopyd_request_size(unsigned int num_dests);

int kcopyd_submit(struct kcopyd_client *kc, struct kcopyd_request *request);

int kcopyd_request_cancel(struct kcopyd_request *request);

int kcopyd_request_cancel_sync(struct kcopyd_request *request);

int kcopyd_prepare_callback(struct kcopyd_client *kc, kcopyd_notify_fn fn,
			    void *context, struct kcopyd_job **result);

void kcopyd_do_callback(struct kcopyd_job *callback, int read_err,
			unsigned int write_err);

int kcopyd_client_flush(struct kcopyd_client *kc);

int kcopyd_cancel(struct kcopyd_client *kc, kcopyd_notify_fn fn, void *context);

int kcopyd_cancel_sync(struct kcopyd_client *kc, kcopyd_notify_fn fn,
		       void *context);

int kcopyd_client_cancel(struct kcopyd_client *kc);

int kcopyd_client_cancel_sync(struct kcopyd_client *kc);

/**
 * struct kcopyd_limits - how fast copies may go; 0 is no limit
 * @bytes_per_second: bytes of the copies' ranges, each counted once however many
 *	destinations there are
 * @ios_per_second: reads and writes of parts, those to each destination counted
 * @percent: of the time, in which I/O of the copies is in flight; at most 100
 */
struct kcopyd_limits {
	unsigned long long bytes_per_second;
	unsigned int ios_per_second;
	unsigned int percent;
};

int kcopyd_throttle_create(const struct kcopyd_limits *limits,
			   struct kcopyd_throttle **result);

int kcopyd_throttle_set(struct kcopyd_throttle *throttle,
			const struct kcopyd_limits *limits);

int kcopyd_throttle_suspend(struct kcopyd_throttle *throttle);

int kcopyd_throttle_resume(struct kcopyd_throttle *throttle);

int kcopyd_throttle_get_limits(struct kcopyd_throttle *throttle,
			       struct kcopyd_limits *result);

void kcopyd_throttle_destroy(struct kcopyd_throttle *throttle);

int kcopyd_client_throttle(struct kcopyd_client *kc,
			   struct kcopyd_throttle *throttle);

/* Longer than any name, with the zero that ends it. */
#define KCOPYD_NAME_SIZE	32

/* Powers of two, in microseconds; the last one is for all that took longer. */
#define KCOPYD_LATENCIES	28

/**
 * enum kcopyd_waits - what a job had to wait for
 * @KCOPYD_WAITS_PAGES: the pool was empty
 * @KCOPYD_WAITS_DISK: a disk held its share of the pool
 * @KCOPYD_WAITS_THROTTLE: the throttle
 * @KCOPYD_WAITS: how many there are
 */
enum kcopyd_waits {
	KCOPYD_WAITS_PAGES,
	KCOPYD_WAITS_DISK,
	KCOPYD_WAITS_THROTTLE,
	KCOPYD_WAITS,
};

/**
 * struct kcopyd_latencies - how long copies took
 * @nr: so many less than 1 us, less than 2, less than 4 and so on
 */
struct kcopyd_latencies {
	unsigned long long nr[KCOPYD_LATENCIES];
};

/**
 * struct kcopyd_client_stats - what a client is, and what it has done
 * @id: its number, by which sysfs and tracepoints call it
 * @name: its name
 * @pages: pages of its pool
 * @pages_used: those in use
 * @pages_peak: the most that were seen in use
 * @part_kb: the largest part, in KiB
 * @queued: copies and jobs that zero, accepted and not done
 * @waiting: of these, those that wait for pages, disks or the throttle
 * @copies: accepted copies
 * @copies_done: of these, those whose callbacks have returned
 * @zeroes: jobs that zero
 * @zeroes_done: of these, those done
 * @callbacks: prepared callbacks
 * @callbacks_done: of these, those done
 * @failed: jobs that failed
 * @cancelled: jobs that were cancelled
 * @sectors_read: what was read
 * @sectors_written: what copies have written, to all destinations
 * @sectors_zeroed: what was zeroed, of all destinations
 * @read_errors: reads that failed
 * @write_errors: writes that failed
 * @parts: parts that were begun
 * @waits: by enum kcopyd_waits
 * @small: latencies of small copies, of which one in many is timed
 * @large: latencies of large copies
 */
struct kcopyd_client_stats {
	unsigned int id;
	char name[KCOPYD_NAME_SIZE];
	unsigned int pages;
	unsigned int pages_used;
	unsigned int pages_peak;
	unsigned int part_kb;
	unsigned long long queued;
	unsigned long long waiting;
	unsigned long long copies;
	unsigned long long copies_done;
	unsigned long long zeroes;
	unsigned long long zeroes_done;
	unsigned long long callbacks;
	unsigned long long callbacks_done;
	unsigned long long failed;
	unsigned long long cancelled;
	unsigned long long sectors_read;
	unsigned long long sectors_written;
	unsigned long long sectors_zeroed;
	unsigned long long read_errors;
	unsigned long long write_errors;
	unsigned long long parts;
	unsigned long long waits[KCOPYD_WAITS];
	struct kcopyd_latencies small;
	struct kcopyd_latencies large;
};

int kcopyd_client_get_stats(struct kcopyd_client *kc,
			    struct kcopyd_client_stats *result);

#ifdef __cplusplus
}
#endif

#endif /* KCOPYD_H */
