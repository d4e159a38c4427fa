// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcopyd-cpp-copy: copies a device to another, and compares, in C++ (copy.cpp). Here
 * is what needs a header of the kernel.
 */
#include <linux/module.h>
#include "../../compat/bdev.h"
#include "glue.h"

static char *src, *dst;
module_param(src, charp, 0444);
MODULE_PARM_DESC(src, "Path of the block device to copy");
module_param(dst, charp, 0444);
MODULE_PARM_DESC(dst, "Path of the one to copy to");
static struct kcopyd_compat_bdev from, to;

static void glue_exit(void)
{
	cpp_copy_stop();
	kcopyd_compat_bdev_close(&from);
	kcopyd_compat_bdev_close(&to);
}

static int __init glue_init(void)
{
	int r = kcopyd_compat_bdev_open(&from, src ?: "", false, NULL);

	r = r ?: kcopyd_compat_bdev_open(&to, dst ?: "", true, &to);
	r = r ?: cpp_copy_start(from.bdev, to.bdev, bdev_nr_sectors(from.bdev));
	if (r)
		glue_exit();
	return r;
}

void cpp_copy_said(const char *what, unsigned long long sectors)
{
	pr_info("kcopyd-cpp-copy: %s: %llu sectors\n", what, sectors);
}

module_init(glue_init);
module_exit(glue_exit);
MODULE_DESCRIPTION("The smallest useful client of kcopyd in C++");
MODULE_LICENSE("GPL");
