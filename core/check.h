/* SPDX-License-Identifier: GPL-2.0-only */
/* What is rejected up front, each with a line that says why. */
#ifndef KCOPYD_CORE_CHECK_H
#define KCOPYD_CORE_CHECK_H

#include <linux/blkdev.h>

#include "client.h"

/* Those of the seed's interface, and of device-mapper's. */
#define KCOPYD_FLAGS_CLASSIC (KCOPYD_IGNORE_ERROR | KCOPYD_WRITE_SEQ)

__printf(3, 4)
int kcopyd_reject(struct kcopyd_client *kc, int err, const char *fmt, ...);
int kcopyd_check_flags(struct kcopyd_client *kc, const struct io_region *from,
		       unsigned int flags);
int kcopyd_reject_region(struct kcopyd_client *kc,
			 const struct io_region *region, int i,
			 unsigned int block);
bool kcopyd_check_pool(struct kcopyd_client *kc, unsigned int block,
		       unsigned int flags);
int kcopyd_reject_unaligned(struct kcopyd_client *kc,
			    const struct io_region *from,
			    unsigned int num_dests,
			    const struct io_region *dests, unsigned int block);

/* Sectors of one logical block. Any disk has set its size. */
static inline unsigned int kcopyd_block_sectors(const struct io_region *region)
{
	return bdev_get_queue(region->bdev)->limits.logical_block_size >>
	       SECTOR_SHIFT;
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
 * struct kcopyd_checked - what was seen of a copy's regions so far
 * @largest: the largest logical block of the devices, in sectors
 * @unaligned: sectors and counts, or'ed
 */
struct kcopyd_checked {
	unsigned int largest;
	sector_t unaligned;
};

int kcopyd_check_dests(struct kcopyd_client *kc, const struct io_region *from,
		       unsigned int num_dests, const struct io_region *dests,
		       unsigned int *flags, struct kcopyd_checked *checked);

/* Can it be written to @dest, which is number @i? Otherwise as kcopyd_check(). */
static __always_inline int
kcopyd_check_dest(struct kcopyd_client *kc, const struct io_region *from,
		  const struct io_region *dest, unsigned int i, sector_t count,
		  unsigned int *flags, struct kcopyd_checked *checked)
{
	if (!dest->bdev)
		return kcopyd_reject(kc, -EINVAL,
				     "destination %u has no device", i);
	if (dest->count != count)
		return kcopyd_reject(kc, -EINVAL,
				     "destination %u (%pg) has %llu sectors, the %s %llu",
				     i, dest->bdev, (u64)dest->count,
				     from ? "source" : "first", (u64)count);
	checked->largest = max(checked->largest, kcopyd_block_sectors(dest));
	checked->unaligned |= dest->sector;
	if (bdev_is_zoned(dest->bdev)) {
		*flags |= KCOPYD_WRITE_SEQ;
		if (*flags & KCOPYD_SALVAGE)
			return kcopyd_reject(kc, -EINVAL,
					     "destination %u (%pg) is zoned: it cannot be written with gaps",
					     i, dest->bdev);
	}
	if (kcopyd_past_end(dest) || bdev_read_only(dest->bdev))
		return kcopyd_reject_region(kc, dest, i, checked->largest);
	if (from && kcopyd_overlap(from, dest))
		return kcopyd_reject(kc, -EINVAL,
				     "destination %u (%pg) overlaps the source (%pg) on the disk",
				     i, dest->bdev, from->bdev);
	return 0;
}

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
	struct kcopyd_checked checked = { .largest = 1 };
	sector_t count;
	int r;

	if (from && !from->bdev)
		return kcopyd_reject(kc, -EINVAL, "no source device");
	if (!num_dests || num_dests > KCOPYD_MAX_DESTS)
		return kcopyd_reject(kc, -EINVAL,
				     "%u destinations, from 1 to %u are possible",
				     num_dests, KCOPYD_MAX_DESTS);
	if (!dests)
		return kcopyd_reject(kc, -EINVAL, "no destinations");
	if (unlikely(*flags & ~KCOPYD_FLAGS_CLASSIC) &&
	    kcopyd_check_flags(kc, from, *flags))
		return -EINVAL;

	if (from) {
		checked.largest = kcopyd_block_sectors(from);
		count = from->count;
		checked.unaligned = from->sector | count;
		if (kcopyd_past_end(from))
			return kcopyd_reject_region(kc, from, -1,
						    checked.largest);
	} else {
		count = dests->count;
		checked.unaligned = count;
	}
	r = kcopyd_check_dest(kc, from, dests, 0, count, flags, &checked);
	if (!r && unlikely(num_dests > 1))
		r = kcopyd_check_dests(kc, from, num_dests, dests, flags, &checked);
	if (r)
		return r;
	if (checked.unaligned & (checked.largest - 1))
		return kcopyd_reject_unaligned(kc, from, num_dests, dests,
					       checked.largest);
	if (from && unlikely(checked.largest > KCOPYD_GRANULE ||
			     *flags & KCOPYD_VERIFY) &&
	    !kcopyd_check_pool(kc, checked.largest, *flags))
		return -EINVAL;
	return checked.largest;
}

#endif /* KCOPYD_CORE_CHECK_H */
