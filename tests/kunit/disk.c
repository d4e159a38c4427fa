// SPDX-License-Identifier: GPL-2.0-only
#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/highmem.h>
#include <linux/kasan-checks.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "census.h"
#include "compat/features.h"
#include "disk.h"
#include "starve.h"

#define TAG_WORDS (SECTOR_SIZE / sizeof(u64))

/* Bios that a disk can hold at a time. */
#define TDISK_MAX_OPS 4096

struct tdisk_op {
	struct list_head node;
	struct bio *bio;
	unsigned int event;
	unsigned long due;
};

static atomic_t tdisk_clock = ATOMIC_INIT(0);
static atomic_t tdisk_number = ATOMIC_INIT(0);

unsigned long tdisk_timeout = 120 * HZ;

void tdisk_timed_out(void)
{
	WRITE_ONCE(tdisk_timeout, 5 * HZ);
}

/* Now, in events of all disks. */
unsigned int tdisk_now(void)
{
	return atomic_read(&tdisk_clock);
}

/* Tags are most of what a test computes; KASAN has seen the whole sector. */
static __always_inline u64 tag_word(u8 seed, sector_t tag, unsigned int i)
{
	return (u64)seed << 56 | (u64)tag << 8 | i;
}

static __no_sanitize_address void tag_write(u64 *words, u8 seed, sector_t tag)
{
	unsigned int i;

	kasan_check_write(words, SECTOR_SIZE);
	for (i = 0; i < TAG_WORDS; i++)
		words[i] = tag_word(seed, tag, i);
}

static __no_sanitize_address bool tag_is(const u64 *words, u8 seed, sector_t tag)
{
	unsigned int i;

	kasan_check_read(words, SECTOR_SIZE);
	for (i = 0; i < TAG_WORDS; i++) {
		if (words[i] != tag_word(seed, tag, i))
			return false;
	}
	return true;
}

static u64 *sector_data(struct tdisk *disk, sector_t sector)
{
	return (u64 *)(disk->data + (sector << SECTOR_SHIFT));
}

/* Tag the sectors as if they had been copied from @tag of a disk with @seed. */
void tdisk_fill(struct tdisk *disk, sector_t sector, sector_t count, u8 seed,
		sector_t tag)
{
	while (count--)
		tag_write(sector_data(disk, sector++), seed, tag++);
}

/* Are they tagged like that? If not, *@where is the first one that is not. */
bool tdisk_holds(struct tdisk *disk, sector_t sector, sector_t count, u8 seed,
		 sector_t tag, sector_t *where)
{
	for (; count--; sector++, tag++) {
		if (!tag_is(sector_data(disk, sector), seed, tag)) {
			*where = sector;
			return false;
		}
	}
	return true;
}

bool tdisk_is_zero(struct tdisk *disk, sector_t sector, sector_t count)
{
	return !memchr_inv(sector_data(disk, sector), 0, count << SECTOR_SHIFT);
}

/* What is in that sector? */
void tdisk_describe(struct tdisk *disk, sector_t sector, char *text, size_t size)
{
	const u64 *words = sector_data(disk, sector);
	const u8 seed = words[0] >> 56;
	const sector_t tag = words[0] << 8 >> 16;

	snprintf(text, size, "%s %llu of seed %u",
		 tag_is(words, seed, tag) ? "sector" : "something like sector",
		 (u64)tag, seed);
}

static blk_status_t sector_status(struct tdisk *disk, sector_t sector, bool write)
{
	unsigned int i;

	for (i = 0; i < disk->nr_faults; i++) {
		const struct tdisk_fault *fault = &disk->faults[i];

		if (fault->write == write && sector >= fault->sector &&
		    sector - fault->sector < fault->count)
			return fault->status;
	}
	return BLK_STS_OK;
}

static void huge_write(struct tdisk *disk, sector_t sector, const u64 *words)
{
	if (!tag_is(words, disk->expect_seed, sector + disk->expect_shift))
		disk->wrong++;
	if (test_and_set_bit(sector, disk->bitmap))
		disk->rewritten++;
	disk->written++;
}

static blk_status_t transfer_zeroes(struct tdisk *disk, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	unsigned int count = bio_sectors(bio);
	blk_status_t status = disk->refuse_zeroes;

	for (; !status && count; sector++, count--) {
		status = sector_status(disk, sector, true);
		if (!status)
			memset(sector_data(disk, sector), 0, SECTOR_SIZE);
	}
	return status;
}

/* As on a real disk, what comes before a bad sector has been transferred. */
static blk_status_t transfer(struct tdisk *disk, struct bio *bio)
{
	const bool write = op_is_write(bio_op(bio));
	sector_t sector = bio->bi_iter.bi_sector;
	blk_status_t status = BLK_STS_OK;
	struct bvec_iter iter;
	struct bio_vec bv;

	if (READ_ONCE(disk->dead))
		return BLK_STS_IOERR;
	if (bio_op(bio) == REQ_OP_WRITE_ZEROES)
		return transfer_zeroes(disk, bio);
	if (bio->bi_opf & REQ_PREFLUSH && !bio_sectors(bio))
		return disk->refuse_flush;

	bio_for_each_segment(bv, bio, iter) {
		u8 *p = bvec_kmap_local(&bv);
		unsigned int at;

		if (disk->census)
			census_add(disk->census, bv.bv_page);
		for (at = 0; !status && at < bv.bv_len; at += SECTOR_SIZE) {
			status = sector_status(disk, sector, write);
			if (status)
				break;
			if (disk->options.huge && write)
				huge_write(disk, sector, (u64 *)(p + at));
			else if (disk->options.huge)
				tag_write((u64 *)(p + at), disk->options.seed, sector);
			else if (write)
				memcpy(sector_data(disk, sector), p + at, SECTOR_SIZE);
			else
				memcpy(p + at, sector_data(disk, sector), SECTOR_SIZE);
			if (!write && disk->rotten && sector == disk->rotten)
				p[at + 100] ^= 1;
			sector++;
		}
		kunmap_local(p);
		if (status)
			break;
	}
	return status;
}

/* The data moves now, and the bio ends. Without the lock; any context. */
static void op_end(struct tdisk *disk, struct tdisk_op *op)
{
	struct bio *bio = op->bio;
	bool starved = false;
	unsigned long flags;

	bio->bi_status = transfer(disk, bio);

	spin_lock_irqsave(&disk->lock, flags);
	if (op->event < TDISK_MAX_EVENTS) {
		disk->events[op->event].status = bio->bi_status;
		disk->events[op->event].ended = atomic_inc_return(&tdisk_clock);
	}
	list_move(&op->node, &disk->free);
	disk->in_flight--;
	spin_unlock_irqrestore(&disk->lock, flags);

	if (disk->starve_end && in_task()) {
		starve(1);
		bio_endio(bio);
		starved = starve_stop();
	} else {
		bio_endio(bio);
	}

	spin_lock_irqsave(&disk->lock, flags);
	disk->nr_ended++;
	disk->starved += starved;
	wake_up_all(&disk->wait);
	spin_unlock_irqrestore(&disk->lock, flags);
}

static struct tdisk_op *next_due(struct tdisk *disk)
{
	struct tdisk_op *op;
	unsigned long flags;

	spin_lock_irqsave(&disk->lock, flags);
	op = list_first_entry_or_null(&disk->ending, struct tdisk_op, node);
	if (op && disk->options.end == TDISK_END_WORK && !disk->dead &&
	    time_before(jiffies, op->due)) {
		queue_delayed_work(disk->wq, &disk->end_work, op->due - jiffies);
		op = NULL;
	}
	if (op)
		list_del_init(&op->node);
	spin_unlock_irqrestore(&disk->lock, flags);
	return op;
}

static void end_irq(struct irq_work *work)
{
	struct tdisk *disk = container_of(work, struct tdisk, end_irq);
	struct tdisk_op *op;

	while ((op = next_due(disk)))
		op_end(disk, op);
}

static void end_work(struct work_struct *work)
{
	struct tdisk *disk = container_of(to_delayed_work(work), struct tdisk, end_work);
	struct tdisk_op *op;

	while ((op = next_due(disk)))
		op_end(disk, op);
}

/* Let an op go to its end, wherever that is. Without the lock. */
static void op_pass(struct tdisk *disk, struct tdisk_op *op)
{
	unsigned long flags;

	if (disk->options.end == TDISK_END_SUBMIT) {
		op_end(disk, op);
		return;
	}

	spin_lock_irqsave(&disk->lock, flags);
	op->due = jiffies + disk->delay;
	list_add_tail(&op->node, &disk->ending);
	spin_unlock_irqrestore(&disk->lock, flags);
	if (disk->options.end == TDISK_END_IRQ)
		irq_work_queue(&disk->end_irq);
	else
		queue_delayed_work(disk->wq, &disk->end_work, disk->delay);
}

static void record(struct tdisk *disk, struct bio *bio, struct tdisk_event *event, bool atomic)
{
	*event = (struct tdisk_event){
		.sector = bio->bi_iter.bi_sector,
		.count = bio_sectors(bio),
		.write = op_is_write(bio_op(bio)),
		.zeroes = bio_op(bio) == REQ_OP_WRITE_ZEROES,
		.no_unmap = bio->bi_opf & REQ_NOUNMAP,
		.flush = bio->bi_opf & REQ_PREFLUSH,
		.prio = bio->bi_ioprio,
		.arrived = atomic_inc_return(&tdisk_clock),
		.task = current,
		.work = current_work(),
		.noio = current->flags & PF_MEMALLOC_NOIO,
		.atomic = atomic,
	};
}

/* What was asked for after the bio before has failed by now, or will not. */
static void starve_submitter(struct tdisk *disk)
{
	spin_lock_irq(&disk->lock);
	if (disk->starving == current)
		disk->starved += starve_stop();
	disk->starving = current;
	spin_unlock_irq(&disk->lock);
	starve(disk->starve_submit);
}

static void tdisk_submit_bio(struct bio *bio)
{
	struct tdisk *disk = bio->bi_bdev->bd_disk->private_data;
	const unsigned int block = disk->options.block_size >> SECTOR_SHIFT;
	const bool atomic = in_interrupt() || irqs_disabled();
	struct tdisk_op *op = NULL;
	bool held;

	spin_lock_irq(&disk->lock);
	if (bio_op(bio) == REQ_OP_READ || bio_op(bio) == REQ_OP_WRITE ||
	    (bio_op(bio) == REQ_OP_WRITE_ZEROES && disk->options.zeroes))
		op = list_first_entry_or_null(&disk->free, struct tdisk_op, node);
	if (!op) {
		spin_unlock_irq(&disk->lock);
		bio->bi_status = BLK_STS_NOTSUPP;
		bio_endio(bio);
		return;
	}
	list_del_init(&op->node);
	op->bio = bio;
	op->event = disk->nr_events++;
	if (op->event < TDISK_MAX_EVENTS)
		record(disk, bio, &disk->events[op->event], atomic);
	if ((bio->bi_iter.bi_sector | bio_sectors(bio)) & (block - 1))
		disk->misaligned++;
	disk->in_flight_max = max(disk->in_flight_max, ++disk->in_flight);

	if (disk->blocked) {
		disk->nr_blocked++;
		wake_up_all(&disk->wait);
		wait_event_lock_irq(disk->wait, !disk->blocked, disk->lock);
		disk->nr_blocked--;
	}
	held = disk->gated;
	if (held) {
		list_add_tail(&op->node, &disk->held);
		disk->nr_held++;
		wake_up_all(&disk->wait);
	}
	spin_unlock_irq(&disk->lock);

	if (!held)
		op_pass(disk, op);
	if (disk->starve_submit)
		starve_submitter(disk);
}

void tdisk_fail(struct tdisk *disk, bool write, sector_t sector, sector_t count,
		blk_status_t status)
{
	spin_lock_irq(&disk->lock);
	if (!WARN_ON(disk->nr_faults == TDISK_MAX_FAULTS))
		disk->faults[disk->nr_faults++] = (struct tdisk_fault){
			.sector = sector,
			.count = count,
			.write = write,
			.status = status,
		};
	spin_unlock_irq(&disk->lock);
}

void tdisk_heal(struct tdisk *disk)
{
	spin_lock_irq(&disk->lock);
	disk->nr_faults = 0;
	spin_unlock_irq(&disk->lock);
}

/* From now on everything fails, at once: for a test to end. */
void tdisk_kill(struct tdisk *disk)
{
	spin_lock_irq(&disk->lock);
	disk->dead = true;
	spin_unlock_irq(&disk->lock);
	tdisk_unblock(disk);
	tdisk_open(disk);
	if (disk->options.end == TDISK_END_WORK)
		mod_delayed_work(disk->wq, &disk->end_work, 0);
}

void tdisk_shut(struct tdisk *disk)
{
	spin_lock_irq(&disk->lock);
	disk->gated = true;
	spin_unlock_irq(&disk->lock);
}

static bool covers(const struct bio *bio, sector_t sector)
{
	return sector >= bio->bi_iter.bi_sector &&
	       sector - bio->bi_iter.bi_sector < bio_sectors(bio);
}

static struct tdisk_op *take_held(struct tdisk *disk, bool any, sector_t sector)
{
	struct tdisk_op *op, *found = NULL;

	spin_lock_irq(&disk->lock);
	list_for_each_entry(op, &disk->held, node) {
		if (any || covers(op->bio, sector)) {
			found = op;
			list_del_init(&op->node);
			disk->nr_held--;
			break;
		}
	}
	spin_unlock_irq(&disk->lock);
	return found;
}

/* Let the oldest @nr held bios go. Returns how many there were. */
unsigned int tdisk_release(struct tdisk *disk, unsigned int nr)
{
	struct tdisk_op *op;
	unsigned int i;

	for (i = 0; i < nr && (op = take_held(disk, true, 0)); i++)
		op_pass(disk, op);
	return i;
}

/* Does the oldest held bio contain the sector? */
bool tdisk_next_covers(struct tdisk *disk, sector_t sector)
{
	struct tdisk_op *op;
	bool r;

	spin_lock_irq(&disk->lock);
	op = list_first_entry_or_null(&disk->held, struct tdisk_op, node);
	r = op && covers(op->bio, sector);
	spin_unlock_irq(&disk->lock);
	return r;
}

/* Let the oldest held bio that contains the sector go. Is there one? */
bool tdisk_release_sector(struct tdisk *disk, sector_t sector)
{
	struct tdisk_op *op = take_held(disk, false, sector);

	if (op)
		op_pass(disk, op);
	return op;
}

void tdisk_open(struct tdisk *disk)
{
	spin_lock_irq(&disk->lock);
	disk->gated = false;
	spin_unlock_irq(&disk->lock);
	tdisk_release(disk, UINT_MAX);
}

void tdisk_block(struct tdisk *disk)
{
	spin_lock_irq(&disk->lock);
	disk->blocked = true;
	spin_unlock_irq(&disk->lock);
}

void tdisk_unblock(struct tdisk *disk)
{
	spin_lock_irq(&disk->lock);
	disk->blocked = false;
	wake_up_all(&disk->wait);
	spin_unlock_irq(&disk->lock);
}

bool tdisk_wait_held(struct tdisk *disk, unsigned int nr)
{
	return wait_event_timeout(disk->wait, READ_ONCE(disk->nr_held) >= nr, TDISK_TIMEOUT);
}

bool tdisk_wait_blocked(struct tdisk *disk, unsigned int nr)
{
	return wait_event_timeout(disk->wait, READ_ONCE(disk->nr_blocked) >= nr, TDISK_TIMEOUT);
}

bool tdisk_wait_ended(struct tdisk *disk, unsigned int nr)
{
	return wait_event_timeout(disk->wait, READ_ONCE(disk->nr_ended) >= nr, TDISK_TIMEOUT);
}

/* Until nothing that was let go is still on its way to its end. */
void tdisk_settle(struct tdisk *disk)
{
	irq_work_sync(&disk->end_irq);
	flush_delayed_work(&disk->end_work);
	/* Whoever counted the last end has also left the lock after this. */
	spin_lock_irq(&disk->lock);
	spin_unlock_irq(&disk->lock);
}

/* Forget what has been, with nothing in flight. */
void tdisk_reset_log(struct tdisk *disk)
{
	spin_lock_irq(&disk->lock);
	WARN_ON(disk->in_flight);
	disk->nr_events = 0;
	disk->nr_ended = 0;
	disk->in_flight_max = 0;
	disk->misaligned = 0;
	spin_unlock_irq(&disk->lock);
}

/* Sectors of the bios held at the gate. */
unsigned int tdisk_held_sectors(struct tdisk *disk)
{
	struct tdisk_op *op;
	unsigned int n = 0;

	spin_lock_irq(&disk->lock);
	list_for_each_entry(op, &disk->held, node)
		n += bio_sectors(op->bio);
	spin_unlock_irq(&disk->lock);
	return n;
}

/* Bios of one kind that arrived. */
unsigned int tdisk_count(struct tdisk *disk, bool write)
{
	unsigned int i, n = 0;

	spin_lock_irq(&disk->lock);
	for (i = 0; i < min_t(unsigned int, disk->nr_events, TDISK_MAX_EVENTS); i++)
		n += disk->events[i].write == write;
	spin_unlock_irq(&disk->lock);
	return n;
}

/* And those of them that zero without data. */
unsigned int tdisk_count_zeroes(struct tdisk *disk)
{
	unsigned int i, n = 0;

	spin_lock_irq(&disk->lock);
	for (i = 0; i < min_t(unsigned int, disk->nr_events, TDISK_MAX_EVENTS); i++)
		n += disk->events[i].zeroes;
	spin_unlock_irq(&disk->lock);
	return n;
}

unsigned int tdisk_count_flushes(struct tdisk *disk)
{
	unsigned int i, n = 0;

	spin_lock_irq(&disk->lock);
	for (i = 0; i < min_t(unsigned int, disk->nr_events, TDISK_MAX_EVENTS); i++)
		n += disk->events[i].flush;
	spin_unlock_irq(&disk->lock);
	return n;
}

static const struct block_device_operations tdisk_fops = {
	.owner = THIS_MODULE,
	.submit_bio = tdisk_submit_bio,
};

static struct gendisk *alloc_gendisk(const struct tdisk_options *options)
{
#ifdef KCOPYD_HAVE_BLK_ALLOC_DISK_LIMITS
	struct queue_limits limits = {
		.logical_block_size = options->block_size,
		.features = (options->zoned ? BLK_FEAT_ZONED : 0) |
			    (options->cache ? BLK_FEAT_WRITE_CACHE : 0),
		.chunk_sectors = options->zoned ? 2048 : 0,
		.max_write_zeroes_sectors = options->zeroes ? UINT_MAX : 0,
	};

	return blk_alloc_disk(&limits, NUMA_NO_NODE);
#else
	struct gendisk *gd = blk_alloc_disk(NUMA_NO_NODE);

	if (!gd)
		return ERR_PTR(-ENOMEM);
	blk_queue_logical_block_size(gd->queue, options->block_size);
	blk_queue_max_write_zeroes_sectors(gd->queue, options->zeroes ? UINT_MAX : 0);
	blk_queue_write_cache(gd->queue, options->cache, false);
	if (options->zoned) {
		blk_queue_chunk_sectors(gd->queue, 2048);
		disk_set_zoned(gd, BLK_ZONED_HM);
	}
	return gd;
#endif
}

/* A table of primary partitions, as fdisk would write it. */
static void write_partition_table(struct tdisk *disk)
{
	unsigned int i;
	u8 *mbr = disk->data;

	memset(mbr, 0, SECTOR_SIZE);
	for (i = 0; i < ARRAY_SIZE(disk->options.part_start); i++) {
		u8 *entry = mbr + 0x1be + i * 16;
		__le32 start, sectors;

		if (!disk->options.part_start[i])
			continue;
		start = cpu_to_le32(disk->options.part_start[i]);
		sectors = cpu_to_le32(disk->options.part_sectors[i]);
		entry[4] = 0x83;
		memcpy(entry + 8, &start, sizeof(start));
		memcpy(entry + 12, &sectors, sizeof(sectors));
	}
	mbr[0x1fe] = 0x55;
	mbr[0x1ff] = 0xaa;
}

static int alloc_contents(struct tdisk *disk)
{
	const struct tdisk_options *options = &disk->options;
	unsigned int i;

	disk->events = vzalloc(TDISK_MAX_EVENTS * sizeof(*disk->events));
	disk->ops = vzalloc(TDISK_MAX_OPS * sizeof(*disk->ops));
	if (!disk->events || !disk->ops)
		return -ENOMEM;
	for (i = 0; i < TDISK_MAX_OPS; i++)
		list_add_tail(&disk->ops[i].node, &disk->free);

	if (options->huge) {
		disk->bitmap = vzalloc(BITS_TO_LONGS(options->sectors) * sizeof(long));
		return disk->bitmap ? 0 : -ENOMEM;
	}
	disk->data = vmalloc(options->sectors << SECTOR_SHIFT);
	if (!disk->data)
		return -ENOMEM;
	tdisk_fill(disk, 0, options->sectors, options->seed, 0);
	if (options->part_start[0])
		write_partition_table(disk);
	return 0;
}

static void free_all(struct tdisk *disk)
{
	if (disk->gd)
		put_disk(disk->gd);
	if (disk->wq)
		destroy_workqueue(disk->wq);
	vfree(disk->data);
	vfree(disk->bitmap);
	vfree(disk->ops);
	vfree(disk->events);
	kfree(disk);
}

int tdisk_create(struct tdisk **result, const struct tdisk_options *options)
{
	const int number = atomic_inc_return(&tdisk_number);
	struct gendisk *gd;
	struct tdisk *disk;
	unsigned int i;
	int r;

	disk = kzalloc(sizeof(*disk), GFP_KERNEL);
	if (!disk)
		return -ENOMEM;
	disk->options = *options;
	if (!disk->options.block_size)
		disk->options.block_size = SECTOR_SIZE;
	spin_lock_init(&disk->lock);
	init_waitqueue_head(&disk->wait);
	INIT_LIST_HEAD(&disk->free);
	INIT_LIST_HEAD(&disk->held);
	INIT_LIST_HEAD(&disk->ending);
	init_irq_work(&disk->end_irq, end_irq);
	INIT_DELAYED_WORK(&disk->end_work, end_work);

	r = -ENOMEM;
	disk->wq = alloc_workqueue("tdisk%d", WQ_UNBOUND | WQ_MEM_RECLAIM, 0, number);
	if (!disk->wq)
		goto err_free;
	r = alloc_contents(disk);
	if (r)
		goto err_free;

	gd = alloc_gendisk(&disk->options);
	if (IS_ERR(gd)) {
		r = PTR_ERR(gd);
		goto err_free;
	}
	disk->gd = gd;
	gd->fops = &tdisk_fops;
	gd->private_data = disk;
	if (!disk->options.part_start[0])
		gd->flags |= GENHD_FL_NO_PART;
	snprintf(gd->disk_name, sizeof(gd->disk_name), "tdisk%d", number);
	set_capacity(gd, disk->options.sectors);
	r = add_disk(gd);
	if (r)
		goto err_free;

	disk->bdev = gd->part0;
	for (i = 0; i < ARRAY_SIZE(disk->part); i++)
		disk->part[i] = xa_load(&gd->part_tbl, i + 1);
	if (disk->options.part_start[0])
		tdisk_fill(disk, 0, 1, disk->options.seed, 0);
	tdisk_settle(disk);
	tdisk_reset_log(disk);
	*result = disk;
	return 0;

err_free:
	free_all(disk);
	return r;
}

/* With nothing in flight. */
void tdisk_destroy(struct tdisk *disk)
{
	WARN_ON(disk->in_flight);
	if (disk->starve_submit)
		starve_stop_workers();
	tdisk_settle(disk);
	del_gendisk(disk->gd);
	free_all(disk);
}
