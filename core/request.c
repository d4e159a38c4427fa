// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies that are described by a structure of the caller's. Its memory holds the job
 * too, so nothing is allocated to submit it; and it is told more than an error.
 */
#include <linux/export.h>
#include <linux/ioprio.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "check.h"
#include "client.h"
#include "export.h"
#include "notify.h"
#include "request.h"

/**
 * kcopyd_request_size() - what a request takes
 * @num_dests: destinations, from 1 to KCOPYD_MAX_DESTS
 *
 * Context: Any.
 * Return: the size in bytes of a struct kcopyd_request and what follows it.
 */
size_t kcopyd_request_size(unsigned int num_dests)
{
	return sizeof(struct kcopyd_request) +
	       sizeof(struct kcopyd_request_state) +
	       kcopyd_job_size(num_dests);
}
EXPORT_SYMBOL_GPL(kcopyd_request_size);

static bool ioprio_is_valid(unsigned short prio)
{
	return IOPRIO_PRIO_CLASS(prio) >= IOPRIO_CLASS_RT &&
	       IOPRIO_PRIO_CLASS(prio) <= IOPRIO_CLASS_IDLE &&
	       (prio & ((1U << IOPRIO_CLASS_SHIFT) - 1)) < IOPRIO_NR_LEVELS;
}

/**
 * kcopyd_request_check() - look at what is particular to a request
 * @kc: the client
 * @request: the request
 *
 * Context: Process context, without the client's lock.
 * Return: 0, or the errno that kcopyd_submit() is to return, said in the log.
 */
int kcopyd_request_check(struct kcopyd_client *kc,
			 const struct kcopyd_request *request)
{
	if (!request->fn)
		return kcopyd_reject(kc, -EINVAL, "no callback");
	if (request->flags & KCOPYD_ZERO && request->from.bdev)
		return kcopyd_reject(kc, -EINVAL, "a source, and KCOPYD_ZERO");
	if (request->max_bad && !request->bad)
		return kcopyd_reject(kc, -EINVAL, "no place for %u bad ranges",
				     request->max_bad);
	if (request->progress_sectors && !request->progress)
		return kcopyd_reject(kc, -EINVAL,
				     "nobody to tell of %llu sectors' progress",
				     (u64)request->progress_sectors);
	if (!request->ioprio)
		return 0;
	if (!ioprio_is_valid(request->ioprio))
		return kcopyd_reject(kc, -EINVAL, "there is no I/O priority %#x",
				     request->ioprio);
	if (!KCOPYD_COMPAT_IOPRIO)
		return kcopyd_reject(kc, -EOPNOTSUPP,
				     "this kernel's dm-io has no I/O priorities");
	return 0;
}

/* It is the caller's again when its callback is called. */
static void request_callback(int read_err, unsigned int write_err, void *context)
{
	struct kcopyd_request *request = context;

	request->result.read_err = read_err;
	request->result.write_err = write_err;
	request->fn(request);
}

union kcopyd_callback kcopyd_request_callback(void)
{
	return (union kcopyd_callback){ .fn = request_callback };
}

static void progress_callback(int read_err, unsigned int write_err, void *context)
{
	struct kcopyd_request *request = context;
	struct kcopyd_request_state *state = kcopyd_request_state(request);
	sector_t done;

	spin_lock_irq(&state->kc->lock);
	state->noted = false;
	state->told = state->done;
	done = state->done;
	spin_unlock_irq(&state->kc->lock);
	request->progress(request, done);
}

/**
 * kcopyd_request_init() - set up what is kcopyd's in a request
 * @kc: the client
 * @request: a request that passed the checks
 *
 * Context: Process context, under the client's lock.
 * Return: its job, which is not accepted yet.
 */
struct kcopyd_job *kcopyd_request_init(struct kcopyd_client *kc,
				       struct kcopyd_request *request)
{
	struct kcopyd_request_state *state = kcopyd_request_state(request);

	memset(&request->result, 0, sizeof(request->result));
	memset(&state->note, 0, sizeof(state->note));
	state->job = (void *)(state + 1);
	state->noted = false;
	state->done = 0;
	state->told = 0;
	state->bad_end = ~(sector_t)0;
	WRITE_ONCE(state->kc, kc);
	/*
	 * Who cancels it may know it from another client still, and have that one's lock:
	 * it sees by the client that this is not the job that it is about.
	 */
	smp_store_release(&state->active, true);
	state->note.reserved = KCOPYD_RESERVED_CALLER;
	state->note.callback.fn = progress_callback;
	state->note.context = request;
	state->job->reserved = KCOPYD_RESERVED_CALLER;
	kcopyd_job_init(state->job, request->num_dests);
	request->result.submitted = ktime_get_ns();
	return state->job;
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_request_init);

/*
 * What follows is told by the life of the job, under the client's lock.
 */

/* The first part begins, or another one. */
void kcopyd_request_started(struct kcopyd_job *job)
{
	struct kcopyd_result *result = &kcopyd_job_request(job)->result;

	if (!result->started)
		result->started = ktime_get_ns();
}

void kcopyd_request_ended(struct kcopyd_job *job)
{
	struct kcopyd_request *request = kcopyd_job_request(job);
	struct kcopyd_request_state *state = kcopyd_request_state(request);

	WRITE_ONCE(state->active, false);
	request->result.ended = ktime_get_ns();
}

void kcopyd_request_read(struct kcopyd_job *job, unsigned int sectors)
{
	kcopyd_job_request(job)->result.bytes_read += (u64)sectors << SECTOR_SHIFT;
}

void kcopyd_request_written(const struct kcopyd_part *part, unsigned int slot)
{
	struct kcopyd_result *result = &kcopyd_job_request(part->job)->result;
	const u64 bytes = (u64)part->count << SECTOR_SHIFT;

	if ((part->ops[slot].opf & REQ_OP_MASK) == REQ_OP_WRITE_ZEROES)
		result->bytes_zeroed += bytes;
	else
		result->bytes_written += bytes;
}

/* The failed piece that is nearest to the start is the one that is told. */
static void failed(struct kcopyd_result *result, const struct kcopyd_part *part)
{
	if (result->failed_count && result->failed_offset <= part->offset)
		return;
	result->failed_offset = part->offset;
	result->failed_count = part->count;
}

/* Bad ranges are told in ascending order, each as long as it is. */
static void bad_range(struct kcopyd_request *request, sector_t sector,
		      sector_t count)
{
	struct kcopyd_request_state *state = kcopyd_request_state(request);
	struct kcopyd_result *result = &request->result;
	struct kcopyd_bad_range *bad = request->bad;
	unsigned int i = result->nr_bad;

	/* What is told has no gaps: it is all that is bad before that. */
	if (sector >= state->bad_end)
		return;
	while (i && bad[i - 1].sector > sector)
		i--;
	if (i && bad[i - 1].sector + bad[i - 1].count == sector) {
		bad[--i].count += count;
	} else if (i < result->nr_bad && sector + count == bad[i].sector) {
		bad[i].sector = sector;
		bad[i].count += count;
	} else {
		/* The last ones are those that are not told. */
		if (result->nr_bad == request->max_bad) {
			result->bad_incomplete = 1;
			if (i == result->nr_bad) {
				state->bad_end = sector;
				return;
			}
			state->bad_end = bad[--result->nr_bad].sector;
		}
		memmove(&bad[i + 1], &bad[i], (result->nr_bad - i) * sizeof(*bad));
		bad[i].sector = sector;
		bad[i].count = count;
		result->nr_bad++;
	}
	/* It may have closed a gap. */
	if (i + 1 < result->nr_bad &&
	    bad[i].sector + bad[i].count == bad[i + 1].sector) {
		bad[i].count += bad[i + 1].count;
		result->nr_bad--;
		memmove(&bad[i + 1], &bad[i + 2],
			(result->nr_bad - i - 1) * sizeof(*bad));
	}
}

/* A piece cannot be read, and is not written. */
void kcopyd_request_unread(struct kcopyd_client *kc, const struct kcopyd_part *part)
{
	struct kcopyd_job *job = part->job;
	struct kcopyd_request *request = kcopyd_job_request(job);

	request->result.bytes_skipped += (u64)part->count << SECTOR_SHIFT;
	failed(&request->result, part);
	bad_range(request, job->sector + part->offset, part->count);
	kcopyd_request_progress(kc, job, part->count);
}
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_request_unread);

/* What dm-io tells of a failed write, flush, or reading back; or it was compared. */
void kcopyd_request_unwritten(const struct kcopyd_part *part, unsigned int slot,
			      int err)
{
	struct kcopyd_result *result = &kcopyd_job_request(part->job)->result;

	if (err == -EOPNOTSUPP)
		result->unsupported |= 1U << slot;
	if (err == -EILSEQ)
		result->mismatch |= 1U << slot;
	if (part->state != KCOPYD_PART_FLUSHING)
		failed(result, part);
}

/* So much more is done with. It is told in turn with the callbacks. */
void kcopyd_request_progress(struct kcopyd_client *kc, struct kcopyd_job *job,
			     unsigned int sectors)
{
	struct kcopyd_request *request = kcopyd_job_request(job);
	struct kcopyd_request_state *state = kcopyd_request_state(request);

	state->done += sectors;
	if (!request->progress || state->noted || !sectors ||
	    state->done - state->told < request->progress_sectors)
		return;
	state->noted = true;
	kcopyd_stats_mark(kc, &state->note);
	kc->jobs++;
	kcopyd_notify(kc, &state->note);
}
