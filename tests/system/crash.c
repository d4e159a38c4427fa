// SPDX-License-Identifier: GPL-2.0-only
/*
 * crash: writes to a block device, and says after a crash whether all is there that must
 * be.
 *
 *	crash begin DEVICE JOURNAL
 *	crash work DEVICE JOURNAL WHO SEED WRITES [done] [fua] [slow] [leave]
 *	crash check DEVICE JOURNAL
 *	crash copy DEVICE JOURNAL JOURNAL
 *	crash dirty LOG REGIONS
 *	crash replay LOG IMAGE ENTRIES SEED PART...
 *	crash entries LOG FIRST COUNT JOURNALS
 *
 * A sector says which write it is of, and where it is. JOURNAL, a device and after a + the
 * sector where it begins, has for each sector of DEVICE the last write that is there for
 * good, and the last one that was begun; it is written, with FUA, before a write begins
 * and when it is there for good: after a flush or with FUA, or when it has ended, with
 * "done". After a crash, a sector may be of any write from the one to the other; which
 * it is, is from then on the only one that it may be of.
 *
 * Writes have numbers, of which the lowest digit is WHO. "work" goes on with the numbers
 * of the journal, and for ever if WRITES is 0. With "fua", some writes have FUA;
 * "slow" leaves the processor to others. After the first writes it says "working".
 * With "leave", the last ones are not flushed.
 *
 * "copy" makes the second journal what the first one is. "dirty" counts the dirty regions
 * of a mirror's log. "replay" makes an IMAGE of the first ENTRIES of a log of dm-log-writes
 * as a power failure might: of what was not flushed, some is not there. It consists of
 * PARTs, each with a cache of its own, that begin at these sectors. Flushes of a part are
 * told by where they are. "entries" prints the numbers of the entries that are marks, of
 * which the last one is the log's own, and after the first mark of those to such sectors,
 * and of flushes and FUA before the sector JOURNALS.
 *
 * All I/O is direct.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tool.h"

#define STRIPE		256	/* sectors that are one thread's, and a block of the journal */
#define THREADS		4
#define DIGIT		16
#define MAGIC		0x6b63726173683031ULL

struct record {
	uint64_t durable, begun;
};

static struct record *journal;
static uint64_t *ended;		/* by sector, the last write that has ended */
static uint64_t nr_sectors, journal_first;
static const char *device_name;
static int device, device_fua, journal_fd;
static atomic_ullong last;	/* write, without its digit */

static unsigned int who;
static unsigned long long seed, nr_writes;
static bool done_is_durable, with_fua, slow, leave;
static atomic_uint nr_written;

static void *memory(size_t size)
{
	void *p;

	if (posix_memalign(&p, 4096, size))
		die("crash: no memory");
	memset(p, 0, size);
	return p;
}

static int opened(const char *name, int flags)
{
	int fd = open(name, flags | O_DIRECT);

	if (fd < 0)
		die("%s: %s", name, strerror(errno));
	return fd;
}

/* Each word depends on the ones before. */
static void make(uint64_t *words, uint64_t write, uint64_t sector)
{
	size_t i;

	words[0] = MAGIC;
	words[1] = write;
	words[2] = sector;
	for (i = 3; i < WORDS; i++)
		words[i] = (words[i - 1] + write) * 0x9e3779b97f4a7c15ULL + i;
}

static bool is_whole(const uint64_t *words)
{
	uint64_t expected[WORDS];

	make(expected, words[1], words[2]);
	return !memcmp(words, expected, sizeof(expected));
}

/* May this be what is there? */
static bool may_be(const struct record *r, uint64_t write)
{
	if (write == r->durable)
		return true;
	return write > r->durable && write <= r->begun && write % DIGIT == r->begun % DIGIT;
}

/* ------------------------------------------------------------------------- */

static void write_journal(uint64_t stripe)
{
	const uint64_t sectors = STRIPE * sizeof(struct record) / SECTOR;

	transfer(true, journal_fd, device_name, journal + stripe * STRIPE, journal_first + stripe * sectors,
		 sectors);
}

static void open_journal(const char *name)
{
	char *copy = strdup(name), *plus = strchr(copy, '+');

	journal_first = 0;
	if (plus) {
		*plus = '\0';
		journal_first = number(plus + 1);
	}
	journal_fd = opened(copy, O_RDWR | O_DSYNC);
	free(copy);
}

static void open_all(const char *name, const char *journal_name, bool read_journal)
{
	uint64_t s;
	size_t size;

	device_name = name;
	device = opened(name, O_RDWR);
	device_fua = opened(name, O_RDWR | O_DSYNC);
	open_journal(journal_name);
	nr_sectors = lseek(device, 0, SEEK_END) / SECTOR / STRIPE * STRIPE;
	size = nr_sectors * sizeof(struct record);
	journal = memory(size);
	ended = memory(nr_sectors * sizeof(*ended));
	if (!read_journal)
		return;
	transfer(false, journal_fd, device_name, journal, journal_first, size / SECTOR);
	for (s = 0; s < nr_sectors; s++) {
		if (!journal[s].durable || journal[s].begun < journal[s].durable)
			die("%s: there is no journal of sector %" PRIu64, journal_name, s);
		if (journal[s].begun / DIGIT > last)
			last = journal[s].begun / DIGIT;
		ended[s] = journal[s].durable;
	}
}

static void begin(void)
{
	uint64_t *buffer = memory(STRIPE * SECTOR);
	uint64_t s, i;

	for (s = 0; s < nr_sectors; s += STRIPE) {
		for (i = 0; i < STRIPE; i++) {
			make(buffer + i * WORDS, DIGIT, s + i);
			journal[s + i] = (struct record){ DIGIT, DIGIT };
		}
		transfer(true, device, device_name, buffer, s, STRIPE);
	}
	if (fdatasync(device))
		die("%s: cannot be flushed", device_name);
	for (s = 0; s < nr_sectors; s += STRIPE)
		write_journal(s / STRIPE);
}

/* ------------------------------------------------------------------------- */

struct writer {
	pthread_t thread;
	unsigned int nr;
	uint64_t state;
	uint64_t unflushed[8];	/* stripes */
	unsigned int nr_unflushed;
	uint64_t *buffer;
};

/* xorshift64* */
static uint64_t draw(struct writer *w, uint64_t below)
{
	w->state ^= w->state >> 12;
	w->state ^= w->state << 25;
	w->state ^= w->state >> 27;
	return (w->state * 0x2545f4914f6cdd1dULL >> 33) % below;
}

static void settle(struct writer *w)
{
	uint64_t i, s;

	if (fdatasync(device))
		die("%s: cannot be flushed: %s", device_name, strerror(errno));
	for (i = 0; i < w->nr_unflushed; i++) {
		for (s = w->unflushed[i] * STRIPE; s < (w->unflushed[i] + 1) * STRIPE; s++)
			journal[s].durable = ended[s];
		write_journal(w->unflushed[i]);
	}
	w->nr_unflushed = 0;
}

static void write_once(struct writer *w)
{
	static const unsigned int lengths[] = { 1, 8, 16, 16, 32, 64, 200 };
	const uint64_t stripe = draw(w, nr_sectors / STRIPE / THREADS) * THREADS + w->nr;
	const uint64_t write = (atomic_fetch_add(&last, 1) + 1) * DIGIT + who;
	uint64_t count = lengths[draw(w, sizeof(lengths) / sizeof(*lengths))];
	uint64_t first = draw(w, STRIPE - count + 1);
	/* dm-log-writes would have what was not flushed after it. */
	const bool fua = with_fua && !w->nr_unflushed && !draw(w, 4);
	uint64_t i;

	/* Whole chunks, more often than by chance. */
	if (draw(w, 2))
		first -= first % 16;
	first += stripe * STRIPE;
	for (i = 0; i < count; i++) {
		journal[first + i].begun = write;
		make(w->buffer + i * WORDS, write, first + i);
	}
	write_journal(stripe);
	transfer(true, fua ? device_fua : device, device_name, w->buffer, first, count);
	for (i = 0; i < count; i++) {
		ended[first + i] = write;
		if (fua || done_is_durable)
			journal[first + i].durable = write;
	}
	if (fua || done_is_durable)
		write_journal(stripe);
	else
		w->unflushed[w->nr_unflushed++] = stripe;
	if (w->nr_unflushed == 8 || !draw(w, 6))
		settle(w);
	if (atomic_fetch_add(&nr_written, 1) == THREADS) {
		puts("working");
		fflush(stdout);
	}
	if (slow)
		usleep(draw(w, 4000));
}

static void *writer(void *arg)
{
	struct writer *w = arg;
	unsigned long long n;

	for (n = 0; !nr_writes || n < nr_writes / THREADS; n++)
		write_once(w);
	if (!leave)
		settle(w);
	return NULL;
}

static void work(void)
{
	static struct writer writers[THREADS];
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		writers[i].nr = i;
		writers[i].state = (seed + 1) * 0x9e3779b97f4a7c15ULL + i;
		writers[i].buffer = memory(STRIPE * SECTOR);
		if (pthread_create(&writers[i].thread, NULL, writer, &writers[i]))
			die("crash: no thread");
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(writers[i].thread, NULL);
}

/* ------------------------------------------------------------------------- */

static void check(void)
{
	uint64_t *buffer = memory(STRIPE * SECTOR);
	uint64_t s, i, open = 0, arrived = 0;

	for (s = 0; s < nr_sectors; s += STRIPE) {
		bool changed = false;

		transfer(false, device, device_name, buffer, s, STRIPE);
		for (i = 0; i < STRIPE; i++) {
			struct record *r = &journal[s + i];
			const uint64_t *words = buffer + i * WORDS;

			if (words[0] != MAGIC || !is_whole(words))
				die("%s: sector %" PRIu64 " is something else, not of write %" PRIu64,
				    device_name, s + i, r->durable);
			if (words[2] != s + i || !may_be(r, words[1]))
				die("%s: sector %" PRIu64 " is sector %" PRIu64 " of write %" PRIu64 ", not of write %" PRIu64 " to %" PRIu64,
				    device_name, s + i, words[2], words[1], r->durable, r->begun);
			if (r->durable == r->begun)
				continue;
			open++;
			arrived += words[1] != r->durable;
			r->durable = words[1];
			r->begun = words[1];
			changed = true;
		}
		if (changed)
			write_journal(s / STRIPE);
	}
	printf("open=%" PRIu64 " arrived=%" PRIu64 "\n", open, arrived);
}

/* The bits begin with the third sector; 1 is clean. */
static void count_dirty(const char *log, uint64_t regions)
{
	uint64_t sectors = (regions + 4095) / 4096, i, dirty = 0;
	unsigned char *bits = memory(sectors * SECTOR);

	device_name = log;
	transfer(false, opened(log, O_RDONLY), log, bits, 2, sectors);
	for (i = 0; i < regions; i++)
		dirty += !(bits[i / 8] >> i % 8 & 1);
	printf("%" PRIu64 "\n", dirty);
}

/* ------------------------------------------------------------------------- */
/* Logs of dm-log-writes: a sector of numbers, and after it for each entry a sector too, and
 * what was written. All is little-endian, as this machine.
 */

#define LW_MAGIC	0x6a736677736872ULL
#define LW_FLUSH	1
#define LW_FUA		2
#define LW_DISCARD	4
#define LW_MARK		8

struct lw_entry {
	uint64_t sector, count, flags, length;
};

static uint64_t lw_entries;
static unsigned char *lw_log;	/* as far as it has been read */
static uint64_t lw_sectors;
static int lw_fd;

/* The sectors of the log up to here. */
static unsigned char *lw_upto(uint64_t end)
{
	unsigned char *more;

	if (end <= lw_sectors)
		return lw_log;
	end = (end | 0xffff) + 1;
	more = memory(end * SECTOR);
	memcpy(more, lw_log, lw_sectors * SECTOR);
	free(lw_log);
	lw_log = more;
	for (; lw_sectors < end; lw_sectors += 2048)
		transfer(false, lw_fd, device_name, lw_log + lw_sectors * SECTOR, lw_sectors, 2048);
	return lw_log;
}

static void lw_open(const char *log)
{
	const uint64_t *super;

	device_name = log;
	lw_fd = opened(log, O_RDONLY);
	super = (const uint64_t *)lw_upto(1);
	if (super[0] != LW_MAGIC || super[1] != 1 || (super[3] & UINT32_MAX) != SECTOR)
		die("%s: not a log", log);
	lw_entries = super[2];
}

/* Returns where the next one is. */
static uint64_t lw_next(uint64_t at, struct lw_entry *e)
{
	memcpy(e, lw_upto(at + 1) + at * SECTOR, sizeof(*e));
	return at + 1 + (e->flags & LW_DISCARD ? 0 : e->count);
}

static void entries(const char *log, uint64_t first, uint64_t count, uint64_t journals)
{
	struct lw_entry e;
	uint64_t n, at = 1;
	bool begun = false;

	lw_open(log);
	for (n = 0; n < lw_entries; n++) {
		at = lw_next(at, &e);
		if (e.flags & LW_MARK) {
			printf("%s %" PRIu64 "\n", n == lw_entries - 1 ? "end" :
			       begun ? "mark" : "begin", n);
			begun = true;
			continue;
		}
		if (!begun)
			continue;
		if (e.sector - first < count)
			printf("entry %" PRIu64 "\n", n);
		if (e.flags & (LW_FLUSH | LW_FUA) && e.sector < journals)
			printf("flush %" PRIu64 "\n", n);
	}
}

#define MAX_PARTS	8

static uint64_t part_first[MAX_PARTS];
static unsigned int nr_parts;

static unsigned int part_of(uint64_t sector)
{
	unsigned int i = nr_parts - 1;

	while (i && part_first[i] > sector)
		i--;
	return i;
}

static void replay(const char *log, const char *image, uint64_t entries, struct writer *w)
{
	uint64_t flushed[MAX_PARTS] = { 0 };	/* by part, the entry of the last flush */
	struct lw_entry e;
	uint64_t n, at, next, size, lost = 0;
	unsigned char *data;
	int fd;

	lw_open(log);
	if (entries > lw_entries)
		die("%s: there are only %" PRIu64 " entries", log, lw_entries);
	for (n = 0, at = 1; n < entries; n++) {
		at = lw_next(at, &e);
		if (e.flags & LW_FLUSH)
			flushed[part_of(e.sector)] = n;
	}

	fd = opened(image, O_RDWR);
	size = lseek(fd, 0, SEEK_END) / SECTOR;
	data = memory(size * SECTOR);
	for (n = 0, at = 1; n < entries; n++, at = next) {
		next = lw_next(at, &e);
		if (e.flags & (LW_MARK | LW_DISCARD) || !e.count)
			continue;
		if (e.sector + e.count > size)
			die("%s: entry %" PRIu64 " is beyond the end", log, n);
		if (!(e.flags & LW_FUA) && n >= flushed[part_of(e.sector)] && draw(w, 2)) {
			lost++;
			continue;
		}
		memcpy(data + e.sector * SECTOR, lw_upto(next) + (at + 1) * SECTOR,
		       e.count * SECTOR);
	}
	device_name = image;
	for (n = 0; n < size; n += STRIPE)
		transfer(true, fd, device_name, data + n * SECTOR, n, size - n < STRIPE ? size - n : STRIPE);
	printf("lost=%" PRIu64 "\n", lost);
}

static bool is(const char *s, const char *command)
{
	return !strcmp(s, command);
}

int main(int argc, char **argv)
{
	int i;

	if (argc == 4 && (is(argv[1], "begin") || is(argv[1], "check"))) {
		open_all(argv[2], argv[3], is(argv[1], "check"));
		if (is(argv[1], "begin"))
			begin();
		else
			check();
	} else if (argc == 5 && is(argv[1], "copy")) {
		open_all(argv[2], argv[3], true);
		open_journal(argv[4]);
		for (i = 0; i < (int)(nr_sectors / STRIPE); i++)
			write_journal(i);
	} else if (argc >= 7 && is(argv[1], "work")) {
		who = number(argv[4]);
		seed = number(argv[5]);
		nr_writes = number(argv[6]);
		for (i = 7; i < argc; i++) {
			done_is_durable |= is(argv[i], "done");
			with_fua |= is(argv[i], "fua");
			slow |= is(argv[i], "slow");
			leave |= is(argv[i], "leave");
		}
		open_all(argv[2], argv[3], true);
		work();
	} else if (argc == 4 && is(argv[1], "dirty")) {
		count_dirty(argv[2], number(argv[3]));
	} else if (argc == 6 && is(argv[1], "entries")) {
		entries(argv[2], number(argv[3]), number(argv[4]), number(argv[5]));
	} else if (argc >= 7 && argc <= 6 + MAX_PARTS && is(argv[1], "replay")) {
		struct writer w = { .state = (number(argv[5]) + 1) * 0x9e3779b97f4a7c15ULL };

		for (i = 6; i < argc; i++)
			part_first[nr_parts++] = number(argv[i]);
		replay(argv[2], argv[3], number(argv[4]), &w);
	} else {
		die("crash: see the head of its source");
	}
	return 0;
}
