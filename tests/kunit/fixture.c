// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kernel_read_file.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "core/client.h"
#include "fixture.h"

static atomic_t callback_order = ATOMIC_INIT(0);

int fixture_init(struct fixture *fixture, struct kunit *test)
{
	memset(fixture, 0, sizeof(*fixture));
	fixture->test = test;
	INIT_LIST_HEAD(&fixture->clients);
	INIT_LIST_HEAD(&fixture->copies);
	init_waitqueue_head(&fixture->wait);
	fixture->census = vmalloc(sizeof(*fixture->census));
	if (!fixture->census)
		return -ENOMEM;
	census_init(fixture->census);
	return 0;
}

struct tdisk *fixture_disk(struct fixture *fixture, const struct tdisk_options *options)
{
	struct kunit *test = fixture->test;
	struct tdisk *disk;

	KUNIT_ASSERT_LT(test, fixture->nr_disks, (unsigned int)ARRAY_SIZE(fixture->disks));
	KUNIT_ASSERT_EQ(test, tdisk_create(&disk, options), 0);
	disk->census = fixture->census;
	fixture->disks[fixture->nr_disks++] = disk;
	return disk;
}

struct tdisk *fixture_small_disk(struct fixture *fixture, u8 seed, sector_t sectors)
{
	const struct tdisk_options options = {
		.sectors = sectors,
		.seed = seed,
		.end = TDISK_END_IRQ,
	};

	return fixture_disk(fixture, &options);
}

struct tdisk *fixture_huge_disk(struct fixture *fixture, u8 seed)
{
	const struct tdisk_options options = {
		.sectors = HUGE_SECTORS,
		.seed = seed,
		.end = TDISK_END_IRQ,
		.huge = true,
	};

	return fixture_disk(fixture, &options);
}

/* NULL if there is no memory for it. */
struct tclient *fixture_try_client(struct fixture *fixture, unsigned int num_pages)
{
	struct kunit *test = fixture->test;
	struct tclient *client = kzalloc(sizeof(*client), GFP_KERNEL);
	int r;

	KUNIT_ASSERT_NOT_NULL(test, client);
	client->fixture = fixture;
	client->ended = true;
	list_add_tail(&client->node, &fixture->clients);
	r = kcopyd_client_create(num_pages, &client->kc);
	if (r == -ENOMEM)
		return NULL;
	KUNIT_ASSERT_EQ(test, r, 0);
	client->ended = false;
	client->notify_work = &client->kc->notify_work;
	return client;
}

struct tclient *fixture_client(struct fixture *fixture, unsigned int num_pages)
{
	struct tclient *client = fixture_try_client(fixture, num_pages);

	KUNIT_ASSERT_NOT_NULL(fixture->test, client);
	return client;
}

/*
 * Where new workers are slow to come, the workqueue's rescuer submits, one after the
 * other, and then nothing is promised about who waits for whom. Is it the one that a
 * disk has blocked? It has the workqueue's name. Then it goes on: try another one.
 */
bool fixture_rescued(struct tdisk *blocked)
{
	unsigned int i;

	for (i = 0; i < READ_ONCE(blocked->nr_events); i++) {
		if (!strstarts(blocked->events[i].task->comm, "kcopyd/"))
			continue;
		tdisk_unblock(blocked);
		return true;
	}
	return false;
}

/* What the client's pool has left. */
unsigned int tclient_free_pages(struct tclient *client)
{
	unsigned int n;

	spin_lock_irq(&client->kc->lock);
	n = client->kc->pool.nr_free;
	spin_unlock_irq(&client->kc->lock);
	return n;
}

static void ender_work(struct work_struct *work)
{
	struct ender *ender = container_of(work, struct ender, work);

	kcopyd_client_destroy(ender->kc);
	complete(&ender->done);
}

/* A copy that got lost would stop the whole guest here, so somebody else waits. */
struct ender *ender_start(struct kcopyd_client *kc)
{
	struct ender *ender = kmalloc(sizeof(*ender), GFP_KERNEL | __GFP_NOFAIL);

	INIT_WORK(&ender->work, ender_work);
	init_completion(&ender->done);
	ender->kc = kc;
	queue_work(system_unbound_wq, &ender->work);
	return ender;
}

/* Bounded; did it come to its end? If not, it is still in use. */
bool ender_wait(struct ender *ender)
{
	if (!wait_for_completion_timeout(&ender->done, TDISK_TIMEOUT))
		return false;
	flush_work(&ender->work);
	kfree(ender);
	return true;
}

/* Nothing that it could still use may be freed. */
void tclient_hangs(struct tclient *client)
{
	client->ended = true;
	client->hangs = true;
	tdisk_timed_out();
}

/* Destroy the client. A reference to each of its pages shows what is not freed. */
void tclient_end(struct tclient *client)
{
	struct kunit *test = client->fixture->test;
	struct kcopyd_client *kc = client->kc;
	unsigned int nr = kc->pool.nr_pages;
	struct page **pages = vmalloc(array_size(nr, sizeof(*pages)));
	unsigned int i;

	client->ended = true;
	for (i = 0; pages && i < nr; i++) {
		pages[i] = kc->pool.pages[i].page;
		get_page(pages[i]);
	}
	if (!ender_wait(ender_start(kc))) {
		tclient_hangs(client);
		KUNIT_FAIL(test, "kcopyd_client_destroy() hangs: a copy was lost");
		return;
	}
	for (i = 0; pages && i < nr; i++) {
		client->leaked += page_count(pages[i]) != 1;
		put_page(pages[i]);
	}
	vfree(pages);
	KUNIT_EXPECT_EQ(test, client->leaked, 0);
}

struct copy *fixture_copy(struct tclient *client, struct tdisk *source, sector_t sector,
			  sector_t count)
{
	struct fixture *fixture = client->fixture;
	struct copy *copy = kzalloc(sizeof(*copy), GFP_KERNEL);

	if (!copy)
		KUNIT_ASSERT_NOT_NULL(fixture->test, copy);
	copy->fixture = fixture;
	copy->client = client;
	copy->source = source;
	copy->from.bdev = source->bdev;
	copy->from.sector = sector;
	copy->from.count = count;
	init_completion(&copy->done);
	list_add_tail(&copy->node, &fixture->copies);
	return copy;
}

void copy_to(struct copy *copy, struct tdisk *target, sector_t sector)
{
	const unsigned int i = copy->num_dests++;

	copy->targets[i] = target;
	copy->dests[i].bdev = target->bdev;
	copy->dests[i].sector = sector;
	copy->dests[i].count = copy->from.count;
}

/* The first destination, in place of a source. */
struct copy *fixture_zero(struct tclient *client, struct tdisk *target, sector_t sector,
			  sector_t count)
{
	struct copy *copy = fixture_copy(client, target, sector, count);

	copy->zero = true;
	copy_to(copy, target, sector);
	return copy;
}

static const char *wrong_context(const struct copy *copy)
{
	if (!in_task() || irqs_disabled())
		return "not in process context";
	if (current_work() != copy->client->notify_work)
		return "not on the client's workqueue";
	if (READ_ONCE(copy->submitter) == current)
		return "from inside kcopyd_copy()";
	if (!(current->flags & PF_MEMALLOC_NOIO))
		return "without memalloc_noio_save()";
	return NULL;
}

static void copy_callback(int read_err, unsigned int write_err, void *context)
{
	struct copy *copy = context;
	struct tclient *client = copy->client;

	copy->bad_context = copy->bad_context ?: wrong_context(copy);
	if (atomic_inc_return(&client->in_callback) > 1)
		client->at_once = true;
	copy->order = atomic_inc_return(&callback_order);
	atomic_inc(&copy->calls);
	copy->read_err = read_err;
	copy->write_err = write_err;
	if (copy->then)
		copy->then(copy);
	atomic_dec(&client->in_callback);
	complete(&copy->done);
}

static void request_callback(struct kcopyd_request *request)
{
	copy_callback(request->result.read_err, request->result.write_err, request->context);
}

/* The copy is one of kcopyd_submit(). All its destinations are known. */
struct kcopyd_request *copy_request(struct copy *copy)
{
	struct kcopyd_request *request = kzalloc(kcopyd_request_size(copy->num_dests), GFP_KERNEL);

	if (!request)
		KUNIT_ASSERT_NOT_NULL(copy->fixture->test, request);
	request->num_dests = copy->num_dests;
	request->fn = request_callback;
	request->context = copy;
	copy->request = request;
	return request;
}

static int submit_request(struct copy *copy, unsigned int flags)
{
	struct kcopyd_request *request = copy->request;

	if (copy->zero)
		flags |= KCOPYD_ZERO;
	else
		request->from = copy->passed[0];
	request->dests = &copy->passed[1];
	request->flags = flags;
	return kcopyd_submit(copy->client->kc, request);
}

/* The regions are scribbled on afterwards: the call must not have kept them. */
int copy_submit(struct copy *copy, unsigned int flags)
{
	struct io_region *from = &copy->passed[0], *dests = &copy->passed[1];
	int result;

	/* Its callback may want to submit it again before this has returned elsewhere. */
	while (cmpxchg(&copy->submitter, NULL, current))
		usleep_range(20, 50);
	*from = copy->from;
	memcpy(dests, copy->dests, sizeof(copy->dests));
	copy->submitted = true;
	if (copy->request)
		copy->result = submit_request(copy, flags);
	else if (copy->zero)
		copy->result = kcopyd_zero(copy->client->kc, copy->num_dests, dests, flags,
					   copy_callback, copy);
	else
		copy->result = kcopyd_copy(copy->client->kc, from, copy->num_dests, dests, flags,
					   copy_callback, copy);
	memset(copy->passed, 0x5a, sizeof(copy->passed));
	result = copy->result;
	/* The regions are the next one's. */
	smp_store_release(&copy->submitter, NULL);
	return result;
}

int copy_cancel(struct copy *copy)
{
	return kcopyd_cancel(copy->client->kc, copy_callback, copy);
}

int copy_cancel_sync(struct copy *copy)
{
	return kcopyd_cancel_sync(copy->client->kc, copy_callback, copy);
}

void copy_start(struct copy *copy, unsigned int flags)
{
	KUNIT_ASSERT_EQ(copy->fixture->test, copy_submit(copy, flags), 0);
}

bool copy_is_done(struct copy *copy)
{
	return completion_done(&copy->done);
}

void copy_wait(struct copy *copy)
{
	struct kunit *test = copy->fixture->test;

	if (!wait_for_completion_timeout(&copy->done, TDISK_TIMEOUT)) {
		tdisk_timed_out();
		KUNIT_FAIL(test, "no callback: a copy hangs");
		KUNIT_ASSERT_TRUE(test, copy_is_done(copy));
	}
	complete_all(&copy->done);
}

void copy_run(struct copy *copy, unsigned int flags)
{
	copy_start(copy, flags);
	copy_wait(copy);
}

/* For callbacks: stay here until the copy is let go, or the test is over. */
void copy_hold(struct copy *copy)
{
	struct fixture *fixture = copy->fixture;

	wait_event_timeout(fixture->wait, READ_ONCE(copy->let_go) || READ_ONCE(fixture->ending),
			   TDISK_TIMEOUT);
}

void copy_let_go(struct copy *copy)
{
	WRITE_ONCE(copy->let_go, true);
	wake_up_all(&copy->fixture->wait);
}

void copy_expect(struct copy *copy, int read_err, unsigned int write_err)
{
	struct kunit *test = copy->fixture->test;

	KUNIT_EXPECT_EQ(test, copy->read_err, read_err);
	KUNIT_EXPECT_EQ(test, copy->write_err, write_err);
}

static void expect_tags(struct fixture *fixture, struct tdisk *disk, sector_t sector,
			sector_t count, u8 seed, sector_t tag)
{
	char found[64];
	sector_t where;

	if (tdisk_holds(disk, sector, count, seed, tag, &where))
		return;
	tdisk_describe(disk, where, found, sizeof(found));
	KUNIT_FAIL(fixture->test, "%s, sector %llu: should be sector %llu of seed %u, but is %s",
		   disk->gd->disk_name, (u64)where, (u64)(tag + (where - sector)), seed, found);
}

void copy_expect_copied_part(struct copy *copy, unsigned int dest, sector_t offset, sector_t count)
{
	expect_tags(copy->fixture, copy->targets[dest], copy->dests[dest].sector + offset, count,
		    copy->source->options.seed, copy->from.sector + offset);
}

static void expect_kept_beside(struct copy *copy, unsigned int dest)
{
	struct tdisk *disk = copy->targets[dest];
	const sector_t start = copy->dests[dest].sector;
	const sector_t end = start + copy->from.count;

	if (start)
		expect_kept(copy->fixture, disk, start - 1, 1);
	if (end < disk->options.sectors)
		expect_kept(copy->fixture, disk, end, 1);
}

/* The whole range, and not a sector beside it. */
void copy_expect_copied(struct copy *copy, unsigned int dest)
{
	copy_expect_copied_part(copy, dest, 0, copy->from.count);
	expect_kept_beside(copy, dest);
}

void copy_expect_zeroed(struct copy *copy, unsigned int dest)
{
	KUNIT_EXPECT_TRUE(copy->fixture->test,
			  tdisk_is_zero(copy->targets[dest], copy->dests[dest].sector,
					copy->from.count));
	expect_kept_beside(copy, dest);
}

void copy_expect_kept(struct copy *copy, unsigned int dest, sector_t offset, sector_t count)
{
	expect_kept(copy->fixture, copy->targets[dest], copy->dests[dest].sector + offset, count);
}

void expect_kept(struct fixture *fixture, struct tdisk *disk, sector_t sector, sector_t count)
{
	expect_tags(fixture, disk, sector, count, disk->options.seed, sector);
}

static unsigned int activity(struct fixture *fixture)
{
	unsigned int i, n = 0;

	for (i = 0; i < fixture->nr_disks; i++)
		n += READ_ONCE(fixture->disks[i]->nr_events) +
		     READ_ONCE(fixture->disks[i]->nr_ended) -
		     READ_ONCE(fixture->disks[i]->nr_held);
	return n;
}

/*
 * Until the clients have done all they can with their gates as they are. Not
 * with a disk that makes its submitters sleep.
 */
void fixture_settle(struct fixture *fixture)
{
	struct tclient *client;
	unsigned int before, i;

	do {
		before = activity(fixture);
		list_for_each_entry(client, &fixture->clients, node) {
			if (!client->ended)
				flush_workqueue(client->kc->io_wq);
		}
		for (i = 0; i < fixture->nr_disks; i++)
			tdisk_settle(fixture->disks[i]);
		list_for_each_entry(client, &fixture->clients, node) {
			if (!client->ended)
				flush_workqueue(client->kc->io_wq);
		}
	} while (activity(fixture) != before);
}

/* Every copy: accepted and called once, or rejected and never. */
static void check_copies(struct fixture *fixture)
{
	struct kunit *test = fixture->test;
	struct copy *copy;

	list_for_each_entry(copy, &fixture->copies, node) {
		if (!copy->submitted)
			continue;
		if (atomic_read(&copy->calls) != (copy->result ? 0 : 1))
			KUNIT_FAIL(test, "kcopyd_copy() returned %d, the callback came %d times",
				   copy->result, atomic_read(&copy->calls));
		if (copy->bad_context)
			KUNIT_FAIL(test, "a callback came %s", copy->bad_context);
	}
}

/* Every bio: submitted by a worker of the client, where it may sleep. */
static void check_events(struct fixture *fixture, const struct tdisk *disk)
{
	const unsigned int nr = min_t(unsigned int, disk->nr_events, TDISK_MAX_EVENTS);
	struct kunit *test = fixture->test;
	struct tclient *client;
	const char *wrong = NULL;
	unsigned int i;

	for (i = 0; i < nr && !wrong; i++) {
		const struct tdisk_event *event = &disk->events[i];

		if (event->atomic)
			wrong = "where one must not sleep";
		else if (!event->work)
			wrong = "outside of a workqueue";
		else if (!event->noio)
			wrong = "without memalloc_noio_save()";
		list_for_each_entry(client, &fixture->clients, node) {
			if (event->work == client->notify_work)
				wrong = "by the worker of the callbacks";
		}
	}
	if (wrong)
		KUNIT_FAIL(test, "%s: a bio was submitted %s", disk->gd->disk_name, wrong);
	KUNIT_EXPECT_EQ(test, disk->misaligned, 0);
}

/* False if something hangs: then the fixture must stay as well. */
bool fixture_exit(struct fixture *fixture)
{
	struct tclient *client, *next_client;
	struct copy *copy, *next_copy;
	bool hung = false;
	unsigned int i;

	WRITE_ONCE(fixture->ending, true);
	wake_up_all(&fixture->wait);
	for (i = 0; i < fixture->nr_disks; i++)
		tdisk_kill(fixture->disks[i]);

	list_for_each_entry(client, &fixture->clients, node) {
		if (!client->ended)
			tclient_end(client);
		hung |= client->hangs;
		KUNIT_EXPECT_FALSE_MSG(fixture->test, client->at_once,
				       "callbacks of one client ran at the same time");
	}
	check_copies(fixture);
	for (i = 0; i < fixture->nr_disks; i++)
		check_events(fixture, fixture->disks[i]);
	/* What a lost copy may still touch stays; the test has failed anyway. */
	if (hung)
		return false;

	for (i = 0; i < fixture->nr_disks; i++)
		tdisk_destroy(fixture->disks[i]);
	list_for_each_entry_safe(copy, next_copy, &fixture->copies, node) {
		kfree(copy->request);
		kfree(copy);
	}
	list_for_each_entry_safe(client, next_client, &fixture->clients, node)
		kfree(client);
	vfree(fixture->census);
	return true;
}

/*
 * If this file names suites, the others are skipped. It is no parameter of the
 * module because the suites run before the module has got its parameters.
 */
#define SUITES_FILE "/tmp/kcopyd-suites"

static bool skip_suite;

int fixture_suite_start(struct kunit_suite *suite)
{
	char text[256], *buf = text;
	ssize_t len;

	len = kernel_read_file_from_path(SUITES_FILE, 0, (void **)&buf, sizeof(text) - 1, NULL,
					 READING_UNKNOWN);
	text[max_t(ssize_t, len, 0)] = '\0';
	skip_suite = len > 0 && !strstr(text, suite->name);
	return 0;
}

void fixture_skip_unasked(struct kunit *test)
{
	if (skip_suite)
		kunit_skip(test, "not asked for");
}

int fixture_suite_init(struct kunit *test)
{
	struct fixture *fixture;
	int r;

	fixture_skip_unasked(test);
	fixture = kzalloc(sizeof(*fixture), GFP_KERNEL);
	if (!fixture)
		return -ENOMEM;
	r = fixture_init(fixture, test);
	if (r) {
		kfree(fixture);
		return r;
	}
	test->priv = fixture;
	return 0;
}

void fixture_suite_exit(struct kunit *test)
{
	struct fixture *fixture = test->priv;

	/* It is NULL if init failed. */
	if (fixture && fixture_exit(fixture))
		kfree(fixture);
}
