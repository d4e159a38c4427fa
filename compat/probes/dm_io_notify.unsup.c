// SPDX-License-Identifier: GPL-2.0-only
/* dm_io()'s callback is told of unsupported operations apart from errors. */
#include <linux/build_bug.h>
#include <linux/dm-io.h>

static_assert(__same_type(io_notify_fn,
			  void (*)(unsigned long, unsigned long, void *)));
