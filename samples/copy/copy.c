// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcopyd-copy: the smallest useful client of kcopyd. It copies a block device,
 * or a range of its sectors, to one or more others while it is loaded:
 *
 *	insmod kcopyd-copy.ko src=/dev/vda dst=/dev/vdb,/dev/nvme0n1
 *	cat /sys/module/kcopyd_copy/parameters/status
 *	rmmod kcopyd-copy
 *
 * Everything that concerns kcopyd is in four functions: copy_init() creates the
 * client, submit() starts copies, copied() is their callback, copy_exit()
 * destroys the client.
 */
#define pr_fmt(fmt) "kcopyd-copy: " fmt

#include <linux/blkdev.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../../compat/bdev.h"
#include "../../kcopyd.h"

static char *src;
module_param(src, charp, 0444);
MODULE_PARM_DESC(src, "Path of the block device to copy");

static char *dst[KCOPYD_MAX_DESTS];
static unsigned int num_dests;
module_param_array(dst, charp, &num_dests, 0444);
MODULE_PARM_DESC(dst, "Paths of up to 32 block devices to copy to, each with @<first sector> if that is not the source's");

static unsigned long long sector;
module_param(sector, ullong, 0444);
MODULE_PARM_DESC(sector, "First sector of 512 bytes to copy (default 0)");

static unsigned long long count;
module_param(count, ullong, 0444);
MODULE_PARM_DESC(count, "Sectors to copy (default 0: to the end of the source)");

static bool ignore_error;
module_param(ignore_error, bool, 0444);
MODULE_PARM_DESC(ignore_error, "Go on after errors (default: stop)");

static bool write_seq;
module_param(write_seq, bool, 0444);
MODULE_PARM_DESC(write_seq, "Write each slice in ascending order (default: no)");

static unsigned int pages = 1024;
module_param(pages, uint, 0444);
MODULE_PARM_DESC(pages, "Pages of memory for the data (default 1024)");

static unsigned int chunk_kb = 4096;
module_param(chunk_kb, uint, 0444);
MODULE_PARM_DESC(chunk_kb, "KiB in one call of kcopyd_copy() (default 4096)");

/*
 * kcopyd_copy() takes a range of any size. This module cuts it into slices to
 * have some progress to show, and keeps a few of them in flight.
 */
#define SLICES 4

static struct kcopyd_compat_bdev source, dests[KCOPYD_MAX_DESTS];
static struct kcopyd_client *client;

/*
 * Callbacks of a client run one at a time, but copy_init() runs beside them,
 * and so does whoever reads the status.
 */
static DEFINE_MUTEX(lock);
static struct io_region from, to[KCOPYD_MAX_DESTS];	/* the next slice */
static sector_t submitted, done, failed;		/* in sectors */
static unsigned int in_flight;
static bool stopped;
static int error, first_read_err;
static unsigned int all_write_err;

static void copied(int read_err, unsigned int write_err, void *context);

/* Start slices until enough are in flight. */
static int submit(void)
{
	unsigned int flags = (ignore_error ? KCOPYD_IGNORE_ERROR : 0) |
			     (write_seq ? KCOPYD_WRITE_SEQ : 0);
	unsigned int i;
	int r;

	lockdep_assert_held(&lock);
	while (!stopped && in_flight < SLICES && submitted < count) {
		sector_t n = min_t(sector_t, count - submitted,
				   (sector_t)chunk_kb * 2);

		from.count = n;
		for (i = 0; i < num_dests; i++)
			to[i].count = n;

		/*
		 * On success copied() is called exactly once, later. An error
		 * means that this slice was not accepted, and it is not called.
		 */
		r = kcopyd_copy(client, &from, num_dests, to, flags, copied,
				(void *)(unsigned long)n);
		if (r)
			return r;

		/* kcopyd has no more use for the regions. */
		from.sector += n;
		for (i = 0; i < num_dests; i++)
			to[i].sector += n;
		submitted += n;
		in_flight++;
	}
	return 0;
}

/* The callback: a slice has ended, well or badly. It may sleep and submit. */
static void copied(int read_err, unsigned int write_err, void *context)
{
	sector_t n = (unsigned long)context;
	int r;

	mutex_lock(&lock);
	in_flight--;
	done += n;
	if (read_err || write_err) {
		failed += n;
		first_read_err = first_read_err ?: read_err;
		all_write_err |= write_err;
		if (!ignore_error)
			stopped = true;
	}

	r = submit();
	/* -EAGAIN: there is no memory now, but another slice will come by. */
	if (r && !(r == -EAGAIN && in_flight)) {
		error = r;
		stopped = true;
	}

	if (!in_flight && (first_read_err || all_write_err || error))
		pr_err("%s after %llu of %llu sectors, %llu of them in slices with errors: read error %d, failed destinations %#x, error %d\n",
		       stopped ? "stopped" : "done", (u64)done, count,
		       (u64)failed, first_read_err, all_write_err, error);
	else if (!in_flight)
		pr_info("copied %llu of %llu sectors to %u devices\n",
			(u64)done, count, num_dests);
	mutex_unlock(&lock);
}

/* What cat .../parameters/status prints; a shell can evaluate it. */
static int status_get(char *buffer, const struct kernel_param *kp)
{
	int n;

	mutex_lock(&lock);
	n = sysfs_emit(buffer,
		       "state=%s done=%llu total=%llu read_err=%d write_err=%#x error=%d\n",
		       !submitted			? "starting" :
		       in_flight			? "copying" :
		       first_read_err || all_write_err	? "failed" :
		       error				? "failed" :
							  "done",
		       (u64)done, count, first_read_err, all_write_err, error);
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

/* Open a destination and find out where on it the copy goes. */
static int open_dest(unsigned int i)
{
	char *path = kstrdup(dst[i], GFP_KERNEL);
	unsigned long long first = sector;
	char *at;
	int r = 0;

	if (!path)
		return -ENOMEM;
	at = strrchr(path, '@');
	if (at) {
		*at = '\0';
		r = kstrtoull(at + 1, 0, &first);
	}
	/* Exclusively: nobody mounts it or copies to it meanwhile. */
	if (!r)
		r = kcopyd_compat_bdev_open(&dests[i], path, true, &dests);
	kfree(path);
	if (r) {
		pr_err("cannot open the destination %s (error %d)\n", dst[i], r);
		return r;
	}
	to[i].bdev = dests[i].bdev;
	to[i].sector = first;
	return 0;
}

/* kcopyd wants the devices open until the last callback has run. */
static int open_all(void)
{
	unsigned int i;
	int r;

	r = kcopyd_compat_bdev_open(&source, src, false, NULL);
	if (r) {
		pr_err("cannot open the source %s (error %d)\n", src, r);
		return r;
	}
	from.bdev = source.bdev;
	from.sector = sector;
	if (!count && sector < bdev_nr_sectors(from.bdev))
		count = bdev_nr_sectors(from.bdev) - sector;

	for (i = 0; !r && i < num_dests; i++)
		r = open_dest(i);
	return r;
}

/* kcopyd rejects a slice beyond the end, but then others are written already. */
static int check_range(const struct io_region *region)
{
	sector_t size = bdev_nr_sectors(region->bdev);

	if (count && region->sector <= size && count <= size - region->sector)
		return 0;
	pr_err("%pg has %llu sectors: %llu from sector %llu on are not possible\n",
	       region->bdev, (u64)size, count, (u64)region->sector);
	return -ERANGE;
}

static void close_all(void)
{
	unsigned int i;

	for (i = 0; i < num_dests; i++)
		kcopyd_compat_bdev_close(&dests[i]);
	kcopyd_compat_bdev_close(&source);
}

static int __init copy_init(void)
{
	unsigned int i;
	int r;

	if (!src || !num_dests || !chunk_kb) {
		pr_err("src=, dst= and a chunk_kb= of at least 1 are needed\n");
		return -EINVAL;
	}

	r = open_all();
	if (!r)
		r = check_range(&from);
	for (i = 0; !r && i < num_dests; i++)
		r = check_range(&to[i]);
	if (!r)
		r = kcopyd_client_create(pages, &client);
	if (r)
		goto err_close;

	mutex_lock(&lock);
	r = submit();
	if (r && submitted) {
		/* Some slices are on their way: the last callback tells. */
		error = r;
		stopped = true;
		r = 0;
	}
	mutex_unlock(&lock);
	if (r)
		goto err_destroy;
	return 0;

err_destroy:
	kcopyd_client_destroy(client);
err_close:
	close_all();
	return r;
}

static void __exit copy_exit(void)
{
	/* Callbacks that run meanwhile need not try to submit. */
	mutex_lock(&lock);
	stopped = true;
	mutex_unlock(&lock);

	/* Waits for what is in flight; afterwards no callback runs any more. */
	kcopyd_client_destroy(client);
	close_all();
}

module_init(copy_init);
module_exit(copy_exit);

MODULE_DESCRIPTION("Copies block devices through kcopyd");
MODULE_AUTHOR("The kcopyd authors");
MODULE_LICENSE("GPL");
