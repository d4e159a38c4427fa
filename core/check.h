/* SPDX-License-Identifier: GPL-2.0-only */
/* What is rejected up front, each with a line that says why. */
#ifndef KCOPYD_CORE_CHECK_H
#define KCOPYD_CORE_CHECK_H

#include <linux/blkdev.h>

#include "client.h"
#include "tune.h"

#define KCOPYD_FLAGS (KCOPYD_IGNORE_ERROR | KCOPYD_WRITE_SEQ)

__printf(3, 4)
int kcopyd_reject(struct kcopyd_client *kc, int err, const char *fmt, ...);
int kcopyd_reject_region(struct kcopyd_client *kc,
			 const struct io_region *region, int i,
			 unsigned int block);
int kcopyd_check_apart(struct kcopyd_client *kc, unsigned int num_dests,
		       const struct io_region *dests);
int kcopyd_reject_unaligned(struct kcopyd_client *kc,
			    const struct io_region *from,
			    unsigned int num_dests,
			    const struct io_region *dests, unsigned int block);

/* Sectors of one logical block. */
static inline unsigned int kcopyd_block_sectors(const struct io_region *region)
{
	return bdev_logical_block_size(region->bdev) >> SECTOR_SHIFT;
}

/* Where a region starts on its disk, whether it is given on a partition or not. */
static inline sector_t kcopyd_disk_sector(const struct io_region *region)
{
	return get_start_sect(region->bdev) + region->sector;
}

static inline bool kcopyd_overlap(const struct io_region *a, const struct io_region *b)
{
	if (a->bdev->bd_disk != b->bdev->bd_disk)
		return false;
	return kcopyd_disk_sector(a) < kcopyd_disk_sector(b) + b->count &&
	       kcopyd_disk_sector(b) < kcopyd_disk_sector(a) + a->count;
}

static inline bool kcopyd_past_end(const struct io_region *region)
{
	sector_t size = bdev_nr_sectors(region->bdev);

	return region->sector > size || region->count > size - region->sector;
}

unsigned int kcopyd_check_dm(struct kcopyd_client *kc,
			     const struct io_region *from,
			     unsigned int num_dests,
			     const struct io_region *dests,
			     unsigned int *flags);

/**
 * kcopyd_check() - can this copy be accepted?
 * @kc: the client
 * @from: the source, or NULL if the destinations are to be zeroed
 * @num_dests: number of @dests
 * @dests: the destinations
 * @flags: the caller's flags; KCOPYD_WRITE_SEQ is added for a zoned destination
 *
 * Inline: it is a good part of what a small copy costs.
 *
 * Two stacked devices that share a disk below them cannot be seen to overlap.
 *
 * Context: Process context, without the client's lock.
 * Return: the largest logical block of the devices, in sectors; or the negative
 * errno that kcopyd_copy() is to return, said in the log.
 */
static __always_inline int
kcopyd_check(struct kcopyd_client *kc, const struct io_region *from,
	     unsigned int num_dests, const struct io_region *dests,
	     unsigned int *flags)
{
	unsigned int largest = 1, i;
	sector_t unaligned, count;

	if (from && !from->bdev)
		return kcopyd_reject(kc, -EINVAL, "no source device");
	if (!num_dests || num_dests > KCOPYD_MAX_DESTS)
		return kcopyd_reject(kc, -EINVAL,
				     "%u destinations, from 1 to %u are possible",
				     num_dests, KCOPYD_MAX_DESTS);
	if (!dests)
		return kcopyd_reject(kc, -EINVAL, "no destinations");
	if (*flags & ~KCOPYD_FLAGS)
		return kcopyd_reject(kc, -EINVAL, "unknown flags %#x",
				     *flags & ~KCOPYD_FLAGS);

	if (from) {
		largest = kcopyd_block_sectors(from);
		count = from->count;
		unaligned = from->sector | count;
		if (kcopyd_past_end(from))
			return kcopyd_reject_region(kc, from, -1, largest);
	} else {
		count = dests->count;
		unaligned = count;
	}
	for (i = 0; i < num_dests; i++) {
		const struct io_region *dest = &dests[i];

		if (!dest->bdev)
			return kcopyd_reject(kc, -EINVAL,
					     "destination %u has no device", i);
		if (dest->count != count)
			return kcopyd_reject(kc, -EINVAL,
					     "destination %u (%pg) has %llu sectors, the %s %llu",
					     i, dest->bdev, (u64)dest->count,
					     from ? "source" : "first",
					     (u64)count);
		largest = max(largest, kcopyd_block_sectors(dest));
		unaligned |= dest->sector;
		if (bdev_is_zoned(dest->bdev))
			*flags |= KCOPYD_WRITE_SEQ;
		if (kcopyd_past_end(dest) || bdev_read_only(dest->bdev))
			return kcopyd_reject_region(kc, dest, i, largest);
		if (from && kcopyd_overlap(from, dest))
			return kcopyd_reject(kc, -EINVAL,
					     "destination %u (%pg) overlaps the source (%pg) on the disk",
					     i, dest->bdev, from->bdev);
	}
	if (unlikely(num_dests > 1) && kcopyd_check_apart(kc, num_dests, dests))
		return -EINVAL;
	if (unaligned & (largest - 1))
		return kcopyd_reject_unaligned(kc, from, num_dests, dests, largest);
	if (from && unlikely(largest > KCOPYD_GRANULE) &&
	    !kcopyd_tune_holds(kc, DIV_ROUND_UP(largest, PAGE_SECTORS)))
		return kcopyd_reject(kc, -EINVAL,
				     "a pool of %u pages cannot hold one logical block of %u bytes",
				     READ_ONCE(kc->pool.nr_pages), largest << SECTOR_SHIFT);
	return largest;
}

#endif /* KCOPYD_CORE_CHECK_H */
