// SPDX-License-Identifier: GPL-2.0-only
/* What kcopyd_copy() rejects up front, each with a line that says why. */
#define pr_fmt(fmt) "kcopyd: " fmt

#include <linux/blkdev.h>
#include <linux/printk.h>

#include "check.h"
#include "client.h"

/* The granule of devices with small logical blocks, in sectors: 4 KiB. */
#define KCOPYD_GRANULE 8U

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
	pr_err("client %u (%ps): copy rejected: %pV\n", kc->id, kc->creator,
	       &vaf);
	va_end(args);
	return err;
}

/* Sectors of one logical block. */
static unsigned int block_sectors(const struct io_region *region)
{
	return bdev_logical_block_size(region->bdev) >> SECTOR_SHIFT;
}

/* The largest logical block of the devices of a copy, in sectors. */
static unsigned int largest_block(const struct io_region *from,
				  unsigned int num_dests,
				  const struct io_region *dests)
{
	unsigned int sectors = block_sectors(from);

	while (num_dests--)
		sectors = max(sectors, block_sectors(&dests[num_dests]));
	return sectors;
}

/**
 * kcopyd_granule() - how exactly a copy tells what cannot be read
 * @from: the source
 * @num_dests: number of @dests
 * @dests: the destinations
 *
 * Return: 4 KiB, or the largest logical block of these devices if that is
 * larger, in sectors.
 */
unsigned int kcopyd_granule(const struct io_region *from,
			    unsigned int num_dests,
			    const struct io_region *dests)
{
	return max(KCOPYD_GRANULE, largest_block(from, num_dests, dests));
}

/* Where a region starts on its disk, whether it is given on a partition or not. */
static sector_t disk_sector(const struct io_region *region)
{
	return get_start_sect(region->bdev) + region->sector;
}

static bool overlap(const struct io_region *a, const struct io_region *b)
{
	sector_t a_start = disk_sector(a), b_start = disk_sector(b);

	return a->bdev->bd_disk == b->bdev->bd_disk &&
	       a_start < b_start + b->count && b_start < a_start + a->count;
}

/* One region by itself; @i is the destination's number, or -1. */
static int check_region(struct kcopyd_client *kc,
			const struct io_region *region, int i,
			unsigned int block)
{
	sector_t size = bdev_nr_sectors(region->bdev);
	char what[sizeof("destination 31")] = "source";

	if (i >= 0)
		snprintf(what, sizeof(what), "destination %u",
			 (unsigned int)i % KCOPYD_MAX_DESTS);

	if ((region->sector | region->count) & (block - 1))
		return kcopyd_reject(kc, -EINVAL,
				     "%s (%pg): sectors %llu+%llu are not aligned to the devices' logical blocks of %u bytes",
				     what, region->bdev, (u64)region->sector,
				     (u64)region->count, block << SECTOR_SHIFT);
	if (region->sector > size || region->count > size - region->sector)
		return kcopyd_reject(kc, -ERANGE,
				     "%s (%pg): sectors %llu+%llu reach past the end at sector %llu",
				     what, region->bdev, (u64)region->sector,
				     (u64)region->count, (u64)size);
	if (i >= 0 && bdev_read_only(region->bdev))
		return kcopyd_reject(kc, -EROFS, "%s (%pg) is read-only", what,
				     region->bdev);
	return 0;
}

/**
 * kcopyd_check() - can this copy be accepted?
 * @kc: the client
 * @from: the source
 * @num_dests: number of @dests
 * @dests: the destinations
 * @flags: the caller's flags
 *
 * Two stacked devices that share a disk below them cannot be seen to overlap.
 *
 * Context: Process context, without the client's lock.
 * Return: 0, or the negative errno that kcopyd_copy() is to return, said in
 * the log.
 */
int kcopyd_check(struct kcopyd_client *kc, const struct io_region *from,
		 unsigned int num_dests, const struct io_region *dests,
		 unsigned int flags)
{
	unsigned int block, i, j;
	int r;

	if (!from || !from->bdev)
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

	for (i = 0; i < num_dests; i++) {
		if (!dests[i].bdev)
			return kcopyd_reject(kc, -EINVAL,
					     "destination %u has no device", i);
		if (dests[i].count != from->count)
			return kcopyd_reject(kc, -EINVAL,
					     "destination %u (%pg) has %llu sectors, the source %llu",
					     i, dests[i].bdev,
					     (u64)dests[i].count,
					     (u64)from->count);
	}

	block = largest_block(from, num_dests, dests);
	if (kc->pool.nr_pages < DIV_ROUND_UP(block, PAGE_SECTORS))
		return kcopyd_reject(kc, -EINVAL,
				     "a pool of %u pages cannot hold one logical block of %u bytes",
				     kc->pool.nr_pages, block << SECTOR_SHIFT);

	r = check_region(kc, from, -1, block);
	for (i = 0; !r && i < num_dests; i++)
		r = check_region(kc, &dests[i], i, block);
	if (r)
		return r;

	for (i = 0; i < num_dests; i++) {
		if (overlap(from, &dests[i]))
			return kcopyd_reject(kc, -EINVAL,
					     "destination %u (%pg) overlaps the source (%pg) on the disk",
					     i, dests[i].bdev, from->bdev);
		for (j = 0; j < i; j++) {
			if (overlap(&dests[j], &dests[i]))
				return kcopyd_reject(kc, -EINVAL,
						     "destinations %u (%pg) and %u (%pg) overlap on the disk",
						     j, dests[j].bdev, i,
						     dests[i].bdev);
		}
	}
	return 0;
}
