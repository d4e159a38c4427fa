// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's side of cpp_test.cpp: what it calls, and what only C can call. */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/errno.h>

#include "cpp_test.h"
#include "disk.h"
#include "fixture.h"

static_assert(CPP_TEST_EIO == EIO);
static_assert(CPP_TEST_ENOMEM == ENOMEM);
static_assert(CPP_TEST_EBUSY == EBUSY);
static_assert(CPP_TEST_EINVAL == EINVAL);
static_assert(CPP_TEST_ERANGE == ERANGE);
static_assert(CPP_TEST_EDEADLK == EDEADLK);
static_assert(CPP_TEST_ECANCELED == ECANCELED);

/* What a test case works with. */
struct cpp_fixture {
	struct tdisk *disks[CPP_TEST_DISKS];
	struct completion signal;
};

static struct tdisk *disk_of(struct kunit *test, unsigned int disk)
{
	struct cpp_fixture *fixture = test->priv;

	return fixture->disks[disk];
}

struct block_device *cpp_test_bdev(struct kunit *test, unsigned int disk)
{
	return disk_of(test, disk)->bdev;
}

int cpp_test_copied(struct kunit *test, unsigned int from, unsigned int to,
		    sector_t sector, sector_t count)
{
	const struct tdisk *source = disk_of(test, from);
	sector_t where;

	return tdisk_holds(disk_of(test, to), sector, count,
			   source->options.seed, sector, &where);
}

int cpp_test_zeroed(struct kunit *test, unsigned int disk, sector_t sector,
		    sector_t count)
{
	return tdisk_is_zero(disk_of(test, disk), sector, count);
}

void cpp_test_fail(struct kunit *test, unsigned int disk, int write,
		   sector_t sector)
{
	tdisk_fail(disk_of(test, disk), write, sector, 1, BLK_STS_MEDIUM);
}

void cpp_test_rot(struct kunit *test, unsigned int disk, sector_t sector)
{
	disk_of(test, disk)->rotten = sector;
}

void cpp_test_hold(struct kunit *test, unsigned int disk)
{
	tdisk_shut(disk_of(test, disk));
}

void cpp_test_let_go(struct kunit *test, unsigned int disk)
{
	tdisk_open(disk_of(test, disk));
}

void cpp_test_signal(struct kunit *test)
{
	struct cpp_fixture *fixture = test->priv;

	complete(&fixture->signal);
}

int cpp_test_wait(struct kunit *test)
{
	struct cpp_fixture *fixture = test->priv;

	return wait_for_completion_timeout(&fixture->signal, TDISK_TIMEOUT) != 0;
}

void cpp_test_sleep(void)
{
	msleep(100);
}

void cpp_test_failed(struct kunit *test, const char *what, const char *file,
		     int line)
{
	KUNIT_FAIL(test, "%s:%d: expected %s", file, line, what);
}

static int cpp_init(struct kunit *test)
{
	struct cpp_fixture *fixture;
	unsigned int i;
	int r;

	fixture_skip_unasked(test);
	fixture = kunit_kzalloc(test, sizeof(*fixture), GFP_KERNEL);
	if (!fixture)
		return -ENOMEM;
	init_completion(&fixture->signal);
	test->priv = fixture;

	for (i = 0; i < CPP_TEST_DISKS; i++) {
		const struct tdisk_options options = {
			.sectors = CPP_TEST_SECTORS,
			.seed = i + 1,
			.end = TDISK_END_IRQ,
		};

		r = tdisk_create(&fixture->disks[i], &options);
		if (r)
			return r;
	}
	return 0;
}

/* Also after a failed cpp_init(). */
static void cpp_exit(struct kunit *test)
{
	struct cpp_fixture *fixture = test->priv;
	unsigned int i;

	for (i = 0; fixture && i < CPP_TEST_DISKS; i++) {
		if (fixture->disks[i])
			tdisk_destroy(fixture->disks[i]);
	}
}

/* What the kernel calls is C. */
#define CPP_CASE(name)				\
	static void name(struct kunit *test)	\
	{					\
		kcopyd_cpp_test_##name(test);	\
	}

CPP_CASE(create)
CPP_CASE(create_fails)
CPP_CASE(move)
CPP_CASE(move_assign)
CPP_CASE(rejected)
CPP_CASE(copies)
CPP_CASE(empty_range)
CPP_CASE(two_destinations)
CPP_CASE(again_in_callback)
CPP_CASE(busy)
CPP_CASE(read_error)
CPP_CASE(write_error)
CPP_CASE(destructor_waits)
CPP_CASE(destroyed_in_callback)
CPP_CASE(zeroes)
CPP_CASE(zero_error)
CPP_CASE(flush)
CPP_CASE(cancel)
CPP_CASE(cancel_sync)
CPP_CASE(cancel_all)
CPP_CASE(throttle_owned)
CPP_CASE(limited)
CPP_CASE(request_copies)
CPP_CASE(request_zeroes)
CPP_CASE(request_rejected)
CPP_CASE(request_busy)
CPP_CASE(request_differs)
CPP_CASE(request_bad_ranges)
CPP_CASE(request_progress)
CPP_CASE(request_again)
CPP_CASE(request_cancel)
CPP_CASE(request_rejected_again)
CPP_CASE(guards)
CPP_CASE(prepared)
CPP_CASE(tuned)
CPP_CASE(counted)
CPP_CASE(heap)
CPP_CASE(virtual_functions)

static struct kunit_case cpp_cases[] = {
	KUNIT_CASE(create),
	KUNIT_CASE(create_fails),
	KUNIT_CASE(move),
	KUNIT_CASE(move_assign),
	KUNIT_CASE(rejected),
	KUNIT_CASE(copies),
	KUNIT_CASE(empty_range),
	KUNIT_CASE(two_destinations),
	KUNIT_CASE(again_in_callback),
	KUNIT_CASE(busy),
	KUNIT_CASE(read_error),
	KUNIT_CASE(write_error),
	KUNIT_CASE(destructor_waits),
	KUNIT_CASE(destroyed_in_callback),
	KUNIT_CASE(zeroes),
	KUNIT_CASE(zero_error),
	KUNIT_CASE(flush),
	KUNIT_CASE(cancel),
	KUNIT_CASE(cancel_sync),
	KUNIT_CASE(cancel_all),
	KUNIT_CASE(throttle_owned),
	KUNIT_CASE(limited),
	KUNIT_CASE(request_copies),
	KUNIT_CASE(request_zeroes),
	KUNIT_CASE(request_rejected),
	KUNIT_CASE(request_busy),
	KUNIT_CASE(request_differs),
	KUNIT_CASE(request_bad_ranges),
	KUNIT_CASE(request_progress),
	KUNIT_CASE(request_again),
	KUNIT_CASE(request_cancel),
	KUNIT_CASE(request_rejected_again),
	KUNIT_CASE(guards),
	KUNIT_CASE(prepared),
	KUNIT_CASE(tuned),
	KUNIT_CASE(counted),
	KUNIT_CASE(heap),
	KUNIT_CASE(virtual_functions),
	{}
};

static struct kunit_suite cpp_suite = {
	.name = "kcopyd_cpp",
	.suite_init = fixture_suite_start,
	.init = cpp_init,
	.exit = cpp_exit,
	.test_cases = cpp_cases,
};

kunit_test_suite(cpp_suite);

MODULE_DESCRIPTION("KUnit suites of kcopyd");
MODULE_LICENSE("GPL");
