// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcopyd_torture: several clients copy at random between given devices, and
 * every outcome is compared with a model.
 *
 * Each device is divided into lanes, one a client, and the model knows of each
 * sector of a lane which tag it has. A client has several copies in flight, but
 * none that writes where another one reads or writes. Each destination is read
 * back after its copy and must have the tags of the source, or those that it had
 * before where the outcome allows that. Now and then, and at the end, the whole
 * lane must be as the model says.
 *
 * A client lives for some copies and is then destroyed, often with copies in
 * flight, at times by one of its own callbacks. Callbacks submit copies too.
 */
#define pr_fmt(fmt) "kcopyd_torture: " fmt

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "../../compat/bdev.h"
#include "../../kcopyd.h"

#define MAX_DEVICES	16
#define MAX_CLIENTS	16
#define MAX_DESTS	5
#define MAX_IN_FLIGHT	12

/* A copy that takes longer, in an idle or busy machine, never ends. */
#define PATIENCE	(300 * HZ)

/* Sectors that are read back at a time. */
#define BUFFER_SECTORS	256U
#define BUFFER_PAGES	(BUFFER_SECTORS / PAGE_SECTORS)

/* The granule of kcopyd for devices with blocks of up to 4 KiB. */
#define GRANULE		8U

/* Tags of sectors that cannot be read, and of those with something else in them. */
#define TAG_NONE	0ULL
#define TAG_GARBAGE	1ULL
#define TAG_FIRST	2ULL

#define MAGIC		0x6b636f70796474ULL

static char *devices[MAX_DEVICES];
static unsigned int nr_devs;
module_param_array(devices, charp, &nr_devs, 0444);
MODULE_PARM_DESC(devices, "Paths of block devices, which are overwritten; with ! at the end if some sectors always fail, with ? if all may fail at times");

static unsigned int clients = 4;
module_param(clients, uint, 0444);
MODULE_PARM_DESC(clients, "Clients, from 1 to 16 (default 4)");

static unsigned int seconds = 60;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "How long it goes on (default 60)");

static unsigned long long seed;
module_param(seed, ullong, 0444);
MODULE_PARM_DESC(seed, "Seed of the random numbers (default: drawn, and printed)");

/**
 * enum kind - what may fail on a device
 * @SOUND: nothing
 * @BAD: the same sectors always, reads and writes of them
 * @FLAKY: anything, for a while
 */
enum kind { SOUND, BAD, FLAKY };

struct device_model {
	struct kcopyd_compat_bdev open;
	enum kind kind;
	sector_t lane;		/* sectors of each client's lane */
	u64 *tags;		/* of all sectors; each client knows its lane */
};

/* Some sectors of a lane, from the start of the device */
struct area {
	struct device_model *dev;
	sector_t first;
};

struct client;

struct operation {
	struct client *client;
	struct list_head busy;		/* in client->busy until it is verified */
	struct list_head done;		/* in client->done from its callback on */
	unsigned int nr;
	unsigned int flags;
	unsigned int nr_dests;
	sector_t count;
	struct area from;
	struct area to[MAX_DESTS];
	bool destroys;			/* its callback destroys the client */
	struct completion submitted;	/* kcopyd_copy() has returned */
	atomic_t calls;
	int read_err;
	unsigned int write_err;
};

struct client {
	unsigned int id;
	struct task_struct *task;
	struct kcopyd_client *kc;
	struct rnd_state rnd;		/* the thread's */
	struct rnd_state callback_rnd;	/* the callbacks' */
	struct page *buffer[BUFFER_PAGES];
	wait_queue_head_t wait;
	atomic_t in_callback;
	unsigned long deadline;
	bool ending;			/* the thread submits no more */

	spinlock_t lock;		/* protects the rest */
	struct list_head busy;
	struct list_head done;
	unsigned int in_flight;
	unsigned int operations;
};

static struct device_model devs[MAX_DEVICES];
static struct client torturers[MAX_CLIENTS];
static bool unloading, hung;
static atomic64_t next_tag = ATOMIC64_INIT(TAG_FIRST);
static atomic_t running, failures;
static atomic_t copies, errors, refused, lives, swept;

#define fail(client, op_nr, fmt, ...)					\
do {									\
	/* The first says most. */					\
	if (atomic_inc_return(&failures) <= 10)				\
		pr_err("FAILED: seed %llu, client %u, operation %u: " fmt "\n", \
		       seed, (client)->id, op_nr, ##__VA_ARGS__);	\
} while (0)

static bool stopping(const struct client *c)
{
	return atomic_read(&failures) || READ_ONCE(unloading) ||
	       time_after(jiffies, c->deadline);
}

/* From 0 to below - 1 */
static u32 below(struct rnd_state *rnd, u32 limit)
{
	return prandom_u32_state(rnd) % limit;
}

static bool chance(struct rnd_state *rnd, u32 percent)
{
	return below(rnd, 100) < percent;
}

/* --------------------------------------------------------------------------
 * Sectors and tags
 */

/* Every word depends on the tag, so that a torn sector is seen. */
static u64 word_of(u64 tag, unsigned int i)
{
	return i ? (tag + i) * 0x9e3779b97f4a7c15ULL : MAGIC ^ tag;
}

static void sector_fill(u64 *words, u64 tag)
{
	unsigned int i;

	for (i = 0; i < SECTOR_SIZE / sizeof(u64); i++)
		words[i] = word_of(tag, i);
}

static u64 sector_tag(const u64 *words)
{
	u64 tag = words[0] ^ MAGIC;
	unsigned int i;

	for (i = 1; i < SECTOR_SIZE / sizeof(u64); i++) {
		if (words[i] != word_of(tag, i))
			return TAG_GARBAGE;
	}
	return tag >= TAG_FIRST ? tag : TAG_GARBAGE;
}

static u64 *buffer_sector(struct client *c, unsigned int i)
{
	return page_address(c->buffer[i / PAGE_SECTORS]) +
	       i % PAGE_SECTORS * SECTOR_SIZE;
}

/* One bio between the device and the buffer, merged with no other one's fate. */
static int transfer_once(struct client *c, struct device_model *dev,
			 enum req_op op, sector_t first, unsigned int count)
{
	struct bio *bio = bio_alloc(dev->open.bdev, BUFFER_PAGES,
				    op | REQ_NOMERGE, GFP_KERNEL);
	unsigned int i;
	int r;

	bio->bi_iter.bi_sector = first;
	for (i = 0; i < count; i += PAGE_SECTORS)
		__bio_add_page(bio, c->buffer[i / PAGE_SECTORS],
			       min_t(unsigned int, count - i, PAGE_SECTORS) *
			       SECTOR_SIZE, 0);
	r = submit_bio_wait(bio);
	bio_put(bio);
	return r;
}

/* What is flaky comes back. */
static int transfer(struct client *c, struct device_model *dev, enum req_op op,
		    sector_t first, unsigned int count)
{
	unsigned long end = jiffies + PATIENCE;
	int r;

	do {
		r = transfer_once(c, dev, op, first, count);
		if (!r || dev->kind != FLAKY)
			return r;
		msleep(20);
	} while (time_before(jiffies, end));
	return r;
}

static unsigned int block_sectors(const struct device_model *dev)
{
	return bdev_logical_block_size(dev->open.bdev) >> SECTOR_SHIFT;
}

/* Read the tags of some sectors; TAG_NONE for those that cannot be read. */
static void read_tags(struct client *c, struct device_model *dev,
		      sector_t first, unsigned int count, u64 *tags)
{
	bool all = !transfer(c, dev, REQ_OP_READ, first, count);
	unsigned int step = all ? count : block_sectors(dev);
	unsigned int i, j;

	for (i = 0; i < count; i += step) {
		bool there = all ||
			     !transfer(c, dev, REQ_OP_READ, first + i, step);

		for (j = 0; j < step; j++)
			tags[i + j] = there ?
				      sector_tag(buffer_sector(c, j)) : TAG_NONE;
	}
}

/* Give some sectors new tags, on the device and in the model. */
static void write_new_tags(struct client *c, struct device_model *dev,
			   sector_t first, unsigned int count)
{
	unsigned int block = block_sectors(dev);
	unsigned int step, i;

	while (count) {
		step = min(count, BUFFER_SECTORS);
again:
		for (i = 0; i < step; i++) {
			dev->tags[first + i] = atomic64_inc_return(&next_tag);
			sector_fill(buffer_sector(c, i), dev->tags[first + i]);
		}
		if (transfer(c, dev, REQ_OP_WRITE, first, step)) {
			if (step > block) {
				step = block;
				goto again;
			}
			if (dev->kind != BAD)
				fail(c, c->operations,
				     "%pg: sector %llu cannot be written",
				     dev->open.bdev, (u64)first);
			for (i = 0; i < step; i++)
				dev->tags[first + i] = TAG_NONE;
		}
		first += step;
		count -= step;
	}
}

/* --------------------------------------------------------------------------
 * The verdict
 */

struct verdict {
	struct client *c;
	struct operation *op;
	unsigned int i;		/* the destination */
	bool over;		/* in sequence: nothing new from here on */
	sector_t checked;	/* granules up to here were found unreadable */
};

static __printf(3, 4)
void verdict_fail(const struct verdict *v, sector_t s, const char *fmt, ...)
{
	const struct operation *op = v->op;
	const struct area *to = &op->to[v->i];
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	fail(v->c, op->nr,
	     "%llu sectors from %pg %llu to %pg %llu (%u of %u), flags %#x, read_err %d, write_err %#x: its sector %llu %pV",
	     (u64)op->count, op->from.dev->open.bdev, (u64)op->from.first,
	     to->dev->open.bdev, (u64)to->first, v->i, op->nr_dests, op->flags,
	     op->read_err, op->write_err, (u64)s, &vaf);
	va_end(args);
}

/* A sector was left out: it must be in a granule that cannot be read. */
static void check_left_out(struct verdict *v, sector_t s)
{
	struct operation *op = v->op;
	sector_t granule = rounddown(s, GRANULE);
	unsigned int count = min_t(sector_t, op->count - granule, GRANULE);

	if (op->from.dev->kind == FLAKY || granule < v->checked)
		return;
	if (!transfer_once(v->c, op->from.dev, REQ_OP_READ,
			   op->from.first + granule, count))
		verdict_fail(v, s, "was not written, although it can be read");
	v->checked = granule + count;
}

static void check_sector(struct verdict *v, sector_t s, u64 old, u64 new,
			 u64 is)
{
	struct operation *op = v->op;
	bool write_failed = op->write_err & (1U << v->i);
	bool in_sequence = op->flags & KCOPYD_WRITE_SEQ;

	if (is == TAG_NONE) {
		if (op->to[v->i].dev->kind == SOUND)
			verdict_fail(v, s, "cannot be read");
		return;
	}
	if (is == TAG_GARBAGE) {
		verdict_fail(v, s, "is not anybody's");
		return;
	}
	if (!op->read_err && !op->write_err && is != new) {
		verdict_fail(v, s, "has tag %llu, not %llu (before: %llu)", is,
			     new, old);
		return;
	}
	if (is != new && is != old && old != TAG_NONE) {
		verdict_fail(v, s, "has tag %llu, neither %llu nor %llu", is,
			     new, old);
		return;
	}
	if (old == new || old == TAG_NONE || write_failed)
		return;

	if (in_sequence) {
		if (is != new)
			v->over = true;
		else if (v->over)
			verdict_fail(v, s, "was written out of order");
	} else if (is != new && (op->flags & KCOPYD_IGNORE_ERROR)) {
		check_left_out(v, s);
	}
}

static void check_destination(struct client *c, struct operation *op,
			      unsigned int i)
{
	struct verdict v = { .c = c, .op = op, .i = i };
	struct area *to = &op->to[i];
	u64 *tags, *old, *new;
	sector_t done;
	unsigned int j, step;

	tags = kmalloc_array(BUFFER_SECTORS, sizeof(*tags), GFP_KERNEL);
	if (!tags)
		return;
	for (done = 0; done < op->count; done += step) {
		step = min_t(sector_t, op->count - done, BUFFER_SECTORS);
		read_tags(c, to->dev, to->first + done, step, tags);
		old = &to->dev->tags[to->first + done];
		new = &op->from.dev->tags[op->from.first + done];
		for (j = 0; j < step; j++) {
			check_sector(&v, done + j, old[j], new[j], tags[j]);
			old[j] = tags[j];
		}
	}
	kfree(tags);
}

static void check_operation(struct client *c, struct operation *op)
{
	unsigned int may_fail = 0;
	unsigned int i;

	for (i = 0; i < op->nr_dests; i++) {
		if (op->to[i].dev->kind != SOUND)
			may_fail |= 1U << i;
	}
	if (op->read_err && (op->from.dev->kind == SOUND || op->read_err != -EIO))
		fail(c, op->nr, "read error %d of %pg", op->read_err,
		     op->from.dev->open.bdev);
	if (op->write_err & ~may_fail)
		fail(c, op->nr, "write errors %#x, only %#x may fail",
		     op->write_err, may_fail);

	atomic_inc(&copies);
	if (op->read_err || op->write_err)
		atomic_inc(&errors);
	for (i = 0; i < op->nr_dests; i++)
		check_destination(c, op, i);
}

/* All of the lane must be as the model says. */
static void sweep(struct client *c)
{
	u64 *tags = kmalloc_array(BUFFER_SECTORS, sizeof(*tags), GFP_KERNEL);
	unsigned int i, j, step;
	sector_t first, end;

	if (!tags)
		return;
	for (i = 0; i < nr_devs; i++) {
		struct device_model *dev = &devs[i];

		end = dev->lane * (c->id + 1);
		for (first = end - dev->lane; first < end; first += step) {
			step = min_t(sector_t, end - first, BUFFER_SECTORS);
			read_tags(c, dev, first, step, tags);
			for (j = 0; j < step; j++) {
				if (tags[j] == dev->tags[first + j])
					continue;
				fail(c, c->operations,
				     "%pg: nobody wrote sector %llu, but it has tag %llu, not %llu",
				     dev->open.bdev, (u64)first + j, tags[j],
				     dev->tags[first + j]);
			}
		}
	}
	kfree(tags);
	atomic_inc(&swept);
}

/* --------------------------------------------------------------------------
 * Operations
 */

static bool overlaps(const struct area *a, sector_t a_count,
		     const struct area *b, sector_t b_count)
{
	return a->dev == b->dev && a->first < b->first + b_count &&
	       b->first < a->first + a_count;
}

/* Does @op write where @other is at work, or the other way round? */
static bool conflicts(const struct operation *op, const struct operation *other)
{
	unsigned int i, j;

	for (i = 0; i < op->nr_dests; i++) {
		if (overlaps(&op->to[i], op->count, &other->from, other->count))
			return true;
		for (j = 0; j < other->nr_dests; j++) {
			if (overlaps(&op->to[i], op->count, &other->to[j],
				     other->count))
				return true;
		}
	}
	for (j = 0; j < other->nr_dests; j++) {
		if (overlaps(&op->from, op->count, &other->to[j], other->count))
			return true;
	}
	return false;
}

static bool conflicts_with_itself(const struct operation *op)
{
	unsigned int i, j;

	for (i = 0; i < op->nr_dests; i++) {
		if (overlaps(&op->to[i], op->count, &op->from, op->count))
			return true;
		for (j = 0; j < i; j++) {
			if (overlaps(&op->to[i], op->count, &op->to[j],
				     op->count))
				return true;
		}
	}
	return false;
}

static void choose_range(struct client *c, struct rnd_state *rnd,
			 struct area *area, sector_t count, unsigned int align)
{
	area->first = area->dev->lane * c->id +
		       below(rnd, ((area->dev->lane - count) >> ilog2(align)) + 1) * align;
}

/* An operation that is in nobody's way, and in the list of the busy ones. */
static struct operation *choose(struct client *c, struct rnd_state *rnd)
{
	struct operation *op = kzalloc(sizeof(*op), GFP_NOIO);
	struct operation *other;
	unsigned int align = 1;
	unsigned int tries, i;

	if (!op)
		return NULL;
	op->client = c;
	INIT_LIST_HEAD(&op->done);
	init_completion(&op->submitted);
	for (tries = 0; tries < 20; tries++) {
		bool busy;
		sector_t most;

		op->from.dev = &devs[below(rnd, nr_devs)];
		most = op->from.dev->lane;
		align = block_sectors(op->from.dev);
		/* Mostly few, now and then many */
		op->nr_dests = 1 + below(rnd, 1 + below(rnd, MAX_DESTS));
		for (i = 0; i < op->nr_dests; i++) {
			op->to[i].dev = &devs[below(rnd, nr_devs)];
			most = min(most, op->to[i].dev->lane);
			align = max(align, block_sectors(op->to[i].dev));
		}
		switch (below(rnd, 8)) {
		case 0:
			op->count = 1 + below(rnd, most / 2);
			break;
		case 1:
		case 2:
			op->count = 1 + below(rnd, min_t(u32, most / 8, 2000));
			break;
		case 3:
			op->count = chance(rnd, 10) ? 0 : GRANULE;
			break;
		default:
			op->count = 1 + below(rnd, 100);
		}
		op->count = round_up(op->count, align);
		choose_range(c, rnd, &op->from, op->count, align);
		for (i = 0; i < op->nr_dests; i++)
			choose_range(c, rnd, &op->to[i], op->count, align);
		op->flags = (chance(rnd, 60) ? KCOPYD_IGNORE_ERROR : 0) |
			    (chance(rnd, 20) ? KCOPYD_WRITE_SEQ : 0);

		busy = conflicts_with_itself(op);
		spin_lock(&c->lock);
		list_for_each_entry(other, &c->busy, busy)
			busy = busy || conflicts(op, other);
		if (!busy) {
			list_add(&op->busy, &c->busy);
			op->nr = ++c->operations;
			c->in_flight++;
			spin_unlock(&c->lock);
			return op;
		}
		spin_unlock(&c->lock);
	}
	kfree(op);
	return NULL;
}

static void forget(struct client *c, struct operation *op)
{
	spin_lock(&c->lock);
	list_del(&op->busy);
	spin_unlock(&c->lock);
	kfree(op);
}

static void ended(int read_err, unsigned int write_err, void *context);

static int copy(struct client *c, struct operation *op)
{
	struct io_region from = { .count = op->count };
	struct io_region to[MAX_DESTS];
	unsigned int i;
	int r;

	from.bdev = op->from.dev->open.bdev;
	from.sector = op->from.first;
	for (i = 0; i < op->nr_dests; i++) {
		to[i].bdev = op->to[i].dev->open.bdev;
		to[i].sector = op->to[i].first;
		to[i].count = op->count;
	}
	r = kcopyd_copy(c->kc, &from, op->nr_dests, to, op->flags, ended, op);
	/* The regions are the caller's again: it may do with them what it likes. */
	memset(&from, 0xff, sizeof(from));
	memset(to, 0xff, sizeof(to));
	return r;
}

/* Submit an operation. False if it was refused, with a good reason or not. */
static bool submit(struct client *c, struct operation *op, bool in_callback)
{
	int r = copy(c, op);

	if (!r) {
		complete(&op->submitted);
		return true;
	}
	if (!in_callback ||
	    (r != -EAGAIN && !(r == -ESHUTDOWN && READ_ONCE(c->ending))))
		fail(c, op->nr, "refused with %d", r);
	if (atomic_read(&op->calls))
		fail(c, op->nr, "refused with %d, but its callback ran", r);
	spin_lock(&c->lock);
	c->in_flight--;
	spin_unlock(&c->lock);
	forget(c, op);
	return false;
}

static void ended(int read_err, unsigned int write_err, void *context)
{
	struct operation *op = context;
	struct client *c = op->client;

	if (atomic_inc_return(&c->in_callback) != 1)
		fail(c, op->nr, "two callbacks at a time");
	if (atomic_inc_return(&op->calls) != 1)
		fail(c, op->nr, "a second callback");
	if (!in_task() || irqs_disabled())
		fail(c, op->nr, "its callback is not in process context");

	op->read_err = read_err;
	op->write_err = write_err;

	if (chance(&c->callback_rnd, 2))
		msleep(below(&c->callback_rnd, 20));
	if (chance(&c->callback_rnd, 30) && !stopping(c)) {
		struct operation *more = choose(c, &c->callback_rnd);

		if (more)
			submit(c, more, true);
	}
	if (op->destroys) {
		/* The thread has to be out of kcopyd_copy(). */
		wait_for_completion(&op->submitted);
		complete(&op->submitted);
		kcopyd_client_destroy(c->kc);
	}

	atomic_dec(&c->in_callback);
	spin_lock(&c->lock);
	list_add_tail(&op->done, &c->done);
	c->in_flight--;
	/* Under the lock: afterwards the thread may be gone. */
	wake_up(&c->wait);
	spin_unlock(&c->lock);
}

/* What kcopyd must refuse, and then not do. */
static void submit_nonsense(struct client *c)
{
	struct operation *op = choose(c, &c->rnd);
	struct io_region from, to[KCOPYD_MAX_DESTS + 1];
	unsigned int nr = 1, flags = 0;
	int expected = -EINVAL;
	struct block_device *bdev;
	unsigned int i;
	int r;

	if (!op)
		return;
	bdev = op->to[0].dev->open.bdev;
	from.bdev = op->from.dev->open.bdev;
	from.sector = op->from.first;
	from.count = op->count;
	for (i = 0; i <= KCOPYD_MAX_DESTS; i++) {
		to[i].bdev = bdev;
		to[i].sector = op->to[0].first;
		to[i].count = op->count;
	}

	switch (below(&c->rnd, 8)) {
	case 0:
		nr = 0;
		break;
	case 1:
		nr = KCOPYD_MAX_DESTS + 1;
		break;
	case 2:
		flags = ~(KCOPYD_IGNORE_ERROR | KCOPYD_WRITE_SEQ);
		break;
	case 3:
		to[0].count += GRANULE;
		break;
	case 4:
		to[0].sector = rounddown(bdev_nr_sectors(bdev), GRANULE);
		from.count = GRANULE;
		to[0].count = GRANULE;
		from.sector = 0;
		expected = -ERANGE;
		break;
	case 5:
		to[0].sector = rounddown(~0ULL, GRANULE);
		from.sector = 0;
		from.count = 2 * GRANULE;
		to[0].count = 2 * GRANULE;
		expected = -ERANGE;
		break;
	case 6:
		from.bdev = NULL;
		break;
	default:
		/* Both ends in one place */
		to[0] = from;
		if (!from.count)
			from.bdev = NULL;
	}
	r = kcopyd_copy(c->kc, &from, nr, to, flags, ended, op);
	if (r != expected)
		fail(c, op->nr, "nonsense gave %d, not %d", r, expected);
	atomic_inc(&refused);
	spin_lock(&c->lock);
	c->in_flight--;
	spin_unlock(&c->lock);
	forget(c, op);
}

/* Check what has ended. */
static void reap(struct client *c)
{
	struct operation *op;

	for (;;) {
		spin_lock(&c->lock);
		op = list_first_entry_or_null(&c->done, struct operation, done);
		if (op)
			list_del(&op->done);
		spin_unlock(&c->lock);
		if (!op)
			return;
		/* A callback that submitted it may still be about to say so. */
		wait_for_completion(&op->submitted);
		check_operation(c, op);
		forget(c, op);
		cond_resched();
	}
}

/* Wait until no more than some are in flight. */
static bool settle(struct client *c, unsigned int most)
{
	while (READ_ONCE(c->in_flight) > most) {
		if (!wait_event_timeout(c->wait,
					READ_ONCE(c->in_flight) <= most ||
					!list_empty_careful(&c->done),
					PATIENCE)) {
			fail(c, c->operations, "hangs: %u copies in flight",
			     READ_ONCE(c->in_flight));
			WRITE_ONCE(hung, true);
			return false;
		}
		reap(c);
	}
	reap(c);
	return true;
}

static bool end_life(struct client *c)
{
	struct operation *op;

	if (chance(&c->rnd, 50) && !settle(c, 0))
		return false;

	WRITE_ONCE(c->ending, true);
	if (chance(&c->rnd, 10)) {
		op = choose(c, &c->rnd);
		if (op) {
			op->destroys = true;
			if (submit(c, op, false))
				return settle(c, 0);
			return false;
		}
	}
	kcopyd_client_destroy(c->kc);
	if (c->in_flight)
		fail(c, c->operations,
		     "destroyed with %u callbacks outstanding", c->in_flight);
	reap(c);
	return true;
}

/* From create to destroy. False if the client can do nothing any more. */
static bool live(struct client *c)
{
	static const u16 pages[] = { 1, 2, 3, 8, 16, 50, 256, 1024 };
	unsigned int left = 1 + below(&c->rnd, 60);
	unsigned int most = 1 + below(&c->rnd, MAX_IN_FLIGHT);
	int r;

	c->ending = false;
	r = kcopyd_client_create(pages[below(&c->rnd, ARRAY_SIZE(pages))],
				 &c->kc);
	if (r) {
		fail(c, c->operations, "create: %d", r);
		return false;
	}
	atomic_inc(&lives);

	while (left-- && !stopping(c)) {
		struct operation *op;

		if (!settle(c, most - 1))
			return false;
		if (chance(&c->rnd, 2))
			submit_nonsense(c);
		op = choose(c, &c->rnd);
		if (!op)
			continue;
		if (chance(&c->rnd, 10)) {
			/* Fresh tags, or all sectors are the same in the end. */
			write_new_tags(c, op->to[0].dev, op->to[0].first,
				       op->count);
			spin_lock(&c->lock);
			c->in_flight--;
			spin_unlock(&c->lock);
			forget(c, op);
			continue;
		}
		if (!submit(c, op, false))
			break;
	}
	return end_life(c);
}

static int torturer(void *data)
{
	struct client *c = data;
	unsigned int i;

	for (i = 0; i < nr_devs; i++)
		write_new_tags(c, &devs[i], devs[i].lane * c->id, devs[i].lane);

	c->deadline = jiffies + seconds * HZ;
	while (!stopping(c)) {
		if (!live(c))
			goto out;
		if (chance(&c->rnd, 10))
			sweep(c);
	}
	if (!atomic_read(&failures))
		sweep(c);
out:
	if (atomic_dec_and_test(&running))
		pr_info("%s: seed %llu\n",
			atomic_read(&failures) ? "FAILED" : "passed", seed);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

/* --------------------------------------------------------------------------
 * The module
 */

static int status_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer,
			  "state=%s seed=%llu copies=%d errors=%d refused=%d lives=%d sweeps=%d\n",
			  READ_ONCE(hung)		? "hung" :
			  atomic_read(&running)		? "running" :
			  atomic_read(&failures)	? "failed" :
							  "passed",
			  seed, atomic_read(&copies), atomic_read(&errors),
			  atomic_read(&refused), atomic_read(&lives),
			  atomic_read(&swept));
}

static int status_set(const char *value, const struct kernel_param *kp)
{
	return -EPERM;
}

static const struct kernel_param_ops status_ops = {
	.set = status_set,
	.get = status_get,
};
module_param_cb(status, &status_ops, NULL, 0444);
MODULE_PARM_DESC(status, "How it is going (to be read only)");

static int open_device(unsigned int i)
{
	struct device_model *dev = &devs[i];
	char *path = kstrdup(devices[i], GFP_KERNEL);
	size_t length;
	int r;

	if (!path)
		return -ENOMEM;
	length = strlen(path);
	if (length && (path[length - 1] == '!' || path[length - 1] == '?')) {
		dev->kind = path[length - 1] == '!' ? BAD : FLAKY;
		path[length - 1] = '\0';
	}
	r = kcopyd_compat_bdev_open(&dev->open, path, true, &devs);
	if (r)
		pr_err("cannot open %s (error %d)\n", path, r);
	kfree(path);
	if (r)
		return r;

	dev->lane = rounddown((u32)bdev_nr_sectors(dev->open.bdev) / clients,
			      GRANULE);
	if (dev->lane < 64 * GRANULE) {
		pr_err("%s is too small\n", devices[i]);
		return -EINVAL;
	}
	dev->tags = vcalloc(dev->lane * clients, sizeof(*dev->tags));
	return dev->tags ? 0 : -ENOMEM;
}

static int client_init(struct client *c, unsigned int id)
{
	unsigned int i;

	c->id = id;
	spin_lock_init(&c->lock);
	INIT_LIST_HEAD(&c->busy);
	INIT_LIST_HEAD(&c->done);
	init_waitqueue_head(&c->wait);
	prandom_seed_state(&c->rnd, seed + 2 * id);
	prandom_seed_state(&c->callback_rnd, seed + 2 * id + 1);
	for (i = 0; i < BUFFER_PAGES; i++) {
		c->buffer[i] = alloc_page(GFP_KERNEL);
		if (!c->buffer[i])
			return -ENOMEM;
	}
	c->task = kthread_create(torturer, c, "kcopyd_torture/%u", id);
	if (IS_ERR(c->task)) {
		int r = PTR_ERR(c->task);

		c->task = NULL;
		return r;
	}
	return 0;
}

static void free_all(void)
{
	unsigned int i, j;

	for (i = 0; i < clients; i++) {
		for (j = 0; j < BUFFER_PAGES; j++) {
			if (torturers[i].buffer[j])
				__free_page(torturers[i].buffer[j]);
		}
	}
	for (i = 0; i < nr_devs; i++) {
		kcopyd_compat_bdev_close(&devs[i].open);
		vfree(devs[i].tags);
	}
}

static int __init torture_init(void)
{
	unsigned int i;
	int r = 0;

	if (!nr_devs || !clients || clients > MAX_CLIENTS) {
		pr_err("devices= and clients= from 1 to %u are needed\n",
		       MAX_CLIENTS);
		return -EINVAL;
	}
	if (!seed)
		seed = get_random_u32() | 1;

	for (i = 0; !r && i < nr_devs; i++)
		r = open_device(i);
	for (i = 0; !r && i < clients; i++)
		r = client_init(&torturers[i], i);
	if (r) {
		/* A thread that was never woken ends without having run. */
		for (i = 0; i < clients; i++) {
			if (torturers[i].task)
				kthread_stop(torturers[i].task);
		}
		free_all();
		return r;
	}

	pr_info("seed %llu: %u clients, %u devices, %u seconds\n", seed,
		clients, nr_devs, seconds);
	atomic_set(&running, clients);
	for (i = 0; i < clients; i++)
		wake_up_process(torturers[i].task);
	return 0;
}

static void __exit torture_exit(void)
{
	unsigned int i;

	WRITE_ONCE(unloading, true);
	for (i = 0; i < clients; i++)
		kthread_stop(torturers[i].task);
	/*
	 * A client destroyed from its callback is freed at some later time; the
	 * callback's last instructions are all that may still run here.
	 */
	msleep(100);
	free_all();
}

module_init(torture_init);
module_exit(torture_exit);

MODULE_DESCRIPTION("Tortures kcopyd");
MODULE_AUTHOR("The kcopyd authors");
MODULE_LICENSE("GPL");
