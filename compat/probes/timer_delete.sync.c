// SPDX-License-Identifier: GPL-2.0-only
/* A timer is deleted by timer_delete_sync(). */
#include <linux/build_bug.h>
#include <linux/timer.h>

static_assert(__same_type(timer_delete_sync, int(struct timer_list *)));
