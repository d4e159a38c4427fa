// SPDX-License-Identifier: GPL-2.0-only
/* Must compile everywhere: if it does not, no probe says anything. */
#ifndef CONFIG_64BIT
#error kernels of 32 bits do not have the divisions that the targets need
#endif
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/dm-io.h>
#include <linux/module.h>

int kcopyd_probe(struct dm_io_request *req, struct dm_io_region *where);
int kcopyd_probe(struct dm_io_request *req, struct dm_io_region *where)
{
	return req->client && where->bdev ? 0 : -EINVAL;
}
