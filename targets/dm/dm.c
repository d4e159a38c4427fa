// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcopyd-dm: between device-mapper, which calls C, and targets that are written
 * in C++ and include no header of the kernel. It decides nothing.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/build_bug.h>
#include <linux/device-mapper.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "../../compat/bdev.h"
#include "dm.h"

static_assert(KDM_SUBMITTED == DM_MAPIO_SUBMITTED);
static_assert(KDM_REMAPPED == DM_MAPIO_REMAPPED);
static_assert(KDM_REQUEUE == DM_MAPIO_REQUEUE);
static_assert(KDM_KILL == DM_MAPIO_KILL);
static_assert(KDM_EIO == EIO);
static_assert(KDM_EAGAIN == EAGAIN);
static_assert(KDM_EROFS == EROFS);
static_assert(KDM_ERANGE == ERANGE);
static_assert(KDM_EOPNOTSUPP == EOPNOTSUPP);
static_assert(KDM_ECANCELED == ECANCELED);

/**
 * struct kdm_type - a target that is registered
 * @tt: what device-mapper knows of it
 * @ops: the target's own
 */
struct kdm_type {
	struct target_type tt;
	const struct kdm_ops *ops;
};

static const struct kdm_ops *ops_of(const struct dm_target *ti)
{
	return container_of(ti->type, struct kdm_type, tt)->ops;
}

/* The other way round than in the header: these are the same pointers. */
static struct dm_target *target_of(struct kdm_target *ti)
{
	return (struct dm_target *)ti;
}

static struct bio *bio_of(struct kdm_bio *bio)
{
	return (struct bio *)bio;
}

static const struct bio *const_bio_of(const struct kdm_bio *bio)
{
	return (const struct bio *)bio;
}

static const struct dm_dev *dev_of(const struct kdm_dev *dev)
{
	return (const struct dm_dev *)dev;
}

/* ------------------------------------------------------------------------- */
/* What device-mapper calls */

static int type_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	const struct kdm_ops *ops = ops_of(ti);

	/* There is nothing else that device-mapper could say. */
	ti->error = "No reason given";
	ti->per_io_data_size = ops->per_bio;
	return ops->create((struct kdm_target *)ti, argc, argv, &ti->private);
}

static void type_dtr(struct dm_target *ti)
{
	ops_of(ti)->destroy(ti->private);
}

static void *per_bio(const struct dm_target *ti, struct bio *bio)
{
	return ti->per_io_data_size ? dm_per_bio_data(bio, ti->per_io_data_size) : NULL;
}

static int type_map(struct dm_target *ti, struct bio *bio)
{
	return ops_of(ti)->map(ti->private, (struct kdm_bio *)bio, per_bio(ti, bio));
}

static int type_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *status)
{
	const int before = blk_status_to_errno(*status);
	int error = before;

	/* One that is kept may have been ended by somebody else already. */
	if (ops_of(ti)->end_io(ti->private, (struct kdm_bio *)bio, per_bio(ti, bio), &error) ==
	    KDM_KEPT)
		return DM_ENDIO_INCOMPLETE;
	if (error != before)
		*status = errno_to_blk_status(error);
	return DM_ENDIO_DONE;
}

/*
 * Around a suspend memory cannot be had by writing to the device, nor to what may wait
 * for it.
 */
static void type_presuspend(struct dm_target *ti)
{
	unsigned int flags = memalloc_noio_save();

	ops_of(ti)->presuspend(ti->private);
	memalloc_noio_restore(flags);
}

static void type_presuspend_undo(struct dm_target *ti)
{
	unsigned int flags = memalloc_noio_save();

	ops_of(ti)->presuspend_undo(ti->private);
	memalloc_noio_restore(flags);
}

static void type_postsuspend(struct dm_target *ti)
{
	unsigned int flags = memalloc_noio_save();

	ops_of(ti)->postsuspend(ti->private);
	memalloc_noio_restore(flags);
}

static int type_preresume(struct dm_target *ti)
{
	unsigned int flags = memalloc_noio_save();
	int r = ops_of(ti)->preresume(ti->private);

	memalloc_noio_restore(flags);
	return r;
}

static void type_resume(struct dm_target *ti)
{
	unsigned int flags = memalloc_noio_save();

	ops_of(ti)->resume(ti->private);
	memalloc_noio_restore(flags);
}

static void type_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			char *result, unsigned int maxlen)
{
	const struct target_type *tt = ti->type;
	struct kdm_text text = { .buf = result, .size = maxlen };

	*result = '\0';
	/* Neither has commas or semicolons. */
	if (type == STATUSTYPE_IMA)
		kdm_print(&text, "target_name=%s,target_version=%u.%u.%u,table=", tt->name,
			  tt->version[0], tt->version[1], tt->version[2]);
	ops_of(ti)->status(ti->private, &text, type != STATUSTYPE_INFO);
	if (type == STATUSTYPE_IMA)
		kdm_print(&text, ";");
}

static int type_message(struct dm_target *ti, unsigned int argc, char **argv,
			char *result, unsigned int maxlen)
{
	struct kdm_text text = { .buf = result, .size = maxlen };

	*result = '\0';
	return ops_of(ti)->message(ti->private, argc, argv, &text);
}

struct each_device {
	struct dm_target *ti;
	iterate_devices_callout_fn fn;
	void *data;
};

static int each_device(void *context, struct kdm_dev *dev, sector_t start, sector_t count)
{
	const struct each_device *each = context;

	return each->fn(each->ti, (struct dm_dev *)dev, start, count, each->data);
}

static int type_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct each_device each = { .ti = ti, .fn = fn, .data = data };

	return ops_of(ti)->devices(ti->private, each_device, &each);
}

static void type_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct kdm_hints hints = {};

	ops_of(ti)->hints(ti->private, &hints);
	limits->discard_granularity = hints.discard_granularity ?: limits->discard_granularity;
}

/* ------------------------------------------------------------------------- */
/* What targets call */

/**
 * kdm_register() - make a target known to device-mapper
 * @ops: the target, which stays where it is
 * @mainline: not 0: by mainline's name and version instead of its own
 * @owner: its module, THIS_MODULE
 * @result: receives what kdm_unregister() takes
 *
 * The kernel's log says what is in the way.
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM; -EBUSY if there is a target of this name.
 */
int kdm_register(const struct kdm_ops *ops, int mainline, struct module *owner,
		 struct kdm_type **result)
{
	const unsigned int *version = mainline ? ops->mainline_version : ops->version;
	struct kdm_type *type = kzalloc(sizeof(*type), GFP_KERNEL);
	int r;

	if (!type)
		return -ENOMEM;
	type->ops = ops;
	type->tt = (struct target_type){
		.name = mainline ? ops->mainline : ops->name,
		.version = { version[0], version[1], version[2] },
		.module = owner,
		.ctr = type_ctr,
		.dtr = type_dtr,
		.map = type_map,
		.end_io = ops->end_io ? type_end_io : NULL,
		.presuspend = ops->presuspend ? type_presuspend : NULL,
		.presuspend_undo = ops->presuspend_undo ? type_presuspend_undo : NULL,
		.postsuspend = ops->postsuspend ? type_postsuspend : NULL,
		.preresume = ops->preresume ? type_preresume : NULL,
		.resume = ops->resume ? type_resume : NULL,
		.status = ops->status ? type_status : NULL,
		.message = ops->message ? type_message : NULL,
		.iterate_devices = ops->devices ? type_iterate_devices : NULL,
		.io_hints = ops->hints ? type_io_hints : NULL,
	};
	r = dm_register_target(&type->tt);
	if (r) {
		/* Mainline's modules are found by that, be it through an alias. */
		if (r == -EEXIST || r == -EBUSY) {
			pr_err("%s: there is a target %s already: unload dm-%s first%s\n",
			       module_name(owner), type->tt.name, type->tt.name,
			       mainline ? ", or do without mainline_names" : "");
			/* As newer kernels say: for modprobe the other one is no error. */
			r = -EBUSY;
		}
		kfree(type);
		return r;
	}
	*result = type;
	return 0;
}
EXPORT_SYMBOL_GPL(kdm_register);

/**
 * kdm_unregister() - a target is no more
 * @type: from kdm_register(), or NULL
 *
 * Context: Module exit: no table has the target any more.
 */
void kdm_unregister(struct kdm_type *type)
{
	if (!type)
		return;
	dm_unregister_target(&type->tt);
	kfree(type);
}
EXPORT_SYMBOL_GPL(kdm_unregister);

/**
 * kdm_fail() - why a line of a table is refused
 * @ti: the target
 * @why: which argument, and what is wrong; not copied
 *
 * Context: In kdm_ops.create.
 */
void kdm_fail(struct kdm_target *ti, const char *why)
{
	target_of(ti)->error = (char *)why;
}
EXPORT_SYMBOL_GPL(kdm_fail);

/**
 * kdm_begin() - where the target begins in its table
 * @ti: the target
 *
 * Context: Any.
 * Return: the sector.
 */
sector_t kdm_begin(const struct kdm_target *ti)
{
	return ((const struct dm_target *)ti)->begin;
}
EXPORT_SYMBOL_GPL(kdm_begin);

/**
 * kdm_length() - how long the target is
 * @ti: the target
 *
 * Context: Any.
 * Return: its length, in sectors.
 */
sector_t kdm_length(const struct kdm_target *ti)
{
	return ((const struct dm_target *)ti)->len;
}
EXPORT_SYMBOL_GPL(kdm_length);

/**
 * kdm_split_at() - reads and writes are not to cross multiples of so many sectors
 * @ti: the target
 * @sectors: how many
 *
 * Discards and zeroes are not cut: they may cross many.
 *
 * Context: In kdm_ops.create.
 * Return: 0; -EINVAL if it is more than 32 bits hold.
 */
int kdm_split_at(struct kdm_target *ti, sector_t sectors)
{
	return dm_set_target_max_io_len(target_of(ti), sectors);
}
EXPORT_SYMBOL_GPL(kdm_split_at);

/**
 * kdm_wants() - which bios without data the target gets
 * @ti: the target
 * @flushes: how many of each flush
 * @discards: how many of each discard; with 0, there are none
 * @zeroes: how many of each write of zeroes without data, likewise
 *
 * kdm_bio_target() says which of them a bio is. There are no discards and zeroes either
 * unless all of the devices that kdm_ops.devices names can do that.
 *
 * Context: In kdm_ops.create.
 */
void kdm_wants(struct kdm_target *ti, unsigned int flushes, unsigned int discards,
	       unsigned int zeroes)
{
	target_of(ti)->num_flush_bios = flushes;
	target_of(ti)->num_discard_bios = discards;
	target_of(ti)->num_write_zeroes_bios = zeroes;
}
EXPORT_SYMBOL_GPL(kdm_wants);

/**
 * kdm_noflush() - is it being suspended without waiting for bios?
 * @ti: the target
 *
 * Context: Any.
 * Return: true if bios may be answered with KDM_REQUEUE.
 */
int kdm_noflush(struct kdm_target *ti)
{
	return dm_noflush_suspending(target_of(ti));
}
EXPORT_SYMBOL_GPL(kdm_noflush);

/**
 * kdm_log() - tell administrators, in the kernel's log
 * @ti: the target, which the line names
 * @format: as for printf(), without the end of the line
 *
 * Context: Any.
 */
void kdm_log(const struct kdm_target *ti, const char *format, ...)
{
	const struct dm_target *target = (const struct dm_target *)ti;
	struct va_format line;
	va_list args;

	va_start(args, format);
	line.fmt = format;
	line.va = &args;
	pr_warn("device-mapper: %s: %s: %pV\n", target->type->name,
		dm_table_device_name(target->table), &line);
	va_end(args);
}
EXPORT_SYMBOL_GPL(kdm_log);

/**
 * kdm_number() - read a number, all of it
 * @text: decimal, or with 0x hexadecimal
 * @value: receives it; untouched on failure
 *
 * Context: Any.
 * Return: 0; -EINVAL for anything else than a number; -ERANGE for one of more than 64
 * bits.
 */
int kdm_number(const char *text, unsigned long long *value)
{
	const bool hex = text[0] == '0' && (text[1] | 0x20) == 'x';

	/* That would be taken for a number, and a line's end for nothing. */
	if (*text == '+' || strchr(text, '\n'))
		return -EINVAL;
	return kstrtoull(text, hex ? 16 : 10, value);
}
EXPORT_SYMBOL_GPL(kdm_number);

/**
 * kdm_print() - add to a line, as much as fits
 * @text: the line
 * @format: as for printf()
 *
 * Context: Any.
 */
void kdm_print(struct kdm_text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text->used += vscnprintf(text->buf + text->used, text->size - text->used, format, args);
	va_end(args);
}
EXPORT_SYMBOL_GPL(kdm_print);

/**
 * kdm_open() - open a device of a table's line
 * @ti: the target
 * @path: its path, or major:minor
 * @reads: not 0: for reading only, as a device may be that cannot be written; else for
 *	writing too, unless the table is read-only
 * @result: receives it; untouched on failure
 *
 * Context: In kdm_ops.create.
 * Return: 0 or a negative errno.
 */
int kdm_open(struct kdm_target *ti, const char *path, int reads, struct kdm_dev **result)
{
	struct dm_dev *dev;
	int r = dm_get_device(target_of(ti), path,
			      reads ? KCOPYD_COMPAT_READS :
				      dm_table_get_mode(target_of(ti)->table),
			      &dev);

	if (!r)
		*result = (struct kdm_dev *)dev;
	return r;
}
EXPORT_SYMBOL_GPL(kdm_open);

/**
 * kdm_close() - close it
 * @ti: the target
 * @dev: the device
 *
 * Context: In kdm_ops.create and kdm_ops.destroy.
 */
void kdm_close(struct kdm_target *ti, struct kdm_dev *dev)
{
	dm_put_device(target_of(ti), (struct dm_dev *)dev);
}
EXPORT_SYMBOL_GPL(kdm_close);

/**
 * kdm_bdev() - for regions of kcopyd
 * @dev: the device
 *
 * Context: Any.
 * Return: the block device.
 */
struct block_device *kdm_bdev(const struct kdm_dev *dev)
{
	return dev_of(dev)->bdev;
}
EXPORT_SYMBOL_GPL(kdm_bdev);

/**
 * kdm_sectors() - how large a device is
 * @dev: the device
 *
 * Context: Any.
 * Return: its size, in sectors.
 */
sector_t kdm_sectors(const struct kdm_dev *dev)
{
	return bdev_nr_sectors(dev_of(dev)->bdev);
}
EXPORT_SYMBOL_GPL(kdm_sectors);

/**
 * kdm_block_sectors() - in what pieces a device is read and written
 * @dev: the device
 *
 * Context: Any.
 * Return: its logical block size, in sectors.
 */
unsigned int kdm_block_sectors(const struct kdm_dev *dev)
{
	return bdev_logical_block_size(dev_of(dev)->bdev) >> SECTOR_SHIFT;
}
EXPORT_SYMBOL_GPL(kdm_block_sectors);

/**
 * kdm_is_read_only() - is a device not to be written?
 * @dev: the device
 *
 * Context: Any.
 * Return: true or false; it may change.
 */
int kdm_is_read_only(const struct kdm_dev *dev)
{
	return bdev_read_only(dev_of(dev)->bdev);
}
EXPORT_SYMBOL_GPL(kdm_is_read_only);

/**
 * kdm_name() - what status lines call a device
 * @dev: the device
 *
 * Context: Any.
 * Return: major:minor.
 */
const char *kdm_name(const struct kdm_dev *dev)
{
	return dev_of(dev)->name;
}
EXPORT_SYMBOL_GPL(kdm_name);

/**
 * kdm_bio_op() - what a bio is for
 * @bio: the bio
 *
 * Context: Any.
 * Return: an enum kdm_op.
 */
enum kdm_op kdm_bio_op(const struct kdm_bio *bio)
{
	const struct bio *b = const_bio_of(bio);

	switch (bio_op(b)) {
	case REQ_OP_READ:
		return KDM_READ;
	case REQ_OP_WRITE:
		return !bio_sectors(b) && b->bi_opf & REQ_PREFLUSH ? KDM_FLUSH : KDM_WRITE;
	case REQ_OP_DISCARD:
		return KDM_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return KDM_ZERO;
	default:
		return KDM_OTHER;
	}
}
EXPORT_SYMBOL_GPL(kdm_bio_op);

/**
 * kdm_bio_reads_ahead() - is nobody waiting for what the bio reads?
 * @bio: the bio
 *
 * Devices may fail such a bio because they have other things to do.
 *
 * Context: Any.
 * Return: true or false.
 */
int kdm_bio_reads_ahead(const struct kdm_bio *bio)
{
	return !!(const_bio_of(bio)->bi_opf & REQ_RAHEAD);
}
EXPORT_SYMBOL_GPL(kdm_bio_reads_ahead);

/**
 * kdm_bio_sector() - where a bio begins that has come
 * @ti: the target
 * @bio: the bio, which has not been remapped
 *
 * Context: Any.
 * Return: the sector, from the start of the target.
 */
sector_t kdm_bio_sector(const struct kdm_target *ti, const struct kdm_bio *bio)
{
	return const_bio_of(bio)->bi_iter.bi_sector - kdm_begin(ti);
}
EXPORT_SYMBOL_GPL(kdm_bio_sector);

/**
 * kdm_bio_sectors() - how long a bio is
 * @bio: the bio
 *
 * Context: Any.
 * Return: its length, in sectors.
 */
unsigned int kdm_bio_sectors(const struct kdm_bio *bio)
{
	return bio_sectors(const_bio_of(bio));
}
EXPORT_SYMBOL_GPL(kdm_bio_sectors);

/**
 * kdm_bio_suits() - is a bio's data where in memory a device can always have it?
 * @bio: the bio, with data
 * @dev: the device
 *
 * Newer kernels leave it to the disk to look: the bio fails with -EINVAL there. So it does if
 * there is a gap in memory, where the disk can have none, behind a part of a logical block.
 * Without pieces of whole sectors kdm_io_to_all() refuses it.
 *
 * Context: Any.
 * Return: true or false.
 */
int kdm_bio_suits(const struct kdm_bio *bio, const struct kdm_dev *dev)
{
	const struct bio *b = const_bio_of(bio);
	struct block_device *bdev = dev_of(dev)->bdev;
	const unsigned int mask = bdev_dma_alignment(bdev) | (SECTOR_SIZE - 1);
	const unsigned int whole = bdev_logical_block_size(bdev) - 1;
	struct bvec_iter at;
	struct bio_vec v;

	bio_for_each_bvec(v, b, at) {
		if ((v.bv_offset | v.bv_len) & mask || v.bv_len & whole)
			return false;
	}
	return true;
}
EXPORT_SYMBOL_GPL(kdm_bio_suits);

/**
 * kdm_bio_target() - which of several bios for the same thing it is
 * @bio: a flush or a discard, see kdm_wants()
 *
 * Context: Any.
 * Return: its number, from 0 up.
 */
unsigned int kdm_bio_target(const struct kdm_bio *bio)
{
	return dm_bio_get_target_bio_nr(const_bio_of(bio));
}
EXPORT_SYMBOL_GPL(kdm_bio_target);

/**
 * kdm_bio_remap() - a bio is for another place
 * @bio: the bio
 * @dev: on this device
 * @sector: from here on
 *
 * Context: Any.
 */
void kdm_bio_remap(struct kdm_bio *bio, const struct kdm_dev *dev, sector_t sector)
{
	bio_set_dev(bio_of(bio), dev_of(dev)->bdev);
	bio_of(bio)->bi_iter.bi_sector = sector;
}
EXPORT_SYMBOL_GPL(kdm_bio_remap);

/* What is in a struct kdm_bio_place. */
struct saved_place {
	struct block_device *bdev;
	struct bvec_iter iter;
	bio_end_io_t *end_io;
#ifdef CONFIG_BLK_DEV_INTEGRITY
	struct bio_integrity_payload *integrity;
#endif
	int remaining;
	unsigned short flags;
};

static_assert(sizeof(struct saved_place) <= sizeof(struct kdm_bio_place));

/**
 * kdm_bio_save() - remember where a bio points
 * @bio: the bio, which has not been submitted
 * @place: receives it
 *
 * Context: Any.
 */
void kdm_bio_save(const struct kdm_bio *bio, struct kdm_bio_place *place)
{
	const struct bio *b = const_bio_of(bio);
	struct saved_place *saved = (struct saved_place *)place;

	saved->bdev = b->bi_bdev;
	saved->iter = b->bi_iter;
	saved->end_io = b->bi_end_io;
#ifdef CONFIG_BLK_DEV_INTEGRITY
	saved->integrity = b->bi_integrity;
#endif
	saved->remaining = atomic_read(&b->__bi_remaining);
	saved->flags = b->bi_flags;
}
EXPORT_SYMBOL_GPL(kdm_bio_save);

/**
 * kdm_bio_restore() - have a bio point there again, to submit it once more
 * @bio: the bio, which has ended, and was kept
 * @place: from kdm_bio_save()
 *
 * It has no error any more.
 *
 * Context: Any.
 */
void kdm_bio_restore(struct kdm_bio *bio, const struct kdm_bio_place *place)
{
	struct bio *b = bio_of(bio);
	const struct saved_place *saved = (const struct saved_place *)place;

	b->bi_bdev = saved->bdev;
	b->bi_iter = saved->iter;
	b->bi_end_io = saved->end_io;
#ifdef CONFIG_BLK_DEV_INTEGRITY
	b->bi_integrity = saved->integrity;
#endif
	atomic_set(&b->__bi_remaining, saved->remaining);
	b->bi_flags = saved->flags;
	b->bi_status = BLK_STS_OK;
}
EXPORT_SYMBOL_GPL(kdm_bio_restore);

/**
 * kdm_bio_trim() - take only the first part of a bio
 * @bio: the bio, with or without data, but no flush
 * @sectors: its length from now on, not more than it was; the rest comes as another
 *	bio
 *
 * Context: In kdm_ops.map.
 */
void kdm_bio_trim(struct kdm_bio *bio, unsigned int sectors)
{
	if (sectors < kdm_bio_sectors(bio))
		dm_accept_partial_bio(bio_of(bio), sectors);
}
EXPORT_SYMBOL_GPL(kdm_bio_trim);

/**
 * kdm_bio_submit() - submit a bio that the target has held
 * @bio: the bio, which was remapped
 *
 * Context: Process context, may sleep.
 */
void kdm_bio_submit(struct kdm_bio *bio)
{
	submit_bio_noacct(bio_of(bio));
}
EXPORT_SYMBOL_GPL(kdm_bio_submit);

/**
 * kdm_bio_end() - end a bio that the target has held
 * @bio: the bio
 * @error: 0 or a negative errno
 *
 * Context: Any.
 */
void kdm_bio_end(struct kdm_bio *bio, int error)
{
	bio_of(bio)->bi_status = errno_to_blk_status(error);
	bio_endio(bio_of(bio));
}
EXPORT_SYMBOL_GPL(kdm_bio_end);

/**
 * kdm_bio_requeue() - have a bio that the target has held come again after a suspend
 * @bio: the bio; it fails with -EIO unless kdm_noflush()
 *
 * Context: Any.
 */
void kdm_bio_requeue(struct kdm_bio *bio)
{
	bio_of(bio)->bi_status = BLK_STS_DM_REQUEUE;
	bio_endio(bio_of(bio));
}
EXPORT_SYMBOL_GPL(kdm_bio_requeue);

/**
 * kdm_bio_data() - find what goes with a bio for the target
 * @bio: a bio of it
 * @size: kdm_ops.per_bio
 *
 * Context: Any.
 * Return: what kdm_ops.map was given with it.
 */
void *kdm_bio_data(struct kdm_bio *bio, size_t size)
{
	return dm_per_bio_data(bio_of(bio), size);
}
EXPORT_SYMBOL_GPL(kdm_bio_data);

/**
 * kdm_bios_add() - hold a bio, behind the others
 * @bios: those that are held
 * @bio: the bio
 *
 * Context: Any, under the target's lock.
 */
void kdm_bios_add(struct kdm_bios *bios, struct kdm_bio *bio)
{
	struct bio_list list = { bio_of(bios->head), bio_of(bios->tail) };

	bio_list_add(&list, bio_of(bio));
	bios->head = (struct kdm_bio *)list.head;
	bios->tail = (struct kdm_bio *)list.tail;
}
EXPORT_SYMBOL_GPL(kdm_bios_add);

/**
 * kdm_bios_pop() - take the first one
 * @bios: those that are held
 *
 * Context: Any, under the target's lock.
 * Return: the bio, or NULL.
 */
struct kdm_bio *kdm_bios_pop(struct kdm_bios *bios)
{
	struct bio_list list = { bio_of(bios->head), bio_of(bios->tail) };
	struct bio *bio = bio_list_pop(&list);

	bios->head = (struct kdm_bio *)list.head;
	bios->tail = (struct kdm_bio *)list.tail;
	return (struct kdm_bio *)bio;
}
EXPORT_SYMBOL_GPL(kdm_bios_pop);

MODULE_DESCRIPTION("Device-mapper for targets in C++");
MODULE_AUTHOR("The kcopyd authors");
MODULE_VERSION(KCOPYD_VERSION);
MODULE_LICENSE("GPL");
