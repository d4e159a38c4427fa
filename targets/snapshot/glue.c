// SPDX-License-Identifier: GPL-2.0-only
/* kcopyd-snapshot: its targets are in snapshot.cpp and merge.hpp. */
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "targets/dm/module.h"
#include "targets/snapshot/glue.h"

/* A write to an origin looks at all its snapshots at one moment. */
static DEFINE_SPINLOCK(everything);

/* Who waits is one that is created, resumed or destroyed, and that is rare. */
static DECLARE_WAIT_QUEUE_HEAD(changes);

unsigned long ksnapshot_lock(void)
	__acquires(everything)
{
	unsigned long flags;

	spin_lock_irqsave(&everything, flags);
	return flags;
}

void ksnapshot_unlock(unsigned long flags)
	__releases(everything)
{
	spin_unlock_irqrestore(&everything, flags);
}

void ksnapshot_wait(int (*over)(void *context), void *context)
{
	wait_event(changes, over(context));
}

void ksnapshot_wake(void)
{
	wake_up_all(&changes);
}

MODULE_DESCRIPTION("Device-mapper snapshots that are copied by kcopyd");
MODULE_AUTHOR("The kcopyd authors");
MODULE_VERSION(KCOPYD_VERSION);
MODULE_LICENSE("GPL");
MODULE_ALIAS("dm-ksnapshot");
MODULE_ALIAS("dm-ksnapshot-merge");
MODULE_ALIAS("dm-ksnap-origin");
