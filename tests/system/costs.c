// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcopyd_costs: what clients of kcopyd cost, and how long cancelling takes.
 *
 *	insmod kcopyd_costs.ko clients=1000 [mainline=1]
 *
 * makes so many clients by device-mapper's call, of kcopyd or of the kernel's own
 * dm-kcopyd, which are there until it is removed: whoever inserts it looks at the memory
 * and the threads.
 *
 *	insmod kcopyd_costs.ko jobs=2000 src=/dev/slow dst=/dev/slow2
 *	cat /sys/module/kcopyd_costs/parameters/result
 *
 * submits so many copies of 4 KiB and cancels them all at once, and another one, alone,
 * that a device has: in nanoseconds, how long the calls took, and how long it was from
 * there to the last callback.
 */
#define pr_fmt(fmt) "kcopyd_costs: " fmt

#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../../bench/dropin.h"
#include "../../compat/bdev.h"
#include "../../kcopyd.h"

#define COPY_SECTORS	8
#define CLIENT_PAGES	512

static unsigned int clients, jobs;
module_param(clients, uint, 0444);
MODULE_PARM_DESC(clients, "Clients to make by device-mapper's call (default 0)");
module_param(jobs, uint, 0444);
MODULE_PARM_DESC(jobs, "Copies to submit and to cancel (default 0)");
static bool mainline;
module_param(mainline, bool, 0444);
MODULE_PARM_DESC(mainline, "They are of the kernel's own dm-kcopyd (default: no)");
static char *src, *dst;
module_param(src, charp, 0444);
MODULE_PARM_DESC(src, "Path of the device to copy");
module_param(dst, charp, 0444);
MODULE_PARM_DESC(dst, "Path of the device to copy it to, which is slow");
static char result[200];
module_param_string(result, result, sizeof(result), 0444);
MODULE_PARM_DESC(result, "What was measured");

static struct dm_kcopyd_client **made;
static struct kcopyd_compat_bdev source, dest;

static atomic_t left, cancelled;
static u64 last;
static DECLARE_COMPLETION(all_ended);

static void copied(int read_err, unsigned int write_err, void *context)
{
	if (read_err == -ECANCELED)
		atomic_inc(&cancelled);
	if (atomic_dec_and_test(&left)) {
		last = ktime_get_ns();
		complete(&all_ended);
	}
}

static int submit(struct kcopyd_client *kc, unsigned int nr)
{
	unsigned int i;
	int r = 0;

	atomic_set(&left, nr);
	atomic_set(&cancelled, 0);
	reinit_completion(&all_ended);
	for (i = 0; i < nr && !r; i++) {
		const sector_t sector = (sector_t)i * COPY_SECTORS;
		struct io_region from = { source.bdev, sector, COPY_SECTORS };
		struct io_region to = { dest.bdev, sector, COPY_SECTORS };

		r = kcopyd_copy(kc, &from, 1, &to, 0, copied, NULL);
	}
	return r;
}

/* Cancels @nr copies, after @ms, when the device has some. */
static int measure(struct kcopyd_client *kc, unsigned int nr, unsigned int ms, u64 *call,
		   u64 *end, int *won)
{
	u64 begin;
	int r = submit(kc, nr);

	if (r)
		return r;
	usleep_range(1000 * ms, 1000 * ms + 100);
	begin = ktime_get_ns();
	*won = kcopyd_client_cancel(kc);
	*call = ktime_get_ns() - begin;
	wait_for_completion(&all_ended);
	*end = *won ? last - begin : 0;
	return *won == atomic_read(&cancelled) ? 0 : -EPROTO;
}

static int measure_cancel(void)
{
	u64 call, end, call_one, end_one;
	struct kcopyd_client *kc;
	int r, won, won_one = 0;
	unsigned int tries;

	r = kcopyd_compat_bdev_open(&source, src, false, NULL);
	if (!r)
		r = kcopyd_compat_bdev_open(&dest, dst, true, NULL);
	if (!r)
		r = kcopyd_client_create(CLIENT_PAGES, &kc);
	if (r)
		goto out;
	r = measure(kc, jobs, 100, &call, &end, &won);
	/* It may have ended before. */
	for (tries = 0; tries < 20 && !r && !won_one; tries++)
		r = measure(kc, 1, 1, &call_one, &end_one, &won_one);
	kcopyd_client_destroy(kc);
	if (!r)
		scnprintf(result, sizeof(result),
			  "cancelled=%d call_ns=%llu end_ns=%llu one=%d one_call_ns=%llu one_end_ns=%llu",
			  won, call, end, won_one, call_one, end_one);
out:
	kcopyd_compat_bdev_close(&dest);
	kcopyd_compat_bdev_close(&source);
	return r;
}

static void end_clients(void)
{
	unsigned int i;

	for (i = 0; i < clients && !IS_ERR_OR_NULL(made[i]); i++) {
		if (mainline)
			dm_kcopyd_client_destroy(made[i]);
		else
			kcopyd_dm_client_destroy(made[i]);
	}
	kvfree(made);
}

static int make_clients(void)
{
	unsigned int i;
	int r;

	made = kvcalloc(clients, sizeof(*made), GFP_KERNEL);
	if (!made)
		return -ENOMEM;
	for (i = 0; i < clients; i++) {
		made[i] = mainline ? dm_kcopyd_client_create(NULL) : kcopyd_dm_client_create(NULL);
		if (IS_ERR(made[i])) {
			r = PTR_ERR(made[i]);
			end_clients();
			return r;
		}
	}
	return 0;
}

static int __init costs_init(void)
{
	if (jobs)
		return src && dst && !clients ? measure_cancel() : -EINVAL;
	return make_clients();
}

static void __exit costs_exit(void)
{
	if (!jobs)
		end_clients();
}

module_init(costs_init);
module_exit(costs_exit);

MODULE_DESCRIPTION("What clients and cancelling cost");
MODULE_AUTHOR("The kcopyd authors");
MODULE_LICENSE("GPL");
