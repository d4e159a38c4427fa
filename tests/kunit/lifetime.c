// SPDX-License-Identifier: GPL-2.0-only
/*
 * From creation to destruction. That each accepted copy has exactly one
 * callback, in the right place and never two at once, and that all pages are
 * freed, is checked after each test of every suite.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "core/client.h"
#include "fixture.h"
#include "log.h"

#define DISK_SECTORS 2048

struct life {
	struct fixture *f;
	struct tclient *client;
	struct tdisk *from, *to;
};

static struct life life_new(struct kunit *test)
{
	struct fixture *f = test->priv;

	return (struct life){
		.f = f,
		.client = fixture_client(f, 16),
		.from = fixture_small_disk(f, 1, DISK_SECTORS),
		.to = fixture_small_disk(f, 2, DISK_SECTORS),
	};
}

static struct copy *life_copy(struct life *l, sector_t sector, sector_t count)
{
	struct copy *copy = fixture_copy(l->client, l->from, sector, count);

	copy_to(copy, l->to, sector);
	return copy;
}

static void lifetime_destroy_null(struct kunit *test)
{
	kcopyd_client_destroy(NULL);
}

static void lifetime_destroy_unused(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 1; i < 200; i += 40)
		tclient_end(fixture_client(f, i));
}

struct destroyer {
	struct work_struct work;
	struct tclient *client;
	unsigned int called;
	struct completion done;
};

static void destroyer_work(struct work_struct *work)
{
	struct destroyer *d = container_of(work, struct destroyer, work);
	struct copy *copy;

	kcopyd_client_destroy(d->client->kc);
	list_for_each_entry(copy, &d->client->fixture->copies, node)
		d->called += atomic_read(&copy->calls);
	complete(&d->done);
}

/* When destroy returns, all callbacks have. */
static void lifetime_destroy_waits(struct kunit *test)
{
	struct life l = life_new(test);
	struct copy *copies[20];
	struct destroyer *d = kzalloc(sizeof(*d), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, d);
	tdisk_shut(l.from);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = life_copy(&l, 100 * i, 100);
		copy_start(copies[i], 0);
	}
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(l.from, 1));
	init_completion(&d->done);
	INIT_WORK(&d->work, destroyer_work);
	d->client = l.client;
	l.client->ended = true;
	queue_work(system_unbound_wq, &d->work);
	wait_until(READ_ONCE(l.client->kc->shutdown));
	tdisk_open(l.from);
	if (!wait_for_completion_timeout(&d->done, TDISK_TIMEOUT)) {
		tclient_hangs(l.client);
		KUNIT_FAIL(test, "kcopyd_client_destroy() hangs");
		return;
	}
	flush_work(&d->work);
	KUNIT_EXPECT_EQ(test, d->called, ARRAY_SIZE(copies));
	kfree(d);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copy_expect(copies[i], 0, 0);
		copy_expect_copied_part(copies[i], 0, 0, 100);
	}
}

/* A callback that runs while the client is being destroyed, and submits. */
static void submit_when_shut_down(struct copy *copy)
{
	wait_until(READ_ONCE(copy->client->kc->shutdown));
	copy_submit(copy->priv, 0);
}

static void submit_during_drain(struct kunit *test, unsigned int num_dests)
{
	struct life l = life_new(test);
	struct copy *first = life_copy(&l, 0, 8);
	struct copy *late = life_copy(&l, 100, 8);

	while (late->num_dests < num_dests)
		copy_to(late, l.to, 200 * late->num_dests);
	first->then = submit_when_shut_down;
	first->priv = late;
	copy_start(first, 0);
	tclient_end(l.client);
	KUNIT_EXPECT_EQ(test, atomic_read(&first->calls), 1);
	KUNIT_EXPECT_TRUE(test, late->submitted);
	KUNIT_EXPECT_EQ(test, late->result, -ESHUTDOWN);
	copy_expect_kept(late, 0, 0, 8);
}

static void lifetime_submit_during_drain(struct kunit *test)
{
	submit_during_drain(test, 1);
}

/* For several destinations no object is kept of an earlier copy. */
static void lifetime_submit_to_several_during_drain(struct kunit *test)
{
	submit_during_drain(test, 2);
}

static void destroy_own_client(struct copy *copy)
{
	copy->client->ended = true;
	kcopyd_client_destroy(copy->client->kc);
	/* Still there until this returns. */
	if (copy->priv)
		copy_submit(copy->priv, 0);
}

/* From its own callback: said in the log, ended elsewhere, never a deadlock. */
static void lifetime_destroy_from_callback(struct kunit *test)
{
	struct life l = life_new(test);
	struct copy *first = life_copy(&l, 0, 8);
	struct copy *second = life_copy(&l, 100, 800);
	struct copy *late = life_copy(&l, 1000, 8);
	struct page *page = l.client->kc->pool.pages[15].page;
	struct kmsg_dump_iter mark;

	get_page(page);
	log_mark(&mark);
	tdisk_shut(l.from);
	first->then = destroy_own_client;
	first->priv = late;
	copy_start(first, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(l.from, 1));
	copy_start(second, 0);
	tdisk_release_sector(l.from, 0);
	copy_wait(first);
	KUNIT_EXPECT_EQ(test, log_count(&mark, "destroyed from its own callback"), 1);
	KUNIT_EXPECT_EQ(test, late->result, -ESHUTDOWN);
	/* The second copy is still on its way, and so the client is there. */
	KUNIT_EXPECT_FALSE(test, copy_is_done(second));
	KUNIT_EXPECT_EQ(test, page_count(page), 2);
	tdisk_open(l.from);
	copy_wait(second);
	copy_expect(second, 0, 0);
	copy_expect_copied(second, 0);

	KUNIT_EXPECT_TRUE_MSG(test, wait_until(page_count(page) == 1),
			      "the client was not freed");
	put_page(page);
}

static void destroy_other_client(struct copy *copy)
{
	struct tclient *other = copy->priv;

	other->ended = true;
	kcopyd_client_destroy(other->kc);
}

/* Another client's callback is as good a place as any. */
static void lifetime_destroy_from_other_callback(struct kunit *test)
{
	struct life l = life_new(test);
	struct tclient *other = fixture_client(l.f, 8);
	struct copy *copy = life_copy(&l, 0, 8);
	struct copy *others = fixture_copy(other, l.from, 0, 1000);

	copy_to(others, l.to, 1000);
	copy_start(others, 0);
	copy->then = destroy_other_client;
	copy->priv = other;
	copy_run(copy, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&others->calls), 1);
	copy_expect_copied(others, 0);
}

/* Each callback submits the next copy: of the one before it to where it goes on. */
static void submit_next(struct copy *copy)
{
	if (copy->priv)
		copy_submit(copy->priv, 0);
}

static void lifetime_submit_from_callback(struct kunit *test)
{
	struct life l = life_new(test);
	struct copy *copies[50];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = life_copy(&l, 40 * i, i % 3 ? 9 : 40);
		copies[i]->then = submit_next;
		if (i)
			copies[i - 1]->priv = copies[i];
	}
	copy_start(copies[0], 0);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copy_wait(copies[i]);
		KUNIT_EXPECT_EQ(test, copies[i]->result, 0);
		copy_expect_copied_part(copies[i], 0, 0, copies[i]->from.count);
	}
}

static void sleep_a_little(struct copy *copy)
{
	usleep_range(2000, 3000);
}

/* Copies that end together; the callbacks take long and are still one at a time. */
static void lifetime_one_callback_at_a_time(struct kunit *test)
{
	struct life l = life_new(test);
	struct copy *copies[30];
	unsigned int i;

	tdisk_shut(l.to);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = life_copy(&l, 16 * i, 8);
		copies[i]->then = sleep_a_little;
		copy_start(copies[i], 0);
	}
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(l.to, 1));
	tdisk_open(l.to);
	for (i = 0; i < ARRAY_SIZE(copies); i++)
		copy_wait(copies[i]);
	KUNIT_EXPECT_FALSE(test, l.client->at_once);
}

/* A callback sees the destination written. */
static void check_written(struct copy *copy)
{
	sector_t where;
	bool *written = copy->priv;

	*written = tdisk_holds(copy->targets[0], copy->dests[0].sector, copy->from.count,
			       copy->source->options.seed, copy->from.sector, &where);
}

static void lifetime_callback_after_writes(struct kunit *test)
{
	struct life l = life_new(test);
	struct copy *copy = life_copy(&l, 0, 1000);
	bool written = false;

	copy->then = check_written;
	copy->priv = &written;
	copy_run(copy, 0);
	KUNIT_EXPECT_TRUE(test, written);
}

/* Two clients' callbacks do run at the same time: each has a workqueue of its own. */
static void lifetime_clients_do_not_share(struct kunit *test)
{
	struct life l = life_new(test);
	struct tclient *other = fixture_client(l.f, 8);
	struct copy *holds = life_copy(&l, 0, 8);
	struct copy *copy = fixture_copy(other, l.from, 16, 800);

	copy_to(copy, l.to, 16);
	holds->then = copy_hold;
	copy_start(holds, 0);
	KUNIT_ASSERT_TRUE(test, wait_until(atomic_read(&holds->calls)));
	copy_run(copy, 0);
	copy_expect_copied(copy, 0);
	KUNIT_EXPECT_FALSE(test, copy_is_done(holds));
	copy_let_go(holds);
	copy_wait(holds);
}

static void lifetime_many_clients(struct kunit *test)
{
	struct life l = life_new(test);
	struct tclient *clients[24];
	struct copy *copies[24];
	unsigned int i;

	for (i = 0; i < 24; i++) {
		clients[i] = fixture_client(l.f, 1 + i);
		copies[i] = fixture_copy(clients[i], l.from, 80 * i, 79);
		copy_to(copies[i], l.to, 80 * i);
		copy_start(copies[i], i & 1 ? KCOPYD_WRITE_SEQ : 0);
	}
	for (i = 0; i < 24; i++) {
		tclient_end(clients[i]);
		KUNIT_EXPECT_TRUE(test, copy_is_done(copies[i]));
		copy_expect(copies[i], 0, 0);
		copy_expect_copied_part(copies[i], 0, 0, 79);
	}
}

static struct kunit_case lifetime_cases[] = {
	KUNIT_CASE(lifetime_destroy_null),
	KUNIT_CASE(lifetime_destroy_unused),
	KUNIT_CASE(lifetime_destroy_waits),
	KUNIT_CASE(lifetime_submit_during_drain),
	KUNIT_CASE(lifetime_submit_to_several_during_drain),
	KUNIT_CASE(lifetime_destroy_from_callback),
	KUNIT_CASE(lifetime_destroy_from_other_callback),
	KUNIT_CASE(lifetime_submit_from_callback),
	KUNIT_CASE(lifetime_one_callback_at_a_time),
	KUNIT_CASE(lifetime_callback_after_writes),
	KUNIT_CASE(lifetime_clients_do_not_share),
	KUNIT_CASE(lifetime_many_clients),
	{}
};

static struct kunit_suite lifetime_suite = {
	.name = "kcopyd_lifetime",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = lifetime_cases,
};

kunit_test_suite(lifetime_suite);
