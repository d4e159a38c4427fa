// SPDX-License-Identifier: GPL-2.0-only
/* What kcopyd_copy() rejects up front, each with a line that says why. */
#define pr_fmt(fmt) "kcopyd: " fmt

#include <linux/blkdev.h>
#include <linux/printk.h>

#include "check.h"
#include "client.h"

#define KCOPYD_FLAGS (KCOPYD_IGNORE_ERROR | KCOPYD_WRITE_SEQ)

/**
 * kcopyd_reject() - say why a copy is rejected
 * @kc: the client
 * @err: the negative errno for the caller
 * @fmt: the reason, without a newline
 *
 * The messages of one client are rate-limited and do not hide another's.
 *
 * Context: Process context, without the client's lock.
 * Return: @err.
 */
int kcopyd_reject(struct kcopyd_client *kc, int err, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (!__ratelimit(&kc->log_limit))
		return err;

	va_start(args, fmt);
	vaf.va = &args;
	pr_err("client %u (%ps): request rejected: %pV\n", kc->id, kc->creator,
	       &vaf);
	va_end(args);
	return err;
}

/* Sectors of one logical block. */
static unsigned int block_sectors(const struct io_region *region)
{
	return bdev_logical_block_size(region->bdev) >> SECTOR_SHIFT;
}

/* Where a region starts on its disk, whether it is given on a partition or not. */
static sector_t disk_sector(const struct io_region *region)
{
	return get_start_sect(region->bdev) + region->sector;
}

static bool overlap(const struct io_region *a, const struct io_region *b)
{
	if (a->bdev->bd_disk != b->bdev->bd_disk)
		return false;
	return disk_sector(a) < disk_sector(b) + b->count &&
	       disk_sector(b) < disk_sector(a) + a->count;
}

/* What messages call a region; @i is the destination's number, or -1. */
static const char *region_name(char name[24], int i)
{
	if (i < 0)
		return "source";
	snprintf(name, 24, "destination %d", i);
	return name;
}

static bool past_end(const struct io_region *region)
{
	sector_t size = bdev_nr_sectors(region->bdev);

	return region->sector > size || region->count > size - region->sector;
}

/* What is wrong with a region by itself? @block: the largest logical block so far */
static noinline int reject_region(struct kcopyd_client *kc,
				  const struct io_region *region, int i,
				  unsigned int block)
{
	const sector_t sector = region->sector, count = region->count;
	char name[24];

	if ((sector | count) & (block - 1))
		return kcopyd_reject(kc, -EINVAL,
				     "%s (%pg): sectors %llu+%llu are not aligned to the devices' logical blocks of %u bytes",
				     region_name(name, i), region->bdev,
				     (u64)sector, (u64)count,
				     block << SECTOR_SHIFT);
	if (past_end(region))
		return kcopyd_reject(kc, -ERANGE,
				     "%s (%pg): sectors %llu+%llu reach past the end at sector %llu",
				     region_name(name, i), region->bdev,
				     (u64)sector, (u64)count,
				     (u64)bdev_nr_sectors(region->bdev));
	return kcopyd_reject(kc, -EROFS, "%s (%pg) is read-only",
			     region_name(name, i), region->bdev);
}

/* At least one of them is. */
static int reject_unaligned(struct kcopyd_client *kc,
			    const struct io_region *from,
			    unsigned int num_dests,
			    const struct io_region *dests, unsigned int block)
{
	unsigned int i = 0;

	if (from && (from->sector | from->count) & (block - 1))
		return reject_region(kc, from, -1, block);
	while (i < num_dests - 1 &&
	       !((dests[i].sector | dests[i].count) & (block - 1)))
		i++;
	return reject_region(kc, &dests[i], i, block);
}

/**
 * kcopyd_check() - can this copy be accepted?
 * @kc: the client
 * @from: the source, or NULL if the destinations are to be zeroed
 * @num_dests: number of @dests
 * @dests: the destinations
 * @flags: the caller's flags
 *
 * Two stacked devices that share a disk below them cannot be seen to overlap.
 *
 * Context: Process context, without the client's lock.
 * Return: the largest logical block of the devices, in sectors; or the negative
 * errno that kcopyd_copy() is to return, said in the log.
 */
int kcopyd_check(struct kcopyd_client *kc, const struct io_region *from,
		 unsigned int num_dests, const struct io_region *dests,
		 unsigned int flags)
{
	unsigned int largest = 1, i, j;
	sector_t unaligned, count;

	if (from && !from->bdev)
		return kcopyd_reject(kc, -EINVAL, "no source device");
	if (!num_dests || num_dests > KCOPYD_MAX_DESTS)
		return kcopyd_reject(kc, -EINVAL,
				     "%u destinations, from 1 to %u are possible",
				     num_dests, KCOPYD_MAX_DESTS);
	if (!dests)
		return kcopyd_reject(kc, -EINVAL, "no destinations");
	if (flags & ~KCOPYD_FLAGS)
		return kcopyd_reject(kc, -EINVAL, "unknown flags %#x",
				     flags & ~KCOPYD_FLAGS);

	if (from) {
		largest = block_sectors(from);
		count = from->count;
		unaligned = from->sector | count;
		if (past_end(from))
			return reject_region(kc, from, -1, largest);
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
		largest = max(largest, block_sectors(dest));
		unaligned |= dest->sector;
		if (past_end(dest) || bdev_read_only(dest->bdev))
			return reject_region(kc, dest, i, largest);
		if (from && overlap(from, dest))
			return kcopyd_reject(kc, -EINVAL,
					     "destination %u (%pg) overlaps the source (%pg) on the disk",
					     i, dest->bdev, from->bdev);
		for (j = 0; j < i; j++) {
			if (overlap(&dests[j], dest))
				return kcopyd_reject(kc, -EINVAL,
						     "destinations %u (%pg) and %u (%pg) overlap on the disk",
						     j, dests[j].bdev, i,
						     dest->bdev);
		}
	}
	if (unaligned & (largest - 1))
		return reject_unaligned(kc, from, num_dests, dests, largest);
	if (from && kc->pool.nr_pages < DIV_ROUND_UP(largest, PAGE_SECTORS))
		return kcopyd_reject(kc, -EINVAL,
				     "a pool of %u pages cannot hold one logical block of %u bytes",
				     kc->pool.nr_pages, largest << SECTOR_SHIFT);
	return largest;
}
