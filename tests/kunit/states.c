// SPDX-License-Identifier: GPL-2.0-only
/* The debug build tells of a move that the model of the life of a copy has not. */
#include <kunit/test.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "core/job.h"
#include "log.h"

static struct kcopyd_job *states_job(struct kunit *test)
{
	struct kcopyd_job *job = kunit_kzalloc(test, kcopyd_job_size(1), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, job);
	kcopyd_job_init(job, 1);
	return job;
}

/* A warning is given once, so there is one for each of the two checks. */
static void states_part_forbidden(struct kunit *test)
{
	struct kcopyd_part *part = states_job(test)->first;
	struct kmsg_dump_iter mark;

	log_mark(&mark);
	pr_info("kcopyd-test: expect kcopyd_part_check_move\n");
	kcopyd_part_move(part, KCOPYD_PART_READING);
	kcopyd_part_move(part, KCOPYD_PART_COMPARING);
	pr_info("kcopyd-test: expect-end\n");
	KUNIT_EXPECT_EQ(test, log_count(&mark, "a part moved from READING to COMPARING"), 1);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "a part moved from FREE"), 0);
	KUNIT_EXPECT_EQ(test, part->state, KCOPYD_PART_COMPARING);
}

static void states_job_forbidden(struct kunit *test)
{
	struct kcopyd_job *job = states_job(test);
	struct kmsg_dump_iter mark;

	log_mark(&mark);
	pr_info("kcopyd-test: expect kcopyd_job_move\n");
	kcopyd_job_move(job, KCOPYD_JOB_RUNNING);
	kcopyd_job_stop(job);
	kcopyd_job_stop(job);
	kcopyd_job_move(job, KCOPYD_JOB_WAITING);
	pr_info("kcopyd-test: expect-end\n");
	KUNIT_EXPECT_EQ(test, log_count(&mark, "a job moved from STOPPED to WAITING"), 1);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "a job moved from FREE"), 0);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "a job moved from RUNNING"), 0);
}

static struct kunit_case states_cases[] = {
	KUNIT_CASE(states_part_forbidden),
	KUNIT_CASE(states_job_forbidden),
	{}
};

static struct kunit_suite states_suite = {
	.name = "kcopyd_states",
	.test_cases = states_cases,
};

kunit_test_suite(states_suite);
