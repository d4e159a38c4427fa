/* SPDX-License-Identifier: GPL-2.0-only */
/* How a workqueue says that its work is bound to CPUs. */
#ifndef KCOPYD_COMPAT_WORKQUEUE_H
#define KCOPYD_COMPAT_WORKQUEUE_H

#include <linux/workqueue.h>

#include "features.h"

#ifdef KCOPYD_HAVE_WORKQUEUE_PERCPU
#define KCOPYD_WQ_PERCPU WQ_PERCPU
#else
#define KCOPYD_WQ_PERCPU 0
#endif

#endif /* KCOPYD_COMPAT_WORKQUEUE_H */
