/* SPDX-License-Identifier: GPL-2.0-only */
/* What kcopyd_copy() rejects up front. */
#ifndef KCOPYD_CORE_CHECK_H
#define KCOPYD_CORE_CHECK_H

#include "client.h"

__printf(3, 4)
int kcopyd_reject(struct kcopyd_client *kc, int err, const char *fmt, ...);
int kcopyd_check(struct kcopyd_client *kc, const struct io_region *from,
		 unsigned int num_dests, const struct io_region *dests,
		 unsigned int flags);

#endif /* KCOPYD_CORE_CHECK_H */
