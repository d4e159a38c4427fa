// SPDX-License-Identifier: GPL-2.0-only
/* Copies described by a request: what they are told, what they tell, what they do more. */
#include <linux/ioprio.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "core/client.h"
#include "core/request.h"
#include "fixture.h"
#include "starve.h"

#define PAGES 64
#define DISK_SECTORS 4096
#define AT 40
#define COUNT 1801

struct setup {
	struct fixture *f;
	struct tclient *client;
	struct tdisk *from, *to, *to2;
	struct copy *copy;
	struct kcopyd_request *request;
	struct kcopyd_result *result;
};

static struct tdisk *able_disk(struct fixture *f, u8 seed)
{
	const struct tdisk_options options = {
		.sectors = DISK_SECTORS,
		.seed = seed,
		.end = TDISK_END_IRQ,
		.zeroes = true,
		.cache = true,
	};

	return fixture_disk(f, &options);
}

/* A copy of COUNT sectors to two disks. */
static struct setup setup(struct kunit *test)
{
	struct setup s = { .f = test->priv };

	s.client = fixture_client(s.f, PAGES);
	s.from = fixture_small_disk(s.f, 1, DISK_SECTORS);
	s.to = able_disk(s.f, 2);
	s.to2 = able_disk(s.f, 3);
	s.copy = fixture_copy(s.client, s.from, AT, COUNT);
	copy_to(s.copy, s.to, AT + 8);
	copy_to(s.copy, s.to2, AT + 16);
	s.request = copy_request(s.copy);
	s.result = &s.request->result;
	return s;
}

/* All is given back. */
static void expect_sound(struct kunit *test, struct setup *s)
{
	struct kcopyd_client *kc = s->client->kc;

	fixture_settle(s->f);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(s->client), kc->pool.nr_pages);
	KUNIT_EXPECT_TRUE(test, list_empty(&kc->pageless));
	KUNIT_EXPECT_EQ(test, kc->waiting, 0);
}

static void request_copies(struct kunit *test)
{
	struct setup s = setup(test);

	memset(s.result, 0xff, sizeof(*s.result));
	copy_run(s.copy, 0);
	copy_expect(s.copy, 0, 0);
	copy_expect_copied(s.copy, 0);
	copy_expect_copied(s.copy, 1);
	KUNIT_EXPECT_EQ(test, s.result->bytes_read, COUNT * SECTOR_SIZE);
	KUNIT_EXPECT_EQ(test, s.result->bytes_written, 2 * COUNT * SECTOR_SIZE);
	KUNIT_EXPECT_EQ(test, s.result->bytes_zeroed, 0);
	KUNIT_EXPECT_EQ(test, s.result->bytes_skipped, 0);
	KUNIT_EXPECT_EQ(test, s.result->failed_count, 0);
	KUNIT_EXPECT_EQ(test, s.result->unsupported | s.result->mismatch, 0);
	KUNIT_EXPECT_EQ(test, s.result->nr_bad | s.result->bad_incomplete, 0);
	KUNIT_EXPECT_GT(test, s.result->submitted, 0);
	KUNIT_EXPECT_LE(test, s.result->submitted, s.result->started);
	KUNIT_EXPECT_LT(test, s.result->started, s.result->ended);
	KUNIT_EXPECT_LE(test, s.result->ended, ktime_get_ns());
	expect_sound(test, &s);
}

static void request_of_nothing(struct kunit *test)
{
	struct setup s = setup(test);

	s.copy->from.count = 0;
	s.copy->dests[0].count = 0;
	s.copy->dests[1].count = 0;
	copy_run(s.copy, 0);
	copy_expect(s.copy, 0, 0);
	KUNIT_EXPECT_EQ(test, s.result->started, 0);
	KUNIT_EXPECT_GT(test, s.result->ended, 0);
	KUNIT_EXPECT_EQ(test, s.from->nr_events + s.to->nr_events, 0);
}

static void request_zeroes(struct kunit *test)
{
	struct setup s = setup(test);
	struct copy *zero = fixture_zero(s.client, s.from, AT, COUNT);
	const struct kcopyd_result *result;

	copy_to(zero, s.to, AT);
	result = &copy_request(zero)->result;
	copy_run(zero, 0);
	copy_expect(zero, 0, 0);
	copy_expect_zeroed(zero, 0);
	copy_expect_zeroed(zero, 1);
	KUNIT_EXPECT_EQ(test, result->bytes_read, 0);
	/* The first one cannot do it itself. */
	KUNIT_EXPECT_EQ(test, result->bytes_written, COUNT * SECTOR_SIZE);
	KUNIT_EXPECT_EQ(test, result->bytes_zeroed, COUNT * SECTOR_SIZE);
	expect_sound(test, &s);
}

static unsigned int times_left;

/* In its callback it is the caller's again. */
static void submit_again(struct copy *copy)
{
	KUNIT_EXPECT_EQ(copy->fixture->test, copy->request->result.bytes_read,
			copy->from.count * SECTOR_SIZE);
	if (!times_left)
		return;
	WRITE_ONCE(times_left, times_left - 1);
	atomic_dec(&copy->calls);
	KUNIT_EXPECT_EQ(copy->fixture->test, copy_submit(copy, 0), 0);
}

static void request_again(struct kunit *test)
{
	struct setup s = setup(test);

	times_left = 5;
	s.copy->then = submit_again;
	copy_start(s.copy, 0);
	KUNIT_EXPECT_TRUE(test, wait_until(!READ_ONCE(times_left)));
	KUNIT_EXPECT_TRUE(test, wait_until(!READ_ONCE(s.client->kc->jobs)));
	copy_expect_copied(s.copy, 1);
	expect_sound(test, &s);
}

/* Not even a job object. A large one would allocate parts, if there is memory. */
static void request_allocates_nothing(struct kunit *test)
{
	struct setup s = setup(test);
	bool failed;

	s.copy->from.count = 8;
	s.copy->dests[0].count = 8;
	s.copy->dests[1].count = 8;
	copy_run(s.copy, 0);
	reinit_completion(&s.copy->done);
	atomic_set(&s.copy->calls, 0);
	starve(1);
	copy_submit(s.copy, 0);
	failed = starve_stop();
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_EQ(test, s.copy->result, 0);
	copy_wait(s.copy);
	copy_expect(s.copy, 0, 0);
}

static void expect_rejected(struct setup *s, unsigned int flags, int r)
{
	KUNIT_EXPECT_EQ(s->f->test, copy_submit(s->copy, flags), r);
}

static void request_rejected(struct kunit *test)
{
	const struct tdisk_options coarse = { .sectors = DISK_SECTORS, .block_size = 4096 };
	struct setup s = setup(test);
	struct tclient *small = fixture_client(s.f, 1);
	struct copy *zero, *large;
	struct kcopyd_bad_range bad;

	KUNIT_EXPECT_EQ(test, kcopyd_submit(NULL, s.request), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_submit(s.client->kc, NULL), -EINVAL);
	expect_rejected(&s, KCOPYD_ZERO, -EINVAL);
	expect_rejected(&s, 1U << 30, -EINVAL);
	expect_rejected(&s, 1, -EINVAL);
	expect_rejected(&s, KCOPYD_NO_UNMAP, -EINVAL);
	expect_rejected(&s, KCOPYD_SALVAGE | KCOPYD_WRITE_SEQ, -EINVAL);

	s.request->max_bad = 1;
	expect_rejected(&s, 0, -EINVAL);
	s.request->bad = &bad;
	s.request->ioprio = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 8);
	expect_rejected(&s, 0, -EINVAL);
	s.request->ioprio = 1;
	expect_rejected(&s, 0, -EINVAL);
	s.request->ioprio = 0;
	s.request->progress_sectors = 1;
	expect_rejected(&s, 0, -EINVAL);
	s.request->progress_sectors = 0;
	s.request->num_dests = 33;
	expect_rejected(&s, 0, -EINVAL);
	s.request->num_dests = 2;
	s.copy->dests[1].count--;
	expect_rejected(&s, 0, -EINVAL);

	zero = fixture_zero(s.client, s.to, AT, 8);
	KUNIT_EXPECT_EQ(test, copy_submit(zero, KCOPYD_VERIFY), -EINVAL);
	KUNIT_EXPECT_EQ(test, copy_submit(zero, KCOPYD_DETECT_ZEROES), -EINVAL);
	KUNIT_EXPECT_EQ(test, copy_submit(zero, KCOPYD_SALVAGE), -EINVAL);
	/* Only a request can have that one. */
	KUNIT_EXPECT_EQ(test, copy_submit(zero, KCOPYD_ZERO), -EINVAL);

	/* One page holds a block, but not what is read back. */
	large = fixture_copy(small, s.from, AT, 8);
	copy_to(large, fixture_disk(s.f, &coarse), AT);
	KUNIT_EXPECT_EQ(test, copy_submit(large, KCOPYD_VERIFY), -EINVAL);
	expect_kept(s.f, s.to, 0, DISK_SECTORS);
	expect_kept(s.f, s.to2, 0, DISK_SECTORS);
}

static void request_rejects_salvage_to_zones(struct kunit *test)
{
	const struct tdisk_options zoned = { .sectors = DISK_SECTORS, .zoned = true };
	struct setup s = setup(test);
	struct copy *copy = fixture_copy(s.client, s.from, 0, 8);

	copy_to(copy, fixture_disk(s.f, &zoned), 0);
	KUNIT_EXPECT_EQ(test, copy_submit(copy, KCOPYD_SALVAGE), -EINVAL);
}

static void request_in_a_client_that_ends(struct kunit *test)
{
	struct setup s = setup(test);
	struct ender *ender;

	tdisk_shut(s.from);
	copy_start(s.copy, 0);
	ender = ender_start(s.client->kc);
	s.client->ended = true;
	KUNIT_ASSERT_TRUE(test, wait_until(READ_ONCE(s.client->kc->shutdown)));
	{
		struct copy *late = fixture_copy(s.client, s.to, 0, 8);

		copy_to(late, s.to2, 0);
		copy_request(late);
		KUNIT_EXPECT_EQ(test, copy_submit(late, 0), -ESHUTDOWN);
	}
	tdisk_open(s.from);
	KUNIT_EXPECT_TRUE(test, ender_wait(ender));
	copy_expect(s.copy, 0, 0);
}

/* The first failed piece; and what dm-io tells of a write that is not supported. */
static void request_write_errors(struct kunit *test)
{
	struct setup s = setup(test);

	tdisk_fail(s.to2, true, AT + 16 + 900, 1, BLK_STS_IOERR);
	tdisk_fail(s.to2, true, AT + 16 + 1500, 1, BLK_STS_IOERR);
	copy_run(s.copy, KCOPYD_IGNORE_ERROR);
	copy_expect(s.copy, 0, 2);
	copy_expect_copied(s.copy, 0);
	KUNIT_EXPECT_GT(test, s.result->failed_count, 0);
	KUNIT_EXPECT_LE(test, s.result->failed_offset, 900);
	KUNIT_EXPECT_GT(test, s.result->failed_offset + s.result->failed_count, 900);
	KUNIT_EXPECT_EQ(test, s.result->bytes_read, COUNT * SECTOR_SIZE);
	KUNIT_EXPECT_LT(test, s.result->bytes_written, 2 * COUNT * SECTOR_SIZE);
	KUNIT_EXPECT_GT(test, s.result->bytes_written, COUNT * SECTOR_SIZE);
	expect_sound(test, &s);
}

/* Every bio of it has the priority, and others the usual one. */
static void request_priority(struct kunit *test)
{
	struct setup s = setup(test);
	const unsigned short prio = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0);
	struct copy *other = fixture_copy(s.client, s.from, 0, 8);
	unsigned int i, usual = 0;
	int r;

	s.request->ioprio = prio;
	r = copy_submit(s.copy, KCOPYD_VERIFY | KCOPYD_FLUSH);
	if (r == -EOPNOTSUPP)
		kunit_skip(test, "dm-io has no priorities");
	KUNIT_ASSERT_EQ(test, r, 0);
	copy_wait(s.copy);
	for (i = 0; i < s.to->nr_events; i++)
		KUNIT_EXPECT_EQ(test, s.to->events[i].prio, prio);
	for (i = 0; i < s.from->nr_events; i++)
		KUNIT_EXPECT_EQ(test, s.from->events[i].prio, prio);

	copy_to(other, s.to, 0);
	copy_run(other, 0);
	for (; i < s.from->nr_events; i++)
		usual += s.from->events[i].prio != prio;
	KUNIT_EXPECT_GT(test, usual, 0);
}

/* --- KCOPYD_FLUSH --- */

static void expect_flushed_last(struct kunit *test, struct tdisk *disk)
{
	unsigned int i, flush = disk->nr_events - 1;

	KUNIT_EXPECT_EQ(test, tdisk_count_flushes(disk), 1);
	KUNIT_ASSERT_TRUE(test, disk->events[flush].flush);
	for (i = 0; i < flush; i++)
		KUNIT_EXPECT_LT(test, disk->events[i].ended, disk->events[flush].arrived);
}

static void request_flush(struct kunit *test)
{
	struct setup s = setup(test);

	copy_run(s.copy, KCOPYD_FLUSH);
	copy_expect(s.copy, 0, 0);
	copy_expect_copied(s.copy, 0);
	expect_flushed_last(test, s.to);
	expect_flushed_last(test, s.to2);
	KUNIT_EXPECT_EQ(test, tdisk_count_flushes(s.from), 0);
	expect_sound(test, &s);
}

/* It is no matter of requests alone, nor of copies. */
static void request_flush_of_others(struct kunit *test)
{
	struct setup s = setup(test);
	struct copy *seq = fixture_copy(s.client, s.from, AT, COUNT);
	struct copy *zero = fixture_zero(s.client, s.to2, AT, COUNT);
	struct copy *nothing = fixture_zero(s.client, s.from, AT, 0);
	struct tdisk *third = able_disk(s.f, 4);

	copy_to(seq, s.to, AT);
	copy_run(seq, KCOPYD_FLUSH | KCOPYD_WRITE_SEQ);
	copy_expect(seq, 0, 0);
	expect_flushed_last(test, s.to);
	copy_run(zero, KCOPYD_FLUSH);
	copy_expect_zeroed(zero, 0);
	expect_flushed_last(test, s.to2);
	copy_to(nothing, third, 0);
	copy_run(nothing, KCOPYD_FLUSH);
	expect_flushed_last(test, third);
	expect_sound(test, &s);
}

/* The other one is flushed, whichever is first. */
static void flush_fails(struct kunit *test, unsigned int slot)
{
	struct setup s = setup(test);
	struct tdisk *refuses = slot ? s.to2 : s.to, *flushes = slot ? s.to : s.to2;

	refuses->refuse_flush = BLK_STS_IOERR;
	copy_run(s.copy, KCOPYD_FLUSH);
	copy_expect(s.copy, 0, BIT(slot));
	KUNIT_EXPECT_EQ(test, s.result->failed_count, 0);
	expect_flushed_last(test, flushes);
	expect_sound(test, &s);
}

static void request_flush_fails(struct kunit *test)
{
	flush_fails(test, 0);
	flush_fails(test, 1);
}

/* After an error there is nothing to be kept, but with KCOPYD_IGNORE_ERROR. */
static void flush_after_error(struct kunit *test, unsigned int flags, unsigned int flushes)
{
	struct setup s = setup(test);

	tdisk_fail(s.to2, true, AT + 16 + 900, 1, BLK_STS_IOERR);
	copy_run(s.copy, KCOPYD_FLUSH | flags);
	copy_expect(s.copy, 0, 2);
	KUNIT_EXPECT_EQ(test, tdisk_count_flushes(s.to), flushes);
	KUNIT_EXPECT_EQ(test, tdisk_count_flushes(s.to2), 0);
	expect_sound(test, &s);
}

static void request_flush_after_error(struct kunit *test)
{
	flush_after_error(test, 0, 0);
}

static void request_flush_after_ignored_error(struct kunit *test)
{
	flush_after_error(test, KCOPYD_IGNORE_ERROR, 1);
}

static void request_flush_without_writes(struct kunit *test)
{
	struct setup s = setup(test);

	tdisk_fail(s.to, true, 0, DISK_SECTORS, BLK_STS_IOERR);
	tdisk_fail(s.to2, true, 0, DISK_SECTORS, BLK_STS_IOERR);
	copy_run(s.copy, KCOPYD_FLUSH | KCOPYD_IGNORE_ERROR);
	copy_expect(s.copy, 0, 3);
	KUNIT_EXPECT_EQ(test, tdisk_count_flushes(s.to) + tdisk_count_flushes(s.to2), 0);
	expect_sound(test, &s);
}

static void request_flush_cancelled(struct kunit *test)
{
	struct setup s = setup(test);

	s.copy->from.count = 8;
	s.copy->dests[0].count = 8;
	s.copy->dests[1].count = 8;
	tdisk_shut(s.to);
	copy_start(s.copy, KCOPYD_FLUSH);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(s.to, 1));
	KUNIT_ASSERT_EQ(test, tdisk_release(s.to, 1), 1);
	KUNIT_ASSERT_TRUE(test, wait_until(tdisk_count_flushes(s.to) == 1));
	KUNIT_EXPECT_EQ(test, kcopyd_request_cancel(s.request), 1);
	fixture_settle(s.f);
	KUNIT_EXPECT_FALSE(test, copy_is_done(s.copy));
	tdisk_open(s.to);
	copy_wait(s.copy);
	copy_expect(s.copy, -ECANCELED, 0);
	expect_sound(test, &s);
}

/* --- KCOPYD_VERIFY --- */

/* In the smallest pool that it is possible in as well. */
static void verify(struct kunit *test, unsigned int pages, unsigned int flags)
{
	struct setup s = setup(test);

	s.copy->client = fixture_client(s.f, pages);
	copy_run(s.copy, KCOPYD_VERIFY | flags);
	copy_expect(s.copy, 0, 0);
	copy_expect_copied(s.copy, 0);
	copy_expect_copied(s.copy, 1);
	/* Each is read as often as it is written. */
	KUNIT_EXPECT_EQ(test, tdisk_count(s.to, false), tdisk_count(s.to, true));
	KUNIT_EXPECT_EQ(test, tdisk_count(s.to2, false), tdisk_count(s.to2, true));
	KUNIT_EXPECT_EQ(test, s.result->bytes_read, COUNT * SECTOR_SIZE);
	fixture_settle(s.f);
	KUNIT_EXPECT_EQ(test, tclient_free_pages(s.copy->client), pages);
}

static void request_verify(struct kunit *test)
{
	verify(test, PAGES, 0);
}

static void request_verify_with_two_pages(struct kunit *test)
{
	verify(test, 2, 0);
}

static void request_verify_with_three_pages(struct kunit *test)
{
	verify(test, 3, 0);
}

static void request_verify_in_sequence(struct kunit *test)
{
	verify(test, PAGES, KCOPYD_WRITE_SEQ);
}

static void request_verify_small(struct kunit *test)
{
	struct setup s = setup(test);
	sector_t count;

	for (count = 1; count < 20; count++) {
		struct copy *copy = fixture_copy(s.client, s.from, count, count);

		copy_to(copy, s.to, 100 * count);
		copy_to(copy, s.to2, 100 * count);
		copy_run(copy, KCOPYD_VERIFY);
		copy_expect(copy, 0, 0);
		copy_expect_copied(copy, 0);
		copy_expect_copied(copy, 1);
	}
	expect_sound(test, &s);
}

static void verify_finds(struct kunit *test, unsigned int flags, unsigned int at)
{
	struct setup s = setup(test);

	s.to2->rotten = AT + 16 + at;
	copy_run(s.copy, KCOPYD_VERIFY | flags);
	copy_expect(s.copy, 0, 2);
	KUNIT_EXPECT_EQ(test, s.result->mismatch, 2);
	KUNIT_EXPECT_LE(test, s.result->failed_offset, at);
	KUNIT_EXPECT_GT(test, s.result->failed_offset + s.result->failed_count, at);
	if (flags & KCOPYD_IGNORE_ERROR) {
		copy_expect_copied(s.copy, 0);
		copy_expect_copied(s.copy, 1);
	}
	expect_sound(test, &s);
}

static void request_verify_finds(struct kunit *test)
{
	verify_finds(test, 0, 0);
	verify_finds(test, KCOPYD_IGNORE_ERROR, 1234);
	verify_finds(test, KCOPYD_IGNORE_ERROR, COUNT - 1);
	verify_finds(test, KCOPYD_WRITE_SEQ, 1500);
}

/* Without a request, too, the bit says it. */
static void request_verify_without(struct kunit *test)
{
	struct setup s = setup(test);
	struct copy *copy = fixture_copy(s.client, s.from, AT, 100);

	s.to->rotten = AT + 99;
	copy_to(copy, s.to2, AT);
	copy_to(copy, s.to, AT);
	copy_run(copy, KCOPYD_VERIFY);
	copy_expect(copy, 0, 2);
	expect_sound(test, &s);
}

static void request_verify_cannot_read(struct kunit *test)
{
	struct setup s = setup(test);

	tdisk_fail(s.to, false, AT + 8 + 77, 1, BLK_STS_IOERR);
	copy_run(s.copy, KCOPYD_VERIFY | KCOPYD_IGNORE_ERROR);
	copy_expect(s.copy, 0, 1);
	KUNIT_EXPECT_EQ(test, s.result->mismatch, 0);
	KUNIT_EXPECT_LE(test, s.result->failed_offset, 77);
	KUNIT_EXPECT_GT(test, s.result->failed_offset + s.result->failed_count, 77);
	copy_expect_copied(s.copy, 0);
	copy_expect_copied(s.copy, 1);
	expect_sound(test, &s);
}

/* One error of a destination does not end that; of what was not written nothing is read. */
static void request_verify_after_ignored_error(struct kunit *test)
{
	struct setup s = setup(test);

	tdisk_fail(s.to, true, AT + 8 + 1, 1, BLK_STS_IOERR);
	s.to->rotten = AT + 8 + COUNT - 1;
	s.to2->rotten = AT + 16 + 1;
	copy_run(s.copy, KCOPYD_VERIFY | KCOPYD_IGNORE_ERROR);
	copy_expect(s.copy, 0, 3);
	KUNIT_EXPECT_EQ(test, s.result->mismatch, 3);
	KUNIT_EXPECT_EQ(test, s.result->failed_offset, 0);
	expect_sound(test, &s);
}

static void request_verify_unwritten(struct kunit *test)
{
	struct setup s = setup(test);

	s.copy->from.count = 8;
	s.copy->dests[0].count = 8;
	s.copy->dests[1].count = 8;
	tdisk_fail(s.to, true, AT + 8, 1, BLK_STS_IOERR);
	copy_run(s.copy, KCOPYD_VERIFY | KCOPYD_IGNORE_ERROR);
	copy_expect(s.copy, 0, 1);
	KUNIT_EXPECT_EQ(test, s.result->mismatch, 0);
	KUNIT_EXPECT_EQ(test, tdisk_count(s.to, false), 0);
	KUNIT_EXPECT_EQ(test, tdisk_count(s.to2, false), 1);
	expect_sound(test, &s);
}

static void request_verify_cancelled(struct kunit *test)
{
	struct setup s = setup(test);

	s.copy->from.count = 8;
	s.copy->dests[0].count = 8;
	s.copy->dests[1].count = 8;
	tdisk_shut(s.to2);
	copy_start(s.copy, KCOPYD_VERIFY);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(s.to2, 1));
	KUNIT_ASSERT_EQ(test, tdisk_release(s.to2, 1), 1);
	KUNIT_ASSERT_TRUE(test, wait_until(tdisk_count(s.to2, false) == 1));
	KUNIT_EXPECT_EQ(test, kcopyd_request_cancel(s.request), 1);
	tdisk_open(s.to2);
	copy_wait(s.copy);
	copy_expect(s.copy, -ECANCELED, 0);
	expect_sound(test, &s);
}

/* --- KCOPYD_DETECT_ZEROES --- */

/* Parts of 8 pages: numbers 1, 2 and 7 are zeroes, and number 4 but for a byte. */
#define PART 64

static void zero_some(struct setup *s)
{
	u8 *data = s->from->data + (AT << SECTOR_SHIFT);

	memset(data + (1 * PART << SECTOR_SHIFT), 0, 2 * PART << SECTOR_SHIFT);
	memset(data + (7 * PART << SECTOR_SHIFT), 0, PART << SECTOR_SHIFT);
	memset(data + (4 * PART << SECTOR_SHIFT), 0, PART << SECTOR_SHIFT);
	data[(5 * PART << SECTOR_SHIFT) - 1] = 1;
}

static void expect_same(struct kunit *test, struct copy *copy, unsigned int dest)
{
	KUNIT_EXPECT_EQ(test, memcmp(copy->source->data + (copy->from.sector << SECTOR_SHIFT),
				     copy->targets[dest]->data +
				     (copy->dests[dest].sector << SECTOR_SHIFT),
				     copy->from.count << SECTOR_SHIFT), 0);
}

static void detect(struct kunit *test, unsigned int flags, blk_status_t refuse)
{
	struct setup s = setup(test);
	const u64 zeroes = refuse ? 0 : 3 * PART * SECTOR_SIZE;
	unsigned int i;

	zero_some(&s);
	s.to->refuse_zeroes = refuse;
	s.to2->refuse_zeroes = refuse;
	copy_run(s.copy, KCOPYD_DETECT_ZEROES | flags);
	copy_expect(s.copy, 0, 0);
	expect_same(test, s.copy, 0);
	expect_same(test, s.copy, 1);
	KUNIT_EXPECT_EQ(test, s.result->bytes_zeroed, 2 * zeroes);
	KUNIT_EXPECT_EQ(test, s.result->bytes_written, 2 * (COUNT * SECTOR_SIZE - zeroes));
	for (i = 0; i < s.to->nr_events; i++) {
		if (s.to->events[i].zeroes)
			KUNIT_EXPECT_EQ(test, s.to->events[i].no_unmap,
					!!(flags & KCOPYD_NO_UNMAP));
	}
	expect_sound(test, &s);
}

static void request_detect(struct kunit *test)
{
	detect(test, 0, 0);
}

static void request_detect_in_sequence(struct kunit *test)
{
	detect(test, KCOPYD_WRITE_SEQ, 0);
}

static void request_detect_no_unmap(struct kunit *test)
{
	detect(test, KCOPYD_NO_UNMAP, 0);
}

static void request_detect_refused(struct kunit *test)
{
	detect(test, 0, BLK_STS_NOTSUPP);
	detect(test, KCOPYD_NO_UNMAP, BLK_STS_IOERR);
}

/* A disk that cannot do it gets data. */
static void request_detect_unable(struct kunit *test)
{
	struct setup s = setup(test);
	struct tdisk *unable = fixture_small_disk(s.f, 5, DISK_SECTORS);
	struct copy *copy = fixture_copy(s.client, s.from, AT, COUNT);

	zero_some(&s);
	copy_to(copy, unable, 0);
	copy_to(copy, s.to, 0);
	copy_run(copy, KCOPYD_DETECT_ZEROES | KCOPYD_IGNORE_ERROR);
	copy_expect(copy, 0, 0);
	expect_same(test, copy, 0);
	expect_same(test, copy, 1);
	KUNIT_EXPECT_GT(test, tdisk_count_zeroes(s.to), 0);
	expect_sound(test, &s);
}

/* --- KCOPYD_SALVAGE --- */

static void expect_bad(struct kunit *test, struct setup *s, unsigned int i, sector_t offset,
		       sector_t count)
{
	KUNIT_ASSERT_LT(test, i, s->result->nr_bad);
	KUNIT_EXPECT_EQ(test, s->request->bad[i].sector, AT + offset);
	KUNIT_EXPECT_EQ(test, s->request->bad[i].count, count);
}

static void bad_sectors(struct setup *s)
{
	tdisk_fail(s->from, false, AT + 3, 1, BLK_STS_IOERR);
	tdisk_fail(s->from, false, AT + 1000, 2, BLK_STS_MEDIUM);
	/* Across the end of a part. */
	tdisk_fail(s->from, false, AT + 2 * PART - 1, 3, BLK_STS_IOERR);
	tdisk_fail(s->from, false, AT + COUNT - 1, 1, BLK_STS_IOERR);
}

static void request_salvage(struct kunit *test)
{
	struct setup s = setup(test);
	struct kcopyd_bad_range bad[5] = {};
	unsigned int i;

	bad_sectors(&s);
	s.request->bad = bad;
	s.request->max_bad = 5;
	copy_run(s.copy, KCOPYD_SALVAGE);
	copy_expect(s.copy, -EIO, 0);
	KUNIT_EXPECT_EQ(test, s.result->nr_bad, 4);
	KUNIT_EXPECT_EQ(test, s.result->bad_incomplete, 0);
	expect_bad(test, &s, 0, 3, 1);
	expect_bad(test, &s, 1, 2 * PART - 1, 3);
	expect_bad(test, &s, 2, 1000, 2);
	expect_bad(test, &s, 3, COUNT - 1, 1);
	KUNIT_EXPECT_EQ(test, bad[4].count, 0);
	KUNIT_EXPECT_EQ(test, s.result->failed_offset, 3);
	KUNIT_EXPECT_EQ(test, s.result->failed_count, 1);
	KUNIT_EXPECT_EQ(test, s.result->bytes_skipped, 7 * SECTOR_SIZE);
	KUNIT_EXPECT_EQ(test, s.result->bytes_read, (COUNT - 7) * SECTOR_SIZE);
	KUNIT_EXPECT_EQ(test, s.result->bytes_written, 2 * (COUNT - 7) * SECTOR_SIZE);
	for (i = 0; i < 2; i++) {
		copy_expect_copied_part(s.copy, i, 0, 3);
		copy_expect_kept(s.copy, i, 3, 1);
		copy_expect_copied_part(s.copy, i, 4, 2 * PART - 5);
		copy_expect_kept(s.copy, i, 2 * PART - 1, 3);
		copy_expect_copied_part(s.copy, i, 2 * PART + 2, 1000 - 2 * PART - 2);
		copy_expect_kept(s.copy, i, 1000, 2);
		copy_expect_copied_part(s.copy, i, 1002, COUNT - 1003);
		copy_expect_kept(s.copy, i, COUNT - 1, 1);
	}
	expect_sound(test, &s);
}

/* Of more than there is room for the first ones are told. */
static void request_salvage_too_many(struct kunit *test)
{
	struct setup s = setup(test);
	struct kcopyd_bad_range bad[3] = {};

	bad_sectors(&s);
	s.request->bad = bad;
	s.request->max_bad = 2;
	copy_run(s.copy, KCOPYD_SALVAGE);
	KUNIT_EXPECT_EQ(test, s.result->nr_bad, 2);
	KUNIT_EXPECT_EQ(test, s.result->bad_incomplete, 1);
	expect_bad(test, &s, 0, 3, 1);
	expect_bad(test, &s, 1, 2 * PART - 1, 3);
	KUNIT_EXPECT_EQ(test, bad[2].count, 0);
	KUNIT_EXPECT_EQ(test, s.result->bytes_skipped, 7 * SECTOR_SIZE);
}

/* So many pieces are bad, in whatever order: what is told is all up to some place. */
static void bad_ranges(struct kunit *test, struct setup *s, struct rnd_state *rnd)
{
	const unsigned int nr_pieces = 40, max_bad = 1 + prandom_u32_state(rnd) % 12;
	struct kcopyd_request_state *state = kcopyd_request_state(s->request);
	struct kcopyd_bad_range bad[12] = {};
	struct kcopyd_job *job;
	u64 is_bad = 0, told = 0;
	unsigned int i, k;

	s->request->bad = bad;
	s->request->max_bad = max_bad;
	spin_lock_irq(&s->client->kc->lock);
	job = kcopyd_request_init(s->client->kc, s->request);
	job->context = s->request;
	job->sector = 1000;
	for (i = 0; i < nr_pieces / 2; i++) {
		do {
			k = prandom_u32_state(rnd) % nr_pieces;
		} while (is_bad & BIT_ULL(k));
		is_bad |= BIT_ULL(k);
		job->first->offset = k;
		job->first->count = 1;
		kcopyd_request_unread(s->client->kc, job->first);
	}
	state->active = false;
	spin_unlock_irq(&s->client->kc->lock);

	KUNIT_ASSERT_LE(test, s->result->nr_bad, max_bad);
	for (i = 0; i < s->result->nr_bad; i++) {
		KUNIT_ASSERT_GT(test, bad[i].count, 0);
		KUNIT_ASSERT_LE(test, bad[i].sector + bad[i].count, 1000 + nr_pieces);
		/* Not only neighbours: there is a piece between them. */
		KUNIT_EXPECT_GT(test, bad[i].sector,
				i ? bad[i - 1].sector + bad[i - 1].count : 999);
		told |= GENMASK_ULL(bad[i].sector + bad[i].count - 1 - 1000, bad[i].sector - 1000);
	}
	if (s->result->bad_incomplete && told)
		is_bad &= GENMASK_ULL(fls64(told) - 1, 0);
	KUNIT_EXPECT_EQ(test, told, is_bad);
	KUNIT_EXPECT_TRUE(test, told);
}

static void request_bad_ranges(struct kunit *test)
{
	struct setup s = setup(test);
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 3);
	for (i = 0; i < 2000; i++)
		bad_ranges(test, &s, &rnd);
}

/* To KCOPYD_IGNORE_ERROR a place is what is lost. */
static void request_ignores(struct kunit *test)
{
	struct setup s = setup(test);
	struct kcopyd_bad_range bad[5] = {};

	bad_sectors(&s);
	s.request->bad = bad;
	s.request->max_bad = 5;
	copy_run(s.copy, KCOPYD_IGNORE_ERROR);
	copy_expect(s.copy, -EIO, 0);
	KUNIT_EXPECT_EQ(test, s.result->nr_bad, 4);
	expect_bad(test, &s, 0, 0, 8);
	expect_bad(test, &s, 1, 2 * PART - 8, 16);
	expect_bad(test, &s, 2, 1000, 8);
	expect_bad(test, &s, 3, COUNT - 1, 1);
	expect_sound(test, &s);
}

/* Logical blocks of 4096 bytes: no less is read. */
static void request_salvage_blocks(struct kunit *test)
{
	const struct tdisk_options coarse = {
		.sectors = DISK_SECTORS,
		.block_size = 4096,
		.seed = 9,
	};
	struct setup s = setup(test);
	struct tdisk *blocks = fixture_disk(s.f, &coarse);
	struct copy *copy = fixture_copy(s.client, blocks, 80, 800);
	struct kcopyd_bad_range bad[2] = {};

	tdisk_fail(blocks, false, 80 + 100, 1, BLK_STS_IOERR);
	copy_to(copy, s.to, AT);
	s.request = copy_request(copy);
	s.request->bad = bad;
	s.request->max_bad = 2;
	copy_run(copy, KCOPYD_SALVAGE);
	copy_expect(copy, -EIO, 0);
	KUNIT_EXPECT_EQ(test, s.request->result.nr_bad, 1);
	KUNIT_EXPECT_EQ(test, bad[0].sector, 80 + 96);
	KUNIT_EXPECT_EQ(test, bad[0].count, 8);
}

/* Everything at once, with faults at random: what is not told to be bad is there. */
static void request_salvage_model(struct kunit *test)
{
	struct setup s = setup(test);
	struct rnd_state rnd;
	unsigned int round, i;

	prandom_seed_state(&rnd, 42);
	for (round = 0; round < 6; round++) {
		struct copy *copy = fixture_copy(s.client, s.from, AT, COUNT);
		struct kcopyd_bad_range bad[2 * TDISK_MAX_FAULTS] = {};
		sector_t at = 0, skipped = 0;
		struct kcopyd_request *request;

		tdisk_heal(s.from);
		for (i = 0; i < TDISK_MAX_FAULTS; i++)
			tdisk_fail(s.from, false, AT + prandom_u32_state(&rnd) % COUNT,
				   1 + prandom_u32_state(&rnd) % 12, BLK_STS_IOERR);
		tdisk_fill(s.to, 0, DISK_SECTORS, s.to->options.seed, 0);
		copy_to(copy, s.to, AT + 8);
		request = copy_request(copy);
		request->bad = bad;
		request->max_bad = ARRAY_SIZE(bad);
		copy_run(copy, KCOPYD_SALVAGE | KCOPYD_VERIFY | KCOPYD_FLUSH |
			 KCOPYD_DETECT_ZEROES);
		copy_expect(copy, -EIO, 0);
		KUNIT_EXPECT_EQ(test, request->result.bad_incomplete, 0);
		for (i = 0; i < request->result.nr_bad; i++) {
			const sector_t sector = bad[i].sector - AT;

			if (i)
				KUNIT_EXPECT_GT(test, bad[i].sector,
						bad[i - 1].sector + bad[i - 1].count);
			copy_expect_copied_part(copy, 0, at, sector - at);
			copy_expect_kept(copy, 0, sector, bad[i].count);
			skipped += bad[i].count;
			at = sector + bad[i].count;
		}
		copy_expect_copied_part(copy, 0, at, COUNT - at);
		KUNIT_EXPECT_EQ(test, request->result.bytes_skipped, skipped * SECTOR_SIZE);
	}
	expect_sound(test, &s);
}

/* --- progress --- */

struct progress {
	struct copy *copy;
	sector_t last;
	unsigned int calls, wrong;
	sector_t least;
};

static void progress_made(struct kcopyd_request *request, sector_t done)
{
	struct copy *copy = request->context;
	struct progress *p = copy->priv;

	p->wrong += atomic_read(&copy->calls) || done > copy->from.count ||
		    done < p->last + max_t(sector_t, p->least, 1);
	p->last = done;
	p->calls++;
}

static void progress(struct kunit *test, sector_t every, unsigned int flags)
{
	struct setup s = setup(test);
	struct progress p = { .copy = s.copy, .least = every };

	if (flags & KCOPYD_SALVAGE)
		bad_sectors(&s);
	s.copy->priv = &p;
	s.request->progress = progress_made;
	s.request->progress_sectors = every;
	copy_run(s.copy, flags);
	KUNIT_EXPECT_EQ(test, p.wrong, 0);
	KUNIT_EXPECT_GT(test, p.calls, 0);
	KUNIT_EXPECT_LE(test, p.calls, COUNT / max_t(sector_t, every, 1));
	if (!every)
		KUNIT_EXPECT_EQ(test, p.last, COUNT);
	expect_sound(test, &s);
}

static void request_progress(struct kunit *test)
{
	progress(test, 0, 0);
	progress(test, 0, KCOPYD_VERIFY | KCOPYD_FLUSH);
	progress(test, 0, KCOPYD_WRITE_SEQ);
	progress(test, 0, KCOPYD_SALVAGE);
	progress(test, 1000, 0);
}

/* --- the handle --- */

static void request_cancel(struct kunit *test)
{
	struct setup s = setup(test);
	struct copy *other = fixture_copy(s.client, s.from, AT, COUNT);

	copy_to(other, able_disk(s.f, 7), 0);
	copy_request(other);
	tdisk_shut(s.from);
	copy_start(s.copy, 0);
	copy_start(other, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(s.from, 1));
	fixture_settle(s.f);
	KUNIT_EXPECT_EQ(test, kcopyd_request_cancel(s.request), 1);
	KUNIT_EXPECT_EQ(test, kcopyd_request_cancel(s.request), 0);
	tdisk_open(s.from);
	copy_wait(s.copy);
	copy_wait(other);
	copy_expect(s.copy, -ECANCELED, 0);
	copy_expect(other, 0, 0);
	copy_expect_copied(other, 0);
	KUNIT_EXPECT_EQ(test, kcopyd_request_cancel(s.request), 0);
	expect_sound(test, &s);
}

/* It waits in a list, and ends at once. */
static void request_cancel_waiting(struct kunit *test)
{
	struct setup s = setup(test);
	struct copy *others[20];
	unsigned int i;

	tdisk_shut(s.from);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		others[i] = fixture_copy(s.client, s.from, AT, 200);
		copy_to(others[i], s.to, AT + 200 * i);
		copy_start(others[i], 0);
	}
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(s.from, 1));
	copy_start(s.copy, 0);
	fixture_settle(s.f);
	KUNIT_EXPECT_EQ(test, kcopyd_request_cancel_sync(s.request), 1);
	KUNIT_EXPECT_TRUE(test, copy_is_done(s.copy));
	copy_expect(s.copy, -ECANCELED, 0);
	KUNIT_EXPECT_EQ(test, s.result->started, 0);
	tdisk_open(s.from);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		copy_wait(others[i]);
	expect_sound(test, &s);
}

static void cancel_in_callback(struct copy *copy)
{
	struct copy *other = copy->priv;

	KUNIT_EXPECT_EQ(copy->fixture->test, kcopyd_request_cancel_sync(other->request), -EDEADLK);
}

static void request_cancel_in_callback(struct kunit *test)
{
	struct setup s = setup(test);
	struct copy *small = fixture_copy(s.client, s.to, 0, 8);

	tdisk_shut(s.from);
	copy_start(s.copy, 0);
	copy_to(small, s.to2, 0);
	small->then = cancel_in_callback;
	small->priv = s.copy;
	copy_run(small, 0);
	tdisk_open(s.from);
	copy_wait(s.copy);
	copy_expect(s.copy, 0, 0);
}

struct canceller {
	struct work_struct work;
	struct copy *copy;
};

static void cancel_request_work(struct work_struct *work)
{
	struct canceller *c = container_of(work, struct canceller, work);

	kcopyd_request_cancel(c->copy->request);
}

/* It is cancelled while it ends; it ends once, in one way or the other. */
static void request_cancel_races(struct kunit *test)
{
	struct setup s = setup(test);
	unsigned int i, cancelled = 0;

	for (i = 0; i < 100; i++) {
		struct copy *copy = fixture_copy(s.client, s.from, i, 300);
		struct canceller c = { .copy = copy };

		copy_to(copy, s.to, i);
		copy_request(copy);
		INIT_WORK_ONSTACK(&c.work, cancel_request_work);
		copy_start(copy, KCOPYD_VERIFY | KCOPYD_FLUSH);
		if (i % 3)
			udelay(i % 100);
		queue_work(system_highpri_wq, &c.work);
		if (i % 2)
			kcopyd_request_cancel_sync(copy->request);
		copy_wait(copy);
		flush_work(&c.work);
		destroy_work_on_stack(&c.work);
		if (copy->read_err == -ECANCELED)
			cancelled++;
		else
			copy_expect(copy, 0, 0);
	}
	kunit_info(test, "%u of %u were cancelled", cancelled, i);
	expect_sound(test, &s);
}

struct mover {
	struct tclient *clients[2];
	unsigned int left, cancelled;
	bool ended;
	struct work_struct work;
	struct copy *copy;
	unsigned int won;
};

/* From one client to the other, be it that it was cancelled. */
static void submit_elsewhere(struct copy *copy)
{
	struct mover *m = copy->priv;

	if (copy->read_err)
		WRITE_ONCE(m->cancelled, m->cancelled + 1);
	if (m->left) {
		m->left--;
		atomic_dec(&copy->calls);
		copy->client = m->clients[copy->client == m->clients[0]];
		if (!copy_submit(copy, 0))
			return;
	}
	WRITE_ONCE(m->ended, true);
}

static void cancel_mover(struct work_struct *work)
{
	struct mover *m = container_of(work, struct mover, work);

	while (!READ_ONCE(m->ended)) {
		m->won += kcopyd_request_cancel(m->copy->request);
		usleep_range(20, 200);
	}
}

/* Its callback submits it to another client while it is cancelled: the lock is another. */
static void request_cancel_moves(struct kunit *test)
{
	struct setup s = setup(test);
	struct mover m = {
		.clients = { s.client, fixture_client(s.f, PAGES) },
		.left = 600,
		.copy = s.copy,
	};

	s.copy->from.count = 8;
	s.copy->dests[0].count = 8;
	s.copy->dests[1].count = 8;
	s.copy->then = submit_elsewhere;
	s.copy->priv = &m;
	INIT_WORK_ONSTACK(&m.work, cancel_mover);
	copy_start(s.copy, 0);
	queue_work(system_unbound_wq, &m.work);
	flush_work(&m.work);
	destroy_work_on_stack(&m.work);
	KUNIT_EXPECT_TRUE(test, wait_until(!READ_ONCE(m.clients[0]->kc->jobs) &&
					   !READ_ONCE(m.clients[1]->kc->jobs)));
	kunit_info(test, "%u of 601 were cancelled", m.won);
	KUNIT_EXPECT_EQ(test, m.won, m.cancelled);
	KUNIT_EXPECT_EQ(test, m.left, 0);
	KUNIT_EXPECT_GT(test, m.won, 0);
	expect_sound(test, &s);
}

static struct kunit_case request_cases[] = {
	KUNIT_CASE(request_copies),
	KUNIT_CASE(request_of_nothing),
	KUNIT_CASE(request_zeroes),
	KUNIT_CASE(request_again),
	KUNIT_CASE(request_allocates_nothing),
	KUNIT_CASE(request_rejected),
	KUNIT_CASE(request_rejects_salvage_to_zones),
	KUNIT_CASE(request_in_a_client_that_ends),
	KUNIT_CASE(request_write_errors),
	KUNIT_CASE(request_priority),
	KUNIT_CASE(request_flush),
	KUNIT_CASE(request_flush_of_others),
	KUNIT_CASE(request_flush_fails),
	KUNIT_CASE(request_flush_after_error),
	KUNIT_CASE(request_flush_after_ignored_error),
	KUNIT_CASE(request_flush_without_writes),
	KUNIT_CASE(request_flush_cancelled),
	KUNIT_CASE(request_verify),
	KUNIT_CASE(request_verify_with_two_pages),
	KUNIT_CASE(request_verify_with_three_pages),
	KUNIT_CASE(request_verify_in_sequence),
	KUNIT_CASE(request_verify_small),
	KUNIT_CASE(request_verify_finds),
	KUNIT_CASE(request_verify_without),
	KUNIT_CASE(request_verify_cannot_read),
	KUNIT_CASE(request_verify_after_ignored_error),
	KUNIT_CASE(request_verify_unwritten),
	KUNIT_CASE(request_verify_cancelled),
	KUNIT_CASE(request_detect),
	KUNIT_CASE(request_detect_in_sequence),
	KUNIT_CASE(request_detect_no_unmap),
	KUNIT_CASE(request_detect_refused),
	KUNIT_CASE(request_detect_unable),
	KUNIT_CASE(request_salvage),
	KUNIT_CASE(request_salvage_too_many),
	KUNIT_CASE(request_bad_ranges),
	KUNIT_CASE(request_ignores),
	KUNIT_CASE(request_salvage_blocks),
	KUNIT_CASE(request_salvage_model),
	KUNIT_CASE(request_progress),
	KUNIT_CASE(request_cancel),
	KUNIT_CASE(request_cancel_waiting),
	KUNIT_CASE(request_cancel_in_callback),
	KUNIT_CASE(request_cancel_races),
	KUNIT_CASE(request_cancel_moves),
	{}
};

static struct kunit_suite request_suite = {
	.name = "kcopyd_request",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = request_cases,
};

kunit_test_suite(request_suite);
