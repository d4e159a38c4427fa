// SPDX-License-Identifier: GPL-2.0-only
/* A block device is opened with an fmode_t, and closed with the same. */
#include <linux/blkdev.h>
#include <linux/build_bug.h>

static_assert(__same_type(blkdev_get_by_path,
			  struct block_device *(const char *, fmode_t, void *)));
static_assert(__same_type(blkdev_put, void(struct block_device *, fmode_t)));
