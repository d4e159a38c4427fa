/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A disk for tests, whose order of events and whose failures are chosen.
 *
 * Its sectors carry tags: a sector knows the seed of its disk and its own
 * number, in every word, so that a sector that was misplaced, mixed or left
 * behind in a page is recognised for what it is.
 */
#ifndef KCOPYD_TESTS_DISK_H
#define KCOPYD_TESTS_DISK_H

#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/irq_work.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct page_census;

/*
 * Longer than anything takes on an emulated machine, a busy one too, and less than what
 * KUnit gives a case: only a hang gets here. The first one has made the run fail, so that
 * the next ones need not take as long.
 */
#define TDISK_TIMEOUT READ_ONCE(tdisk_timeout)

extern unsigned long tdisk_timeout;
void tdisk_timed_out(void);

/**
 * enum tdisk_end - where bios end
 * @TDISK_END_SUBMIT: in submit_bio itself; a held one where it is released
 * @TDISK_END_IRQ: in a hard interrupt
 * @TDISK_END_WORK: in a workqueue, after the disk's delay
 */
enum tdisk_end {
	TDISK_END_SUBMIT,
	TDISK_END_IRQ,
	TDISK_END_WORK,
};

/**
 * struct tdisk_options - what kind of disk; zero is a good value for most
 * @sectors: its size
 * @block_size: logical block size in bytes; 0 is 512
 * @seed: for the tags of the sectors it starts with
 * @end: where its bios end
 * @huge: no memory behind it: reads yield tags, writes are checked and counted
 * @zoned: says that it is a host-managed zoned disk
 * @zeroes: says that it can zero sectors itself
 * @cache: says that it has a cache that has to be flushed
 * @part_start: first sectors of its partitions; 0 is none
 * @part_sectors: and their sizes
 */
struct tdisk_options {
	sector_t sectors;
	unsigned int block_size;
	u8 seed;
	enum tdisk_end end;
	bool huge;
	bool zoned;
	bool zeroes;
	bool cache;
	u32 part_start[2];
	u32 part_sectors[2];
};

/**
 * struct tdisk_event - a bio that arrived
 * @sector: where on the whole disk
 * @count: sectors
 * @write: it is a write
 * @zeroes: a write of zeroes, without data
 * @no_unmap: which is not to unmap anything
 * @flush: its cache is to be flushed first; of no sectors: and nothing else
 * @prio: its I/O priority
 * @arrived: when, counted over all disks; never 0
 * @ended: when, counted likewise; 0 if it has not
 * @status: what it ended with
 * @task: who submitted it
 * @work: the work that submitted it, or NULL
 * @noio: it was submitted under memalloc_noio_save()
 * @atomic: it was submitted where one must not sleep
 */
struct tdisk_event {
	sector_t sector;
	unsigned int count;
	bool write;
	bool zeroes;
	bool no_unmap;
	bool flush;
	unsigned short prio;
	unsigned int arrived;
	unsigned int ended;
	blk_status_t status;
	const struct task_struct *task;
	const struct work_struct *work;
	bool noio;
	bool atomic;
};

#define TDISK_MAX_EVENTS	10240
#define TDISK_MAX_FAULTS	16

/* What is wrong with some sectors. */
struct tdisk_fault {
	sector_t sector;
	sector_t count;
	bool write;
	blk_status_t status;
};

/**
 * struct tdisk - a test disk
 * @bdev: the whole disk
 * @part: its partitions
 * @options: as given
 * @delay: jiffies from release to end of a bio, for TDISK_END_WORK
 * @refuse_zeroes: what it ends writes of zeroes without data with, if not 0
 * @refuse_flush: and flushes
 * @rotten: reads of this sector yield something else than what is there, if not 0
 * @starve_end: the first slab or page allocation in each end_io fails; not in interrupts
 * @starve_submit: after each bio the nth allocation of its submitter fails; 0: none
 * @starved: allocations that failed so
 * @census: counts the pages of its bios, if there is one
 * @expect_seed: writes to a huge disk must carry tags of this seed
 * @expect_shift: and those of the sector so much higher than their own
 * @wrong: sectors written to a huge disk that did not
 * @written: sectors written to a huge disk
 * @rewritten: and how many of them not for the first time
 * @events: the bios in order of arrival, the first TDISK_MAX_EVENTS
 * @nr_events: bios that arrived
 * @nr_ended: bios that ended
 * @in_flight_max: the most that were there at a time
 * @misaligned: bios that were not made of whole logical blocks
 * @nr_held: bios held at the gate
 * @nr_blocked: tasks asleep in submit_bio
 */
struct tdisk {
	/* Never change after tdisk_create(). */
	struct gendisk *gd;
	struct block_device *bdev;
	struct block_device *part[2];
	struct tdisk_options options;
	u8 *data;
	unsigned long *bitmap;
	struct workqueue_struct *wq;

	/* Set by tests, while no I/O is under way or where it does not matter. */
	unsigned long delay;
	blk_status_t refuse_zeroes;
	blk_status_t refuse_flush;
	sector_t rotten;
	bool starve_end;
	unsigned int starve_submit;
	struct page_census *census;
	u8 expect_seed;
	s64 expect_shift;

	/* Under lock; wait is woken when any of it changes. */
	spinlock_t lock;
	wait_queue_head_t wait;
	bool gated;
	bool blocked;
	bool dead;
	struct tdisk_fault faults[TDISK_MAX_FAULTS];
	unsigned int nr_faults;
	struct list_head free;
	struct list_head held;
	struct list_head ending;
	unsigned int nr_held;
	unsigned int nr_blocked;
	unsigned int in_flight;
	unsigned int in_flight_max;
	unsigned int misaligned;
	unsigned long wrong;
	unsigned long written;
	unsigned long rewritten;
	unsigned int nr_events;
	unsigned int nr_ended;
	struct tdisk_event *events;
	const struct task_struct *starving;
	unsigned int starved;

	struct tdisk_op *ops;
	struct irq_work end_irq;
	struct delayed_work end_work;
};

int tdisk_create(struct tdisk **result, const struct tdisk_options *options);
void tdisk_destroy(struct tdisk *disk);

/* Contents, for disks with memory. */
void tdisk_fill(struct tdisk *disk, sector_t sector, sector_t count, u8 seed,
		sector_t tag);
bool tdisk_is_zero(struct tdisk *disk, sector_t sector, sector_t count);
bool tdisk_holds(struct tdisk *disk, sector_t sector, sector_t count, u8 seed,
		 sector_t tag, sector_t *where);
void tdisk_describe(struct tdisk *disk, sector_t sector, char *text,
		    size_t size);

/* Failures. */
void tdisk_fail(struct tdisk *disk, bool write, sector_t sector, sector_t count,
		blk_status_t status);
void tdisk_heal(struct tdisk *disk);
void tdisk_kill(struct tdisk *disk);

/* The gate: while it is shut, bios are held. */
void tdisk_shut(struct tdisk *disk);
void tdisk_open(struct tdisk *disk);
unsigned int tdisk_release(struct tdisk *disk, unsigned int nr);
bool tdisk_next_covers(struct tdisk *disk, sector_t sector);
bool tdisk_release_sector(struct tdisk *disk, sector_t sector);

/* While it is blocked, submit_bio sleeps, as a driver's does that is out of tags. */
void tdisk_block(struct tdisk *disk);
void tdisk_unblock(struct tdisk *disk);

/* Bounded waits; false on time-out. */
bool tdisk_wait_held(struct tdisk *disk, unsigned int nr);
bool tdisk_wait_blocked(struct tdisk *disk, unsigned int nr);
bool tdisk_wait_ended(struct tdisk *disk, unsigned int nr);

void tdisk_settle(struct tdisk *disk);
void tdisk_reset_log(struct tdisk *disk);
unsigned int tdisk_held_sectors(struct tdisk *disk);
unsigned int tdisk_count(struct tdisk *disk, bool write);
unsigned int tdisk_count_zeroes(struct tdisk *disk);
unsigned int tdisk_count_flushes(struct tdisk *disk);
unsigned int tdisk_now(void);

#endif /* KCOPYD_TESTS_DISK_H */
