// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcopyd-copy: the smallest useful client of kcopyd. It copies a block device,
 * or a range of its sectors, to one or more others while it is loaded:
 *
 *	insmod kcopyd-copy.ko src=/dev/vda dst=/dev/vdb,/dev/nvme0n1
 *	cat /sys/module/kcopyd_copy/parameters/status
 *	rmmod kcopyd-copy
 *
 * copy_init() creates the client, submit() starts copies, copied() is their
 * callback, copy_exit() destroys the client; the rest is housekeeping.
 */
#define pr_fmt(fmt) "kcopyd-copy: " fmt

#include <linux/bitops.h>
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "../../compat/bdev.h"
#include "../../kcopyd.h"

static char *src;
module_param(src, charp, 0444);
MODULE_PARM_DESC(src, "Path of the block device to copy, @<first sector>");
static char *dst[KCOPYD_MAX_DESTS];
static unsigned int num_dests;
module_param_array(dst, charp, &num_dests, 0444);
MODULE_PARM_DESC(dst, "Paths of up to 32 block devices to copy to, each @<first sector>");
static unsigned long long sector, count;
module_param(sector, ullong, 0444);
MODULE_PARM_DESC(sector, "First sector of 512 bytes where there is no @ (default 0)");
module_param(count, ullong, 0444);
MODULE_PARM_DESC(count, "Sectors to copy (default 0: to the end of the source)");
static bool ignore_error, write_seq;
module_param(ignore_error, bool, 0444);
MODULE_PARM_DESC(ignore_error, "Go on after errors, but for write_seq (default: no)");
module_param(write_seq, bool, 0444);
MODULE_PARM_DESC(write_seq, "Write each slice in ascending order (default: to zoned devices)");
static bool salvage, verify, detect_zeroes, flush;
module_param(salvage, bool, 0444);
MODULE_PARM_DESC(salvage, "Copy all that can be read, to a sector (default: no)");
module_param(verify, bool, 0444);
MODULE_PARM_DESC(verify, "Read back what was written, and compare (default: no)");
module_param(detect_zeroes, bool, 0444);
MODULE_PARM_DESC(detect_zeroes, "Let devices zero themselves (default: no)");
module_param(flush, bool, 0444);
MODULE_PARM_DESC(flush, "Flush the caches after each slice (default: no)");
static unsigned int pages = 1024, chunk_kb = 4096;
module_param(pages, uint, 0444);
MODULE_PARM_DESC(pages, "Pages of memory for the data (default 1024)");
module_param(chunk_kb, uint, 0444);
MODULE_PARM_DESC(chunk_kb, "KiB in one call of kcopyd_copy() (default 4096)");
static unsigned long long rate;
module_param(rate, ullong, 0444);
MODULE_PARM_DESC(rate, "Most bytes a second (default 0: any), at first: see the client in sysfs");
static bool shared;
module_param(shared, bool, 0444);
MODULE_PARM_DESC(shared, "Also to destinations that are mounted or held (default: no)");
static unsigned int bad_from;
module_param(bad_from, uint, 0644);
MODULE_PARM_DESC(bad_from, "The first one of the bad ranges that the parameter bad has");

/* One kcopyd_copy() could do it all; slices of it give some progress to show. */
#define SLICES 4 /* in flight */

static struct kcopyd_compat_bdev source, dests[KCOPYD_MAX_DESTS];
static struct kcopyd_client *client;

/* With salvage: what a slice tells of sectors that cannot be read, and what all did. */
#define SLICE_BAD 512
#define MAX_BAD 65536

static struct slice {
	sector_t at, count;			/* from the first sector; 0 is none */
	unsigned long dests;			/* bit i: it goes to destination i */
	bool in_flight;
	struct kcopyd_request *request;		/* with salvage */
	struct kcopyd_bad_range *bad;
} slices[SLICES];
static struct kcopyd_bad_range *bad_ranges;

/* Callbacks run one at a time, but copy_init() and status_get() beside them. */
static DEFINE_MUTEX(lock);
static struct io_region from, to[KCOPYD_MAX_DESTS];	/* where all of it begins */
static sector_t begun, done;				/* in sectors */
static unsigned int in_flight, nr_bad;
static unsigned long all_write_err;
static sector_t skipped;
static int first_read_err, submit_err;
static bool stopped, failed, bad_lost;

static bool goes_on_after_errors(void)
{
	return (ignore_error || salvage) && !write_seq;
}

static unsigned long all_dests(void)
{
	return GENMASK(num_dests - 1, 0);
}

/* A destination that has failed is left out from then on, and the others go on. */
static bool leaves_out(void)
{
	return !ignore_error && !write_seq;
}

static void copied(int read_err, unsigned int write_err, void *context);

/* The callback of a slice that is a request, which comes before that of any. */
static void salvaged(struct kcopyd_request *request)
{
	const struct kcopyd_result *result = &request->result;
	struct slice *slice = request->context;
	unsigned int i;

	mutex_lock(&lock);
	for (i = 0; i < result->nr_bad && nr_bad < MAX_BAD; i++)
		bad_ranges[nr_bad++] = slice->bad[i];
	bad_lost |= i < result->nr_bad || result->bad_incomplete;
	skipped += result->bytes_skipped >> SECTOR_SHIFT;
	mutex_unlock(&lock);
	copied(result->read_err, result->write_err, slice);
}

/* As kcopyd_copy(), but it tells which sectors cannot be read. */
static int submit_request(struct slice *slice, const struct io_region *source,
			  unsigned int n, struct io_region *regions, unsigned int flags)
{
	struct kcopyd_request *request = slice->request;

	request->from = *source;
	request->dests = regions;
	request->num_dests = n;
	request->flags = flags;
	request->fn = salvaged;
	request->context = slice;
	request->bad = slice->bad;
	request->max_bad = SLICE_BAD;
	return kcopyd_submit(client, request);
}

static int submit_once(struct slice *slice)
{
	/* Under the lock, and kcopyd keeps nothing of them. */
	static struct io_region regions[KCOPYD_MAX_DESTS];
	const unsigned int flags = (ignore_error ? KCOPYD_IGNORE_ERROR : 0) |
				   (write_seq ? KCOPYD_WRITE_SEQ : 0) |
				   (salvage ? KCOPYD_SALVAGE : 0) |
				   (verify ? KCOPYD_VERIFY : 0) |
				   (detect_zeroes ? KCOPYD_DETECT_ZEROES : 0) |
				   (flush ? KCOPYD_FLUSH : 0);
	struct io_region source = from;
	unsigned int n = 0, i;

	slice->dests = all_dests();
	if (leaves_out())
		slice->dests &= ~all_write_err;
	source.sector += slice->at;
	source.count = slice->count;
	for_each_set_bit(i, &slice->dests, num_dests) {
		regions[n] = to[i];
		regions[n].sector += slice->at;
		regions[n++].count = slice->count;
	}
	if (salvage)
		return submit_request(slice, &source, n, regions, flags);
	return kcopyd_copy(client, &source, n, regions, flags, copied, slice);
}

/* Those of a slice's destinations that are read-only or too short by now. */
static unsigned long not_writable(const struct slice *slice)
{
	const sector_t end = slice->at + slice->count;
	unsigned long mask = 0;
	unsigned int i;

	for_each_set_bit(i, &slice->dests, num_dests) {
		if (bdev_read_only(to[i].bdev) ||
		    to[i].sector + end > bdev_nr_sectors(to[i].bdev))
			mask |= BIT(i);
	}
	return mask;
}

/* kcopyd rejects what cannot go to one, of all: that one has failed, and is left out. */
static int submit_slice(struct slice *slice)
{
	unsigned long more;
	bool again = true;
	int r;

	do {
		r = submit_once(slice);
		if (!leaves_out() || (r != -EROFS && r != -ERANGE))
			break;
		more = not_writable(slice);
		all_write_err |= more;
		/* It may be writable again by now; or it is the source, which is too short. */
		if (!more && !again)
			break;
		again = more;
	} while (all_write_err != all_dests());
	return r;
}

/* Have all slices in flight that there can be. Called with the lock held. */
static int submit(void)
{
	struct slice *slice;
	int r;

	for (slice = slices; !stopped && slice < slices + SLICES; slice++) {
		if (slice->in_flight)
			continue;
		/* Else it is to be copied once more, or could not be for want of memory. */
		if (!slice->count) {
			slice->at = begun;
			slice->count = min_t(sector_t, count - begun, (sector_t)chunk_kb * 2);
			begun += slice->count;
		}
		if (!slice->count)
			continue;

		/* 0: copied() will be called, once. Otherwise never. */
		r = submit_slice(slice);
		if (r)
			return r;
		slice->in_flight = true;
		in_flight++;
	}
	return 0;
}

static const char *state(void)
{
	const bool errors = first_read_err || all_write_err;

	if (!begun)
		return "starting";
	if (in_flight)
		return "copying";
	if (submit_err || failed)
		return "failed";
	if (done < count)
		return "stopped";
	return errors ? "done-with-errors" : "done";
}

/* The last slice has ended: say how far it came and, if there were any, the errors. */
static void log_end(void)
{
	char errors[128] = "";
	int n = 0;

	if (first_read_err)
		n += scnprintf(errors + n, sizeof(errors) - n,
			       ", first read error %pe", ERR_PTR(first_read_err));
	if (all_write_err)
		n += scnprintf(errors + n, sizeof(errors) - n,
			       ", write errors of destinations %#lx", all_write_err);
	if (submit_err)
		n += scnprintf(errors + n, sizeof(errors) - n,
			       ", a slice was rejected: %pe", ERR_PTR(submit_err));
	pr_info("%s: went through %llu of %llu sectors%s\n", state(), (u64)done,
		count, errors);
}

/* The bits of a slice's destinations as bits of all of them. */
static unsigned long of_all(const struct slice *slice, unsigned int write_err)
{
	unsigned long mask = 0;
	unsigned int i, n = 0;

	for_each_set_bit(i, &slice->dests, num_dests) {
		if (write_err & BIT(n++))
			mask |= BIT(i);
	}
	return mask;
}

/* It may be begun again, without the destinations that have failed. */
static void account(struct slice *slice, int read_err, unsigned long write_err)
{
	first_read_err = first_read_err ?: read_err;
	all_write_err |= write_err;
	failed |= read_err && !goes_on_after_errors();
	failed |= write_err && write_seq;
	failed |= leaves_out() && all_write_err == all_dests();
	stopped |= failed;
	/*
	 * It ended at the error, wherever it was with the other destinations, but for
	 * salvage. Also if copy_exit() stops it: without the rest it is not done.
	 */
	if (write_err && leaves_out() && !salvage && !failed)
		return;
	done += slice->count;
	slice->count = 0;
}

/* The callback: a slice has ended, well or badly. It may sleep and submit. */
static void copied(int read_err, unsigned int write_err, void *context)
{
	struct slice *slice = context;
	int r;

	mutex_lock(&lock);
	slice->in_flight = false;
	in_flight--;
	/* Cancelled by copy_exit(), it is neither done nor wrong. */
	if (read_err != -ECANCELED)
		account(slice, read_err, of_all(slice, write_err));

	r = submit();
	/* -EAGAIN: there is no memory now, but another slice will come by. */
	if (r && !(r == -EAGAIN && in_flight)) {
		submit_err = r;
		stopped = true;
	}
	if (!in_flight)
		log_end();
	mutex_unlock(&lock);
}

/*
 * What cat .../parameters/status prints; a shell can evaluate it.
 *
 *	state		starting, copying, stopped by rmmod, or how it ended: done;
 *			done-with-errors: all of it was tried, what could not be read
 *			is left out, and the destinations without a write error have
 *			the rest; failed: it stopped at an error, and none is a copy
 *	done, total	sectors whose copy has ended, and all
 *	read_err	errno of the first read that failed, or 0
 *	write_err	bit i is set if destination i could not be written
 *	submit_err	errno with which kcopyd rejected a slice, or 0
 *	skipped		with salvage: sectors that could not be read
 *	bad_ranges	likewise: ranges of them, to be read from bad; neighbours may be
 *			in two
 *	bad_lost	1 if there were more than are kept
 */
static int status_get(char *buffer, const struct kernel_param *kp)
{
	int n;

	mutex_lock(&lock);
	n = sysfs_emit(buffer,
		       "state=%s done=%llu total=%llu read_err=%d write_err=%#lx submit_err=%d skipped=%llu bad_ranges=%u bad_lost=%d\n",
		       state(), (u64)done, count, first_read_err,
		       all_write_err, submit_err, (u64)skipped, nr_bad, bad_lost);
	mutex_unlock(&lock);
	return n;
}

static int status_set(const char *value, const struct kernel_param *kp)
{
	return -EPERM;
}

static const struct kernel_param_ops status_ops = {
	.set = status_set,
	.get = status_get,
};
module_param_cb(status, &status_ops, NULL, 0444);
MODULE_PARM_DESC(status, "How far it is (to be read only)");

/* Lines of the first sector and their number, as many as fit, from bad_from on. */
static int bad_get(char *buffer, const struct kernel_param *kp)
{
	const int longest = 2 * sizeof("18446744073709551615");
	unsigned int i;
	int n = 0;

	mutex_lock(&lock);
	for (i = READ_ONCE(bad_from); i < nr_bad && n + longest < PAGE_SIZE; i++)
		n += sysfs_emit_at(buffer, n, "%llu %llu\n",
				   (u64)bad_ranges[i].sector, (u64)bad_ranges[i].count);
	mutex_unlock(&lock);
	return n;
}

static const struct kernel_param_ops bad_ops = {
	.set = status_set,
	.get = bad_get,
};
module_param_cb(bad, &bad_ops, NULL, 0444);
MODULE_PARM_DESC(bad, "With salvage: what could not be read, from bad_from on");

/*
 * Open a device and see that the range is on it: kcopyd rejects a slice beyond
 * the end, but others would have been written by then.
 */
static int open_device(struct kcopyd_compat_bdev *dev, const char *spec,
		       bool write, struct io_region *region)
{
	char *path = kstrdup(spec, GFP_KERNEL);
	char *at = path ? strrchr(path, '@') : NULL;
	int r = path ? 0 : -ENOMEM;
	sector_t size;

	region->sector = sector;
	if (at) {
		*at = '\0';
		r = kstrtoull(at + 1, 0, &region->sector);
	}
	if (!r)
		r = kcopyd_compat_bdev_open(dev, path, write, write ? &dests : NULL);
	if (r == -EBUSY && shared)
		r = kcopyd_compat_bdev_open(dev, path, write, NULL);
	kfree(path);
	if (r) {
		pr_err("cannot open %s (error %d)\n", spec, r);
		return r;
	}
	region->bdev = dev->bdev;

	size = bdev_nr_sectors(dev->bdev);
	if (!count && region->sector < size)
		count = size - region->sector;
	if (count && region->sector <= size && count <= size - region->sector)
		return 0;
	pr_err("%s has %llu sectors: %llu from sector %llu on are not possible\n",
	       spec, (u64)size, count, (u64)region->sector);
	return -ERANGE;
}

/* kcopyd wants them open until the last callback has run. */
static void close_all(void)
{
	unsigned int i;

	for (i = 0; i < num_dests; i++)
		kcopyd_compat_bdev_close(&dests[i]);
	kcopyd_compat_bdev_close(&source);
}

static void free_slices(void)
{
	unsigned int i;

	for (i = 0; i < SLICES; i++) {
		kfree(slices[i].request);
		kvfree(slices[i].bad);
	}
	/* The parameter can be read until the module is gone. */
	mutex_lock(&lock);
	nr_bad = 0;
	mutex_unlock(&lock);
	kvfree(bad_ranges);
}

/* What salvage needs beside. */
static int alloc_slices(void)
{
	unsigned int i;

	if (!salvage)
		return 0;
	bad_ranges = kvcalloc(MAX_BAD, sizeof(*bad_ranges), GFP_KERNEL);
	if (!bad_ranges)
		return -ENOMEM;
	for (i = 0; i < SLICES; i++) {
		slices[i].request = kzalloc(kcopyd_request_size(num_dests), GFP_KERNEL);
		slices[i].bad = kvcalloc(SLICE_BAD, sizeof(*slices[i].bad), GFP_KERNEL);
		if (!slices[i].request || !slices[i].bad)
			return -ENOMEM;
	}
	return 0;
}

/* The client may be given other limits in sysfs later. */
static int set_rate(void)
{
	const struct kcopyd_limits limits = { .bytes_per_second = rate };
	struct kcopyd_throttle *throttle;
	int r;

	if (!rate)
		return 0;
	r = kcopyd_throttle_create(&limits, &throttle);
	if (r)
		return r;
	r = kcopyd_client_throttle(client, throttle);
	kcopyd_throttle_destroy(throttle);
	return r;
}

static int __init copy_init(void)
{
	unsigned int i;
	int r;

	if (!src || !num_dests || !chunk_kb) {
		pr_err("src=, dst= and a chunk_kb= of at least 1 are needed\n");
		return -EINVAL;
	}

	r = open_device(&source, src, false, &from);
	/* Exclusively, where it can be: nobody mounts them or copies to them. */
	for (i = 0; !r && i < num_dests; i++)
		r = open_device(&dests[i], dst[i], true, &to[i]);
	/* kcopyd does so by itself, but this must know when errors are not ignored. */
	for (i = 0; !r && i < num_dests; i++)
		write_seq |= bdev_is_zoned(to[i].bdev);
	r = r ?: alloc_slices();
	r = r ?: kcopyd_client_create(pages, &client);
	if (r)
		goto err_close;
	r = set_rate();
	if (r)
		goto err_client;

	mutex_lock(&lock);
	submit_err = submit();
	/* If some slices are on their way, the last callback tells of an error. */
	stopped = submit_err;
	r = in_flight ? 0 : submit_err;
	mutex_unlock(&lock);
	if (!r)
		return 0;

err_client:
	kcopyd_client_destroy(client);
err_close:
	free_slices();
	close_all();
	return r;
}

static void __exit copy_exit(void)
{
	mutex_lock(&lock);
	stopped = true;
	mutex_unlock(&lock);
	kcopyd_client_cancel_sync(client);
	/* No callback runs after it. */
	kcopyd_client_destroy(client);
	free_slices();
	close_all();
}

module_init(copy_init);
module_exit(copy_exit);

MODULE_DESCRIPTION("Copies block devices through kcopyd");
MODULE_AUTHOR("The kcopyd authors");
MODULE_VERSION(KCOPYD_VERSION);
MODULE_LICENSE("GPL");
