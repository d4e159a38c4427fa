// SPDX-License-Identifier: GPL-2.0-only
/* A block device is opened as a file. */
#include <linux/blkdev.h>
#include <linux/build_bug.h>

static_assert(__same_type(bdev_file_open_by_path,
			  struct file *(const char *, blk_mode_t, void *,
					const struct blk_holder_ops *)));
static_assert(__same_type(file_bdev, struct block_device *(struct file *)));
static_assert(__same_type(bdev_fput, void(struct file *)));
