// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcopyd_exhaust: eight clients copy while there is no memory. Loading it takes all
 * that is free, copies, gives it back and tells:
 *
 *	insmod kcopyd_exhaust.ko devices=/dev/na,/dev/nb,/dev/nc
 *	cat /sys/module/kcopyd_exhaust/parameters/status
 *
 * The first device is copied to the others, a piece by each client. They have to be
 * of a kind that needs no memory for that.
 *
 * Whatever else wants memory meanwhile would wake the OOM killer, which is none of this
 * test's business: a little is given back then, and taken again. Those who must never
 * want so are the copies: their workers and submitters.
 */
#define pr_fmt(fmt) "kcopyd_exhaust: " fmt

#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/oom.h>
#include <linux/vmalloc.h>

#include "../../compat/bdev.h"
#include "../../kcopyd.h"

#define MAX_DEVICES	8
#define CLIENTS		8
#define CLIENT_PAGES	24
/* As many as want an object at a time, of which a client has four. */
#define CLIENT_COPIES	200
/* What is given back to whoever would wake the OOM killer. */
#define SPARE_PAGES	64
/* Longer than it ever takes, in seconds. */
#define PATIENCE	100

static char *devices[MAX_DEVICES];
static unsigned int num_devices;
module_param_array(devices, charp, &num_devices, 0444);
MODULE_PARM_DESC(devices, "Paths of the device to copy and of those to copy it to");

static char status[160];
module_param_string(status, status, sizeof(status), 0444);
MODULE_PARM_DESC(status, "How it went (to be read only)");

struct exhaust;

/* A client, and a thread that submits to it. */
struct lane {
	struct exhaust *e;
	struct kcopyd_client *kc;
	struct task_struct *thread;
	sector_t sector, count;
	atomic_t ended;
	unsigned int accepted;
	unsigned int failed;
	struct completion submitted;
	struct completion all;
};

struct exhaust {
	struct kcopyd_compat_bdev devs[MAX_DEVICES];
	struct lane lanes[CLIENTS];
	struct task_struct *hog;
	struct notifier_block oom;
	spinlock_t lock; /* of the next two */
	struct list_head taken;
	unsigned long nr_taken;
	unsigned long refills;
	unsigned int wants;
	unsigned int own_wants;
};

/* ------------------------------------------------------------------------- */
/* Memory */

static bool take(struct exhaust *e, gfp_t gfp)
{
	struct page *page = alloc_page(gfp | __GFP_NOWARN);

	if (!page)
		return false;
	spin_lock(&e->lock);
	list_add(&page->lru, &e->taken);
	e->nr_taken++;
	spin_unlock(&e->lock);
	return true;
}

/* Returns how many there were. */
static unsigned long give(struct exhaust *e, unsigned long nr)
{
	unsigned long given;

	for (given = 0; given < nr; given++) {
		struct page *page;

		spin_lock(&e->lock);
		page = list_first_entry_or_null(&e->taken, struct page, lru);
		if (page) {
			list_del(&page->lru);
			e->nr_taken--;
		}
		spin_unlock(&e->lock);
		if (!page)
			break;
		__free_page(page);
	}
	return given;
}

/* What others free is taken at once, down to what is kept for emergencies. */
static int hog(void *data)
{
	struct exhaust *e = data;

	while (!kthread_should_stop()) {
		while (take(e, GFP_NOWAIT | __GFP_NOMEMALLOC))
			e->refills++;
		usleep_range(500, 1000);
	}
	return 0;
}

/* The workers of kcopyd are the ones that run under memalloc_noio_save() here. */
static bool is_own(const struct exhaust *e)
{
	unsigned int i;

	for (i = 0; i < CLIENTS; i++) {
		if (current == e->lanes[i].thread)
			return true;
	}
	return current->flags & PF_WQ_WORKER && current->flags & PF_MEMALLOC_NOIO;
}

static int somebody_wants(struct notifier_block *block, unsigned long action, void *freed)
{
	struct exhaust *e = container_of(block, struct exhaust, oom);

	e->wants++;
	if (is_own(e)) {
		e->own_wants++;
		pr_err("%s waits for memory\n", current->comm);
		dump_stack();
	}
	*(unsigned long *)freed += give(e, SPARE_PAGES);
	return NOTIFY_OK;
}

static int exhaust_begin(struct exhaust *e)
{
	int r = register_oom_notifier(&e->oom);

	if (r)
		return r;
	/* What can be reclaimed goes, too. */
	while (take(e, GFP_KERNEL | __GFP_NORETRY))
		cond_resched();
	e->hog = kthread_run(hog, e, "kcopyd_hog");
	if (!IS_ERR(e->hog))
		return 0;
	unregister_oom_notifier(&e->oom);
	give(e, ULONG_MAX);
	return PTR_ERR(e->hog);
}

static void exhaust_end(struct exhaust *e)
{
	kthread_stop(e->hog);
	unregister_oom_notifier(&e->oom);
	give(e, ULONG_MAX);
}

/* ------------------------------------------------------------------------- */
/* Copies */

static void copied(int read_err, unsigned int write_err, void *context)
{
	struct lane *lane = context;

	lane->failed += read_err || write_err;
	if (atomic_inc_return(&lane->ended) == CLIENT_COPIES)
		complete(&lane->all);
}

static void copy_piece(struct lane *lane, unsigned int i)
{
	const sector_t start = lane->sector + lane->count * i / CLIENT_COPIES;
	const sector_t end = lane->sector + lane->count * (i + 1) / CLIENT_COPIES;
	struct io_region regions[MAX_DEVICES];
	unsigned int n;

	for (n = 0; n < num_devices; n++)
		regions[n] = (struct io_region){
			.bdev = lane->e->devs[n].bdev,
			.sector = start,
			.count = end - start,
		};
	if (!kcopyd_copy(lane->kc, &regions[0], num_devices - 1, &regions[1], 0, copied, lane))
		lane->accepted++;
}

static int submit(void *data)
{
	struct lane *lane = data;
	unsigned int i;

	for (i = 0; i < CLIENT_COPIES; i++)
		copy_piece(lane, i);
	complete_all(&lane->submitted);
	return 0;
}

/* Threads need memory: they are made before it is gone. */
static int lane_new(struct exhaust *e, unsigned int i)
{
	const sector_t sectors = bdev_nr_sectors(e->devs[0].bdev);
	struct lane *lane = &e->lanes[i];

	lane->e = e;
	lane->sector = sectors * i / CLIENTS;
	lane->count = sectors * (i + 1) / CLIENTS - lane->sector;
	init_completion(&lane->submitted);
	init_completion(&lane->all);
	lane->thread = kthread_create(submit, lane, "kcopyd_lane%u", i);
	if (IS_ERR(lane->thread)) {
		lane->thread = NULL;
		return -ENOMEM;
	}
	get_task_struct(lane->thread);
	return kcopyd_client_create(CLIENT_PAGES, &lane->kc);
}

/* Also of one that was not completely made. */
static void lane_free(struct lane *lane)
{
	if (lane->thread) {
		kthread_stop(lane->thread);
		put_task_struct(lane->thread);
	}
	kcopyd_client_destroy(lane->kc);
}

/* Returns true if all came to their end without memory. */
static bool copy_all(struct exhaust *e)
{
	const unsigned long end = jiffies + PATIENCE * HZ;
	bool all = true;
	unsigned int i;

	for (i = 0; i < CLIENTS; i++)
		wake_up_process(e->lanes[i].thread);
	for (i = 0; i < CLIENTS; i++) {
		const long left = max_t(long, end - jiffies, 1);

		all &= !!wait_for_completion_timeout(&e->lanes[i].submitted, left);
		all &= !!wait_for_completion_timeout(&e->lanes[i].all,
						     max_t(long, end - jiffies, 1));
	}
	return all;
}

static int run(struct exhaust *e)
{
	unsigned int i, accepted = 0, failed = 0;
	unsigned long taken, began;
	bool all;
	int r;

	r = exhaust_begin(e);
	if (r)
		return r;
	began = jiffies;
	taken = READ_ONCE(e->nr_taken);
	all = copy_all(e);
	exhaust_end(e);
	for (i = 0; i < CLIENTS; i++) {
		/* With memory again: what hangs for another reason is seen by who waits. */
		wait_for_completion(&e->lanes[i].submitted);
		accepted += e->lanes[i].accepted;
		failed += e->lanes[i].failed;
	}
	snprintf(status, sizeof(status),
		 "state=%s copies=%u failed=%u taken_mb=%lu refills=%lu wants=%u own_wants=%u ms=%u\n",
		 all ? "done" : "hung", accepted, failed, taken >> (20 - PAGE_SHIFT), e->refills,
		 e->wants, e->own_wants, jiffies_to_msecs(jiffies - began));
	return 0;
}

static int open_devices(struct exhaust *e)
{
	unsigned int i;
	int r = 0;

	for (i = 0; !r && i < num_devices; i++)
		r = kcopyd_compat_bdev_open(&e->devs[i], devices[i], i, i ? e : NULL);
	return r;
}

static void close_devices(struct exhaust *e)
{
	unsigned int i;

	for (i = 0; i < num_devices; i++)
		kcopyd_compat_bdev_close(&e->devs[i]);
}

static int __init exhaust_init(void)
{
	struct exhaust *e;
	unsigned int i;
	int r;

	if (num_devices < 2)
		return -EINVAL;
	e = vzalloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	spin_lock_init(&e->lock);
	INIT_LIST_HEAD(&e->taken);
	e->oom.notifier_call = somebody_wants;
	r = open_devices(e);
	for (i = 0; !r && i < CLIENTS; i++)
		r = lane_new(e, i);
	if (!r)
		r = run(e);
	for (i = 0; i < CLIENTS; i++)
		lane_free(&e->lanes[i]);
	close_devices(e);
	vfree(e);
	return r;
}

static void __exit exhaust_exit(void)
{
}

module_init(exhaust_init);
module_exit(exhaust_exit);

MODULE_DESCRIPTION("Copies without memory");
MODULE_AUTHOR("The kcopyd authors");
MODULE_LICENSE("GPL");
