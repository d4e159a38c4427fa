/* SPDX-License-Identifier: GPL-2.0-only */
/* What can be changed of a client while it works. */
#ifndef KCOPYD_CORE_TUNE_H
#define KCOPYD_CORE_TUNE_H

#include <linux/types.h>

struct kcopyd_client;

void kcopyd_tune_init(struct kcopyd_client *kc);
bool kcopyd_tune_holds(struct kcopyd_client *kc, unsigned int pages);
int kcopyd_tune_pages(struct kcopyd_client *kc, unsigned int num_pages);
int kcopyd_tune_part_kb(struct kcopyd_client *kc, unsigned int kib);

#endif /* KCOPYD_CORE_TUNE_H */
