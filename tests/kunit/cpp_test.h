/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the C++ suite's test cases (cpp_test.cpp) and the kernel
 * (cpp_glue.c). Read by C and by C++.
 */
#ifndef KCOPYD_TESTS_CPP_TEST_H
#define KCOPYD_TESTS_CPP_TEST_H

#include "kcopyd.h"

struct kunit;

#ifdef __cplusplus
extern "C" {
#endif

/* The test cases. */
#define CPP_TEST(name) void kcopyd_cpp_test_##name(struct kunit *test)
CPP_TEST(create);
CPP_TEST(create_fails);
CPP_TEST(move);
CPP_TEST(move_assign);
CPP_TEST(rejected);
CPP_TEST(copies);
CPP_TEST(empty_range);
CPP_TEST(two_destinations);
CPP_TEST(again_in_callback);
CPP_TEST(busy);
CPP_TEST(read_error);
CPP_TEST(write_error);
CPP_TEST(destructor_waits);
CPP_TEST(destroyed_in_callback);
CPP_TEST(zeroes);
CPP_TEST(zero_error);
CPP_TEST(flush);
CPP_TEST(cancel);
CPP_TEST(cancel_sync);
CPP_TEST(cancel_all);
CPP_TEST(throttle_owned);
CPP_TEST(limited);
CPP_TEST(request_copies);
CPP_TEST(request_zeroes);
CPP_TEST(request_rejected);
CPP_TEST(request_busy);
CPP_TEST(request_differs);
CPP_TEST(request_bad_ranges);
CPP_TEST(request_progress);
CPP_TEST(request_again);
CPP_TEST(request_cancel);
CPP_TEST(request_rejected_again);
CPP_TEST(guards);
CPP_TEST(prepared);
CPP_TEST(tuned);
CPP_TEST(counted);
CPP_TEST(heap);
CPP_TEST(virtual_functions);

/* What the calls fail with, as positive numbers. */
#define CPP_TEST_EIO	5
#define CPP_TEST_ENOMEM	12
#define CPP_TEST_EBUSY	16
#define CPP_TEST_EINVAL	22
#define CPP_TEST_ERANGE		34
#define CPP_TEST_EDEADLK	35
#define CPP_TEST_ECANCELED	125

/* The disks of a test case, each of this many sectors of its own contents. */
#define CPP_TEST_DISKS		3
#define CPP_TEST_SECTORS	1024

struct block_device *cpp_test_bdev(struct kunit *test, unsigned int disk);

/* Do the sectors of disk @to hold what those of disk @from started with? */
int cpp_test_copied(struct kunit *test, unsigned int from, unsigned int to,
		    sector_t sector, sector_t count);

/* Is there nothing but zeroes? */
int cpp_test_zeroed(struct kunit *test, unsigned int disk, sector_t sector,
		    sector_t count);

/* Reads of the sector fail, or writes to it. */
void cpp_test_fail(struct kunit *test, unsigned int disk, int write,
		   sector_t sector);

/* Reads of the sector, which is not the first, yield something else than is there. */
void cpp_test_rot(struct kunit *test, unsigned int disk, sector_t sector);

/* I/O to the disk waits until it is let go. */
void cpp_test_hold(struct kunit *test, unsigned int disk);
void cpp_test_let_go(struct kunit *test, unsigned int disk);

/* One signal ends one wait. Returns 0 if none comes in a long time. */
void cpp_test_signal(struct kunit *test);
int cpp_test_wait(struct kunit *test);

/* Long enough for what does not wait. */
void cpp_test_sleep(void);

/* The test case fails, and goes on. */
void cpp_test_failed(struct kunit *test, const char *what, const char *file,
		     int line);

#ifdef __cplusplus
}
#endif

#endif /* KCOPYD_TESTS_CPP_TEST_H */
