// SPDX-License-Identifier: GPL-2.0-only
/* blk_alloc_disk() takes the queue's limits, and returns an ERR_PTR(). */
#include <linux/blkdev.h>

struct gendisk *kcopyd_probe(struct queue_limits *limits);
struct gendisk *kcopyd_probe(struct queue_limits *limits)
{
	return blk_alloc_disk(limits, NUMA_NO_NODE);
}
