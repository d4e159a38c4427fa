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

void kcopyd_throttle_destroy(struct kcopyd_throttle *throttle);

int kcopyd_client_throttle(struct kcopyd_client *kc,
			   struct kcopyd_throttle *throttle);

#ifdef __cplusplus
}
#endif

#endif /* KCOPYD_H */
