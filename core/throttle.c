// SPDX-License-Identifier: GPL-2.0-only
/* Limits on how fast copies go. */
#define pr_fmt(fmt) "kcopyd: " fmt

#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "../compat/timer.h"
#include "check.h"
#include "client.h"
#include "export.h"
#include "throttle.h"

/* At least so often a limit that is read from elsewhere is looked at. */
#define THROTTLE_LOOK (HZ / 10)

/* Those whose percentage is read from elsewhere. The mutex also protects its end. */
static LIST_HEAD(throttles);
static DEFINE_MUTEX(throttles_mutex);

/* One write to the limits of a client at a time. */
static DEFINE_MUTEX(tune_mutex);

static const struct kcopyd_limits no_limits;

static unsigned int throttle_percent(const struct kcopyd_throttle *t)
{
	if (t->percent)
		return READ_ONCE(*t->percent);
	return t->limits.percent ?: 100;
}

/* The read, and for each destination the write, and reading that back. */
static unsigned int part_ios(const struct kcopyd_job *job)
{
	return job->num_dests * (1 + job->verify) + !job->zero;
}

/* When a part may begin: not before @now, which is at once. */
static u64 throttle_due(struct kcopyd_throttle *t, u64 now)
{
	u64 due = now;

	kcopyd_duty_account(&t->duty, t->busy, throttle_percent(t), now);
	/* What is in flight may depend on what waits here: that is not for ever. */
	if (t->duty.resting)
		due = max(due, min(t->duty.due, t->began + KCOPYD_DEBT_NS));
	if (t->limits.bytes_per_second)
		due = max(due, t->bytes.due);
	if (t->limits.ios_per_second)
		due = max(due, t->ios.due);
	return due;
}

/* Nobody has the turn: tell the first that waits, now or when it may go on. */
static void throttle_next(struct kcopyd_throttle *t)
{
	const u64 now = ktime_get_ns();
	u64 wait;

	t->turn = NULL;
	if (list_empty(&t->waiting))
		return;
	wait = throttle_due(t, now) - now;
	if (!wait) {
		struct kcopyd_client *kc =
			list_first_entry(&t->waiting, struct kcopyd_client,
					 throttled.node);

		list_del_init(&kc->throttled.node);
		t->turn = kc;
		queue_work(kc->io_wq, &kc->resume_work);
		mod_timer(&t->timer, jiffies + THROTTLE_LOOK);
		return;
	}
	mod_timer(&t->timer, jiffies + min_t(unsigned long, THROTTLE_LOOK,
					     nsecs_to_jiffies(wait)) + 1);
}

static void throttle_timer(struct timer_list *timer)
{
	struct kcopyd_throttle *t =
		container_of(timer, struct kcopyd_throttle, timer);
	unsigned long flags;

	spin_lock_irqsave(&t->lock, flags);
	/* Its worker may be asleep for something that the others have to do. */
	if (t->turn)
		list_add_tail(&t->turn->throttled.node, &t->waiting);
	throttle_next(t);
	spin_unlock_irqrestore(&t->lock, flags);
}

/* What may be begun at once. */
static unsigned int throttle_part_pages(const struct kcopyd_throttle *t)
{
	const u64 pages = div_u64(t->limits.bytes_per_second,
				  PAGE_SIZE * KCOPYD_PARTS_PER_SECOND);

	return min_t(u64, pages, UINT_MAX);
}

/**
 * kcopyd_throttle_take() - may a job begin a part?
 * @kc: a client that has a throttle
 * @job: the job
 * @nr_pages: the size that the part is to have, in pages
 * @least: a granule, in pages
 * @from: the list that the job comes from, or NULL
 *
 * If it may, that is charged.
 *
 * Context: Any, under the client's lock.
 * Return: the size that it may have, in pages; or 0 if the job is to wait in the
 * client's list.
 */
unsigned int kcopyd_throttle_take(struct kcopyd_client *kc,
				  const struct kcopyd_job *job,
				  unsigned int nr_pages, unsigned int least,
				  const struct kcopyd_fifo *from)
{
	struct kcopyd_throttle *t = kc->throttled.throttle;
	sector_t sectors;
	u64 now;

	/* Others are before it. */
	if (from != &kc->slowed && !kcopyd_fifo_empty(&kc->slowed))
		return 0;

	spin_lock(&t->lock);
	now = ktime_get_ns();
	if ((t->turn ? t->turn != kc : !list_empty(&t->waiting)) ||
	    throttle_due(t, now) > now) {
		if (list_empty(&kc->throttled.node))
			list_add_tail(&kc->throttled.node, &t->waiting);
		if (!t->turn || t->turn == kc)
			throttle_next(t);
		spin_unlock(&t->lock);
		return 0;
	}
	if (t->limits.bytes_per_second)
		nr_pages = max(round_down(min(nr_pages, throttle_part_pages(t)),
					  least), min(nr_pages, least));
	sectors = min_t(sector_t, job->count - job->next, nr_pages * PAGE_SECTORS);
	kcopyd_bucket_charge(&t->bytes, sectors << SECTOR_SHIFT,
			     t->limits.bytes_per_second, now);
	kcopyd_bucket_charge(&t->ios, part_ios(job), t->limits.ios_per_second,
			     now);
	t->began = now;
	if (!kc->throttled.busy) {
		kc->throttled.busy = true;
		t->busy++;
	}
	if (!list_empty(&t->waiting))
		throttle_next(t);
	spin_unlock(&t->lock);
	return nr_pages;
}

/* The client has no part on its way. Under both locks. */
static void throttle_idle(struct kcopyd_client *kc, struct kcopyd_throttle *t)
{
	if (!kc->throttled.busy)
		return;
	kcopyd_duty_account(&t->duty, true, throttle_percent(t), ktime_get_ns());
	kc->throttled.busy = false;
	t->busy--;
}

/**
 * kcopyd_throttle_idle() - a client has no part on its way any more
 * @kc: a client that has a throttle
 *
 * Context: Any, under the client's lock.
 */
void kcopyd_throttle_idle(struct kcopyd_client *kc)
{
	struct kcopyd_throttle *t = kc->throttled.throttle;

	if (!kc->throttled.busy)
		return;
	spin_lock(&t->lock);
	throttle_idle(kc, t);
	spin_unlock(&t->lock);
}

/**
 * kcopyd_throttle_pass() - the client has done what it could in its turn
 * @kc: a client that has a throttle
 *
 * Context: Any, under the client's lock.
 */
void kcopyd_throttle_pass(struct kcopyd_client *kc)
{
	struct kcopyd_throttle *t = kc->throttled.throttle;

	spin_lock(&t->lock);
	if (t->turn == kc) {
		if (!kcopyd_fifo_empty(&kc->slowed))
			list_add_tail(&kc->throttled.node, &t->waiting);
		throttle_next(t);
	}
	spin_unlock(&t->lock);
}

/* With the mutex held, which it drops. */
static void throttle_free(struct kref *kref)
{
	struct kcopyd_throttle *t = container_of(kref, struct kcopyd_throttle,
						 kref);

	list_del(&t->node);
	mutex_unlock(&throttles_mutex);
	kcopyd_compat_timer_delete_sync(&t->timer);
	kfree(t);
}

static bool more_than_percent(const struct kcopyd_limits *limits)
{
	return limits->bytes_per_second || limits->ios_per_second;
}

static struct kcopyd_throttle *throttle_new(const struct kcopyd_limits *limits)
{
	struct kcopyd_throttle *t = kzalloc(sizeof(*t), KCOPYD_GFP_CREATE);

	if (!t)
		return NULL;
	kref_init(&t->kref);
	INIT_LIST_HEAD(&t->node);
	spin_lock_init(&t->lock);
	t->set = *limits;
	t->limits = *limits;
	t->limited = more_than_percent(limits);
	INIT_LIST_HEAD(&t->waiting);
	timer_setup(&t->timer, throttle_timer, 0);
	return t;
}

/**
 * kcopyd_throttle_by_percent() - get the throttle with this percentage
 * @percent: where it is, also when it is changed; those who name the same place
 *	share one throttle
 *
 * Context: Process context, may sleep.
 * Return: the throttle, to be let go of by kcopyd_throttle_destroy(); or NULL
 * without memory.
 */
struct kcopyd_throttle *kcopyd_throttle_by_percent(const unsigned int *percent)
{
	struct kcopyd_throttle *new, *t;

	/* Before the mutex, which others take to end their clients. */
	new = throttle_new(&no_limits);
	mutex_lock(&throttles_mutex);
	list_for_each_entry(t, &throttles, node) {
		if (t->percent == percent) {
			kref_get(&t->kref);
			mutex_unlock(&throttles_mutex);
			kfree(new);
			return t;
		}
	}
	if (new) {
		new->percent = percent;
		list_add(&new->node, &throttles);
	}
	mutex_unlock(&throttles_mutex);
	return new;
}

/*
 * @instead: only if it is the throttle that the client has; NULL for any, and
 * ERR_PTR(-ENOENT) for none
 *
 * Return: 0; -ESHUTDOWN if the client is being destroyed, and then has none; -EAGAIN
 * if it has another one.
 */
static int throttle_attach(struct kcopyd_client *kc, struct kcopyd_throttle *throttle,
			   const struct kcopyd_throttle *instead)
{
	struct kcopyd_throttle *old;
	int r = 0;

	if (throttle)
		kref_get(&throttle->kref);

	spin_lock_irq(&kc->lock);
	old = kc->throttled.throttle;
	if (kc->shutdown && throttle)
		r = -ESHUTDOWN;
	else if (instead && (old ?: ERR_PTR(-ENOENT)) != instead)
		r = -EAGAIN;
	if (r) {
		spin_unlock_irq(&kc->lock);
		kcopyd_throttle_destroy(throttle);
		return r;
	}
	if (old) {
		spin_lock(&old->lock);
		throttle_idle(kc, old);
		list_del_init(&kc->throttled.node);
		if (old->turn == kc)
			throttle_next(old);
		spin_unlock(&old->lock);
	}
	kc->throttled.throttle = throttle;
	/* Jobs of a throttled client take the long way. */
	kc->waiting += !!throttle - !!old;
	if (!kcopyd_fifo_empty(&kc->slowed))
		queue_work(kc->io_wq, &kc->resume_work);
	spin_unlock_irq(&kc->lock);

	kcopyd_throttle_destroy(old);
	return 0;
}

/**
 * kcopyd_throttle_attach() - set a client's throttle
 * @kc: the client
 * @throttle: the throttle, or NULL for none
 *
 * Context: Process context, may sleep.
 * Return: false if the client is being destroyed, and then has none.
 */
bool kcopyd_throttle_attach(struct kcopyd_client *kc,
			    struct kcopyd_throttle *throttle)
{
	return !throttle_attach(kc, throttle, NULL);
}

/* Why limits make no sense, or NULL. */
static const char *limits_flaw(const struct kcopyd_limits *limits)
{
	if (!limits)
		return "no limits";
	if (limits->percent > 100)
		return "more than 100 percent";
	return NULL;
}

static int reject_limits(const void *caller, const char *flaw)
{
	pr_err_ratelimited("%ps: throttle rejected: %s\n", caller, flaw);
	return -EINVAL;
}

/**
 * kcopyd_throttle_create() - make limits that clients can share
 * @limits: the limits
 * @result: receives the throttle; untouched on failure
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL for a NULL argument or for limits that make no sense;
 * -ENOMEM.
 */
int kcopyd_throttle_create(const struct kcopyd_limits *limits,
			   struct kcopyd_throttle **result)
{
	const char *flaw = result ? limits_flaw(limits) :
				    "no place for the result";
	struct kcopyd_throttle *t;

	if (flaw)
		return reject_limits(__builtin_return_address(0), flaw);
	t = throttle_new(limits);
	if (!t)
		return -ENOMEM;
	*result = t;
	return 0;
}
EXPORT_SYMBOL_GPL(kcopyd_throttle_create);

/* What is set holds from now on, unless that is suspended. Under the lock. */
static void throttle_apply(struct kcopyd_throttle *throttle)
{
	const struct kcopyd_limits *limits =
		throttle->suspended ? &no_limits : &throttle->set;
	struct kcopyd_limits *old = &throttle->limits;
	const u64 now = ktime_get_ns();

	throttle_due(throttle, now);
	kcopyd_bucket_change(&throttle->bytes, old->bytes_per_second,
			     limits->bytes_per_second, now);
	kcopyd_bucket_change(&throttle->ios, old->ios_per_second,
			     limits->ios_per_second, now);
	if (old->percent != limits->percent)
		throttle->duty.due = min(throttle->duty.due,
					 now + KCOPYD_REST_NS);
	*old = *limits;
	WRITE_ONCE(throttle->limited, more_than_percent(limits));
	if (!throttle->turn)
		throttle_next(throttle);
}

/* Under the lock. */
static void throttle_change(struct kcopyd_throttle *throttle,
			    const struct kcopyd_limits *limits)
{
	throttle->set = *limits;
	throttle_apply(throttle);
}

/**
 * kcopyd_throttle_set() - change limits
 * @throttle: the throttle
 * @limits: the new limits; they hold for parts that begin from now on, of whatever
 *	job, or from when they are resumed
 *
 * Context: Any, hard interrupts included.
 * Return: 0; or -EINVAL, and nothing is changed, for a NULL argument or for limits
 * that make no sense.
 */
int kcopyd_throttle_set(struct kcopyd_throttle *throttle,
			const struct kcopyd_limits *limits)
{
	const char *flaw = throttle ? limits_flaw(limits) : "no throttle";
	unsigned long flags;

	if (flaw)
		return reject_limits(__builtin_return_address(0), flaw);
	spin_lock_irqsave(&throttle->lock, flags);
	throttle_change(throttle, limits);
	spin_unlock_irqrestore(&throttle->lock, flags);
	return 0;
}
EXPORT_SYMBOL_GPL(kcopyd_throttle_set);

static int throttle_suspend(struct kcopyd_throttle *throttle, bool suspended,
			    const void *caller)
{
	unsigned long flags;

	if (!throttle)
		return reject_limits(caller, "no throttle");
	spin_lock_irqsave(&throttle->lock, flags);
	throttle->suspended = suspended;
	throttle_apply(throttle);
	spin_unlock_irqrestore(&throttle->lock, flags);
	return 0;
}

/**
 * kcopyd_throttle_suspend() - no limit holds for a while
 * @throttle: the throttle
 *
 * They can be looked at and changed as ever, by whoever it is.
 *
 * Context: Any, hard interrupts included.
 * Return: 0, also if they are suspended already; or -EINVAL for a NULL argument.
 */
int kcopyd_throttle_suspend(struct kcopyd_throttle *throttle)
{
	return throttle_suspend(throttle, true, __builtin_return_address(0));
}
EXPORT_SYMBOL_GPL(kcopyd_throttle_suspend);

/**
 * kcopyd_throttle_resume() - limits hold again
 * @throttle: the throttle
 *
 * Once, however often they were suspended.
 *
 * Context: Any, hard interrupts included.
 * Return: 0, also if they are not suspended; or -EINVAL for a NULL argument.
 */
int kcopyd_throttle_resume(struct kcopyd_throttle *throttle)
{
	return throttle_suspend(throttle, false, __builtin_return_address(0));
}
EXPORT_SYMBOL_GPL(kcopyd_throttle_resume);

/**
 * kcopyd_throttle_get_limits() - which limits are set
 * @throttle: the throttle
 * @result: receives its limits, whoever has set them, and if they are suspended, too
 *
 * Context: Any, hard interrupts included.
 * Return: 0; or -EINVAL for a NULL argument.
 */
int kcopyd_throttle_get_limits(struct kcopyd_throttle *throttle,
			       struct kcopyd_limits *result)
{
	unsigned long flags;

	if (!throttle || !result)
		return reject_limits(__builtin_return_address(0),
				     throttle ? "no place for the result" : "no throttle");
	spin_lock_irqsave(&throttle->lock, flags);
	*result = throttle->set;
	spin_unlock_irqrestore(&throttle->lock, flags);
	return 0;
}
EXPORT_SYMBOL_GPL(kcopyd_throttle_get_limits);

/**
 * kcopyd_throttle_destroy() - let go of a throttle
 * @throttle: the throttle, or NULL; clients that still have it keep its limits
 *
 * Context: Process context, may sleep.
 */
void kcopyd_throttle_destroy(struct kcopyd_throttle *throttle)
{
	if (throttle)
		kref_put_mutex(&throttle->kref, throttle_free, &throttles_mutex);
}
EXPORT_SYMBOL_GPL(kcopyd_throttle_destroy);

static struct kcopyd_throttle *throttle_of(struct kcopyd_client *kc)
{
	struct kcopyd_throttle *t;

	spin_lock_irq(&kc->lock);
	t = kc->throttled.throttle;
	if (t)
		kref_get(&t->kref);
	spin_unlock_irq(&kc->lock);
	return t;
}

/**
 * kcopyd_throttle_get() - a limit of a client
 * @kc: the client
 * @limit: which
 *
 * Context: Process context, may sleep.
 * Return: the limit, or 0 if there is none.
 */
u64 kcopyd_throttle_get(struct kcopyd_client *kc, enum kcopyd_limit limit)
{
	struct kcopyd_throttle *t = throttle_of(kc);
	u64 value = 0;

	if (!t)
		return 0;
	spin_lock_irq(&t->lock);
	switch (limit) {
	case KCOPYD_LIMIT_BYTES:
		value = t->set.bytes_per_second;
		break;
	case KCOPYD_LIMIT_IOS:
		value = t->set.ios_per_second;
		break;
	case KCOPYD_LIMIT_PERCENT:
		value = t->percent ? READ_ONCE(*t->percent) : t->set.percent;
		break;
	}
	spin_unlock_irq(&t->lock);
	kcopyd_throttle_destroy(t);
	return value;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_throttle_get);

static void limits_set(struct kcopyd_limits *limits, enum kcopyd_limit limit, u64 value)
{
	switch (limit) {
	case KCOPYD_LIMIT_BYTES:
		limits->bytes_per_second = value;
		break;
	case KCOPYD_LIMIT_IOS:
		limits->ios_per_second = value;
		break;
	case KCOPYD_LIMIT_PERCENT:
		limits->percent = value;
		break;
	}
}

/* A client that has none gets one of its own. */
static int throttle_tune_new(struct kcopyd_client *kc, enum kcopyd_limit limit, u64 value)
{
	struct kcopyd_limits limits = no_limits;
	struct kcopyd_throttle *t;
	int r;

	if (!value)
		return 0;
	limits_set(&limits, limit, value);
	t = throttle_new(&limits);
	if (!t)
		return -ENOMEM;
	t->own = true;
	r = throttle_attach(kc, t, ERR_PTR(-ENOENT));
	kcopyd_throttle_destroy(t);
	return r;
}

/* One of the client's own goes when there is nothing left to limit. */
static int throttle_tune_old(struct kcopyd_client *kc, struct kcopyd_throttle *t,
			     enum kcopyd_limit limit, u64 value)
{
	struct kcopyd_limits limits;
	bool unused;

	if (t->percent && limit == KCOPYD_LIMIT_PERCENT)
		return kcopyd_reject(kc, -EBUSY,
				     "its percentage is a parameter of the module that made it");
	spin_lock_irq(&kc->lock);
	if (kc->throttled.throttle != t) {
		spin_unlock_irq(&kc->lock);
		return -EAGAIN;
	}
	spin_lock(&t->lock);
	limits = t->set;
	limits_set(&limits, limit, value);
	throttle_change(t, &limits);
	unused = t->own && !more_than_percent(&limits) && !limits.percent;
	spin_unlock(&t->lock);
	spin_unlock_irq(&kc->lock);
	if (unused)
		throttle_attach(kc, NULL, t);
	return 0;
}

/**
 * kcopyd_throttle_tune() - set a limit of a client
 * @kc: the client
 * @limit: which
 * @value: the limit, which makes sense; 0 is none
 *
 * It is a limit of the throttle that the client has, also if others share it.
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM; -ESHUTDOWN while the client is being destroyed; -EBUSY for a
 * percentage that is set elsewhere.
 */
int kcopyd_throttle_tune(struct kcopyd_client *kc, enum kcopyd_limit limit, u64 value)
{
	struct kcopyd_throttle *t;
	int r;

	mutex_lock(&tune_mutex);
	do {
		/* Its owner may give it another one meanwhile. */
		t = throttle_of(kc);
		if (t)
			r = throttle_tune_old(kc, t, limit, value);
		else
			r = throttle_tune_new(kc, limit, value);
		kcopyd_throttle_destroy(t);
	} while (r == -EAGAIN);
	mutex_unlock(&tune_mutex);
	return r;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_throttle_tune);
