/* SPDX-License-Identifier: GPL-2.0-only */
/* The life of a job between its acceptance and its callback. */
#ifndef KCOPYD_CORE_COPY_H
#define KCOPYD_CORE_COPY_H

#include "client.h"

/**
 * struct kcopyd_match - which jobs
 * @job: this one, which may be gone; else
 * @fn: their callback; NULL stands for all of the client
 * @context: and its argument
 */
struct kcopyd_match {
	const struct kcopyd_job *job;
	kcopyd_notify_fn fn;
	void *context;
};

void kcopyd_copy_init(struct kcopyd_client *kc);
void kcopyd_copy_start(struct kcopyd_client *kc, struct kcopyd_job *job);
void kcopyd_copy_end_op(struct kcopyd_op *op, int err);
unsigned int kcopyd_copy_cancel(struct kcopyd_client *kc,
				const struct kcopyd_match *match);
bool kcopyd_copy_cancel_job(struct kcopyd_client *kc, struct kcopyd_job *job);
bool kcopyd_copy_cancelling(struct kcopyd_client *kc,
			    const struct kcopyd_match *match);
void kcopyd_copy_end_all(struct kcopyd_op *op, unsigned int failed);

#endif /* KCOPYD_CORE_COPY_H */
