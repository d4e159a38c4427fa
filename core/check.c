// SPDX-License-Identifier: GPL-2.0-only
/* What kcopyd_copy() rejects up front, each with a line that says why. */
#define pr_fmt(fmt) "kcopyd: " fmt

#include <linux/bits.h>
#include <linux/blkdev.h>
#include <linux/hash.h>
#include <linux/printk.h>

#include "check.h"
#include "client.h"
#include "tune.h"

/**
 * kcopyd_reject() - say why a copy is rejected
 * @kc: the client
 * @err: the negative errno for the caller
 * @fmt: the reason, without a newline
 *
 * The messages of one client are rate-limited and do not hide another's.
 *
 * Context: Any, hard interrupts included, without the client's lock.
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
	pr_err("client %u (%s): request rejected: %pV\n", kc->id, kc->name,
	       &vaf);
	va_end(args);
	return err;
}

/* Do the flags go together? Returns 0, or -EINVAL, said in the log. */
int kcopyd_check_flags(struct kcopyd_client *kc, const struct io_region *from,
		       unsigned int flags)
{
	const unsigned int of_copy = KCOPYD_VERIFY | KCOPYD_DETECT_ZEROES |
				     KCOPYD_SALVAGE;
	const unsigned int known = KCOPYD_FLAGS_CLASSIC | KCOPYD_FLUSH |
				   KCOPYD_NO_UNMAP | of_copy;

	if (flags & ~known)
		return kcopyd_reject(kc, -EINVAL, "unknown flags %#x",
				     flags & ~known);
	if (!from && flags & of_copy)
		return kcopyd_reject(kc, -EINVAL,
				     "flags %#x need a source, and there is none",
				     flags & of_copy);
	if (from && flags & KCOPYD_NO_UNMAP && !(flags & KCOPYD_DETECT_ZEROES))
		return kcopyd_reject(kc, -EINVAL,
				     "KCOPYD_NO_UNMAP, and nothing is zeroed");
	if (flags & KCOPYD_SALVAGE && flags & KCOPYD_WRITE_SEQ)
		return kcopyd_reject(kc, -EINVAL,
				     "KCOPYD_SALVAGE leaves gaps, KCOPYD_WRITE_SEQ none");
	return 0;
}

/* What messages call a region; @i is the destination's number, or -1. */
static const char *region_name(char name[24], int i)
{
	if (i < 0)
		return "source";
	snprintf(name, 24, "destination %d", i);
	return name;
}

/* What is wrong with a region by itself? @block: the largest logical block so far */
int kcopyd_reject_region(struct kcopyd_client *kc,
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
	if (kcopyd_past_end(region))
		return kcopyd_reject(kc, -ERANGE,
				     "%s (%pg): sectors %llu+%llu reach past the end at sector %llu",
				     region_name(name, i), region->bdev,
				     (u64)sector, (u64)count,
				     (u64)bdev_nr_sectors(region->bdev));
	return kcopyd_reject(kc, -EROFS, "%s (%pg) is read-only",
			     region_name(name, i), region->bdev);
}

/* No two destinations may overlap. Returns 0, or -EINVAL, said in the log. */
static int check_apart(struct kcopyd_client *kc, unsigned int num_dests,
		       const struct io_region *dests)
{
	unsigned int i, j;
	u64 seen = 0;

	for (i = 0; i < num_dests; i++) {
		/* Mostly they are on different disks, and this tells at once. */
		const u64 disk = BIT_ULL(hash_ptr(dests[i].bdev->bd_disk, 6));

		for (j = 0; (seen & disk) && j < i; j++) {
			if (kcopyd_overlap(&dests[j], &dests[i]))
				return kcopyd_reject(kc, -EINVAL,
						     "destinations %u (%pg) and %u (%pg) overlap on the disk",
						     j, dests[j].bdev, i,
						     dests[i].bdev);
		}
		seen |= disk;
	}
	return 0;
}

/* All destinations but the first, and how they go together. As kcopyd_check(). */
int kcopyd_check_dests(struct kcopyd_client *kc, const struct io_region *from,
		       unsigned int num_dests, const struct io_region *dests,
		       unsigned int *flags, struct kcopyd_checked *checked)
{
	const sector_t count = dests->count;
	unsigned int i;
	int r;

	for (i = 1; i < num_dests; i++) {
		r = kcopyd_check_dest(kc, from, &dests[i], i, count, flags,
				      checked);
		if (r)
			return r;
	}
	return check_apart(kc, num_dests, dests);
}

/*
 * Does the pool hold what one logical block takes, and will it? @block: its sectors.
 * If not, it is said in the log.
 */
bool kcopyd_check_pool(struct kcopyd_client *kc, unsigned int block,
		       unsigned int flags)
{
	const bool verify = flags & KCOPYD_VERIFY;

	if (kcopyd_tune_holds(kc, DIV_ROUND_UP(block, PAGE_SECTORS) * (1 + verify)))
		return true;
	kcopyd_reject(kc, -EINVAL, "a pool of %u pages cannot hold %s of %u bytes",
		      READ_ONCE(kc->pool.nr_pages),
		      verify ? "two logical blocks, to verify," : "one logical block",
		      block << SECTOR_SHIFT);
	return false;
}

/* At least one of them is. */
int kcopyd_reject_unaligned(struct kcopyd_client *kc,
			    const struct io_region *from,
			    unsigned int num_dests,
			    const struct io_region *dests, unsigned int block)
{
	unsigned int i = 0;

	if (from && (from->sector | from->count) & (block - 1))
		return kcopyd_reject_region(kc, from, -1, block);
	while (i < num_dests - 1 &&
	       !((dests[i].sector | dests[i].count) & (block - 1)))
		i++;
	return kcopyd_reject_region(kc, &dests[i], i, block);
}

/**
 * kcopyd_check_dm() - look at a copy that cannot be rejected
 * @kc: a client made for device-mapper's calls
 * @from: the source, or NULL to zero
 * @num_dests: number of @dests
 * @dests: the destinations
 * @flags: the caller's flags; those unknown are dropped, and KCOPYD_WRITE_SEQ is
 *	added for a zoned destination
 *
 * What kcopyd_copy() would reject is said in the log, once for each client.
 *
 * Context: Process context, without the client's lock.
 * Return: the largest logical block of the devices, in sectors.
 */
unsigned int kcopyd_check_dm(struct kcopyd_client *kc,
			     const struct io_region *from,
			     unsigned int num_dests,
			     const struct io_region *dests,
			     unsigned int *flags)
{
	unsigned int largest = from ? kcopyd_block_sectors(from) : 1, i;
	const char *flaw = NULL;

	*flags &= KCOPYD_FLAGS_CLASSIC;
	if (from && kcopyd_past_end(from))
		flaw = "the source ends before its range";
	for (i = 0; i < num_dests; i++) {
		const struct io_region *dest = &dests[i];

		largest = max(largest, kcopyd_block_sectors(dest));
		if (bdev_is_zoned(dest->bdev))
			*flags |= KCOPYD_WRITE_SEQ;
		if (kcopyd_past_end(dest))
			flaw = "a destination ends before its range";
		else if (bdev_read_only(dest->bdev))
			flaw = "a destination is read-only";
		else if (from && kcopyd_overlap(from, dest))
			flaw = "a destination overlaps the source";
	}
	if (unlikely(largest > KCOPYD_GRANULE))
		kcopyd_tune_holds(kc, DIV_ROUND_UP(largest, PAGE_SECTORS));
	if (unlikely(flaw) && !READ_ONCE(kc->warned)) {
		WRITE_ONCE(kc->warned, true);
		pr_warn("client %u (%s): %s; what device-mapper's calls ask for is tried all the same\n",
			kc->id, kc->name, flaw);
	}
	return largest;
}
