// SPDX-License-Identifier: GPL-2.0-only
/* The order in which a disk's queue serves small and large copies. */
#include <kunit/test.h>

#include "core/queue.h"

struct entry {
	struct list_head node;
	unsigned int number;
	bool small;
};

static void add(struct kcopyd_fifo *fifo, struct entry *entry, unsigned int number, bool small)
{
	entry->number = number;
	entry->small = small;
	list_add_tail(&entry->node, kcopyd_fifo_class(fifo, small));
}

static struct entry *pop(struct kcopyd_fifo *fifo)
{
	struct list_head *node = kcopyd_fifo_pop(fifo);

	return node ? list_entry(node, struct entry, node) : NULL;
}

static void queue_empty(struct kunit *test)
{
	struct kcopyd_fifo fifo;

	kcopyd_fifo_init(&fifo);
	KUNIT_EXPECT_PTR_EQ(test, (void *)kcopyd_fifo_pop(&fifo), NULL);
	KUNIT_EXPECT_PTR_EQ(test, (void *)kcopyd_fifo_pop(&fifo), NULL);
}

static void queue_first_in_first_out(struct kunit *test)
{
	struct entry entries[20];
	struct kcopyd_fifo fifo;
	unsigned int i;

	kcopyd_fifo_init(&fifo);
	for (i = 0; i < 20; i++)
		add(&fifo, &entries[i], i, false);
	for (i = 0; i < 20; i++) {
		struct entry *entry = pop(&fifo);

		KUNIT_ASSERT_NOT_NULL(test, entry);
		KUNIT_EXPECT_EQ(test, entry->number, i);
		KUNIT_EXPECT_TRUE(test, list_empty(&entry->node));
	}
	KUNIT_EXPECT_PTR_EQ(test, (void *)pop(&fifo), NULL);
}

/* What could not go on although it was its turn is the next one, whatever has come. */
static void queue_keeps_its_turn(struct kunit *test)
{
	struct entry bulk, small[2 * KCOPYD_STREAK];
	struct kcopyd_fifo fifo;
	struct entry *entry;
	unsigned int i;

	kcopyd_fifo_init(&fifo);
	add(&fifo, &bulk, 0, false);
	for (i = 0; i < ARRAY_SIZE(small); i++)
		add(&fifo, &small[i], i, true);
	do
		entry = pop(&fifo);
	while (entry != &bulk);
	for (i = 0; i < 3; i++) {
		add(&fifo, &bulk, 0, false);
		kcopyd_fifo_first(&fifo, &bulk.node, false);
		KUNIT_EXPECT_PTR_EQ(test, pop(&fifo), &bulk);
	}
	/* Of a small one, none is ahead of it that came later. */
	entry = pop(&fifo);
	add(&fifo, entry, entry->number, true);
	kcopyd_fifo_first(&fifo, &entry->node, true);
	KUNIT_EXPECT_PTR_EQ(test, pop(&fifo), entry);
}

static void queue_small_goes_first(struct kunit *test)
{
	struct entry bulk[2], small[2];
	struct kcopyd_fifo fifo;

	kcopyd_fifo_init(&fifo);
	add(&fifo, &bulk[0], 0, false);
	add(&fifo, &bulk[1], 1, false);
	add(&fifo, &small[0], 2, true);
	add(&fifo, &small[1], 3, true);
	KUNIT_EXPECT_PTR_EQ(test, pop(&fifo), &small[0]);
	KUNIT_EXPECT_PTR_EQ(test, pop(&fifo), &small[1]);
	KUNIT_EXPECT_PTR_EQ(test, pop(&fifo), &bulk[0]);
	KUNIT_EXPECT_PTR_EQ(test, pop(&fifo), &bulk[1]);
}

/* An endless stream of small entries leaves large ones every ninth turn. */
static void queue_large_has_its_turn(struct kunit *test)
{
	struct entry bulk[4], small[40];
	unsigned int i, next_small = 0, bulks = 0, since = 0;
	struct kcopyd_fifo fifo;

	kcopyd_fifo_init(&fifo);
	for (i = 0; i < 4; i++)
		add(&fifo, &bulk[i], i, false);
	add(&fifo, &small[next_small], next_small, true);
	next_small++;
	for (i = 0; i < 36; i++) {
		struct entry *entry;

		add(&fifo, &small[next_small], next_small, true);
		next_small++;
		entry = pop(&fifo);
		KUNIT_ASSERT_NOT_NULL(test, entry);
		if (entry->small) {
			since++;
			continue;
		}
		KUNIT_EXPECT_EQ(test, entry->number, bulks);
		KUNIT_EXPECT_LE(test, since, 8);
		/* Nor do the large ones crowd out the small ones. */
		KUNIT_EXPECT_GE(test, since, 4);
		since = 0;
		bulks++;
	}
	KUNIT_EXPECT_EQ(test, bulks, 4);
}

static struct kunit_case queue_cases[] = {
	KUNIT_CASE(queue_empty),
	KUNIT_CASE(queue_first_in_first_out),
	KUNIT_CASE(queue_keeps_its_turn),
	KUNIT_CASE(queue_small_goes_first),
	KUNIT_CASE(queue_large_has_its_turn),
	{}
};

static struct kunit_suite queue_suite = {
	.name = "kcopyd_queue",
	.test_cases = queue_cases,
};

kunit_test_suite(queue_suite);
