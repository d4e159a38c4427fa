// SPDX-License-Identifier: GPL-2.0-only
/*
 * A directory for each client, /sys/module/kcopyd/clients/<id>/: what can be changed
 * while it works. Not in debugfs, which is closed where the kernel is locked down.
 */
#define pr_fmt(fmt) "kcopyd: " fmt

#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "check.h"
#include "client.h"
#include "stats.h"
#include "sysfs.h"
#include "throttle.h"
#include "tune.h"

/* A client's directory, which has a life of its own. */
struct kcopyd_dir {
	struct kobject kobj;
	struct kcopyd_client *kc;
};

static struct kobject *clients_dir;

static struct kcopyd_client *dir_client(struct kobject *kobj)
{
	return container_of(kobj, struct kcopyd_dir, kobj)->kc;
}

/* A number that is at most @most; else -EINVAL, said in the log. */
static int parse(struct kcopyd_client *kc, const struct kobj_attribute *attr,
		 const char *buf, u64 most, u64 *value)
{
	if (!kstrtoull(buf, 0, value) && *value <= most)
		return 0;
	/* What is written ends in a newline. */
	return kcopyd_reject(kc, -EINVAL, "%s: '%.*s' is not a number from 0 to %llu",
			     attr->attr.name,
			     (int)min_t(size_t, strcspn(buf, "\n"), 32), buf, most);
}

/*
 * What destroys the client waits for who writes here, and may be needed to free
 * memory.
 */
#define NOIO(call)						\
({								\
	const unsigned int noio_ = memalloc_noio_save();	\
	const int r_ = (call);					\
								\
	memalloc_noio_restore(noio_);				\
	r_;							\
})

static ssize_t name_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", dir_client(kobj)->name);
}

static ssize_t stats_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct kcopyd_client_stats s;

	kcopyd_stats_get(dir_client(kobj), &s);
	return kcopyd_stats_format(&s, buf, PAGE_SIZE);
}

static ssize_t pages_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(dir_client(kobj)->pool.nr_pages));
}

static ssize_t pages_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	struct kcopyd_client *kc = dir_client(kobj);
	u64 pages;
	int r = parse(kc, attr, buf, UINT_MAX, &pages);

	if (!r)
		r = NOIO(kcopyd_tune_pages(kc, pages));
	return r ?: count;
}

static ssize_t part_kb_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(dir_client(kobj)->part_kb));
}

static ssize_t part_kb_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	struct kcopyd_client *kc = dir_client(kobj);
	u64 kib;
	int r = parse(kc, attr, buf, UINT_MAX, &kib) ?: kcopyd_tune_part_kb(kc, kib);

	return r ?: count;
}

/* A file for a limit. */
struct limit_attribute {
	struct kobj_attribute attr;
	enum kcopyd_limit limit;
	u64 most;
};

static ssize_t limit_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const struct limit_attribute *limit =
		container_of(attr, struct limit_attribute, attr);

	return sysfs_emit(buf, "%llu\n",
			  kcopyd_throttle_get(dir_client(kobj), limit->limit));
}

static ssize_t limit_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	const struct limit_attribute *limit =
		container_of(attr, struct limit_attribute, attr);
	struct kcopyd_client *kc = dir_client(kobj);
	u64 value;
	int r = parse(kc, attr, buf, limit->most, &value);

	if (!r)
		r = NOIO(kcopyd_throttle_tune(kc, limit->limit, value));
	return r ?: count;
}

static struct limit_attribute bytes_attr = {
	.attr = __ATTR(bytes_per_second, 0644, limit_show, limit_store),
	.limit = KCOPYD_LIMIT_BYTES,
	.most = U64_MAX,
};

static struct limit_attribute ios_attr = {
	.attr = __ATTR(ios_per_second, 0644, limit_show, limit_store),
	.limit = KCOPYD_LIMIT_IOS,
	.most = UINT_MAX,
};

static struct limit_attribute percent_attr = {
	.attr = __ATTR(percent, 0644, limit_show, limit_store),
	.limit = KCOPYD_LIMIT_PERCENT,
	.most = 100,
};

static struct kobj_attribute name_attr = __ATTR_RO(name);
static struct kobj_attribute stats_attr = __ATTR_RO(stats);
static struct kobj_attribute pages_attr = __ATTR_RW(pages);
static struct kobj_attribute part_kb_attr = __ATTR_RW(part_kb);

static struct attribute *dir_attrs[] = {
	&name_attr.attr,
	&stats_attr.attr,
	&pages_attr.attr,
	&part_kb_attr.attr,
	&bytes_attr.attr.attr,
	&ios_attr.attr.attr,
	&percent_attr.attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(dir);

static void dir_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct kcopyd_dir, kobj));
}

static const struct kobj_type dir_type = {
	.release = dir_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = dir_groups,
};

/**
 * kcopyd_sysfs_init() - make the directory of the clients' directories
 *
 * Context: Module initialisation.
 * Return: 0 or -ENOMEM.
 */
int kcopyd_sysfs_init(void)
{
	clients_dir = kobject_create_and_add("clients", &THIS_MODULE->mkobj.kobj);
	return clients_dir ? 0 : -ENOMEM;
}

/**
 * kcopyd_sysfs_exit() - remove it
 *
 * Context: Module exit, process context.
 */
void kcopyd_sysfs_exit(void)
{
	kobject_put(clients_dir);
}

/**
 * kcopyd_sysfs_add() - make a client's directory
 * @kc: a client that is complete
 *
 * Without it the client works as well.
 *
 * Context: Process context, may sleep. Does not wake the OOM killer.
 */
void kcopyd_sysfs_add(struct kcopyd_client *kc)
{
	const unsigned int noio = memalloc_noio_save();
	struct kcopyd_dir *dir = kzalloc(sizeof(*dir), KCOPYD_GFP_CREATE);
	int r = -ENOMEM;

	if (dir) {
		dir->kc = kc;
		r = kobject_init_and_add(&dir->kobj, &dir_type, clients_dir, "%u",
					 kc->id);
		if (r)
			kobject_put(&dir->kobj);
		else
			kc->dir = dir;
	}
	memalloc_noio_restore(noio);
	if (r)
		pr_warn_once("client %u (%s): no directory in sysfs (error %d)\n", kc->id,
			     kc->name, r);
}

/**
 * kcopyd_sysfs_del() - remove it
 * @kc: the client
 *
 * Waits for those who are reading or writing there.
 *
 * Context: Process context, may sleep.
 */
void kcopyd_sysfs_del(struct kcopyd_client *kc)
{
	struct kcopyd_dir *dir = kc->dir;

	kc->dir = NULL;
	if (!dir)
		return;
	kobject_del(&dir->kobj);
	kobject_put(&dir->kobj);
}
