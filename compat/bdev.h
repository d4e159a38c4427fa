/* SPDX-License-Identifier: GPL-2.0-only */
/* Opening block devices by path, whatever the kernel's own calls. */
#ifndef KCOPYD_COMPAT_BDEV_H
#define KCOPYD_COMPAT_BDEV_H

#include <linux/blkdev.h>
#include <linux/err.h>

#include "features.h"

/**
 * struct kcopyd_compat_bdev - an open block device
 * @bdev: the device; NULL if it is not open
 * @file: what has to be closed, where a device is opened as a file
 * @mode: how it was opened, where closing it has to know
 */
struct kcopyd_compat_bdev {
	struct block_device *bdev;
#ifdef KCOPYD_HAVE_BDEV_OPEN_FILE
	struct file *file;
#else
	fmode_t mode;
#endif
};

/* How a device is opened that is not written; see kcopyd_compat_bdev_open(). */
#ifdef KCOPYD_HAVE_BDEV_OPEN_FILE
#define KCOPYD_COMPAT_READS	BLK_OPEN_READ
#else
#define KCOPYD_COMPAT_READS	FMODE_READ
#endif

/**
 * kcopyd_compat_bdev_open() - open a block device
 * @dev: receives the open device; untouched on failure
 * @path: its path
 * @write: for writing too
 * @holder: unless NULL, the device is opened exclusively for this holder
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno.
 */
static inline int kcopyd_compat_bdev_open(struct kcopyd_compat_bdev *dev,
					  const char *path, bool write,
					  void *holder)
{
#ifdef KCOPYD_HAVE_BDEV_OPEN_FILE
	blk_mode_t mode = BLK_OPEN_READ | (write ? BLK_OPEN_WRITE : 0);
	struct file *file = bdev_file_open_by_path(path, mode, holder, NULL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	dev->file = file;
	dev->bdev = file_bdev(file);
#else
	fmode_t mode = FMODE_READ | (write ? FMODE_WRITE : 0) |
		       (holder ? FMODE_EXCL : 0);
	struct block_device *bdev = blkdev_get_by_path(path, mode, holder);

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	dev->bdev = bdev;
	dev->mode = mode;
#endif
	return 0;
}

/**
 * kcopyd_compat_bdev_close() - close a block device
 * @dev: the device, open or not
 *
 * Context: Process context, may sleep.
 */
static inline void kcopyd_compat_bdev_close(struct kcopyd_compat_bdev *dev)
{
	if (!dev->bdev)
		return;
#ifdef KCOPYD_HAVE_BDEV_OPEN_FILE
	/* At once, not when the task returns to user space. */
	bdev_fput(dev->file);
#else
	blkdev_put(dev->bdev, dev->mode);
#endif
	dev->bdev = NULL;
}

#endif /* KCOPYD_COMPAT_BDEV_H */
