// SPDX-License-Identifier: GPL-2.0-only
/* dm_io() reports unsupported operations apart from errors. */
#include <linux/build_bug.h>
#include <linux/dm-io.h>

static_assert(__same_type(dm_io,
			  int(struct dm_io_request *, unsigned int,
			      struct dm_io_region *, unsigned long *,
			      unsigned long *, unsigned short)));
