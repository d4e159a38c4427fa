/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm_io() as the core sees it, whatever the kernel's own calling convention.
 *
 * A kernel reports a region's failure as a bit of a mask, newer ones an
 * operation that a device does not support as a bit of a second mask, and then
 * leaves the first mask clear. Here both become one errno.
 */
#ifndef KCOPYD_COMPAT_DM_IO_H
#define KCOPYD_COMPAT_DM_IO_H

#include <linux/dm-io.h>
#include <linux/errno.h>
#include <linux/ioprio.h>

#include "features.h"

/* @unsup goes first: it may be set with @error clear. */
static inline int kcopyd_dm_io_errno(unsigned long error, unsigned long unsup)
{
	if (unsup)
		return -EOPNOTSUPP;
	return error ? -EIO : 0;
}

/**
 * KCOPYD_DM_IO_NOTIFY() - define a completion callback for dm_io()
 * @name: name of the callback, for &struct dm_io_notify
 *
 * The callback has exactly the kernel's own type, so that nothing is called
 * through a cast pointer. It calls name_err(err, context), which the user
 * defines as a static function in the same file: err is 0, -EIO or -EOPNOTSUPP.
 *
 * Context: that in which the last bio of the I/O ends; may be hard interrupt.
 *
 * KCOPYD_DM_IO_NOTIFY_EACH() is the same for I/O to several regions: it calls
 * name_failed(failed, context), with a bit for each region that failed, be it that
 * its device does not support the operation. KCOPYD_DM_IO_NOTIFY_MASKS() calls
 * name_masks(error, unsup, context), with the kernel's own masks; the second one is 0
 * where that does not tell.
 */
#define KCOPYD_DM_IO_NOTIFY(name)					\
	KCOPYD_DM_IO_NOTIFY_MASKS(name)					\
	static void name##_err(int err, void *data);			\
	static void name##_masks(unsigned long error,			\
				 unsigned long unsup, void *data)	\
	{								\
		name##_err(kcopyd_dm_io_errno(error, unsup), data);	\
	}

#ifdef KCOPYD_HAVE_DM_IO_NOTIFY_UNSUP
#define KCOPYD_DM_IO_NOTIFY_MASKS(name)					\
	static void name##_masks(unsigned long error,			\
				 unsigned long unsup, void *data);	\
	static void name(unsigned long error, unsigned long unsup,	\
			 void *data)					\
	{								\
		name##_masks(error, unsup, data);			\
	}
#else
#define KCOPYD_DM_IO_NOTIFY_MASKS(name)					\
	static void name##_masks(unsigned long error,			\
				 unsigned long unsup, void *data);	\
	static void name(unsigned long error, void *data)		\
	{								\
		name##_masks(error, 0, data);				\
	}
#endif

#define KCOPYD_DM_IO_NOTIFY_EACH(name)					\
	KCOPYD_DM_IO_NOTIFY_MASKS(name)					\
	static void name##_failed(unsigned long failed, void *data);	\
	static void name##_masks(unsigned long error,			\
				 unsigned long unsup, void *data)	\
	{								\
		name##_failed(error | unsup, data);			\
	}

/* Does dm_io() take a priority? */
#if defined(KCOPYD_HAVE_DM_IO_UNSUP) || defined(KCOPYD_HAVE_DM_IO_IOPRIO)
#define KCOPYD_COMPAT_IOPRIO true
#else
#define KCOPYD_COMPAT_IOPRIO false
#endif

/*
 * The priority of a task that is not nice. To say so spares the block layer to look
 * it up.
 */
#define KCOPYD_IOPRIO_DEFAULT IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, IOPRIO_BE_NORM)

/**
 * kcopyd_compat_dm_io() - issue asynchronous I/O
 * @req: what to do; @req->notify.fn must be set
 * @num_regions: how many regions; only one to read
 * @where: the regions, which are not used after the call
 * @prio: as in ioprio_set(2); without effect if not KCOPYD_COMPAT_IOPRIO
 *
 * Context: process context; may sleep for a bio or for a request of the device.
 * Return: 0, and @req->notify.fn will be called or has been called; or -EINVAL
 * for memory of an unknown type, and it never will.
 */
static inline int kcopyd_compat_dm_io(struct dm_io_request *req,
				      unsigned int num_regions,
				      struct dm_io_region *where,
				      unsigned short prio)
{
#if defined(KCOPYD_HAVE_DM_IO_UNSUP)
	return dm_io(req, num_regions, where, NULL, NULL, prio);
#elif defined(KCOPYD_HAVE_DM_IO_IOPRIO)
	return dm_io(req, num_regions, where, NULL, prio);
#else
	return dm_io(req, num_regions, where, NULL);
#endif
}

#endif /* KCOPYD_COMPAT_DM_IO_H */
