// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs of all kinds at random, with faults at random, cancelled at random: each has to
 * end as a model says that knows the faults.
 */
#include <linux/prandom.h>
#include <linux/slab.h>

#include "core/client.h"
#include "fixture.h"
#include "starve.h"

#define SOURCE_SECTORS	2048
#define DEST_SECTORS	4096
#define NR_SOURCES	2
#define NR_DESTS	3
#define NR_FAULTS	5
#define ROUNDS		6
#define MOST_JOBS	60

/**
 * struct job - a job, and what is known about it beforehand
 * @copy: the job
 * @flags: of it
 * @cancelled: it may have been cancelled
 * @bad: for what a request cannot read
 */
struct job {
	struct copy *copy;
	unsigned int flags;
	bool cancelled;
	struct kcopyd_bad_range bad[2 * NR_FAULTS];
};

struct stress {
	struct fixture *f;
	struct rnd_state rnd;
	struct tdisk *from[NR_SOURCES], *to[NR_DESTS];
	sector_t next[NR_DESTS];
	struct kcopyd_throttle *throttle;
	struct tclient *client;
	struct job *jobs;
	unsigned int nr_jobs;
	unsigned int ended[3];
};

/* A number below @n. */
static unsigned int below(struct stress *s, unsigned int n)
{
	return prandom_u32_state(&s->rnd) % n;
}

static bool one_in(struct stress *s, unsigned int n)
{
	return !below(s, n);
}

static void break_disk(struct stress *s, struct tdisk *disk, bool write)
{
	unsigned int i, nr = one_in(s, 3) ? 0 : below(s, NR_FAULTS);

	tdisk_heal(disk);
	for (i = 0; i < nr; i++)
		tdisk_fail(disk, write, below(s, disk->options.sectors - 4), 1 + below(s, 3),
			   BLK_STS_IOERR);
}

static bool is_bad(const struct tdisk *disk, sector_t sector)
{
	unsigned int i;

	for (i = 0; i < disk->nr_faults; i++) {
		if (sector >= disk->faults[i].sector &&
		    sector - disk->faults[i].sector < disk->faults[i].count)
			return true;
	}
	return false;
}

static bool is_bad_range(const struct tdisk *disk, sector_t sector, sector_t count)
{
	while (count--) {
		if (is_bad(disk, sector++))
			return true;
	}
	return false;
}

/* Is that sector of the range left out? What cannot be read is, and what is beside it. */
static bool is_skipped(const struct job *job, sector_t offset)
{
	const struct copy *copy = job->copy;
	sector_t first = offset, last = offset;

	if (copy->zero)
		return false;
	if (!(job->flags & KCOPYD_SALVAGE)) {
		first = round_down(offset, KCOPYD_GRANULE);
		last = min(first + KCOPYD_GRANULE, copy->from.count) - 1;
	}
	return is_bad_range(copy->source, copy->from.sector + first, last - first + 1);
}

/* Which flags go together? */
static unsigned int random_flags(struct stress *s, bool zero)
{
	unsigned int flags = 0;

	if (one_in(s, 3))
		flags |= KCOPYD_IGNORE_ERROR;
	if (one_in(s, 5))
		flags |= KCOPYD_WRITE_SEQ;
	if (one_in(s, 4))
		flags |= KCOPYD_FLUSH;
	if (zero)
		return flags | (one_in(s, 2) ? KCOPYD_NO_UNMAP : 0);
	if (one_in(s, 4))
		flags |= KCOPYD_VERIFY;
	if (one_in(s, 5))
		flags |= KCOPYD_DETECT_ZEROES;
	if (one_in(s, 3) && !(flags & KCOPYD_WRITE_SEQ))
		flags |= KCOPYD_SALVAGE;
	return flags;
}

static unsigned int random_count(struct stress *s)
{
	switch (below(s, 8)) {
	case 0:
		return 0;
	case 1:
		return below(s, 600);
	case 2:
		return 8;
	default:
		return 1 + below(s, 64);
	}
}

/* Each has its places on the destinations to itself. Returns false if there are none. */
static bool random_job(struct stress *s, struct job *job)
{
	const unsigned int nr = 1 + below(s, NR_DESTS), first = below(s, NR_DESTS);
	const unsigned int count = random_count(s);
	const bool zero = one_in(s, 5);
	struct kcopyd_request *request;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (s->next[(first + i) % NR_DESTS] + count + 2 > DEST_SECTORS)
			return false;
	}
	job->cancelled = false;
	job->flags = random_flags(s, zero);
	job->copy = fixture_copy(s->client, s->from[below(s, NR_SOURCES)],
				 below(s, SOURCE_SECTORS - 600), count);
	job->copy->zero = zero;
	for (i = 0; i < nr; i++) {
		const unsigned int to = (first + i) % NR_DESTS;

		copy_to(job->copy, s->to[to], s->next[to] + 1);
		s->next[to] += count + 1;
	}
	if (one_in(s, 2)) {
		request = copy_request(job->copy);
		memset(job->bad, 0, sizeof(job->bad));
		request->bad = job->bad;
		request->max_bad = ARRAY_SIZE(job->bad);
	}
	return true;
}

static void submit(struct stress *s, struct job *job)
{
	const bool hungry = one_in(s, 4);
	const unsigned int pages = s->client->kc->pool.nr_pages;
	int r;

	if (hungry)
		starve(1 + below(s, 3));
	r = copy_submit(job->copy, job->flags);
	if (hungry)
		starve_stop();
	if (job->flags & KCOPYD_VERIFY && pages < 2)
		KUNIT_EXPECT_EQ(s->f->test, r, -EINVAL);
	else
		KUNIT_EXPECT_EQ(s->f->test, r, 0);
}

/* One of those so far, or all. */
static void cancel(struct stress *s)
{
	struct job *job = &s->jobs[below(s, s->nr_jobs)];
	unsigned int i;

	if (one_in(s, 20)) {
		for (i = 0; i < s->nr_jobs; i++)
			s->jobs[i].cancelled = true;
		kcopyd_client_cancel(s->client->kc);
		return;
	}
	if (job->copy->result)
		return;
	job->cancelled = true;
	if (!job->copy->request)
		copy_cancel(job->copy);
	else if (one_in(s, 2))
		kcopyd_request_cancel_sync(job->copy->request);
	else
		kcopyd_request_cancel(job->copy->request);
}

/* Every sector is what it was, or what it is to be, and nothing else. */
static bool is_old_or_new(const struct copy *copy, unsigned int i, sector_t offset)
{
	struct tdisk *to = copy->targets[i];
	const sector_t sector = copy->dests[i].sector + offset;
	sector_t where;

	if (tdisk_holds(to, sector, 1, to->options.seed, sector, &where))
		return true;
	if (copy->zero)
		return tdisk_is_zero(to, sector, 1);
	return tdisk_holds(to, sector, 1, copy->source->options.seed, copy->from.sector + offset,
			   &where);
}

static void check_contents(struct stress *s, const struct job *job, unsigned int i, bool all)
{
	struct copy *copy = job->copy;
	sector_t n;

	expect_kept(s->f, copy->targets[i], copy->dests[i].sector - 1, 1);
	expect_kept(s->f, copy->targets[i], copy->dests[i].sector + copy->from.count, 1);
	for (n = 0; n < copy->from.count; n++) {
		if (is_skipped(job, n) && copy->read_err != -ECANCELED)
			copy_expect_kept(copy, i, n, 1);
		else if (!all)
			KUNIT_EXPECT_TRUE(s->f->test, is_old_or_new(copy, i, n));
		else if (copy->zero)
			KUNIT_EXPECT_TRUE(s->f->test,
					  tdisk_is_zero(copy->targets[i],
							copy->dests[i].sector + n, 1));
		else
			copy_expect_copied_part(copy, i, n, 1);
	}
}

static void check_result(struct stress *s, const struct job *job)
{
	const struct kcopyd_result *result = &job->copy->request->result;
	struct kunit *test = s->f->test;
	sector_t n, skipped = 0, told = 0;
	unsigned int i;

	for (n = 0; n < job->copy->from.count; n++)
		skipped += is_skipped(job, n);
	KUNIT_EXPECT_EQ(test, result->bytes_skipped, skipped << SECTOR_SHIFT);
	if (!job->copy->zero)
		KUNIT_EXPECT_EQ(test, result->bytes_read + result->bytes_skipped,
				job->copy->from.count << SECTOR_SHIFT);
	KUNIT_EXPECT_EQ(test, result->bad_incomplete, 0);
	for (i = 0; i < result->nr_bad; i++) {
		told += job->bad[i].count;
		KUNIT_EXPECT_TRUE(test, is_skipped(job, job->bad[i].sector -
						   job->copy->from.sector));
	}
	KUNIT_EXPECT_EQ(test, told, skipped);
}

static void check(struct stress *s, const struct job *job)
{
	struct copy *copy = job->copy;
	const bool ignores = job->flags & (KCOPYD_IGNORE_ERROR | KCOPYD_SALVAGE) &&
			     !(job->flags & KCOPYD_WRITE_SEQ);
	const bool unreadable = !copy->zero && is_bad_range(copy->source, copy->from.sector,
							    copy->from.count);
	const int read_err = copy->read_err;
	bool unwritable = false;
	unsigned int i;

	if (copy->result)
		return;
	if (read_err == -ECANCELED) {
		s->ended[2]++;
		KUNIT_EXPECT_TRUE(s->f->test, job->cancelled);
		for (i = 0; i < copy->num_dests; i++)
			check_contents(s, job, i, false);
		return;
	}
	s->ended[read_err || copy->write_err]++;
	KUNIT_EXPECT_TRUE(s->f->test, !read_err || (read_err == -EIO && unreadable));
	for (i = 0; i < copy->num_dests; i++) {
		bool bad = false;
		sector_t n;

		for (n = 0; n < copy->from.count; n++)
			bad |= is_bad(copy->targets[i], copy->dests[i].sector + n) &&
			       !(ignores && is_skipped(job, n));
		unwritable |= bad;
		if (!bad || ignores)
			KUNIT_EXPECT_EQ(s->f->test, !!(copy->write_err & BIT(i)), bad);
		check_contents(s, job, i, ignores ? !bad : !read_err && !copy->write_err);
	}
	if (ignores) {
		KUNIT_EXPECT_EQ(s->f->test, read_err, unreadable ? -EIO : 0);
		if (copy->request)
			check_result(s, job);
	} else {
		KUNIT_EXPECT_EQ(s->f->test, read_err || copy->write_err, unreadable || unwritable);
	}
}

static void renew_disks(struct stress *s)
{
	unsigned int i;

	for (i = 0; i < NR_SOURCES; i++)
		break_disk(s, s->from[i], false);
	for (i = 0; i < NR_DESTS; i++) {
		struct tdisk *to = s->to[i];

		break_disk(s, to, true);
		tdisk_fill(to, 0, DEST_SECTORS, to->options.seed, 0);
		s->next[i] = 0;
		to->refuse_zeroes = one_in(s, 3) ? BLK_STS_NOTSUPP : 0;
		to->delay = below(s, 2);
		to->starve_submit = one_in(s, 3) ? 1 + below(s, 3) : 0;
	}
}

static void round_begin(struct stress *s)
{
	static const unsigned int pages[] = { 1, 2, 3, 8, 64, 256 };
	const struct kcopyd_limits limits = { .ios_per_second = 3000 };

	renew_disks(s);
	s->client = fixture_client(s->f, pages[below(s, ARRAY_SIZE(pages))]);
	s->throttle = NULL;
	if (!one_in(s, 4))
		return;
	KUNIT_ASSERT_EQ(s->f->test, kcopyd_throttle_create(&limits, &s->throttle), 0);
	KUNIT_EXPECT_EQ(s->f->test, kcopyd_client_throttle(s->client->kc, s->throttle), 0);
}

/* Either all are waited for, or the client is destroyed while they go on. */
static void round_end(struct stress *s)
{
	const unsigned int pages = s->client->kc->pool.nr_pages;
	struct kcopyd_client *kc = s->client->kc;
	unsigned int i;

	if (one_in(s, 2)) {
		for (i = 0; i < s->nr_jobs; i++) {
			if (!s->jobs[i].copy->result)
				copy_wait(s->jobs[i].copy);
		}
		fixture_settle(s->f);
		KUNIT_EXPECT_EQ(s->f->test, tclient_free_pages(s->client), pages);
		KUNIT_EXPECT_EQ(s->f->test, kc->waiting, !!s->throttle);
		KUNIT_EXPECT_TRUE(s->f->test, list_empty(&kc->pageless));
		KUNIT_EXPECT_EQ(s->f->test, kc->together, 0);
	}
	tclient_end(s->client);
	kcopyd_throttle_destroy(s->throttle);
	for (i = 0; i < NR_DESTS; i++)
		s->to[i]->starve_submit = 0;
	starve_stop_workers();
	for (i = 0; i < s->nr_jobs; i++)
		check(s, &s->jobs[i]);
}

/* In several cases, as a single one would take so long that the kernel says it hangs. */
static const u32 seeds[] = { 20231, 20232, 20233, 20234 };

static void seed_describe(const u32 *seed, char *description)
{
	snprintf(description, KUNIT_PARAM_DESC_SIZE, "seed %u", *seed);
}

KUNIT_ARRAY_PARAM(seed, seeds, seed_describe);

static void stress_model(struct kunit *test)
{
	struct stress s = { .f = test->priv };
	const u32 *seed = test->param_value;
	unsigned int i, n, total = 0;

	s.jobs = kunit_kcalloc(test, MOST_JOBS, sizeof(*s.jobs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, s.jobs);
	prandom_seed_state(&s.rnd, *seed);
	for (i = 0; i < NR_SOURCES; i++) {
		const struct tdisk_options options = {
			.sectors = SOURCE_SECTORS,
			.seed = 1 + i,
			.end = i ? TDISK_END_WORK : TDISK_END_IRQ,
		};

		s.from[i] = fixture_disk(s.f, &options);
	}
	for (i = 0; i < NR_DESTS; i++) {
		const struct tdisk_options options = {
			.sectors = DEST_SECTORS,
			.seed = 11 + i,
			.end = (enum tdisk_end)i,
			.zeroes = i != 1,
			.cache = true,
		};

		s.to[i] = fixture_disk(s.f, &options);
	}
	for (n = 0; n < ROUNDS; n++) {
		round_begin(&s);
		s.nr_jobs = 0;
		while (s.nr_jobs < MOST_JOBS && random_job(&s, &s.jobs[s.nr_jobs])) {
			submit(&s, &s.jobs[s.nr_jobs++]);
			if (one_in(&s, 6))
				cancel(&s);
		}
		for (i = below(&s, 4); i; i--) {
			usleep_range(10, 2000);
			cancel(&s);
		}
		total += s.nr_jobs;
		round_end(&s);
	}
	kunit_info(test, "%u jobs: %u well, %u with errors, %u cancelled", total, s.ended[0],
		   s.ended[1], s.ended[2]);
	KUNIT_EXPECT_GT(test, s.ended[0], 20);
	KUNIT_EXPECT_GT(test, s.ended[1], 5);
	KUNIT_EXPECT_GT(test, s.ended[2], 5);
}

static struct kunit_case stress_cases[] = {
	KUNIT_CASE_PARAM(stress_model, seed_gen_params),
	{}
};

static struct kunit_suite stress_suite = {
	.name = "kcopyd_stress",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = stress_cases,
};

kunit_test_suite(stress_suite);
