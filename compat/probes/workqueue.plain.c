// SPDX-License-Identifier: GPL-2.0-only
/* Workqueues are bound to CPUs unless they say otherwise. */
#include <linux/workqueue.h>

/* Fails where it is one of the flags. */
enum { WQ_PERCPU };
