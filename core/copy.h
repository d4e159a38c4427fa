/* SPDX-License-Identifier: GPL-2.0-only */
/* The life of a job between its acceptance and its callback. */
#ifndef KCOPYD_CORE_COPY_H
#define KCOPYD_CORE_COPY_H

#include "client.h"

void kcopyd_copy_init(struct kcopyd_client *kc);
void kcopyd_copy_start(struct kcopyd_client *kc, struct kcopyd_job *job);
void kcopyd_copy_end_op(struct kcopyd_op *op, int err);
void kcopyd_copy_end_all(struct kcopyd_op *op, unsigned int failed);

#endif /* KCOPYD_CORE_COPY_H */
