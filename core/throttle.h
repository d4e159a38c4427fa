/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Limits on how fast copies go, of one client or of several together.
 *
 * Nobody sleeps for a limit. A job whose next part must not begin yet waits in
 * its client's list, the client waits in the throttle's, and the throttle's timer
 * lets them go on, one client after the other.
 */
#ifndef KCOPYD_CORE_THROTTLE_H
#define KCOPYD_CORE_THROTTLE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/time64.h>
#include <linux/timer.h>

#include "../kcopyd.h"

struct kcopyd_client;
struct kcopyd_fifo;
struct kcopyd_job;

/* How long an unused limit can be made up for, as timers are late: 100 ms. */
#define KCOPYD_CREDIT_NS	(100 * NSEC_PER_MSEC)

/* The longest time between two parts, whatever the limit. */
#define KCOPYD_DEBT_NS		NSEC_PER_SEC

/* A part is not more than what a limit allows in 50 ms. */
#define KCOPYD_PARTS_PER_SECOND	20

/* I/O for a share of the time goes on until it owes so much rest: 50 ms. */
#define KCOPYD_REST_NS		(50 * NSEC_PER_MSEC)

/**
 * struct kcopyd_bucket - what has been used of so many bytes, or I/Os, a second
 * @due: when that much is allowed, in nanoseconds; something more until then is not
 */
struct kcopyd_bucket {
	u64 due;
};

/**
 * kcopyd_bucket_charge() - use something of a limit
 * @bucket: the limit's
 * @amount: how much, at most 2^32
 * @per_second: the limit; 0 is none
 * @now: the time, in nanoseconds
 *
 * Context: Any, under the throttle's lock.
 */
static inline void kcopyd_bucket_charge(struct kcopyd_bucket *bucket, u64 amount,
					u64 per_second, u64 now)
{
	const u64 credit = min_t(u64, now, KCOPYD_CREDIT_NS);

	if (!per_second)
		return;
	bucket->due = max(bucket->due, now - credit) +
		      div64_u64(amount * NSEC_PER_SEC, per_second);
	bucket->due = min(bucket->due, now + KCOPYD_DEBT_NS);
}

/**
 * kcopyd_bucket_change() - the limit is another one from now on
 * @bucket: the limit's
 * @old: the limit until now; 0 is none
 * @per_second: the new limit; 0 is none
 * @now: the time, in nanoseconds
 *
 * What is not paid for is, at the new rate.
 *
 * Context: Any, under the throttle's lock.
 */
static inline void kcopyd_bucket_change(struct kcopyd_bucket *bucket, u64 old,
					u64 per_second, u64 now)
{
	u64 owed;

	if (old == per_second)
		return;
	if (!per_second || bucket->due <= now) {
		bucket->due = min(bucket->due, now);
		return;
	}
	owed = KCOPYD_DEBT_NS;
	/* The division traps where its result does not fit. */
	if (div64_u64(old, per_second) < KCOPYD_DEBT_NS)
		owed = min(owed, mul_u64_u64_div_u64(bucket->due - now, old,
						     per_second));
	bucket->due = now + owed;
}

/**
 * struct kcopyd_duty - what has been used of a share of the time
 * @due: when that much is allowed, in nanoseconds
 * @since: up to when it is accounted for, while there is I/O
 * @resting: no part is to begin before @due
 */
struct kcopyd_duty {
	u64 due;
	u64 since;
	bool resting;
};

/**
 * kcopyd_duty_account() - the time goes on
 * @duty: the share's
 * @busy: there has been I/O since the last call
 * @percent: the share; from 100 on it is no limit
 * @now: the time, in nanoseconds
 *
 * I/O goes on for a while and then rests, rather than a part at a time.
 *
 * Context: Any, under the throttle's lock.
 */
static inline void kcopyd_duty_account(struct kcopyd_duty *duty, bool busy,
				       unsigned int percent, u64 now)
{
	if (percent >= 100) {
		duty->due = now;
	} else if (busy) {
		const u64 used = (now - duty->since) * 100;
		const u64 credit = min_t(u64, duty->since, KCOPYD_REST_NS);

		/* It may have begun late, as timers are. */
		duty->due = max(duty->due, duty->since - credit) +
			    (percent ? div_u64(used, percent) : KCOPYD_DEBT_NS);
		duty->due = min(duty->due, now + KCOPYD_DEBT_NS);
	}
	duty->since = now;
	if (duty->due <= now)
		duty->resting = false;
	else if (!percent || duty->due > now + KCOPYD_REST_NS)
		duty->resting = true;
}

/**
 * struct kcopyd_throttle - limits of one client or several
 * @kref: its maker and its clients
 * @node: in the list of those with @percent
 * @percent: read instead of that in @limits, or NULL
 * @lock: inside the clients' locks; inside it come those of workqueues and timers
 * @set: the limits as they were set
 * @suspended: none of @set holds
 * @limits: those that hold
 * @limited: @limits are more than a share of the time
 * @own: it was made for one client, by who wrote to its directory
 * @bytes: the bucket of bytes
 * @ios: the bucket of I/Os
 * @duty: for the share of the time
 * @began: when a part was begun last, in nanoseconds
 * @busy: clients that have parts on their way
 * @waiting: clients whose jobs wait, in their order
 * @turn: the client that has been told to go on, or NULL
 * @timer: expires when one of @waiting may go on, or has not used its turn
 */
struct kcopyd_throttle {
	struct kref kref;
	const unsigned int *percent;
	struct list_head node;
	/* Protects what follows. */
	spinlock_t lock;

	struct kcopyd_limits set;
	bool suspended;
	struct kcopyd_limits limits;
	bool limited;
	bool own;
	struct kcopyd_bucket bytes;
	struct kcopyd_bucket ios;
	struct kcopyd_duty duty;
	u64 began;
	unsigned int busy;
	struct list_head waiting;
	struct kcopyd_client *turn;
	struct timer_list timer;
};

/**
 * struct kcopyd_throttled - what a client has to do with its throttle
 * @throttle: the throttle, or NULL
 * @node: in the throttle's @waiting, under its lock, too
 * @busy: it is counted in the throttle's @busy
 */
struct kcopyd_throttled {
	/* Under the client's lock. */
	struct kcopyd_throttle *throttle;
	struct list_head node;
	bool busy;
};

/**
 * kcopyd_throttle_open() - is this no limit at all now?
 * @throttle: the throttle
 *
 * Context: Any.
 * Return: true if it is one whose percentage is set elsewhere, and that is 100, and
 * there is no other limit.
 */
static inline bool kcopyd_throttle_open(const struct kcopyd_throttle *throttle)
{
	return throttle->percent && READ_ONCE(*throttle->percent) >= 100 &&
	       !READ_ONCE(throttle->limited);
}

/**
 * enum kcopyd_limit - a member of &struct kcopyd_limits
 * @KCOPYD_LIMIT_BYTES: bytes_per_second
 * @KCOPYD_LIMIT_IOS: ios_per_second
 * @KCOPYD_LIMIT_PERCENT: percent
 */
enum kcopyd_limit {
	KCOPYD_LIMIT_BYTES,
	KCOPYD_LIMIT_IOS,
	KCOPYD_LIMIT_PERCENT,
};

u64 kcopyd_throttle_get(struct kcopyd_client *kc, enum kcopyd_limit limit);
int kcopyd_throttle_tune(struct kcopyd_client *kc, enum kcopyd_limit limit, u64 value);
struct kcopyd_throttle *kcopyd_throttle_by_percent(const unsigned int *percent);
bool kcopyd_throttle_attach(struct kcopyd_client *kc, struct kcopyd_throttle *throttle);
unsigned int kcopyd_throttle_take(struct kcopyd_client *kc, const struct kcopyd_job *job,
				  unsigned int nr_pages, unsigned int least,
				  const struct kcopyd_fifo *from);
void kcopyd_throttle_idle(struct kcopyd_client *kc);
void kcopyd_throttle_pass(struct kcopyd_client *kc);

#endif /* KCOPYD_CORE_THROTTLE_H */
