// SPDX-License-Identifier: GPL-2.0-only
/* A workqueue that is bound to CPUs has to say so. */
#include <linux/build_bug.h>
#include <linux/workqueue.h>

static_assert(WQ_PERCPU);
