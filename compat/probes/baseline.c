// SPDX-License-Identifier: GPL-2.0-only
/* Must compile everywhere: if it does not, no probe says anything. */
#if !defined(CONFIG_64BIT) && !defined(CONFIG_X86_32)
#error of the machines of 32 bits only x86 is known to kcopyd (compat/divide.hpp)
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
