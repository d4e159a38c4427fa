// SPDX-License-Identifier: GPL-2.0-only
/* Callbacks of the user's own events, and waiting for those that are due. */
#include <linux/irq_work.h>
#include <linux/slab.h>

#include "core/client.h"
#include "fixture.h"

#define DISK_SECTORS 2048

/* A prepared callback and what becomes of it. */
struct event {
	struct kcopyd_job *prepared;
	/* Calls kcopyd_do_callback() in a hard interrupt. */
	struct irq_work irq;
	/* Where it must run. */
	const struct work_struct *notify_work;
	/* Counts the callbacks; @order is its place among them. */
	atomic_t *clock;
	struct completion done;
	int read_err;
	unsigned int write_err;
	unsigned int order;
	bool right_context;
};

static void event_callback(int read_err, unsigned int write_err, void *context)
{
	struct event *event = context;

	event->read_err = read_err;
	event->write_err = write_err;
	event->order = atomic_inc_return(event->clock);
	event->right_context = in_task() && !irqs_disabled() &&
			       current_work() == event->notify_work &&
			       current->flags & PF_MEMALLOC_NOIO;
	complete(&event->done);
}

static void event_irq(struct irq_work *irq)
{
	struct event *event = container_of(irq, struct event, irq);

	kcopyd_do_callback(event->prepared, -EREMOTEIO, 0x80000001);
}

static void event_prepare(struct kunit *test, struct event *event, struct tclient *client,
			  atomic_t *clock)
{
	init_completion(&event->done);
	init_irq_work(&event->irq, event_irq);
	event->clock = clock;
	event->notify_work = client->notify_work;
	KUNIT_ASSERT_EQ(test, kcopyd_prepare_callback(client->kc, event_callback, event,
						      &event->prepared), 0);
}

static void event_wait(struct kunit *test, struct event *event)
{
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&event->done, TDISK_TIMEOUT), 0UL);
}

static struct event *events_new(struct kunit *test, unsigned int nr)
{
	struct event *events = kunit_kcalloc(test, nr, sizeof(*events), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, events);
	return events;
}

/* From a hard interrupt to the client's workqueue, with what was said. */
static void callback_from_irq(struct kunit *test)
{
	struct tclient *client = fixture_client(test->priv, 1);
	struct event *event = events_new(test, 1);
	atomic_t clock = ATOMIC_INIT(0);

	event_prepare(test, event, client, &clock);
	KUNIT_EXPECT_FALSE(test, completion_done(&event->done));
	irq_work_queue(&event->irq);
	event_wait(test, event);
	irq_work_sync(&event->irq);
	KUNIT_EXPECT_EQ(test, event->read_err, -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, event->write_err, 0x80000001U);
	KUNIT_EXPECT_TRUE(test, event->right_context);
}

/* They come in the order in which they became due, not in that of preparation. */
static void callback_order(struct kunit *test)
{
	struct tclient *client = fixture_client(test->priv, 1);
	struct event *events = events_new(test, 100);
	atomic_t clock = ATOMIC_INIT(0);
	int i;

	for (i = 0; i < 100; i++)
		event_prepare(test, &events[i], client, &clock);
	for (i = 99; i >= 0; i--)
		kcopyd_do_callback(events[i].prepared, 0, i);
	for (i = 0; i < 100; i++) {
		event_wait(test, &events[i]);
		KUNIT_EXPECT_EQ(test, events[i].order, 100 - i);
		KUNIT_EXPECT_EQ(test, events[i].write_err, i);
	}
}

static void callback_destroy_waits(struct kunit *test)
{
	struct tclient *client = fixture_client(test->priv, 1);
	struct event *event = events_new(test, 1);
	atomic_t clock = ATOMIC_INIT(0);
	struct ender *ender;

	event_prepare(test, event, client, &clock);
	client->ended = true;
	ender = ender_start(client->kc);
	wait_until(READ_ONCE(client->kc->shutdown));
	msleep(50);
	KUNIT_EXPECT_FALSE(test, completion_done(&ender->done));
	kcopyd_do_callback(event->prepared, 0, 0);
	KUNIT_ASSERT_TRUE(test, ender_wait(ender));
	KUNIT_EXPECT_TRUE(test, completion_done(&event->done));
}

static void prepare_when_shut_down(struct copy *copy)
{
	struct event *event = copy->priv;

	wait_until(READ_ONCE(copy->client->kc->shutdown));
	event->read_err = kcopyd_prepare_callback(copy->client->kc, event_callback, event,
						  &event->prepared);
}

static void callback_rejected(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 1);
	struct tdisk *disk = fixture_small_disk(f, 1, DISK_SECTORS);
	struct copy *copy = fixture_copy(client, disk, 0, 8);
	struct event *event = events_new(test, 1);

	KUNIT_EXPECT_EQ(test, kcopyd_prepare_callback(NULL, event_callback, event,
						      &event->prepared), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_prepare_callback(client->kc, NULL, event,
						      &event->prepared), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_prepare_callback(client->kc, event_callback, event,
						      NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kcopyd_client_flush(NULL), -EINVAL);
	copy_to(copy, disk, 100);
	copy->then = prepare_when_shut_down;
	copy->priv = event;
	copy_start(copy, 0);
	tclient_end(client);
	KUNIT_EXPECT_EQ(test, event->read_err, -ESHUTDOWN);
	KUNIT_EXPECT_PTR_EQ(test, (void *)event->prepared, NULL);
}

struct flusher {
	struct work_struct work;
	struct kcopyd_client *kc;
	struct completion done;
	int result;
};

static void flusher_work(struct work_struct *work)
{
	struct flusher *flusher = container_of(work, struct flusher, work);

	flusher->result = kcopyd_client_flush(flusher->kc);
	complete(&flusher->done);
}

static struct flusher *flush_start(struct kunit *test, struct tclient *client)
{
	struct flusher *flusher = kzalloc(sizeof(*flusher), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, flusher);
	init_completion(&flusher->done);
	INIT_WORK(&flusher->work, flusher_work);
	flusher->kc = client->kc;
	queue_work(system_unbound_wq, &flusher->work);
	return flusher;
}

/* One that hangs is still in use, and stays. */
static void flush_wait(struct kunit *test, struct flusher *flusher)
{
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&flusher->done, TDISK_TIMEOUT), 0UL);
	flush_work(&flusher->work);
	KUNIT_EXPECT_EQ(test, flusher->result, 0);
	kfree(flusher);
}

/* Callbacks that are due are waited for, those that come after them are not. */
static void callback_flush(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *disk = fixture_small_disk(f, 1, DISK_SECTORS);
	struct copy *first = fixture_copy(client, disk, 0, 8);
	struct event *events = events_new(test, 20);
	atomic_t clock = ATOMIC_INIT(0);
	struct flusher *flusher;
	struct copy *late;
	unsigned int i;

	copy_to(first, disk, 100);
	first->then = copy_hold;
	copy_start(first, 0);
	KUNIT_ASSERT_TRUE(test, wait_until(atomic_read(&first->calls)));
	for (i = 0; i < 20; i++) {
		event_prepare(test, &events[i], client, &clock);
		kcopyd_do_callback(events[i].prepared, 0, 0);
	}
	flusher = flush_start(test, client);
	KUNIT_ASSERT_TRUE(test, wait_until(READ_ONCE(client->kc->jobs) == 22));
	late = fixture_copy(client, disk, 200, 8);
	copy_to(late, disk, 300);
	late->then = copy_hold;
	copy_start(late, 0);
	fixture_settle(f);
	KUNIT_EXPECT_FALSE(test, completion_done(&flusher->done));
	copy_let_go(first);
	flush_wait(test, flusher);
	KUNIT_EXPECT_EQ(test, atomic_read(&clock), 20);
	copy_let_go(late);
	copy_wait(first);
	copy_wait(late);
}

static void callback_flush_not_for_io(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *disk = fixture_small_disk(f, 1, DISK_SECTORS);
	struct copy *copy = fixture_copy(client, disk, 0, 8);

	copy_to(copy, disk, 100);
	tdisk_shut(disk);
	copy_start(copy, 0);
	KUNIT_ASSERT_TRUE(test, tdisk_wait_held(disk, 1));
	flush_wait(test, flush_start(test, client));
	KUNIT_EXPECT_FALSE(test, copy_is_done(copy));
	tdisk_open(disk);
	copy_wait(copy);
	/* Due for sure by now, or over. */
	flush_wait(test, flush_start(test, client));
}

static void flush_own_client(struct copy *copy)
{
	*(int *)copy->priv = kcopyd_client_flush(copy->client->kc);
}

static void callback_flush_own(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct tclient *client = fixture_client(f, 16);
	struct tdisk *disk = fixture_small_disk(f, 1, DISK_SECTORS);
	struct copy *copy = fixture_copy(client, disk, 0, 8);
	int result = 0;

	copy_to(copy, disk, 100);
	copy->then = flush_own_client;
	copy->priv = &result;
	copy_run(copy, 0);
	KUNIT_EXPECT_EQ(test, result, -EDEADLK);
}

static struct kunit_case callback_cases[] = {
	KUNIT_CASE(callback_from_irq),
	KUNIT_CASE(callback_order),
	KUNIT_CASE(callback_destroy_waits),
	KUNIT_CASE(callback_rejected),
	KUNIT_CASE(callback_flush),
	KUNIT_CASE(callback_flush_not_for_io),
	KUNIT_CASE(callback_flush_own),
	{}
};

static struct kunit_suite callback_suite = {
	.name = "kcopyd_callback",
	.suite_init = fixture_suite_start,
	.init = fixture_suite_init,
	.exit = fixture_suite_exit,
	.test_cases = callback_cases,
};

kunit_test_suite(callback_suite);
