/* SPDX-License-Identifier: GPL-2.0-only */
/* Deleting timers, whatever the kernel calls that. */
#ifndef KCOPYD_COMPAT_TIMER_H
#define KCOPYD_COMPAT_TIMER_H

#include <linux/timer.h>

#include "features.h"

/**
 * kcopyd_compat_timer_delete_sync() - stop a timer and wait for its function
 * @timer: the timer
 *
 * Context: not in interrupts, and without a lock that the function takes.
 */
static inline void kcopyd_compat_timer_delete_sync(struct timer_list *timer)
{
#ifdef KCOPYD_HAVE_TIMER_DELETE_SYNC
	timer_delete_sync(timer);
#else
	del_timer_sync(timer);
#endif
}

#endif /* KCOPYD_COMPAT_TIMER_H */
