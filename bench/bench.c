// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcopyd_bench: drives one copy engine at a constant queue depth while it is
 * being inserted, and says how that went:
 *
 *	insmod kcopyd_bench.ko engine=kcopyd src=/dev/nullb0 dst=/dev/nullb1 kb=4 depth=64
 *	cat /sys/module/kcopyd_bench/parameters/result
 *
 * The engines are kcopyd, the kernel's own dm-kcopyd ("mainline"), and two
 * floors that have their pages beforehand: a read and the writes through dm_io()
 * ("dm_io"), and bios that span each job's contiguous memory ("bio").
 * "command" runs a command line for each job, for what copies in user space.
 *
 * A slot is a job that is submitted again as soon as it has ended, by its
 * callback, or by the slot's own thread with threads=. Measured is from the end
 * of job number @warm (with warm=0, from the start) to that of job number @warm +
 * @jobs, while the depth stays what it is.
 */
#define pr_fmt(fmt) "kcopyd_bench: " fmt

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/dm-kcopyd.h>
#include <linux/kernel_stat.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/llist.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/stringify.h>
#include <linux/tick.h>
#include <linux/timer.h>
#include <linux/tracepoint.h>
#include <linux/umh.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include "../compat/bdev.h"
#include "../compat/dm-io.h"
#include "../compat/timer.h"
#include "../kcopyd.h"
#include "calls.h"
#include "dropin.h"
#include "mark.h"

#define MAX_DESTS	8
#define MAX_THREADS	16

static char *engine = "kcopyd";
module_param(engine, charp, 0444);
MODULE_PARM_DESC(engine, "kcopyd, mainline, dm_io, bio or command");
static char *command;
module_param(command, charp, 0444);
MODULE_PARM_DESC(command, "What the engine \"command\" has /bin/sh run, instead of src= and dst=");
static char *src, *dst[MAX_DESTS];
static unsigned int num_dests;
module_param(src, charp, 0444);
MODULE_PARM_DESC(src, "Path of the source device");
module_param_array(dst, charp, &num_dests, 0444);
MODULE_PARM_DESC(dst, "Paths of up to 8 destination devices, which are overwritten");
static unsigned long kb = 4;
module_param(kb, ulong, 0444);
MODULE_PARM_DESC(kb, "KiB of a job (default 4)");
static unsigned int depth = 1, jobs = 1000, warm = 100;
module_param(depth, uint, 0444);
MODULE_PARM_DESC(depth, "Jobs in flight (default 1)");
module_param(jobs, uint, 0444);
MODULE_PARM_DESC(jobs, "Jobs that are measured (default 1000)");
module_param(warm, uint, 0444);
MODULE_PARM_DESC(warm, "Jobs before those (default 100)");
static char *calls;
module_param(calls, charp, 0444);
MODULE_PARM_DESC(calls, "How kcopyd is used: dropin, request, cpp or cpp-request (default: kcopyd_copy())");
static bool sequential, switches;
module_param(sequential, bool, 0444);
MODULE_PARM_DESC(sequential, "In ascending order (default: at random)");
module_param(switches, bool, 0444);
MODULE_PARM_DESC(switches, "Count context switches, which takes time (default: no)");
static unsigned int pages = 2048, clients = 1, threads;
module_param(pages, uint, 0444);
MODULE_PARM_DESC(pages, "Pages of a kcopyd client (default 2048)");
module_param(clients, uint, 0444);
MODULE_PARM_DESC(clients, "Clients that the jobs are dealt out to (default 1)");
module_param(threads, uint, 0444);
MODULE_PARM_DESC(threads, "Threads that submit (default 0: the callbacks do)");
static char *bg_src, *bg_dst;
static unsigned long bg_kb = 1024;
static unsigned int bg_depth;
module_param(bg_src, charp, 0444);
MODULE_PARM_DESC(bg_src, "Path of the source of other jobs beside the measured ones");
module_param(bg_dst, charp, 0444);
MODULE_PARM_DESC(bg_dst, "Path of their destination");
module_param(bg_kb, ulong, 0444);
MODULE_PARM_DESC(bg_kb, "KiB of such a job (default 1024)");
module_param(bg_depth, uint, 0444);
MODULE_PARM_DESC(bg_depth, "Such jobs in flight in the first client (default 0)");

/**
 * struct slot - a job and what it needs to be submitted again
 * @from: the source, as mainline's and ours (the members are the same)
 * @to: the destinations
 * @num_dests: how many
 * @begin: when the job was submitted, in nanoseconds
 * @client: index of its client
 * @thread: index of its submitter
 * @background: not measured
 * @pending: I/O of a floor's job that has not ended
 * @reading: that I/O is the read
 * @pages: the memory of a floor's job, contiguous
 * @list: the same for dm_io()
 * @ended: in a submitter's list
 * @request: of the calls "request"
 * @cpp: of the C++ calls
 */
struct slot {
	struct io_region from;
	struct io_region to[MAX_DESTS];
	unsigned int num_dests;
	u64 begin;
	unsigned int client;
	unsigned int thread;
	bool background;

	atomic_t pending;
	bool reading;
	struct page *pages;
	struct page_list *list;
	struct llist_node ended;

	struct kcopyd_request *request;
	void *cpp;
};

/**
 * struct engine - something that copies
 * @name: what engine= calls it
 * @create: makes client number @i
 * @destroy: waits for its jobs and ends it
 * @submit: starts the slot's job, whose end is told by slot_ended()
 * @step: moves the slot's job on, in the slot's thread, after I/O of it; NULL if
 *	the engine does so itself
 * @prepare: gives a slot beforehand what it needs; NULL if that is nothing
 */
struct engine {
	const char *name;
	int (*create)(unsigned int i);
	void (*destroy)(unsigned int i);
	void (*submit)(struct slot *slot);
	void (*step)(struct slot *slot);
	int (*prepare)(struct slot *slot);
};

struct submitter {
	struct llist_head ended;
	struct task_struct *task;
};

static const struct engine *used;
static void **client;
static struct slot *slots;
static unsigned int nr_slots;
static struct submitter submitters[MAX_THREADS];
static struct kcopyd_compat_bdev source, dests[MAX_DESTS], bg_source, bg_dest;

static u32 *latency;			/* of the measured jobs, in nanoseconds */
static atomic_t ended;			/* jobs */
static atomic_t in_flight;
static atomic_t failed;
static bool stopping;
static DECLARE_COMPLETION(idle);

static u64 begin_ns, end_ns, begin_idle, end_idle;
static atomic64_t switched;
static u64 begin_switched, end_switched;
static unsigned long free_before, free_least;

/* ------------------------------------------------------------------------- */
/* The machine */

static __always_inline void mark_begin(void)
{
#ifdef CONFIG_X86
	asm volatile(BENCH_MARK_ASM __stringify(BENCH_MARK_BEGIN));
#endif
}

static __always_inline void mark_end(void)
{
#ifdef CONFIG_X86
	asm volatile(BENCH_MARK_ASM __stringify(BENCH_MARK_END));
#endif
}

/* Microseconds that the CPUs were idle. */
static u64 idle_us(void)
{
	u64 sum = 0;
	int cpu;

	for_each_online_cpu(cpu)
		sum += get_cpu_idle_time_us(cpu, NULL);
	return sum;
}

static void sched_switch_probe(void *data, bool preempt, struct task_struct *prev,
			       struct task_struct *next, unsigned int prev_state)
{
	atomic64_inc(&switched);
}

static struct tracepoint *sched_switch;

static void find_sched_switch(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, "sched_switch"))
		sched_switch = tp;
}

/* ------------------------------------------------------------------------- */
/* Slots */

static int cmp_u32(const void *a, const void *b)
{
	const u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static u32 next_random;

/* Good enough, and the same in each run. */
static u32 pseudo_random(void)
{
	next_random = next_random * 1664525 + 1013904223;
	return next_random >> 8;
}

static sector_t next_sector;

static void slot_choose(struct slot *slot)
{
	sector_t count = slot->from.count;
	sector_t size = bdev_nr_sectors(slot->from.bdev);
	sector_t sector;
	unsigned int i;

	for (i = 0; i < slot->num_dests; i++)
		size = min(size, bdev_nr_sectors(slot->to[i].bdev));
	if (sequential && !slot->background) {
		sector = READ_ONCE(next_sector);
		if (sector + count > size)
			sector = 0;
		WRITE_ONCE(next_sector, sector + count);
	} else {
		sector = (pseudo_random() % (u32)div64_u64(size, count)) * count;
	}
	slot->from.sector = sector;
	for (i = 0; i < slot->num_dests; i++)
		slot->to[i].sector = sector;
}

static void slot_start(struct slot *slot, u64 now)
{
	if (!command)
		slot_choose(slot);
	slot->begin = now;
	used->submit(slot);
}

static void note_free_pages(void)
{
	unsigned long pages_now = global_zone_page_state(NR_FREE_PAGES);

	if (pages_now < free_least)
		free_least = pages_now;
}

/* Memory may be given back before the callbacks come. */
static void tick(struct timer_list *timer)
{
	note_free_pages();
	mod_timer(timer, jiffies + 1);
}

static DEFINE_TIMER(ticks, tick);

static void measured(unsigned int n, u64 now, struct slot *slot)
{
	if (n > warm && n <= warm + jobs)
		latency[n - warm - 1] = min_t(u64, now - slot->begin, U32_MAX);
	if (n == warm) {
		begin_idle = idle_us();
		begin_switched = atomic64_read(&switched);
		mark_begin();
		begin_ns = ktime_get_ns();
	} else if (n == warm + jobs) {
		end_ns = now;
		mark_end();
		end_idle = idle_us();
		end_switched = atomic64_read(&switched);
		WRITE_ONCE(stopping, true);
	}
}

static void slot_next(struct slot *slot, u64 now)
{
	if (!READ_ONCE(stopping)) {
		slot_start(slot, now);
		return;
	}
	if (atomic_dec_and_test(&in_flight))
		complete(&idle);
}

static void hand_over(struct slot *slot)
{
	struct submitter *submitter = &submitters[slot->thread];

	if (llist_add(&slot->ended, &submitter->ended))
		wake_up_process(submitter->task);
}

/* The slot's job has ended; in the context of the engine's callback. */
static void slot_ended(struct slot *slot, bool ok)
{
	u64 now = ktime_get_ns();

	if (!ok)
		atomic_inc(&failed);
	if (!slot->background) {
		measured(atomic_inc_return(&ended), now, slot);
		note_free_pages();
	}
	if (threads && !used->step)
		hand_over(slot);
	else
		slot_next(slot, now);
}

static int submitter_run(void *data)
{
	struct submitter *submitter = data;
	struct llist_node *list;
	struct slot *slot, *next;

	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		list = llist_del_all(&submitter->ended);
		if (!list) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		list = llist_reverse_order(list);
		llist_for_each_entry_safe(slot, next, list, ended) {
			if (used->step)
				used->step(slot);
			else
				slot_next(slot, ktime_get_ns());
		}
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/* ------------------------------------------------------------------------- */
/* kcopyd */

static int ours_create(unsigned int i)
{
	struct kcopyd_client *kc;
	int r = kcopyd_client_create(pages, &kc);

	if (!r)
		client[i] = kc;
	return r;
}

static void ours_destroy(unsigned int i)
{
	kcopyd_client_destroy(client[i]);
}

static void ours_done(int read_err, unsigned int write_err, void *context)
{
	slot_ended(context, !read_err && !write_err);
}

static void check_accepted(struct slot *slot, int r)
{
	if (likely(!r))
		return;
	pr_err("a copy was rejected with %d\n", r);
	WRITE_ONCE(stopping, true);
	slot_ended(slot, false);
}

static void ours_submit(struct slot *slot)
{
	check_accepted(slot, kcopyd_copy(client[slot->client], &slot->from, slot->num_dests,
					 slot->to, 0, ours_done, slot));
}

/* ------------------------------------------------------------------------- */
/* kcopyd by requests */

static void request_done(struct kcopyd_request *request)
{
	slot_ended(request->context, !request->result.read_err && !request->result.write_err);
}

static int request_prepare(struct slot *slot)
{
	slot->request = kmalloc(kcopyd_request_size(slot->num_dests), GFP_KERNEL);
	return slot->request ? 0 : -ENOMEM;
}

static void request_submit(struct slot *slot)
{
	*slot->request = (struct kcopyd_request){
		.from = slot->from,
		.dests = slot->to,
		.num_dests = slot->num_dests,
		.fn = request_done,
		.context = slot,
	};
	check_accepted(slot, kcopyd_submit(client[slot->client], slot->request));
}

/* ------------------------------------------------------------------------- */
/* kcopyd from C++ */

static int cpp_create(unsigned int i)
{
	client[i] = bench_cpp_client_new(pages);
	return client[i] ? 0 : -ENOMEM;
}

static void cpp_destroy(unsigned int i)
{
	bench_cpp_client_delete(client[i]);
}

static int cpp_prepare(struct slot *slot)
{
	slot->cpp = bench_cpp_slot_new(slot, slot->num_dests);
	return slot->cpp ? 0 : -ENOMEM;
}

void bench_cpp_ended(void *slot, int ok)
{
	slot_ended(slot, ok);
}

static void cpp_submit(struct slot *slot)
{
	check_accepted(slot, bench_cpp_copy(client[slot->client], slot->cpp, &slot->from,
					    slot->num_dests, slot->to));
}

static void cpp_request_submit(struct slot *slot)
{
	check_accepted(slot, bench_cpp_submit(client[slot->client], slot->cpp, &slot->from,
					      slot->num_dests, slot->to));
}

/* ------------------------------------------------------------------------- */
/* The kernel's dm-kcopyd */

static int mainline_create(unsigned int i)
{
	struct dm_kcopyd_client *kc = dm_kcopyd_client_create(NULL);

	if (IS_ERR(kc))
		return PTR_ERR(kc);
	client[i] = kc;
	return 0;
}

static void mainline_destroy(unsigned int i)
{
	dm_kcopyd_client_destroy(client[i]);
}

static void mainline_done(int read_err, unsigned long write_err, void *context)
{
	slot_ended(context, !read_err && !write_err);
}

static struct dm_io_region dm_region(const struct io_region *region)
{
	return (struct dm_io_region){ region->bdev, region->sector, region->count };
}

static void mainline_submit(struct slot *slot)
{
	struct dm_io_region from = dm_region(&slot->from);
	struct dm_io_region to[MAX_DESTS];
	unsigned int i;

	for (i = 0; i < slot->num_dests; i++)
		to[i] = dm_region(&slot->to[i]);
	dm_kcopyd_copy(client[slot->client], &from, slot->num_dests, to, 0,
		       mainline_done, slot);
}

/* ------------------------------------------------------------------------- */
/* kcopyd in its place: what include/linux/dm-kcopyd.h makes of the same calls */

static int dropin_create(unsigned int i)
{
	struct dm_kcopyd_client *kc = kcopyd_dm_client_create(NULL);

	if (IS_ERR(kc))
		return PTR_ERR(kc);
	client[i] = kc;
	return 0;
}

static void dropin_destroy(unsigned int i)
{
	kcopyd_dm_client_destroy(client[i]);
}

static void dropin_submit(struct slot *slot)
{
	struct dm_io_region from = dm_region(&slot->from);
	struct dm_io_region to[MAX_DESTS];
	unsigned int i;

	for (i = 0; i < slot->num_dests; i++)
		to[i] = dm_region(&slot->to[i]);
	kcopyd_dm_copy(client[slot->client], &from, slot->num_dests, to, 0,
		       mainline_done, slot);
}

/* ------------------------------------------------------------------------- */
/* The floors: a thread moves each slot on to its writes, and to its next job. */

typedef void (*floor_io_fn)(struct slot *slot, const struct io_region *regions, unsigned int nr,
			    blk_opf_t opf);

static void floor_io_ended(struct slot *slot)
{
	if (atomic_dec_and_test(&slot->pending))
		hand_over(slot);
}

static void dmio_ended_err(int err, void *context);
KCOPYD_DM_IO_NOTIFY(dmio_ended)
static void dmio_ended_err(int err, void *context)
{
	if (err)
		atomic_inc(&failed);
	floor_io_ended(context);
}

static int dmio_create(unsigned int i)
{
	struct dm_io_client *io = dm_io_client_create();

	if (IS_ERR(io))
		return PTR_ERR(io);
	client[i] = io;
	return 0;
}

static void dmio_destroy(unsigned int i)
{
	dm_io_client_destroy(client[i]);
}

static void dmio_io(struct slot *slot, const struct io_region *regions, unsigned int nr,
		    blk_opf_t opf)
{
	struct dm_io_region where[MAX_DESTS];
	struct dm_io_request request = {
		.bi_opf = opf,
		.mem.type = DM_IO_PAGE_LIST,
		.mem.ptr.pl = slot->list,
		.notify.fn = dmio_ended,
		.notify.context = slot,
		.client = client[slot->client],
	};
	unsigned int i;

	atomic_set(&slot->pending, 1);
	for (i = 0; i < nr; i++)
		where[i] = dm_region(&regions[i]);
	kcopyd_compat_dm_io(&request, nr, where, KCOPYD_IOPRIO_DEFAULT);
}

static void bio_ended(struct bio *bio)
{
	struct slot *slot = bio->bi_private;

	if (bio->bi_status)
		atomic_inc(&failed);
	bio_put(bio);
	floor_io_ended(slot);
}

static int no_client(unsigned int i)
{
	client[i] = &slots;
	return 0;
}

static void no_client_destroy(unsigned int i)
{
}

static void bio_io(struct slot *slot, const struct io_region *regions, unsigned int nr,
		   blk_opf_t opf)
{
	unsigned int i;

	atomic_set(&slot->pending, nr);
	for (i = 0; i < nr; i++) {
		struct bio *bio = bio_alloc(regions[i].bdev, 1, opf, GFP_NOIO);

		bio->bi_iter.bi_sector = regions[i].sector;
		bio->bi_end_io = bio_ended;
		bio->bi_private = slot;
		__bio_add_page(bio, slot->pages, regions[i].count << SECTOR_SHIFT, 0);
		submit_bio(bio);
	}
}

static void floor_read(struct slot *slot, floor_io_fn io)
{
	slot->reading = true;
	io(slot, &slot->from, 1, REQ_OP_READ);
}

static void floor_step(struct slot *slot, floor_io_fn io)
{
	if (!slot->reading) {
		slot_ended(slot, true);
		return;
	}
	slot->reading = false;
	io(slot, slot->to, slot->num_dests, REQ_OP_WRITE);
}

static void dmio_submit(struct slot *slot)
{
	floor_read(slot, dmio_io);
}

static void dmio_step(struct slot *slot)
{
	floor_step(slot, dmio_io);
}

static void bio_floor_submit(struct slot *slot)
{
	floor_read(slot, bio_io);
}

static void bio_floor_step(struct slot *slot)
{
	floor_step(slot, bio_io);
}

/* ------------------------------------------------------------------------- */
/* A command that copies. The devices are its own: an open one keeps its page cache. */

static void command_step(struct slot *slot)
{
	char *argv[4] = { "/bin/sh", "-c", command, NULL };
	char *envp[2] = { "PATH=/sbin:/bin", NULL };

	slot_ended(slot, !call_usermodehelper(argv[0], argv, envp, UMH_WAIT_PROC));
}

/* ------------------------------------------------------------------------- */

/* A floor's slot has its memory beforehand. */
static int slot_memory(struct slot *slot)
{
	unsigned int nr = DIV_ROUND_UP(kb << 10, PAGE_SIZE), i;

	slot->pages = alloc_pages(GFP_KERNEL | __GFP_NOWARN, get_order(kb << 10));
	slot->list = kvcalloc(nr, sizeof(*slot->list), GFP_KERNEL);
	if (!slot->pages || !slot->list)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		slot->list[i].page = slot->pages + i;
		slot->list[i].next = i + 1 < nr ? &slot->list[i + 1] : NULL;
	}
	return 0;
}

static const struct engine engines[] = {
	{ "kcopyd", ours_create, ours_destroy, ours_submit },
	{ "mainline", mainline_create, mainline_destroy, mainline_submit },
	{ "dm_io", dmio_create, dmio_destroy, dmio_submit, dmio_step, slot_memory },
	{ "bio", no_client, no_client_destroy, bio_floor_submit, bio_floor_step, slot_memory },
	{ "command", no_client, no_client_destroy, hand_over, command_step },
};

/* kcopyd, by what calls= calls it. */
static const struct engine ways[] = {
	{ "dropin", dropin_create, dropin_destroy, dropin_submit },
	{ "request", ours_create, ours_destroy, request_submit, NULL, request_prepare },
	{ "cpp", cpp_create, cpp_destroy, cpp_submit, NULL, cpp_prepare },
	{ "cpp-request", cpp_create, cpp_destroy, cpp_request_submit, NULL, cpp_prepare },
};

static int open_devices(void)
{
	unsigned int i;
	int r;

	if (command)
		return 0;
	r = kcopyd_compat_bdev_open(&source, src, false, NULL);
	for (i = 0; !r && i < num_dests; i++)
		r = kcopyd_compat_bdev_open(&dests[i], dst[i], true, NULL);
	if (!r && bg_depth)
		r = kcopyd_compat_bdev_open(&bg_source, bg_src, false, NULL);
	if (!r && bg_depth)
		r = kcopyd_compat_bdev_open(&bg_dest, bg_dst, true, NULL);
	return r;
}

static void close_devices(void)
{
	unsigned int i;

	kcopyd_compat_bdev_close(&source);
	for (i = 0; i < num_dests; i++)
		kcopyd_compat_bdev_close(&dests[i]);
	kcopyd_compat_bdev_close(&bg_source);
	kcopyd_compat_bdev_close(&bg_dest);
}

static int slot_init(struct slot *slot, unsigned int i)
{
	sector_t count = kb << 1;
	unsigned int d;

	slot->client = i % clients;
	slot->thread = i % max(threads, 1U);
	slot->background = i >= depth;
	if (slot->background) {
		count = bg_kb << 1;
		slot->client = 0;
	}
	slot->from.bdev = slot->background ? bg_source.bdev : source.bdev;
	slot->from.count = count;
	slot->num_dests = slot->background ? 1 : num_dests;
	for (d = 0; d < slot->num_dests; d++) {
		slot->to[d].bdev = slot->background ? bg_dest.bdev : dests[d].bdev;
		slot->to[d].count = count;
	}
	return used->prepare ? used->prepare(slot) : 0;
}

static void slots_free(void)
{
	unsigned int i;

	for (i = 0; slots && i < nr_slots; i++) {
		if (slots[i].pages)
			__free_pages(slots[i].pages, get_order(kb << 10));
		kvfree(slots[i].list);
		kfree(slots[i].request);
		if (slots[i].cpp)
			bench_cpp_slot_delete(slots[i].cpp);
	}
	vfree(slots);
}

static int start_threads(void)
{
	unsigned int i;

	for (i = 0; i < threads; i++) {
		struct task_struct *task;

		init_llist_head(&submitters[i].ended);
		task = kthread_create(submitter_run, &submitters[i], "kcopyd_bench/%u", i);
		if (IS_ERR(task))
			return PTR_ERR(task);
		submitters[i].task = task;
	}
	for (i = 0; i < threads; i++)
		wake_up_process(submitters[i].task);
	return 0;
}

static void stop_threads(void)
{
	unsigned int i;

	for (i = 0; i < MAX_THREADS; i++) {
		if (submitters[i].task)
			kthread_stop(submitters[i].task);
	}
}

static int check_parameters(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		if (!strcmp(engines[i].name, engine))
			used = &engines[i];
	}
	if (!used) {
		pr_err("there is no engine %s\n", engine);
		return -EINVAL;
	}
	if (calls && used == &engines[0]) {
		used = NULL;
		for (i = 0; i < ARRAY_SIZE(ways); i++) {
			if (!strcmp(ways[i].name, calls))
				used = &ways[i];
		}
		if (!used) {
			pr_err("kcopyd has no calls %s\n", calls);
			return -EINVAL;
		}
	}
	if (!command != !!strcmp(engine, "command") ||
	    (command && (src || num_dests))) {
		pr_err("command= is for the engine \"command\", which has no devices\n");
		return -EINVAL;
	}
	if ((!command && (!src || !num_dests)) || !kb || !depth || !jobs || !clients) {
		pr_err("src=, dst= and numbers above 0 are needed\n");
		return -EINVAL;
	}
	if (threads > MAX_THREADS || (bg_depth && (!bg_src || !bg_dst || used->step))) {
		pr_err("at most %u threads; a background needs bg_src=, bg_dst= and no floor\n",
		       MAX_THREADS);
		return -EINVAL;
	}
	if (used->step && !threads)
		threads = 1;
	return 0;
}

static int __init bench_init(void)
{
	unsigned int nr_clients = 0, i;
	int r;

	r = check_parameters();
	if (r)
		return r;
	r = open_devices();
	if (r) {
		pr_err("cannot open the devices (error %d)\n", r);
		goto err_close;
	}

	r = -ENOMEM;
	nr_slots = depth + bg_depth;
	slots = vzalloc(array_size(nr_slots, sizeof(*slots)));
	client = kvcalloc(clients, sizeof(*client), GFP_KERNEL);
	latency = vzalloc(array_size(jobs, sizeof(*latency)));
	if (!slots || !client || !latency)
		goto err_free;
	for (i = 0; i < nr_slots; i++) {
		r = slot_init(&slots[i], i);
		if (r)
			goto err_free;
	}

	free_before = global_zone_page_state(NR_FREE_PAGES);
	free_least = free_before;
	for (; nr_clients < clients; nr_clients++) {
		r = used->create(nr_clients);
		if (r)
			goto err_clients;
	}
	if (switches) {
		for_each_kernel_tracepoint(find_sched_switch, NULL);
		r = sched_switch ?
			tracepoint_probe_register(sched_switch, sched_switch_probe, NULL) :
			-ENOENT;
		if (r)
			goto err_clients;
	}
	r = start_threads();
	if (r)
		goto err_threads;

	mod_timer(&ticks, jiffies + 1);
	atomic_set(&in_flight, nr_slots);
	if (!warm)
		measured(0, ktime_get_ns(), NULL);
	for (i = nr_slots; i--; )
		slot_start(&slots[i], ktime_get_ns());
	wait_for_completion(&idle);
	kcopyd_compat_timer_delete_sync(&ticks);
	if (atomic_read(&failed)) {
		pr_err("%d jobs failed\n", atomic_read(&failed));
		r = -EIO;
	} else {
		sort(latency, jobs, sizeof(*latency), cmp_u32, NULL);
	}

err_threads:
	stop_threads();
	if (switches) {
		tracepoint_probe_unregister(sched_switch, sched_switch_probe, NULL);
		tracepoint_synchronize_unregister();
	}
err_clients:
	while (nr_clients--)
		used->destroy(nr_clients);
	if (!r) {
		/* For reading the result, until the module is removed. */
		slots_free();
		slots = NULL;
		kvfree(client);
		close_devices();
		return 0;
	}
err_free:
	vfree(latency);
	kvfree(client);
	slots_free();
err_close:
	close_devices();
	return r;
}

static void __exit bench_exit(void)
{
	vfree(latency);
}

/* What cat .../parameters/result prints: times in nanoseconds. */
static int result_get(char *buffer, const struct kernel_param *kp)
{
	u64 time = end_ns - begin_ns;
	u64 idle_ns = (end_idle - begin_idle) * NSEC_PER_USEC;
	u64 total = time * num_online_cpus();

	return sysfs_emit(buffer,
			  "engine=%s jobs=%u ns=%llu busy_ns=%llu p50=%u p99=%u max=%u pages=%ld switches=%llu\n",
			  engine, jobs, time, total > idle_ns ? total - idle_ns : 0,
			  latency[jobs / 2], latency[jobs - 1 - jobs / 100],
			  latency[jobs - 1], (long)(free_before - free_least),
			  end_switched - begin_switched);
}

static int result_set(const char *value, const struct kernel_param *kp)
{
	return -EPERM;
}

static const struct kernel_param_ops result_ops = {
	.set = result_set,
	.get = result_get,
};
module_param_cb(result, &result_ops, NULL, 0444);
MODULE_PARM_DESC(result, "How it went (to be read only)");

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("Measures copy engines side by side");
MODULE_AUTHOR("The kcopyd authors");
MODULE_LICENSE("GPL");
