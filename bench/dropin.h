/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls that include/linux/dm-kcopyd.h puts in the place of the kernel's own. It
 * cannot be included beside the kernel's header, which has the types.
 */
#ifndef KCOPYD_BENCH_DROPIN_H
#define KCOPYD_BENCH_DROPIN_H

#include <linux/dm-kcopyd.h>

struct dm_kcopyd_client *kcopyd_dm_client_create(struct dm_kcopyd_throttle *throttle);
void kcopyd_dm_client_destroy(struct dm_kcopyd_client *kc);
void kcopyd_dm_copy(struct dm_kcopyd_client *kc, struct dm_io_region *from,
		    unsigned int num_dests, struct dm_io_region *dests,
		    unsigned int flags, dm_kcopyd_notify_fn fn, void *context);

#endif /* KCOPYD_BENCH_DROPIN_H */
