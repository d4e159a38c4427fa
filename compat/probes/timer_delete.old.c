// SPDX-License-Identifier: GPL-2.0-only
/* There is only del_timer_sync(), or this would declare the other one again. */
#include <linux/build_bug.h>
#include <linux/timer.h>

static_assert(__same_type(del_timer_sync, int(struct timer_list *)));
enum { timer_delete_sync };
