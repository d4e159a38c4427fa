/* SPDX-License-Identifier: GPL-2.0-only */
/* The callbacks of a client, one at a time. */
#ifndef KCOPYD_CORE_NOTIFY_H
#define KCOPYD_CORE_NOTIFY_H

#include "client.h"

void kcopyd_notify_init(struct kcopyd_client *kc);
void kcopyd_notify_exit(struct kcopyd_client *kc);
void kcopyd_notify(struct kcopyd_client *kc, struct kcopyd_job *job);

#endif /* KCOPYD_CORE_NOTIFY_H */
