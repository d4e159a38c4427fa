/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device-mapper's dm-kcopyd calls, on kcopyd.
 *
 * With the directory above this one ahead of the kernel's own in the include path
 * (include/client.mk sees to that), a target that is written for the kernel's
 * dm-kcopyd builds unchanged and runs on this service. The include guard is that of
 * the kernel's header, so that there is only one of them.
 *
 * Documentation/kcopyd.rst says what is different.
 */
#ifndef _LINUX_DM_KCOPYD_H
#define _LINUX_DM_KCOPYD_H

#include <linux/dm-io.h>
#include <linux/moduleparam.h>

/* Not a limit here: up to KCOPYD_MAX_DESTS are possible. */
#define DM_KCOPYD_MAX_REGIONS	8

/* Flags, as numbers of bits. */
#define DM_KCOPYD_IGNORE_ERROR	1
#define DM_KCOPYD_WRITE_SEQ	2

/**
 * struct dm_kcopyd_throttle - a limit that clients share
 * @throttle: percent of the time in which I/O is in flight; may be written at any
 *	time; 100 and more is no limit
 * @num_io_jobs: not used
 * @io_period: not used
 * @total_period: not used
 * @last_jiffies: not used
 */
struct dm_kcopyd_throttle {
	unsigned int throttle;
	unsigned int num_io_jobs;
	unsigned int io_period;
	unsigned int total_period;
	unsigned int last_jiffies;
};

#define DECLARE_DM_KCOPYD_THROTTLE_WITH_MODULE_PARM(name, description)	\
	static struct dm_kcopyd_throttle dm_kcopyd_throttle = {		\
		.throttle = 100,					\
	};								\
	module_param_named(name, dm_kcopyd_throttle.throttle, uint, 0644); \
	MODULE_PARM_DESC(name, description)

struct dm_kcopyd_client;

typedef void (*dm_kcopyd_notify_fn)(int read_err, unsigned long write_err,
				    void *context);

/* What the calls below are; not to be called by these names. */
struct dm_kcopyd_client *kcopyd_dm_client_create(struct dm_kcopyd_throttle *throttle);
void kcopyd_dm_client_destroy(struct dm_kcopyd_client *kc);
void kcopyd_dm_client_flush(struct dm_kcopyd_client *kc);
void kcopyd_dm_copy(struct dm_kcopyd_client *kc, struct dm_io_region *from,
		    unsigned int num_dests, struct dm_io_region *dests,
		    unsigned int flags, dm_kcopyd_notify_fn fn, void *context);
void kcopyd_dm_zero(struct dm_kcopyd_client *kc, unsigned int num_dests,
		    struct dm_io_region *dests, unsigned int flags,
		    dm_kcopyd_notify_fn fn, void *context);
void *kcopyd_dm_prepare_callback(struct dm_kcopyd_client *kc,
				 dm_kcopyd_notify_fn fn, void *context);
void kcopyd_dm_do_callback(void *callback, int read_err,
			   unsigned long write_err);

static inline struct dm_kcopyd_client *
dm_kcopyd_client_create(struct dm_kcopyd_throttle *throttle)
{
	return kcopyd_dm_client_create(throttle);
}

static inline void dm_kcopyd_client_destroy(struct dm_kcopyd_client *kc)
{
	kcopyd_dm_client_destroy(kc);
}

static inline void dm_kcopyd_client_flush(struct dm_kcopyd_client *kc)
{
	kcopyd_dm_client_flush(kc);
}

static inline void
dm_kcopyd_copy(struct dm_kcopyd_client *kc, struct dm_io_region *from,
	       unsigned int num_dests, struct dm_io_region *dests,
	       unsigned int flags, dm_kcopyd_notify_fn fn, void *context)
{
	kcopyd_dm_copy(kc, from, num_dests, dests, flags, fn, context);
}

static inline void
dm_kcopyd_zero(struct dm_kcopyd_client *kc, unsigned int num_dests,
	       struct dm_io_region *dests, unsigned int flags,
	       dm_kcopyd_notify_fn fn, void *context)
{
	kcopyd_dm_zero(kc, num_dests, dests, flags, fn, context);
}

static inline void *dm_kcopyd_prepare_callback(struct dm_kcopyd_client *kc,
					       dm_kcopyd_notify_fn fn,
					       void *context)
{
	return kcopyd_dm_prepare_callback(kc, fn, context);
}

static inline void dm_kcopyd_do_callback(void *callback, int read_err,
					 unsigned long write_err)
{
	kcopyd_dm_do_callback(callback, read_err, write_err);
}

#endif /* _LINUX_DM_KCOPYD_H */
