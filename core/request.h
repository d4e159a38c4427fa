/* SPDX-License-Identifier: GPL-2.0-only */
/* Copies that are described by a structure of the caller's, and what they tell. */
#ifndef KCOPYD_CORE_REQUEST_H
#define KCOPYD_CORE_REQUEST_H

#include "../compat/dm-io.h"
#include "client.h"

/**
 * struct kcopyd_request_state - what follows a request in its memory
 * @kc: the client
 * @job: the job, the last thing in that memory
 * @note: stands for the job in the client's list of callbacks when progress is told
 * @noted: it is in that list
 * @active: the job is accepted and has not ended
 * @done: sectors that are done with
 * @told: how many there were when progress was told last
 * @bad_end: the first bad sector that there was no room to tell of, or ~0
 */
struct kcopyd_request_state {
	/* Never change while the job is accepted; who cancels it reads them without a lock. */
	struct kcopyd_client *kc;
	struct kcopyd_job *job;

	/* Under the client's lock; @active is released after @kc was set. */
	bool noted;
	bool active;
	sector_t done;
	sector_t told;
	sector_t bad_end;
	struct kcopyd_job note;
};

static inline struct kcopyd_request_state *
kcopyd_request_state(struct kcopyd_request *request)
{
	return (void *)(request + 1);
}

/* Of a job that is one's. */
static inline struct kcopyd_request *kcopyd_job_request(const struct kcopyd_job *job)
{
	return job->context;
}

/* The priority of a job's I/O. */
static inline unsigned short kcopyd_request_ioprio(const struct kcopyd_job *job)
{
	const unsigned short prio =
		job->request ? kcopyd_job_request(job)->ioprio : 0;

	return prio ?: KCOPYD_IOPRIO_DEFAULT;
}

struct kcopyd_job *kcopyd_request_init(struct kcopyd_client *kc,
				       struct kcopyd_request *request);
int kcopyd_request_check(struct kcopyd_client *kc,
			 const struct kcopyd_request *request);
union kcopyd_callback kcopyd_request_callback(void);
void kcopyd_request_started(struct kcopyd_job *job);
void kcopyd_request_read(struct kcopyd_job *job, unsigned int sectors);
void kcopyd_request_unread(struct kcopyd_client *kc, const struct kcopyd_part *part);
void kcopyd_request_written(const struct kcopyd_part *part, unsigned int slot);
void kcopyd_request_unwritten(const struct kcopyd_part *part, unsigned int slot,
			      int err);
void kcopyd_request_progress(struct kcopyd_client *kc, struct kcopyd_job *job,
			     unsigned int sectors);
void kcopyd_request_ended(struct kcopyd_job *job);

#endif /* KCOPYD_CORE_REQUEST_H */
