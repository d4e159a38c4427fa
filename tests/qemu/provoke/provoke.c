// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes one mistake when it is loaded, so that selftest.sh can show that a debug
 * kernel reports it and that boot.sh notices.
 */
#include <linux/delay.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

static char *mistake = "none";
module_param(mistake, charp, 0444);
MODULE_PARM_DESC(mistake, "warn, use-after-free, deadlock, atomic-sleep, list, leak, free-work or race");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spinning);

static void lock_both(struct mutex *outer, struct mutex *inner)
{
	mutex_lock(outer);
	mutex_lock(inner);
	mutex_unlock(inner);
	mutex_unlock(outer);
}

static void use_after_free(void)
{
	char *bytes = kmalloc(64, GFP_KERNEL);

	if (!bytes)
		return;
	kfree(bytes);
	pr_info("read %d\n", READ_ONCE(bytes[5]));
}

static void add_twice(void)
{
	static LIST_HEAD(list);
	static LIST_HEAD(entry);

	list_add(&entry, &list);
	list_add(&entry, &list);
}

static void nothing(struct work_struct *work)
{
}

static void free_pending_work(void)
{
	struct delayed_work *work = kmalloc(sizeof(*work), GFP_KERNEL);

	if (!work)
		return;
	INIT_DELAYED_WORK(work, nothing);
	schedule_delayed_work(work, 60 * HZ);
	kfree(work);
}

static unsigned int shared;

static void add(struct work_struct *work)
{
	unsigned long end = jiffies + HZ;

	while (time_before(jiffies, end)) {
		shared++;
		cond_resched();
	}
}

static void race(void)
{
	static DECLARE_WORK(work, add);

	queue_work(system_unbound_wq, &work);
	add(NULL);
	flush_work(&work);
}

static int __init provoke_init(void)
{
	if (!strcmp(mistake, "warn")) {
		WARN(1, "provoked\n");
	} else if (!strcmp(mistake, "use-after-free")) {
		use_after_free();
	} else if (!strcmp(mistake, "deadlock")) {
		lock_both(&first, &second);
		lock_both(&second, &first);
	} else if (!strcmp(mistake, "atomic-sleep")) {
		spin_lock(&spinning);
		msleep(20);
		spin_unlock(&spinning);
	} else if (!strcmp(mistake, "list")) {
		add_twice();
	} else if (!strcmp(mistake, "leak")) {
		OPTIMIZER_HIDE_VAR(mistake);
		mistake = kstrdup("leaked", GFP_KERNEL);
		mistake = "none";
	} else if (!strcmp(mistake, "free-work")) {
		free_pending_work();
	} else if (!strcmp(mistake, "race")) {
		race();
	} else {
		return -EINVAL;
	}
	return 0;
}
module_init(provoke_init);

static void __exit provoke_exit(void)
{
}
module_exit(provoke_exit);

MODULE_DESCRIPTION("Makes a mistake on purpose");
MODULE_LICENSE("GPL");
