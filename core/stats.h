/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a client has done, in numbers. A small copy is to cost next to nothing here:
 * most of it is counted where something out of the ordinary happens, and what is
 * ordinary is derived when somebody asks.
 */
#ifndef KCOPYD_CORE_STATS_H
#define KCOPYD_CORE_STATS_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "../kcopyd.h"

struct kcopyd_client;
struct kcopyd_fifo;
struct kcopyd_job;
struct kcopyd_part;

/* One small copy is timed for so many jobs that have ended. */
#define KCOPYD_SAMPLE 128

/* What is queued and is no copy. */
enum kcopyd_other {
	KCOPYD_ZEROES,		/* jobs that zero */
	KCOPYD_CALLBACKS,	/* prepared callbacks */
	KCOPYD_MARKS,		/* of a flush, which is no job to anybody else */
	KCOPYD_OTHERS
};

/**
 * struct kcopyd_stats - what a client counts
 * @returned: jobs of whatever kind whose callbacks have returned
 * @until_sample: so many are to return before a small copy is timed again
 * @others: what was queued and is no copy, by enum kcopyd_other
 * @others_done: of these, those whose callbacks have been called, or are just being
 * @calling: of these, those in the batch of callbacks that are called
 * @batch: which batch: @returned before it
 * @moved: sectors of pieces that have ended, however
 * @failed: jobs with an error that were not cancelled
 * @cancelled: jobs that were
 * @read_errors: reads that failed for good
 * @write_errors: writes that failed
 * @long_way: jobs whose first part was not begun at once
 * @parts: parts that were not the first of a job begun at once
 * @waits: by enum kcopyd_waits
 * @unread: sectors in @moved that were not read
 * @zeroed: sectors in @moved of jobs that zero
 * @more: sectors that other than the last destination was given; of copies and of
 *	jobs that zero
 * @unwritten: of @moved and @more, sectors that were not written
 * @small: small copies that were timed
 * @large: all large copies
 */
struct kcopyd_stats {
	/* Under the client's lock. */
	u64 returned;
	int until_sample;
	u64 others[KCOPYD_OTHERS];
	u64 others_done[KCOPYD_OTHERS];
	unsigned int calling[KCOPYD_OTHERS];
	u64 batch;
	u64 moved;
	u64 failed;
	u64 cancelled;
	u64 read_errors;
	u64 write_errors;
	u64 long_way;
	u64 parts;
	u64 waits[KCOPYD_WAITS];
	u64 unread;
	u64 zeroed;
	u64 more[2];
	u64 unwritten[2];
	struct kcopyd_latencies small;
	struct kcopyd_latencies large;
};

void kcopyd_stats_init(struct kcopyd_client *kc);
void kcopyd_stats_large(struct kcopyd_client *kc, struct kcopyd_job *job);
bool kcopyd_stats_attend(struct kcopyd_client *kc, struct kcopyd_job *job, bool dm);
void kcopyd_stats_prepared(struct kcopyd_client *kc, struct kcopyd_job *job);
void kcopyd_stats_mark(struct kcopyd_client *kc, struct kcopyd_job *mark);
void kcopyd_stats_long_way(struct kcopyd_client *kc, const struct kcopyd_job *job);
void kcopyd_stats_wait(struct kcopyd_client *kc, const struct kcopyd_fifo *fifo);
void kcopyd_stats_unread(struct kcopyd_client *kc, struct kcopyd_part *part, int err);
void kcopyd_stats_unwritten(struct kcopyd_client *kc, struct kcopyd_part *part, int err);
void kcopyd_stats_unstable(struct kcopyd_client *kc, struct kcopyd_part *part, int err);
void kcopyd_stats_dropped(struct kcopyd_client *kc, const struct kcopyd_part *part);
void kcopyd_stats_more(struct kcopyd_client *kc, const struct kcopyd_part *part);
void kcopyd_stats_together(struct kcopyd_client *kc, struct kcopyd_part *part,
			   unsigned int failed);
void kcopyd_stats_done(struct kcopyd_client *kc, const struct kcopyd_job *job);

void kcopyd_stats_get(struct kcopyd_client *kc, struct kcopyd_client_stats *s);
size_t kcopyd_stats_format(const struct kcopyd_client_stats *s, char *buf, size_t size);
size_t kcopyd_stats_format_latencies(const struct kcopyd_latencies *latencies,
				     char *buf, size_t size);

/**
 * kcopyd_stats_returned() - callbacks have returned
 * @stats: the client's
 * @nr: how many
 *
 * Context: Any, under the client's lock.
 * Return: true if a small copy is to be timed again.
 */
static inline bool kcopyd_stats_returned(struct kcopyd_stats *stats, unsigned int nr)
{
	stats->returned += nr;
	stats->until_sample -= nr;
	if (likely(stats->until_sample >= 0))
		return false;
	stats->until_sample += KCOPYD_SAMPLE;
	return true;
}

#endif /* KCOPYD_CORE_STATS_H */
