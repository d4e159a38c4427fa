// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcopyd_exhaust: takes all memory that is free and, if told so, all workers, and lets
 * eight clients copy without them:
 *
 *	insmod kcopyd_exhaust.ko devices=/dev/na,/dev/nb,/dev/nc
 *	cd /sys/module/kcopyd_exhaust/parameters
 *	echo 1 >taken; echo 1 >copies; echo 0 >taken; cat status
 *
 * The first device is copied to the others, a piece by each client. They have to be
 * of a kind that needs no memory for that. Without devices there is only what is taken.
 *
 * What wakes up idle workers is work, of which there is more than they can do, and
 * which ends with the test. That no others are made is for the caller to see to, by
 * kernel.threads-max, before: where memory alone is gone, some are. Then only rescuers
 * run, and it shows that some of that work never had a worker. A shell that can start
 * no process can wait by "echo 500 >pause_ms".
 *
 * Whatever else wants memory meanwhile would wake the OOM killer, which is none of this
 * test's business: a little is given back then, and taken again. Those who must never
 * want so are the copies: their workers and submitters.
 */
#define pr_fmt(fmt) "kcopyd_exhaust: " fmt

#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/oom.h>
#include <linux/workqueue.h>

#include "../../compat/bdev.h"
#include "../../compat/workqueue.h"
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
/* More than a pool of workers has idle ones. */
#define SLEEPERS	64
/* A CPU has two pools: one is for what is urgent. */
#define MAX_POOLS	32
/* If a worker does not begin what there is to do for so long, in ms, there is none. */
#define NO_WORKER	1500

static char *devices[MAX_DEVICES];
static unsigned int num_devices;
module_param_array(devices, charp, &num_devices, 0444);
MODULE_PARM_DESC(devices, "Paths of the device to copy and of those to copy it to");

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

/* Work that a worker sleeps in. */
struct sleeper {
	struct work_struct work;
	struct pool *pool;
};

/* The workers of a CPU, or its urgent ones. */
struct pool {
	struct sleeper sleepers[SLEEPERS];
	atomic_t asleep;
};

enum { TAKEN_NOTHING, TAKEN_MEMORY, TAKEN_WORKERS };

struct exhaust {
	struct kcopyd_compat_bdev devs[MAX_DEVICES];
	struct lane lanes[CLIENTS];
	unsigned int what; /* is taken */
	struct task_struct *hog;
	bool greedy;
	struct notifier_block oom;
	spinlock_t lock; /* of the next two */
	struct list_head taken;
	unsigned long nr_taken;
	unsigned long most_taken;
	unsigned long refills;
	unsigned int wants;
	unsigned int own_wants;
	struct workqueue_struct *ordinary, *urgent;
	struct pool pools[MAX_POOLS];
	unsigned int nr_pools;
	struct completion morning;
	unsigned int asleep; /* when all were */
	bool copied, all;
	unsigned int accepted, failed;
	unsigned int ms;
};

static struct exhaust exhaust;

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
		while (READ_ONCE(e->greedy) && take(e, GFP_NOWAIT | __GFP_NOMEMALLOC))
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

static int take_memory(struct exhaust *e)
{
	int r = register_oom_notifier(&e->oom);

	if (r)
		return r;
	/* What can be reclaimed goes, too. */
	while (take(e, GFP_KERNEL | __GFP_NORETRY))
		cond_resched();
	e->most_taken = READ_ONCE(e->nr_taken);
	WRITE_ONCE(e->greedy, true);
	return 0;
}

static void give_memory(struct exhaust *e)
{
	WRITE_ONCE(e->greedy, false);
	unregister_oom_notifier(&e->oom);
	give(e, ULONG_MAX);
}

/* ------------------------------------------------------------------------- */
/* Workers */

static void sleep_work(struct work_struct *work)
{
	struct sleeper *sleeper = container_of(work, struct sleeper, work);

	atomic_inc(&sleeper->pool->asleep);
	wait_for_completion(&exhaust.morning);
}

static unsigned int nr_asleep(struct exhaust *e)
{
	unsigned int i, n = 0;

	for (i = 0; i < e->nr_pools; i++)
		n += atomic_read(&e->pools[i].asleep);
	return n;
}

/* Has every pool more to do than workers? */
static bool none_awake(struct exhaust *e)
{
	unsigned int i;

	for (i = 0; i < e->nr_pools; i++) {
		if (atomic_read(&e->pools[i].asleep) == SLEEPERS)
			return false;
	}
	return true;
}

static void give_workers(struct exhaust *e)
{
	complete_all(&e->morning);
	flush_workqueue(e->ordinary);
	flush_workqueue(e->urgent);
}

static int take_workers(struct exhaust *e)
{
	unsigned int i, n;

	reinit_completion(&e->morning);
	for (i = 0; i < e->nr_pools; i++) {
		struct pool *pool = &e->pools[i];

		atomic_set(&pool->asleep, 0);
		for (n = 0; n < SLEEPERS; n++)
			queue_work_on(i / 2, i % 2 ? e->urgent : e->ordinary,
				      &pool->sleepers[n].work);
	}
	do {
		n = nr_asleep(e);
		msleep(NO_WORKER);
	} while (n != nr_asleep(e));
	e->asleep = n;
	if (none_awake(e))
		return 0;
	pr_err("more workers are made all the time: set kernel.threads-max\n");
	give_workers(e);
	return -EBUSY;
}

static void pool_init(struct pool *pool)
{
	unsigned int i;

	for (i = 0; i < SLEEPERS; i++) {
		INIT_WORK(&pool->sleepers[i].work, sleep_work);
		pool->sleepers[i].pool = pool;
	}
}

static int workers_init(struct exhaust *e)
{
	unsigned int i;

	init_completion(&e->morning);
	/* CPUs of a test's machine are numbered without gaps. */
	e->nr_pools = 2 * num_online_cpus();
	if (e->nr_pools > MAX_POOLS) {
		e->nr_pools = 0;
		return -E2BIG;
	}
	for (i = 0; i < e->nr_pools; i++)
		pool_init(&e->pools[i]);
	e->ordinary = alloc_workqueue("kcopyd_sleepers", KCOPYD_WQ_PERCPU, WQ_MAX_ACTIVE);
	e->urgent = alloc_workqueue("kcopyd_urgent", WQ_HIGHPRI | KCOPYD_WQ_PERCPU, WQ_MAX_ACTIVE);
	return e->ordinary && e->urgent ? 0 : -ENOMEM;
}

static void workers_exit(struct exhaust *e)
{
	if (e->ordinary)
		destroy_workqueue(e->ordinary);
	if (e->urgent)
		destroy_workqueue(e->urgent);
}

static void give_all(struct exhaust *e)
{
	if (e->what >= TAKEN_MEMORY)
		give_memory(e);
	if (e->what == TAKEN_WORKERS)
		give_workers(e);
	e->what = TAKEN_NOTHING;
}

static int take_all(struct exhaust *e, unsigned int what)
{
	int r = what == TAKEN_WORKERS ? take_workers(e) : 0;

	if (r)
		return r;
	r = take_memory(e);
	if (!r)
		e->what = what;
	else if (what == TAKEN_WORKERS)
		give_workers(e);
	return r;
}

/* ------------------------------------------------------------------------- */
/* Copies */

static void copied(int read_err, unsigned int write_err, void *context)
{
	struct lane *lane = context;

	lane->failed += read_err || write_err;
	if (atomic_inc_return(&lane->ended) == CLIENT_COPIES)
		complete_all(&lane->all);
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

static void copy_without(struct exhaust *e)
{
	const unsigned long began = jiffies;
	unsigned int i;

	e->all = copy_all(e);
	e->ms = jiffies_to_msecs(jiffies - began);
	/* With memory again: what hangs for another reason is seen by who waits. */
	if (!e->all)
		give_all(e);
	for (i = 0; i < CLIENTS; i++) {
		wait_for_completion(&e->lanes[i].submitted);
		wait_for_completion(&e->lanes[i].all);
		e->accepted += e->lanes[i].accepted;
		e->failed += e->lanes[i].failed;
	}
	e->copied = true;
}

/* ------------------------------------------------------------------------- */
/* Parameters */

static int taken_set(const char *value, const struct kernel_param *kp)
{
	struct exhaust *e = &exhaust;
	unsigned int what;
	int r = kstrtouint(value, 0, &what);

	if (r)
		return r;
	if (what > TAKEN_WORKERS || !e->hog)
		return -EINVAL;
	give_all(e);
	return what ? take_all(e, what) : 0;
}

static int taken_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%u\n", exhaust.what);
}

static const struct kernel_param_ops taken_ops = {
	.set = taken_set,
	.get = taken_get,
};
module_param_cb(taken, &taken_ops, NULL, 0644);
MODULE_PARM_DESC(taken, "1: all memory, 2: all workers, too (only when it is loaded)");

static int copies_set(const char *value, const struct kernel_param *kp)
{
	struct exhaust *e = &exhaust;

	if (!e->hog || !num_devices || e->copied)
		return -EINVAL;
	copy_without(e);
	return 0;
}

static int copies_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%u\n", exhaust.accepted);
}

static const struct kernel_param_ops copies_ops = {
	.set = copies_set,
	.get = copies_get,
};
module_param_cb(copies, &copies_ops, NULL, 0644);
MODULE_PARM_DESC(copies, "Written: copy, once; read: how many");

static int pause_set(const char *value, const struct kernel_param *kp)
{
	unsigned int ms;
	int r = kstrtouint(value, 0, &ms);

	if (!r)
		msleep(ms);
	return r;
}

static const struct kernel_param_ops pause_ops = {
	.set = pause_set,
};
module_param_cb(pause_ms, &pause_ops, NULL, 0200);
MODULE_PARM_DESC(pause_ms, "Written: wait so long");

static const char *state(const struct exhaust *e)
{
	if (!e->copied)
		return "ready";
	return e->all ? "done" : "hung";
}

/*
 * For a test to read: wants is how often somebody would have waked the OOM killer, and
 * own_wants how often one of kcopyd's; woken how many workers have appeared since
 * all slept, and awake is 1 if there may be more.
 */
static int status_get(char *buffer, const struct kernel_param *kp)
{
	struct exhaust *e = &exhaust;

	return sysfs_emit(buffer,
			  "state=%s copies=%u failed=%u taken_mb=%lu refills=%lu wants=%u own_wants=%u asleep=%u woken=%u awake=%d ms=%u\n",
			  state(e), e->accepted, e->failed,
			  e->most_taken >> (20 - PAGE_SHIFT), e->refills, e->wants,
			  e->own_wants, e->asleep, nr_asleep(e) - e->asleep,
			  !none_awake(e), e->ms);
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
MODULE_PARM_DESC(status, "How it went (to be read only)");

/* ------------------------------------------------------------------------- */

static int open_devices(struct exhaust *e)
{
	unsigned int i;
	int r = 0;

	for (i = 0; !r && i < num_devices; i++)
		r = kcopyd_compat_bdev_open(&e->devs[i], devices[i], i, i ? e : NULL);
	return r;
}

static int start_hog(struct exhaust *e)
{
	struct task_struct *task = kthread_run(hog, e, "kcopyd_hog");

	if (IS_ERR(task))
		return PTR_ERR(task);
	e->hog = task;
	return 0;
}

/* Also of what is not complete. */
static void exhaust_free(struct exhaust *e)
{
	unsigned int i;

	give_all(e);
	if (e->hog)
		kthread_stop(e->hog);
	workers_exit(e);
	for (i = 0; i < CLIENTS; i++)
		lane_free(&e->lanes[i]);
	for (i = 0; i < num_devices; i++)
		kcopyd_compat_bdev_close(&e->devs[i]);
}

static int __init exhaust_init(void)
{
	struct exhaust *e = &exhaust;
	unsigned int i;
	int r;

	if (num_devices == 1)
		return -EINVAL;
	spin_lock_init(&e->lock);
	INIT_LIST_HEAD(&e->taken);
	e->oom.notifier_call = somebody_wants;
	r = open_devices(e);
	for (i = 0; !r && num_devices && i < CLIENTS; i++)
		r = lane_new(e, i);
	if (!r)
		r = workers_init(e);
	if (!r)
		r = start_hog(e);
	if (r)
		exhaust_free(e);
	return r;
}

static void __exit exhaust_exit(void)
{
	exhaust_free(&exhaust);
}

module_init(exhaust_init);
module_exit(exhaust_exit);

MODULE_DESCRIPTION("Copies without memory");
MODULE_AUTHOR("The kcopyd authors");
MODULE_LICENSE("GPL");
