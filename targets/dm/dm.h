/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device-mapper as a target written in C++ sees it: plain data, opaque pointers, and
 * functions. What device-mapper calls is C, in dm.c, and calls the target by struct
 * kdm_ops; dm.hpp makes one of a class.
 *
 * Read by C and by C++. Sectors are 512 bytes.
 */
#ifndef KCOPYD_TARGETS_DM_H
#define KCOPYD_TARGETS_DM_H

#include "../../kcopyd.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kdm_target;	/* a struct dm_target */
struct kdm_bio;		/* a struct bio */
struct kdm_dev;		/* a struct dm_dev */

/* What became of a bio that was mapped; the values are device-mapper's. */
enum kdm_mapped {
	KDM_SUBMITTED = 0,	/* the target has it, and ends or submits it */
	KDM_REMAPPED = 1,	/* device-mapper submits it where it points now */
	KDM_REQUEUE = 2,	/* once more, after a suspend; -EIO unless kdm_noflush() */
	KDM_KILL = 4,		/* it fails with -EIO */
};

/* What becomes of a bio that has ended. */
enum kdm_ended {
	KDM_DONE,		/* it has ended for who submitted it, too */
	KDM_KEPT,		/* the target has it again, and submits it once more, or ends it
				 * by kdm_bio_end(): then its end_io is called once more
				 */
};

/* Of the errno values, those that targets need, as negative numbers. */
enum kdm_errno {
	KDM_EIO = 5,
	KDM_EAGAIN = 11,
	KDM_EROFS = 30,
	KDM_ERANGE = 34,
	KDM_EOPNOTSUPP = 95,
	KDM_ECANCELED = 125,
};

/* What a bio is for. */
enum kdm_op {
	KDM_READ,
	KDM_WRITE,
	KDM_DISCARD,
	KDM_ZERO,		/* as KDM_DISCARD, it comes if kdm_wants() it */
	KDM_FLUSH,		/* without data */
	KDM_OTHER,
};

/**
 * struct kdm_text - where a line goes that is shown to users
 * @buf: where to
 * @size: of @buf, in bytes
 * @used: of these, without the zero that ends it
 */
struct kdm_text {
	char *buf;
	size_t size;
	size_t used;
};

/**
 * struct kdm_hints - what is best for the target, in bytes; 0 where it does not care
 * @discard_granularity: the smallest discard that frees something
 */
struct kdm_hints {
	unsigned int discard_granularity;
};

/**
 * struct kdm_bios - bios that a target holds, in order
 * @head: the first one, or NULL
 * @tail: the last one
 *
 * All zeroes is an empty list. The target locks it.
 */
struct kdm_bios {
	struct kdm_bio *head;
	struct kdm_bio *tail;
};

/* Told of each device of a target; not 0 ends that. */
typedef int (*kdm_device_fn)(void *context, struct kdm_dev *dev, sector_t start,
			     sector_t count);

/**
 * struct kdm_bio_place - where a bio pointed; see kdm_bio_save()
 * @opaque: for kcopyd-dm
 */
struct kdm_bio_place {
	unsigned long long opaque[8];
};

/* Locks, and work in process context: see run.c. */
struct kdm_lock;
struct kdm_worker;

/* I/O of a target's own: see io.c. */
struct kdm_io;

/* Flags of kdm_io_write() */
enum kdm_io_flags {
	KDM_IO_FLUSH = 1,	/* the device's cache is flushed before */
	KDM_IO_FUA = 2,		/* and what is written is stable */
};

/* So many places kdm_io_to_all() can be told. */
#define KDM_MOST_PLACES		16U

/**
 * struct kdm_place - where a bio's data is to be written
 * @dev: on this device
 * @sector: from here on
 */
struct kdm_place {
	struct kdm_dev *dev;
	sector_t sector;
};

/**
 * struct kdm_written - who is told that kdm_io_to_all() is done
 * @fn: called once, with a bit for each place that failed, and for those of them whose device
 *	refused it, where the kernel tells; any context, hard interrupts included
 * @context: for @fn
 *
 * Memory of the caller's, until @fn is called: that of the bio will do.
 */
struct kdm_written {
	void (*fn)(void *context, unsigned int failed, unsigned int refused);
	void *context;
};

/**
 * struct kdm_ops - a target
 * @name: by which tables call it
 * @version: major, minor, patch level
 * @mainline: what mainline calls a target that does the same, or NULL; see module.h
 * @mainline_version: which version of that it is like
 * @per_bio: bytes that go with each bio, for the target
 * @create: makes a target for a line of a table. Process context, may sleep.
 *	Returns 0, with the target where its last argument points to; or a negative
 *	errno after kdm_fail().
 * @destroy: ends it, when there is no bio of it any more. Process context.
 * @map: a bio has come. Process context; must not wait for other bios of its own.
 * @end_io: a bio has ended that was remapped, or that the target had, then also from
 *	within kdm_bio_end(). Any context, hard interrupts included. The error is 0 or a
 *	negative errno, and may be changed. Returns an enum kdm_ended. NULL if it need not
 *	know.
 * @presuspend: it is going to be suspended: what is held is to be let go, and nothing is
 *	to be held from now on. Bios still come, as those of a file system that is frozen.
 * @presuspend_undo: it is not suspended after all; neither @preresume nor @resume come
 * @postsuspend: there are no bios any more
 * @preresume: may fail
 * @resume: bios come again
 * @status: its state, or with @table its arguments, which is what IMA measures too
 * @message: returns 0, 1 if there is a reply, or a negative errno
 * @devices: calls @fn for each of its devices, until one is not 0, and returns that
 * @hints: what it would like
 *
 * Those from @presuspend on are in process context and may sleep, and may be NULL.
 */
struct kdm_ops {
	const char *name;
	unsigned int version[3];
	const char *mainline;
	unsigned int mainline_version[3];
	unsigned int per_bio;
	int (*create)(struct kdm_target *ti, unsigned int argc, char **argv, void **target);
	void (*destroy)(void *target);
	int (*map)(void *target, struct kdm_bio *bio, void *per_bio);
	int (*end_io)(void *target, struct kdm_bio *bio, void *per_bio, int *error);
	void (*presuspend)(void *target);
	void (*presuspend_undo)(void *target);
	void (*postsuspend)(void *target);
	int (*preresume)(void *target);
	void (*resume)(void *target);
	void (*status)(void *target, struct kdm_text *text, int table);
	int (*message)(void *target, unsigned int argc, char **argv, struct kdm_text *reply);
	int (*devices)(void *target, kdm_device_fn fn, void *context);
	void (*hints)(void *target, struct kdm_hints *hints);
};

/* The targets of a module, which defines this; ended by NULL. See module.h. */
extern const struct kdm_ops *const kdm_targets[];

struct kdm_type;
struct module;

int kdm_register(const struct kdm_ops *ops, int mainline, struct module *owner,
		 struct kdm_type **result);
void kdm_unregister(struct kdm_type *type);

/* Of a line of a table */
void kdm_fail(struct kdm_target *ti, const char *why);
sector_t kdm_begin(const struct kdm_target *ti);
sector_t kdm_length(const struct kdm_target *ti);
int kdm_split_at(struct kdm_target *ti, sector_t sectors);
void kdm_wants(struct kdm_target *ti, unsigned int flushes, unsigned int discards,
	       unsigned int zeroes);
int kdm_noflush(struct kdm_target *ti);
#ifdef __cplusplus
[[gnu::format(__printf__, 2, 3)]]
#else
__printf(2, 3)
#endif
void kdm_log(const struct kdm_target *ti, const char *format, ...);
int kdm_number(const char *text, unsigned long long *value);
#ifdef __cplusplus
[[gnu::format(__printf__, 2, 3)]]
#else
__printf(2, 3)
#endif
void kdm_print(struct kdm_text *text, const char *format, ...);

/* Of its devices */
int kdm_open(struct kdm_target *ti, const char *path, int reads, struct kdm_dev **result);
void kdm_close(struct kdm_target *ti, struct kdm_dev *dev);
struct block_device *kdm_bdev(const struct kdm_dev *dev);
sector_t kdm_sectors(const struct kdm_dev *dev);
unsigned int kdm_block_sectors(const struct kdm_dev *dev);
int kdm_is_read_only(const struct kdm_dev *dev);
const char *kdm_name(const struct kdm_dev *dev);

/* Of bios */
enum kdm_op kdm_bio_op(const struct kdm_bio *bio);
int kdm_bio_reads_ahead(const struct kdm_bio *bio);
sector_t kdm_bio_sector(const struct kdm_target *ti, const struct kdm_bio *bio);
unsigned int kdm_bio_sectors(const struct kdm_bio *bio);
int kdm_bio_suits(const struct kdm_bio *bio, const struct kdm_dev *dev);
unsigned int kdm_bio_target(const struct kdm_bio *bio);
void kdm_bio_remap(struct kdm_bio *bio, const struct kdm_dev *dev, sector_t sector);
void kdm_bio_save(const struct kdm_bio *bio, struct kdm_bio_place *place);
void kdm_bio_restore(struct kdm_bio *bio, const struct kdm_bio_place *place);
void kdm_bio_trim(struct kdm_bio *bio, unsigned int sectors);
void kdm_bio_submit(struct kdm_bio *bio);
void kdm_bio_end(struct kdm_bio *bio, int error);
void kdm_bio_requeue(struct kdm_bio *bio);
void *kdm_bio_data(struct kdm_bio *bio, size_t size);
void kdm_bios_add(struct kdm_bios *bios, struct kdm_bio *bio);
struct kdm_bio *kdm_bios_pop(struct kdm_bios *bios);

/* Time, memory, locks, work */
unsigned long long kdm_ms(void);
void *kdm_alloc(size_t size);
void kdm_free(void *memory);
int kdm_lock_create(struct kdm_lock **result);
void kdm_lock_destroy(struct kdm_lock *lock);
unsigned long kdm_lock_take(struct kdm_lock *lock);
void kdm_lock_release(struct kdm_lock *lock, unsigned long flags);
int kdm_worker_create(const char *name, void (*fn)(void *context), void *context,
		      struct kdm_worker **result);
void kdm_worker_destroy(struct kdm_worker *worker);
void kdm_worker_wake(struct kdm_worker *worker);
void kdm_worker_wake_in(struct kdm_worker *worker, unsigned int ms);
void kdm_worker_flush(struct kdm_worker *worker);
void kdm_worker_event(struct kdm_worker *worker, struct kdm_target *ti);

/* I/O of its own */
int kdm_io_create(struct kdm_io **result);
void kdm_io_destroy(struct kdm_io *io);
int kdm_io_read(struct kdm_io *io, const struct kdm_dev *dev, sector_t sector, sector_t count,
		void *buffer);
int kdm_io_write(struct kdm_io *io, const struct kdm_dev *dev, sector_t sector, sector_t count,
		 const void *buffer, unsigned int flags);
int kdm_io_flush(struct kdm_io *io, const struct kdm_dev *dev);
void kdm_io_to_all(struct kdm_io *io, struct kdm_bio *bio, unsigned int nr,
		   const struct kdm_place *places, struct kdm_written *written);

#ifdef __cplusplus
}
#endif

#endif /* KCOPYD_TARGETS_DM_H */
