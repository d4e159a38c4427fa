/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test case works with: disks, clients and copies. All of them end with
 * the test case, however it ends; what must hold for every copy and every bio
 * whatever the test is about is checked then.
 */
#ifndef KCOPYD_TESTS_FIXTURE_H
#define KCOPYD_TESTS_FIXTURE_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/list.h>
#include <linux/sizes.h>

#include "census.h"
#include "disk.h"
#include "kcopyd.h"

struct copy;

/**
 * struct fixture - everything a test case has made
 * @census: the pages that its disks have seen
 * @ending: the test case is over, nobody waits for it any more
 */
struct fixture {
	struct kunit *test;
	struct list_head clients;
	struct list_head copies;
	struct tdisk *disks[80];
	unsigned int nr_disks;
	struct page_census *census;
	wait_queue_head_t wait;
	bool ending;
};

/**
 * struct tclient - a client under test
 * @kc: the client; not to be touched after tclient_end()
 * @notify_work: where its callbacks must run
 * @in_callback: callbacks running now
 * @at_once: more than one ran at a time
 * @ended: it was destroyed, or creating it failed
 * @hangs: something in it never came to its end
 * @leaked: pages that it still had after its end
 */
struct tclient {
	struct list_head node;
	struct fixture *fixture;
	struct kcopyd_client *kc;
	const struct work_struct *notify_work;
	atomic_t in_callback;
	bool at_once;
	bool ended;
	bool hangs;
	unsigned int leaked;
};

/**
 * struct copy - a copy, from its arguments to its callback
 * @zero: there is no source: the destinations are zeroed
 * @request: it is submitted as this request, or NULL
 * @then: called in the callback, or NULL
 * @priv: for the test
 * @result: what kcopyd_copy() returned
 * @calls: how often the callback was called
 * @order: when the callback came, counted over all copies
 * @bad_context: the callback was called where it must not be
 * @let_go: what copy_hold() waits for
 */
struct copy {
	struct list_head node;
	struct fixture *fixture;
	struct tclient *client;
	struct io_region from;
	struct io_region dests[KCOPYD_MAX_DESTS + 1];
	struct io_region passed[KCOPYD_MAX_DESTS + 2];
	struct tdisk *source;
	struct tdisk *targets[KCOPYD_MAX_DESTS + 1];
	unsigned int num_dests;
	bool zero;
	struct kcopyd_request *request;
	void (*then)(struct copy *copy);
	void *priv;

	const struct task_struct *submitter;
	int result;
	bool submitted;
	bool let_go;

	struct completion done;
	atomic_t calls;
	unsigned int order;
	int read_err;
	unsigned int write_err;
	const char *bad_context;
};

/* For struct kunit_suite; the fixture is test->priv. */
int fixture_suite_start(struct kunit_suite *suite);
int fixture_suite_init(struct kunit *test);
void fixture_skip_unasked(struct kunit *test);
bool fixture_rescued(struct tdisk *blocked);
void fixture_suite_exit(struct kunit *test);

int fixture_init(struct fixture *fixture, struct kunit *test);
bool fixture_exit(struct fixture *fixture);

/* These end the test case when they fail. */
struct tdisk *fixture_disk(struct fixture *fixture, const struct tdisk_options *options);
struct tdisk *fixture_small_disk(struct fixture *fixture, u8 seed, sector_t sectors);
struct tdisk *fixture_huge_disk(struct fixture *fixture, u8 seed);
struct tclient *fixture_client(struct fixture *fixture, unsigned int num_pages);
struct tclient *fixture_try_client(struct fixture *fixture, unsigned int num_pages);
struct copy *fixture_copy(struct tclient *client, struct tdisk *source, sector_t sector,
			  sector_t count);
struct copy *fixture_zero(struct tclient *client, struct tdisk *target, sector_t sector,
			  sector_t count);
void fixture_settle(struct fixture *fixture);

/* The size of a huge disk, in sectors: 1 GiB. */
#define HUGE_SECTORS ((sector_t)SZ_1G >> SECTOR_SHIFT)

/* Destroys a client in the background. */
struct ender {
	struct work_struct work;
	struct kcopyd_client *kc;
	struct completion done;
};

struct ender *ender_start(struct kcopyd_client *kc);
bool ender_wait(struct ender *ender);

void tclient_end(struct tclient *client);
void tclient_hangs(struct tclient *client);
unsigned int tclient_free_pages(struct tclient *client);

void copy_to(struct copy *copy, struct tdisk *target, sector_t sector);
struct kcopyd_request *copy_request(struct copy *copy);
int copy_submit(struct copy *copy, unsigned int flags);
int copy_cancel(struct copy *copy);
int copy_cancel_sync(struct copy *copy);
void copy_start(struct copy *copy, unsigned int flags);
bool copy_is_done(struct copy *copy);
void copy_wait(struct copy *copy);
void copy_run(struct copy *copy, unsigned int flags);
void copy_hold(struct copy *copy);
void copy_let_go(struct copy *copy);

/* Is every sector of the destination's range the source's? Or still its own? */
void copy_expect(struct copy *copy, int read_err, unsigned int write_err);
void copy_expect_copied(struct copy *copy, unsigned int dest);
void copy_expect_copied_part(struct copy *copy, unsigned int dest, sector_t offset,
			     sector_t count);
void copy_expect_zeroed(struct copy *copy, unsigned int dest);
void copy_expect_kept(struct copy *copy, unsigned int dest, sector_t offset, sector_t count);
void expect_kept(struct fixture *fixture, struct tdisk *disk, sector_t sector, sector_t count);

/* For what wakes nobody. Bounded; is the condition true now? */
#define wait_until(condition)						\
({									\
	const unsigned long end_ = jiffies + TDISK_TIMEOUT;		\
	bool true_;							\
									\
	while (!(true_ = (condition)) && time_before(jiffies, end_))	\
		usleep_range(500, 1000);				\
	true_;								\
})

#endif /* KCOPYD_TESTS_FIXTURE_H */
