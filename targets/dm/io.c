// SPDX-License-Identifier: GPL-2.0-only
/* kcopyd-dm: I/O of a target's own, by dm-io. */
#include <linux/bio.h>
#include <linux/build_bug.h>
#include <linux/completion.h>
#include <linux/device-mapper.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../../compat/dm-io.h"
#include "dm.h"

/**
 * struct kdm_io - what I/O needs, with a reserve of it
 * @client: dm-io's
 */
struct kdm_io {
	struct dm_io_client *client;
};

static struct block_device *bdev_of(const struct kdm_dev *dev)
{
	return ((const struct dm_dev *)dev)->bdev;
}

/**
 * kdm_io_create() - prepare for I/O
 * @result: receives what it takes; untouched on failure
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno.
 */
int kdm_io_create(struct kdm_io **result)
{
	struct kdm_io *io = kzalloc(sizeof(*io), GFP_KERNEL);
	int r;

	if (!io)
		return -ENOMEM;
	io->client = dm_io_client_create();
	if (IS_ERR(io->client)) {
		r = PTR_ERR(io->client);
		kfree(io);
		return r;
	}
	*result = io;
	return 0;
}
EXPORT_SYMBOL_GPL(kdm_io_create);

/**
 * kdm_io_destroy() - there is no I/O any more
 * @io: what it took, or NULL
 *
 * Context: Process context, may sleep.
 */
void kdm_io_destroy(struct kdm_io *io)
{
	if (!io)
		return;
	dm_io_client_destroy(io->client);
	kfree(io);
}
EXPORT_SYMBOL_GPL(kdm_io_destroy);

struct wait {
	struct completion done;
	int err;
};

KCOPYD_DM_IO_NOTIFY(waited_for);

static void waited_for_err(int err, void *data)
{
	struct wait *wait = data;

	wait->err = err;
	complete(&wait->done);
}

static int do_and_wait(struct kdm_io *io, const struct kdm_dev *dev, sector_t sector,
		       sector_t count, void *buffer, blk_opf_t opf)
{
	struct wait wait = { .done = COMPLETION_INITIALIZER_ONSTACK(wait.done) };
	struct dm_io_region where = { .bdev = bdev_of(dev), .sector = sector, .count = count };
	struct dm_io_request request = {
		.bi_opf = opf,
		.mem.type = DM_IO_KMEM,
		.mem.ptr.addr = buffer,
		.notify.fn = waited_for,
		.notify.context = &wait,
		.client = io->client,
	};
	int r;

	if (is_vmalloc_addr(buffer)) {
		request.mem.type = DM_IO_VMA;
		request.mem.ptr.vma = buffer;
	}
	r = kcopyd_compat_dm_io(&request, 1, &where, KCOPYD_IOPRIO_DEFAULT);
	if (r)
		return r;
	wait_for_completion_io(&wait.done);
	return wait.err;
}

/**
 * kdm_io_read() - read, and wait for it
 * @io: what I/O needs
 * @dev: from this device
 * @sector: from here on
 * @count: so many sectors; whole logical blocks
 * @buffer: receives them; from kdm_alloc()
 *
 * Context: Process context, may sleep. Not in kdm_ops.map, where bios wait for its return.
 * Return: 0 or a negative errno.
 */
int kdm_io_read(struct kdm_io *io, const struct kdm_dev *dev, sector_t sector, sector_t count,
		void *buffer)
{
	return do_and_wait(io, dev, sector, count, buffer, REQ_OP_READ | REQ_SYNC);
}
EXPORT_SYMBOL_GPL(kdm_io_read);

/**
 * kdm_io_write() - write, and wait for it
 * @io: what I/O needs
 * @dev: to this device
 * @sector: from here on
 * @count: so many sectors; whole logical blocks
 * @buffer: these; from kdm_alloc()
 * @flags: KDM_IO_FLUSH and KDM_IO_FUA, or 0
 *
 * Context and return value as kdm_io_read().
 */
int kdm_io_write(struct kdm_io *io, const struct kdm_dev *dev, sector_t sector, sector_t count,
		 const void *buffer, unsigned int flags)
{
	blk_opf_t opf = REQ_OP_WRITE | REQ_SYNC;

	if (flags & KDM_IO_FLUSH)
		opf |= REQ_PREFLUSH;
	if (flags & KDM_IO_FUA)
		opf |= REQ_FUA;
	/* It is only read. */
	return do_and_wait(io, dev, sector, count, (void *)buffer, opf);
}
EXPORT_SYMBOL_GPL(kdm_io_write);

/**
 * kdm_io_flush() - flush a device's cache, and wait for it
 * @io: what I/O needs
 * @dev: the device
 *
 * Context and return value as kdm_io_read().
 */
int kdm_io_flush(struct kdm_io *io, const struct kdm_dev *dev)
{
	return do_and_wait(io, dev, 0, 0, NULL, REQ_OP_WRITE | REQ_SYNC | REQ_PREFLUSH);
}
EXPORT_SYMBOL_GPL(kdm_io_flush);

KCOPYD_DM_IO_NOTIFY_MASKS(to_all_done);

static void to_all_done_masks(unsigned long error, unsigned long unsup, void *data)
{
	const struct kdm_written *written = data;

	written->fn(written->context, error | unsup, unsup);
}

/* dm-io of older kernels counts whole sectors of each piece, and would never end. */
static bool is_in_sectors(struct bio *b)
{
	struct bvec_iter at;
	struct bio_vec v;

	bio_for_each_segment(v, b, at) {
		if (v.bv_len % SECTOR_SIZE)
			return false;
	}
	return true;
}

/**
 * kdm_io_to_all() - do to several places what a bio is for
 * @io: what I/O needs
 * @bio: a write, a flush, a discard or a write of zeroes; it stays the target's, as it is,
 *	and does not end
 * @nr: how many places; at most KDM_MOST_PLACES
 * @places: the places, which are not used after the call
 * @written: told of the end, perhaps before this returns
 *
 * A flush, and what goes before data, and FUA, is done everywhere too.
 *
 * Context: Process context, may sleep. Not in kdm_ops.map.
 */
void kdm_io_to_all(struct kdm_io *io, struct kdm_bio *bio, unsigned int nr,
		   const struct kdm_place *places, struct kdm_written *written)
{
	struct bio *b = (struct bio *)bio;
	struct dm_io_region where[KDM_MOST_PLACES];
	struct dm_io_request request = {
		.bi_opf = b->bi_opf & (REQ_OP_MASK | REQ_SYNC | REQ_META | REQ_PRIO | REQ_FUA |
				       REQ_PREFLUSH | REQ_NOUNMAP),
		.mem.type = DM_IO_KMEM,
		.notify.fn = to_all_done,
		.notify.context = written,
		.client = io->client,
	};
	unsigned int i;

	if (WARN_ON_ONCE(nr > KDM_MOST_PLACES)) {
		written->fn(written->context, ~0U, 0);
		return;
	}
	for (i = 0; i < nr; i++) {
		where[i].bdev = bdev_of(places[i].dev);
		where[i].sector = places[i].sector;
		where[i].count = bio_sectors(b);
	}
	if (bio_has_data(b)) {
		if (!is_in_sectors(b)) {
			written->fn(written->context, ~0U, ~0U);
			return;
		}
		request.mem.type = DM_IO_BIO;
		request.mem.ptr.bio = b;
	}
	if (kcopyd_compat_dm_io(&request, nr, where, b->bi_ioprio))
		written->fn(written->context, ~0U, 0);
}
EXPORT_SYMBOL_GPL(kdm_io_to_all);
