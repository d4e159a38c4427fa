// SPDX-License-Identifier: GPL-2.0-only
/* Device-mapper's calls: they cannot fail, and reject nothing. */
#include <linux/slab.h>

#include "core/client.h"
#include "core/throttle.h"
#include "fixture.h"
#include "include/linux/dm-kcopyd.h"
#include "log.h"
#include "starve.h"

#define DISK_SECTORS 4096

/* A copy by device-mapper's calls, and how it ended; see request_again() for more. */
struct request {
	struct dm_kcopyd_client *kc;
	struct dm_io_region from;
	struct dm_io_region to;
	struct completion done;
	atomic_t calls;
	int read_err;
	unsigned long write_err;
	unsigned int again;
	struct request *more;
};

static void request_done(int read_err, unsigned long write_err, void *context)
{
	struct request *request = context;

	request->read_err = read_err;
	request->write_err = write_err;
	atomic_inc(&request->calls);
	complete(&request->done);
}

static struct request *request_new(struct kunit *test, struct dm_kcopyd_client *kc,
				   struct tdisk *from, struct tdisk *to, sector_t sector,
				   sector_t count)
{
	struct request *request = kunit_kzalloc(test, sizeof(*request), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, request);
	init_completion(&request->done);
	request->kc = kc;
	request->from = (struct dm_io_region){ from->bdev, sector, count };
	request->to = (struct dm_io_region){ to->bdev, sector, count };
	return request;
}

static void request_wait(struct kunit *test, struct request *request)
{
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&request->done, TDISK_TIMEOUT), 0UL);
	KUNIT_EXPECT_EQ(test, atomic_read(&request->calls), 1);
}

static void request_run(struct kunit *test, struct request *request, unsigned int flags,
			int read_err, unsigned long write_err)
{
	dm_kcopyd_copy(request->kc, &request->from, 1, &request->to, flags, request_done, request);
	request_wait(test, request);
	KUNIT_EXPECT_EQ(test, request->read_err, read_err);
	KUNIT_EXPECT_EQ(test, request->write_err, write_err);
}

struct dm {
	struct dm_kcopyd_client *kc;
	struct tdisk *from, *to;
};

static struct dm dm_new(struct kunit *test, struct dm_kcopyd_throttle *throttle)
{
	struct fixture *f = test->priv;
	struct dm dm = {
		.from = fixture_small_disk(f, 1, DISK_SECTORS),
		.to = fixture_small_disk(f, 2, DISK_SECTORS),
	};

	dm.kc = dm_kcopyd_client_create(throttle);
	KUNIT_ASSERT_FALSE(test, IS_ERR(dm.kc));
	return dm;
}

static void expect_tag(struct kunit *test, struct tdisk *disk, sector_t sector, sector_t count,
		       u8 seed)
{
	sector_t where;

	KUNIT_EXPECT_TRUE(test, tdisk_holds(disk, sector, count, seed, sector, &where));
}

static void dm_copies(struct kunit *test)
{
	struct dm dm = dm_new(test, NULL);

	request_run(test, request_new(test, dm.kc, dm.from, dm.to, 100, 3000), 0, 0, 0);
	expect_tag(test, dm.to, 100, 3000, 1);
	expect_tag(test, dm.to, 0, 100, 2);
	request_run(test, request_new(test, dm.kc, dm.from, dm.to, 3500, 8),
		    BIT(DM_KCOPYD_WRITE_SEQ), 0, 0);
	dm_kcopyd_client_destroy(dm.kc);
}

static void dm_zeroes(struct kunit *test)
{
	struct dm dm = dm_new(test, NULL);
	struct request *request = request_new(test, dm.kc, dm.from, dm.to, 100, 3000);

	dm_kcopyd_zero(dm.kc, 1, &request->to, 0, request_done, request);
	request_wait(test, request);
	KUNIT_EXPECT_EQ(test, request->write_err, 0UL);
	KUNIT_EXPECT_TRUE(test, tdisk_is_zero(dm.to, 100, 3000));
	dm_kcopyd_client_destroy(dm.kc);
}

/* The flags are numbers of bits there, and are where ours are. */
static void dm_ignores_errors(struct kunit *test)
{
	struct dm dm = dm_new(test, NULL);

	tdisk_fail(dm.from, false, 1000, 1, BLK_STS_MEDIUM);
	request_run(test, request_new(test, dm.kc, dm.from, dm.to, 0, 3000),
		    BIT(DM_KCOPYD_IGNORE_ERROR), -EIO, 0);
	expect_tag(test, dm.to, 0, 1000, 1);
	expect_tag(test, dm.to, 1000, 8, 2);
	expect_tag(test, dm.to, 1008, 1992, 1);
	tdisk_fail(dm.to, true, 2000, 1, BLK_STS_IOERR);
	request_run(test, request_new(test, dm.kc, dm.from, dm.to, 1500, 1000), 0, 0, 1);
	dm_kcopyd_client_destroy(dm.kc);
}

/* What is rejected elsewhere is tried, and said once. */
static void dm_rejects_nothing(struct kunit *test)
{
	struct dm dm = dm_new(test, NULL);
	struct request *request;
	struct kmsg_dump_iter mark;

	log_mark(&mark);
	set_disk_ro(dm.to->gd, true);
	request_run(test, request_new(test, dm.kc, dm.from, dm.to, 100, 300), 0, 0, 0);
	set_disk_ro(dm.to->gd, false);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "a destination is read-only"), 1);
	expect_tag(test, dm.to, 100, 300, 1);

	request = request_new(test, dm.kc, dm.from, dm.from, 100, 300);
	request->to.sector = 250;
	request_run(test, request, 0, 0, 0);
	request = request_new(test, dm.kc, dm.from, dm.to, 100, 300);
	request_run(test, request, 0x80000001, 0, 0);
	/* What the device says to it is the result. */
	request = request_new(test, dm.kc, dm.from, dm.to, DISK_SECTORS - 8, 16);
	request_run(test, request, 0, -EIO, 0);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "is tried all the same"), 1);
	dm_kcopyd_client_destroy(dm.kc);
}

static void dm_number_of_destinations(struct kunit *test)
{
	struct dm dm = dm_new(test, NULL);
	struct request *request = request_new(test, dm.kc, dm.from, dm.to, 0, 8);
	struct dm_io_region *to;
	unsigned int i;

	to = kunit_kcalloc(test, 33, sizeof(*to), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, to);
	for (i = 0; i < 33; i++)
		to[i] = (struct dm_io_region){ dm.to->bdev, 24 * i, 8 };
	dm_kcopyd_copy(dm.kc, &request->from, 33, to, 0, request_done, request);
	request_wait(test, request);
	KUNIT_EXPECT_EQ(test, request->read_err, -EINVAL);
	request = request_new(test, dm.kc, dm.from, dm.to, 0, 8);
	dm_kcopyd_copy(dm.kc, &request->from, 0, to, 0, request_done, request);
	request_wait(test, request);
	KUNIT_EXPECT_EQ(test, request->read_err, -EINVAL);
	KUNIT_EXPECT_EQ(test, dm.to->nr_events, 0);
	request = request_new(test, dm.kc, dm.from, dm.to, 0, 8);
	dm_kcopyd_copy(dm.kc, &request->from, 32, to, 0, request_done, request);
	request_wait(test, request);
	KUNIT_EXPECT_EQ(test, request->read_err, 0);
	for (i = 0; i < 32; i++) {
		sector_t where;

		KUNIT_EXPECT_TRUE(test, tdisk_holds(dm.to, 24 * i, 8, 1, 0, &where));
	}
	dm_kcopyd_client_destroy(dm.kc);
}

/* Submits more copies than there is memory or a reserve for. */
static void request_again(int read_err, unsigned long write_err, void *context)
{
	struct request *request = context;
	unsigned int i;

	for (i = 0; i < request->again; i++) {
		struct request *more = &request->more[i];

		starve(1);
		dm_kcopyd_copy(more->kc, &more->from, 1, &more->to, 0, request_done, more);
		starve_stop();
	}
	request_done(read_err, write_err, context);
}

/* In a callback, without memory, and while the client is being destroyed. */
static void dm_never_fails(struct kunit *test)
{
	const unsigned int again = 40;
	struct dm dm = dm_new(test, NULL);
	struct request *first = request_new(test, dm.kc, dm.from, dm.to, 0, 8);
	struct kcopyd_client *kc = (struct kcopyd_client *)dm.kc;
	struct ender *ender;
	unsigned int i;

	first->again = again;
	first->more = kunit_kcalloc(test, again, sizeof(*first->more), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, first->more);
	for (i = 0; i < again; i++) {
		first->more[i] = *request_new(test, dm.kc, dm.from, dm.to, 8 + 8 * i, 8);
		init_completion(&first->more[i].done);
	}
	tdisk_shut(dm.from);
	dm_kcopyd_copy(dm.kc, &first->from, 1, &first->to, 0, request_again, first);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(dm.from, 1));
	ender = ender_start(kc);
	KUNIT_EXPECT_TRUE(test, wait_until(READ_ONCE(kc->shutdown)));
	tdisk_open(dm.from);
	KUNIT_EXPECT_TRUE(test, ender_wait(ender));
	for (i = 0; i < again; i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&first->more[i].calls), 1);
		KUNIT_EXPECT_EQ(test, first->more[i].read_err, 0);
	}
	expect_tag(test, dm.to, 0, 8 + 8 * again, 1);
}

static void dm_prepared_callback(struct kunit *test)
{
	struct dm dm = dm_new(test, NULL);
	struct request *request = request_new(test, dm.kc, dm.from, dm.to, 0, 8);
	void *callback = dm_kcopyd_prepare_callback(dm.kc, request_done, request);

	KUNIT_ASSERT_NOT_NULL(test, callback);
	dm_kcopyd_do_callback(callback, 7, 9);
	/* It is due, and has been called when this returns. */
	dm_kcopyd_client_flush(dm.kc);
	KUNIT_EXPECT_EQ(test, atomic_read(&request->calls), 1);
	KUNIT_EXPECT_EQ(test, request->read_err, 7);
	KUNIT_EXPECT_EQ(test, request->write_err, 9UL);

	if (BITS_PER_LONG == 64) {
		callback = dm_kcopyd_prepare_callback(dm.kc, request_done, request);
		dm_kcopyd_do_callback(callback, 0, ~0xffffffffUL);
		dm_kcopyd_client_flush(dm.kc);
		KUNIT_EXPECT_NE(test, request->write_err, 0UL);
	}
	dm_kcopyd_client_destroy(dm.kc);
}

/* The members are as those of the kernel's, and clients that name one share it. */
static void dm_throttle(struct kunit *test)
{
	struct dm_kcopyd_throttle throttle = { 100, 0, 0, 0, 0 };
	struct dm dm = dm_new(test, &throttle);
	struct dm_kcopyd_client *other = dm_kcopyd_client_create(&throttle);
	struct request *request;

	KUNIT_ASSERT_FALSE(test, IS_ERR(other));
	KUNIT_EXPECT_PTR_EQ(test, ((struct kcopyd_client *)dm.kc)->throttled.throttle,
			    ((struct kcopyd_client *)other)->throttled.throttle);
	request_run(test, request_new(test, dm.kc, dm.from, dm.to, 0, 4096), 0, 0, 0);

	/* Nearly nothing, and then all of it at once. */
	WRITE_ONCE(throttle.throttle, 0);
	request = request_new(test, dm.kc, dm.from, dm.to, 0, 4096);
	dm_kcopyd_copy(dm.kc, &request->from, 1, &request->to, 0, request_done, request);
	msleep(1500);
	KUNIT_EXPECT_EQ(test, atomic_read(&request->calls), 0);
	WRITE_ONCE(throttle.throttle, 100);
	request_wait(test, request);
	dm_kcopyd_client_destroy(dm.kc);
	/* The other one's is still there. */
	request = request_new(test, other, dm.from, dm.to, 0, 4096);
	request_run(test, request, 0, 0, 0);
	dm_kcopyd_client_destroy(other);
}

/* The percentage is read where the module has it, and not to be set elsewhere. */
static void dm_throttle_tuned(struct kunit *test)
{
	struct dm_kcopyd_throttle throttle = { .throttle = 40 };
	struct dm_kcopyd_client *dm = dm_kcopyd_client_create(&throttle);
	struct kcopyd_client *kc = (struct kcopyd_client *)dm;
	struct kmsg_dump_iter mark;

	KUNIT_ASSERT_FALSE(test, IS_ERR(dm));
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_get(kc, KCOPYD_LIMIT_PERCENT), 40);
	log_mark(&mark);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_tune(kc, KCOPYD_LIMIT_PERCENT, 50), -EBUSY);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "a parameter of the module"), 1);
	throttle.throttle = 60;
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_get(kc, KCOPYD_LIMIT_PERCENT), 60);
	/* Limits that the module knows nothing of can be given. */
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_tune(kc, KCOPYD_LIMIT_BYTES, 5000), 0);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_get(kc, KCOPYD_LIMIT_BYTES), 5000);
	KUNIT_EXPECT_EQ(test, kcopyd_throttle_get(kc, KCOPYD_LIMIT_PERCENT), 60);
	dm_kcopyd_client_destroy(dm);
}

/* A client that could not be made has left nothing. */
static void dm_client_without_memory(struct kunit *test)
{
	struct dm_kcopyd_throttle throttle = { .throttle = 50 };
	struct dm_kcopyd_client *kc;
	unsigned int nth, failures = 0;

	for (nth = 1; nth < 400; nth++) {
		starve(nth);
		kc = dm_kcopyd_client_create(&throttle);
		if (!starve_stop()) {
			KUNIT_EXPECT_FALSE(test, IS_ERR(kc));
			if (!IS_ERR(kc))
				dm_kcopyd_client_destroy(kc);
			break;
		}
		if (IS_ERR(kc))
			failures++;
		else
			dm_kcopyd_client_destroy(kc);
	}
	KUNIT_EXPECT_LT(test, nth, 400);
	KUNIT_EXPECT_GE(test, failures, 15);
	dm_kcopyd_client_destroy(NULL);
}

static struct kunit_case dm_cases[] = {
	KUNIT_CASE(dm_copies),
	KUNIT_CASE(dm_zeroes),
	KUNIT_CASE(dm_ignores_errors),
	KUNIT_CASE(dm_rejects_nothing),
	KUNIT_CASE(dm_number_of_destinations),
	KUNIT_CASE(dm_never_fails),
	KUNIT_CASE(dm_prepared_callback),
	KUNIT_CASE(dm_throttle),
	KUNIT_CASE(dm_throttle_tuned),
	KUNIT_CASE(dm_client_without_memory),
	{}
};

static struct kunit_suite dm_suite = {
	.name = "kcopyd_dm",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = dm_cases,
};

kunit_test_suite(dm_suite);
