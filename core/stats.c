// SPDX-License-Identifier: GPL-2.0-only
/* What a client has done: what is counted out of the ordinary, and what is shown. */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "client.h"
#include "export.h"
#include "stats.h"
#include "trace.h"

/**
 * kcopyd_stats_init() - begin to count
 * @kc: the new client
 *
 * Context: Any.
 */
void kcopyd_stats_init(struct kcopyd_client *kc)
{
	/* The first one, too. */
	kc->attention = KCOPYD_ATTENTION_SAMPLE;
	kc->stats.until_sample = KCOPYD_SAMPLE - 1;
}

/* Its number is that of jobs accepted so far, and this one. */
static void job_number(const struct kcopyd_client *kc, struct kcopyd_job *job)
{
	job->watch |= KCOPYD_WATCH_ID;
	job->id = kc->stats.returned + kc->jobs + 1;
}

static void job_time(struct kcopyd_job *job)
{
	job->watch |= KCOPYD_WATCH_TIME;
	job->began = ktime_get_ns();
}

/**
 * kcopyd_stats_large() - a large job is going to be accepted
 * @kc: the client
 * @job: the job
 *
 * Context: Any, under the client's lock.
 */
__cold void kcopyd_stats_large(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	job_number(kc, job);
	job_time(job);
}

/**
 * kcopyd_stats_attend() - a job comes to a client that asks for attention
 * @kc: the client
 * @job: the job, complete but for what kcopyd_copy_start() sets
 * @dm: it is one of device-mapper's calls
 *
 * Context: Any, under the client's lock.
 * Return: false if it is not to be accepted.
 */
__cold bool kcopyd_stats_attend(struct kcopyd_client *kc, struct kcopyd_job *job, bool dm)
{
	if (kc->shutdown && !dm)
		return false;
	job_number(kc, job);
	if ((kc->attention & KCOPYD_ATTENTION_SAMPLE) && job->small && !job->zero) {
		kc->attention &= ~KCOPYD_ATTENTION_SAMPLE;
		kcopyd_pool_note_peak(&kc->pool);
		job_time(job);
	}
	trace_job_queued(kc, job);
	return true;
}

void kcopyd_stats_prepared(struct kcopyd_client *kc, struct kcopyd_job *job)
{
	job->watch = KCOPYD_WATCH_CALLBACK;
	kc->stats.others[KCOPYD_CALLBACKS]++;
}

void kcopyd_stats_mark(struct kcopyd_client *kc, struct kcopyd_job *mark)
{
	mark->watch = KCOPYD_WATCH_MARK;
	kc->stats.others[KCOPYD_MARKS]++;
}

/* Its first part is not begun at once. */
__cold void kcopyd_stats_long_way(struct kcopyd_client *kc, const struct kcopyd_job *job)
{
	kc->stats.long_way++;
	kc->stats.others[KCOPYD_ZEROES] += job->zero;
}

/* A job waits in the list, and did not come from there. */
__cold void kcopyd_stats_wait(struct kcopyd_client *kc, const struct kcopyd_fifo *fifo)
{
	enum kcopyd_waits what = KCOPYD_WAITS_DISK;

	if (fifo == &kc->starved)
		what = KCOPYD_WAITS_PAGES;
	else if (fifo == &kc->slowed)
		what = KCOPYD_WAITS_THROTTLE;
	kc->stats.waits[what]++;
	kcopyd_pool_note_peak(&kc->pool);
}

/* @err is 0 if the piece was read, but is not going to be written. */
__cold void kcopyd_stats_unread(struct kcopyd_client *kc, struct kcopyd_part *part, int err)
{
	if (err)
		kc->stats.unread += part->count;
	kc->stats.unwritten[0] += part->count;
	if (err && err != -ECANCELED) {
		kc->stats.read_errors++;
		part->job->watch |= KCOPYD_WATCH_ERROR;
	}
}

/* A write has failed, or was not submitted. */
__cold void kcopyd_stats_unwritten(struct kcopyd_client *kc, struct kcopyd_part *part, int err)
{
	kc->stats.unwritten[part->job->zero] += part->count;
	if (err != -ECANCELED) {
		kc->stats.write_errors++;
		part->job->watch |= KCOPYD_WATCH_ERROR;
	}
}

/* It is written, but cannot be read back as it should, or the flush has failed. */
__cold void kcopyd_stats_unstable(struct kcopyd_client *kc, struct kcopyd_part *part, int err)
{
	if (err == -ECANCELED)
		return;
	kc->stats.write_errors++;
	part->job->watch |= KCOPYD_WATCH_ERROR;
}

/* What is there is not going to be written, and does not end as a piece. */
__cold void kcopyd_stats_dropped(struct kcopyd_client *kc, const struct kcopyd_part *part)
{
	kc->stats.moved += part->count;
	kc->stats.unwritten[part->job->zero] += part->count;
}

/* A write has ended, however, and is not the piece's last. */
void kcopyd_stats_more(struct kcopyd_client *kc, const struct kcopyd_part *part)
{
	kc->stats.more[part->job->zero] += part->count;
}

/* As kcopyd_stats_more() and kcopyd_stats_unwritten(), of a write to all at once. */
void kcopyd_stats_together(struct kcopyd_client *kc, struct kcopyd_part *part,
			   unsigned int failed)
{
	kc->stats.more[0] += (part->job->num_dests - 1) * (u64)part->count;
	if (likely(!failed))
		return;
	kc->stats.unwritten[0] += hweight32(failed) * (u64)part->count;
	kc->stats.write_errors += hweight32(failed);
	part->job->watch |= KCOPYD_WATCH_ERROR;
}

/* In powers of two of a microsecond. */
static unsigned int latency_class(u64 ns)
{
	return min_t(unsigned int, fls64(div_u64(ns, NSEC_PER_USEC)),
		     KCOPYD_LATENCIES - 1);
}

static enum kcopyd_other other_of(const struct kcopyd_job *job)
{
	if (job->watch & KCOPYD_WATCH_MARK)
		return KCOPYD_MARKS;
	return job->watch & KCOPYD_WATCH_CALLBACK ? KCOPYD_CALLBACKS : KCOPYD_ZEROES;
}

static void other_done(struct kcopyd_stats *stats, enum kcopyd_other other)
{
	/* Of a batch that is over nothing is called any more. */
	if (stats->batch != stats->returned)
		memset(stats->calling, 0, sizeof(stats->calling));
	stats->batch = stats->returned;
	stats->calling[other]++;
	stats->others_done[other]++;
}

/**
 * kcopyd_stats_done() - the callback of a job that is watched is going to be called
 * @kc: the client
 * @job: the job
 *
 * Context: Any, under the client's lock.
 */
__cold void kcopyd_stats_done(struct kcopyd_client *kc, const struct kcopyd_job *job)
{
	struct kcopyd_stats *stats = &kc->stats;
	u64 took = 0;

	if (job->watch & KCOPYD_WATCH_OTHER)
		other_done(stats, other_of(job));
	if (job->watch & (KCOPYD_WATCH_CALLBACK | KCOPYD_WATCH_MARK))
		return;
	if (job->watch & KCOPYD_WATCH_TIME)
		took = ktime_get_ns() - job->began;
	if (job->cancelled)
		stats->cancelled++;
	else if (job->read_err || job->write_err)
		stats->failed++;
	if ((job->watch & KCOPYD_WATCH_TIME) && !job->zero && !job->cancelled) {
		struct kcopyd_latencies *to = job->small ? &stats->small : &stats->large;

		to->nr[latency_class(took)]++;
	}
	trace_job_done(kc, job, div_u64(took, NSEC_PER_USEC));
}

/**
 * kcopyd_stats_get() - what is to be shown of a client
 * @kc: the client
 * @s: receives it, all of the same moment
 *
 * Context: Any, without the client's lock.
 */
void kcopyd_stats_get(struct kcopyd_client *kc, struct kcopyd_client_stats *s)
{
	const struct kcopyd_stats *stats = &kc->stats;
	unsigned long flags;
	u64 accepted, done[KCOPYD_OTHERS], others = 0, others_done = 0;
	unsigned int i;

	spin_lock_irqsave(&kc->lock, flags);
	kcopyd_pool_note_peak(&kc->pool);
	accepted = stats->returned + kc->jobs;
	for (i = 0; i < KCOPYD_OTHERS; i++) {
		done[i] = stats->others_done[i];
		if (stats->batch == stats->returned)
			done[i] -= stats->calling[i];
		others += stats->others[i];
		others_done += done[i];
	}
	*s = (struct kcopyd_client_stats){
		.id = kc->id,
		.pages = kc->pool.nr_pages,
		.pages_used = kc->pool.nr_pages - kc->pool.nr_free,
		.pages_peak = kc->pool.peak,
		.part_kb = kc->part_pages * (PAGE_SIZE / SZ_1K),
		.waiting = kc->waiting - !!kc->throttled.throttle - kc->held_back,
		.copies = accepted - others,
		.copies_done = stats->returned - others_done,
		.zeroes = stats->others[KCOPYD_ZEROES],
		.zeroes_done = done[KCOPYD_ZEROES],
		.callbacks = stats->others[KCOPYD_CALLBACKS],
		.callbacks_done = done[KCOPYD_CALLBACKS],
		.failed = stats->failed,
		.cancelled = stats->cancelled,
		.sectors_read = stats->moved - stats->zeroed - stats->unread,
		.sectors_written = stats->moved - stats->zeroed + stats->more[0] -
				   stats->unwritten[0],
		.sectors_zeroed = stats->zeroed + stats->more[1] - stats->unwritten[1],
		.read_errors = stats->read_errors,
		.write_errors = stats->write_errors,
		.small = stats->small,
		.large = stats->large,
	};
	s->queued = s->copies - s->copies_done + s->zeroes - s->zeroes_done;
	s->parts = s->copies - (stats->long_way - stats->others[KCOPYD_ZEROES]) + stats->parts;
	memcpy(s->name, kc->name, sizeof(s->name));
	memcpy(s->waits, stats->waits, sizeof(s->waits));
	spin_unlock_irqrestore(&kc->lock, flags);
}

/**
 * kcopyd_stats_format_latencies() - as text
 * @latencies: how long copies took
 * @buf: where to
 * @size: of @buf
 *
 * Context: Any.
 * Return: the length of the text: "<16:3 <32:120", or "-" if there are none.
 */
size_t kcopyd_stats_format_latencies(const struct kcopyd_latencies *latencies,
				     char *buf, size_t size)
{
	const char *space = "";
	unsigned int i;
	size_t n = 0;

	for (i = 0; i < KCOPYD_LATENCIES; i++) {
		if (!latencies->nr[i])
			continue;
		if (i < KCOPYD_LATENCIES - 1)
			n += scnprintf(buf + n, size - n, "%s<%u:%llu", space, 1U << i,
				       latencies->nr[i]);
		else
			n += scnprintf(buf + n, size - n, "%s>=%u:%llu", space,
				       1U << (i - 1), latencies->nr[i]);
		space = " ";
	}
	return n ?: scnprintf(buf, size, "-");
}

/**
 * kcopyd_stats_format() - as lines of key=value
 * @s: what is to be shown
 * @buf: where to
 * @size: of @buf
 *
 * Context: Any.
 * Return: the length of the text.
 */
size_t kcopyd_stats_format(const struct kcopyd_client_stats *s, char *buf, size_t size)
{
	const struct {
		const char *key;
		u64 value;
	} lines[] = {
		{ "pages", s->pages },
		{ "pages_used", s->pages_used },
		{ "pages_peak", s->pages_peak },
		{ "part_kb", s->part_kb },
		{ "queued", s->queued },
		{ "waiting", s->waiting },
		{ "copies", s->copies },
		{ "copies_done", s->copies_done },
		{ "zeroes", s->zeroes },
		{ "zeroes_done", s->zeroes_done },
		{ "callbacks", s->callbacks },
		{ "callbacks_done", s->callbacks_done },
		{ "failed", s->failed },
		{ "cancelled", s->cancelled },
		{ "sectors_read", s->sectors_read },
		{ "sectors_written", s->sectors_written },
		{ "sectors_zeroed", s->sectors_zeroed },
		{ "read_errors", s->read_errors },
		{ "write_errors", s->write_errors },
		{ "parts", s->parts },
		{ "waits_pages", s->waits[KCOPYD_WAITS_PAGES] },
		{ "waits_disk", s->waits[KCOPYD_WAITS_DISK] },
		{ "waits_throttle", s->waits[KCOPYD_WAITS_THROTTLE] },
	};
	unsigned int i;
	size_t n;

	n = scnprintf(buf, size, "client=%u\nname=%s\n", s->id, s->name);
	for (i = 0; i < ARRAY_SIZE(lines); i++)
		n += scnprintf(buf + n, size - n, "%s=%llu\n", lines[i].key,
			       lines[i].value);
	n += scnprintf(buf + n, size - n, "latency_small_us=");
	n += kcopyd_stats_format_latencies(&s->small, buf + n, size - n);
	n += scnprintf(buf + n, size - n, "\nlatency_large_us=");
	n += kcopyd_stats_format_latencies(&s->large, buf + n, size - n);
	n += scnprintf(buf + n, size - n, "\n");
	return n;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_stats_format);
