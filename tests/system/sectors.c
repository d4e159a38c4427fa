// SPDX-License-Identifier: GPL-2.0-only
/*
 * sectors: fills block devices with sectors that each carry a seed and a number
 * of their own, and says of the first sector that is wrong what it is instead.
 *
 *	sectors fill DEVICE SEED [FIRST COUNT [NUMBER]] [--memory OFFSET | --apart]
 *	sectors check DEVICE SEED [FIRST COUNT [NUMBER]] [--other SEED FIRST+COUNT]...
 *		[--memory OFFSET]
 *	sectors prefix DEVICE SEED [FIRST COUNT [NUMBER]] --then SEED
 *
 * Sectors FIRST to FIRST + COUNT - 1, unless given the whole device, have the
 * numbers from NUMBER on, unless given their own position. The sectors after
 * --other are to have that seed, and their own position as their number; so are
 * those from somewhere to the end, with --then: that place is printed. Seed 0
 * stands for what was never written (zeroes, and ones on zoned devices), seed -
 * after --other for anything. A sector has 512 bytes. With --memory, the data is
 * so many bytes behind a page's begin in memory; with --apart, for a few sectors, there is a
 * gap behind each of them.
 *
 * All I/O is direct: the page cache does not know what kcopyd has written.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/uio.h>

#include "tool.h"

#define BUFFER		(1 << 20)
#define MAX_OTHERS	256
#define MAX_APART	64

#define MAGIC		0x6b636f7079642131ULL
#define SEED_ANY	UINT64_MAX

struct other {
	uint64_t seed, first, count;
};

/* The first three words say who it is, and every further one depends on them. */
static void make(uint64_t *words, uint64_t seed, uint64_t sector)
{
	size_t i;

	words[0] = MAGIC;
	words[1] = seed;
	words[2] = sector;
	for (i = 3; i < WORDS; i++)
		words[i] = (words[i - 1] + seed) * 0x9e3779b97f4a7c15ULL + i;
}

static bool is(const uint64_t *words, uint64_t seed, uint64_t sector)
{
	uint64_t expected[WORDS];

	if (seed)
		make(expected, seed, sector);
	else
		memset(expected, words[0] ? 0xff : 0, sizeof(expected));
	return !memcmp(words, expected, sizeof(expected));
}

static const char *describe(const uint64_t *words)
{
	static char text[100];

	if (is(words, 0, 0))
		return words[0] ? "ones" : "zeroes";
	if (words[0] != MAGIC)
		return "something else";
	snprintf(text, sizeof(text), "%ssector %" PRIu64 " of seed %" PRIu64,
		 is(words, words[1], words[2]) ? "" : "a torn ", words[2],
		 words[1]);
	return text;
}

static void write_apart(int fd, const char *device, const char *buffer, uint64_t sector,
			uint64_t count)
{
	static char apart[2 * MAX_APART * SECTOR] __attribute__((aligned(4096)));
	struct iovec pieces[MAX_APART];
	uint64_t i;

	if (count > MAX_APART)
		die("sectors: too many for --apart");
	for (i = 0; i < count; i++) {
		pieces[i].iov_base = memcpy(apart + 2 * i * SECTOR, buffer + i * SECTOR, SECTOR);
		pieces[i].iov_len = SECTOR;
	}
	if (pwritev(fd, pieces, count, sector * SECTOR) != (ssize_t)(count * SECTOR))
		die("%s: cannot write sectors %" PRIu64 "+%" PRIu64 " apart", device, sector, count);
}

int main(int argc, char **argv)
{
	uint64_t seed, first = 0, count = 0, shift = 0, at, end, then = 0, memory = 0;
	struct other others[MAX_OTHERS];
	const char *device;
	void *buffer;
	bool fill, prefix, apart = false;
	int n_others = 0;
	int i, fd;

	if (argc < 4 || (strcmp(argv[1], "fill") && strcmp(argv[1], "check") &&
			 strcmp(argv[1], "prefix")))
		die("usage: sectors fill|check|prefix DEVICE SEED [FIRST COUNT [NUMBER]] [--other SEED FIRST+COUNT]... [--then SEED] [--memory OFFSET | --apart]");
	fill = !strcmp(argv[1], "fill");
	prefix = !strcmp(argv[1], "prefix");
	device = argv[2];
	seed = number(argv[3]);

	for (i = 4; i < argc && i < 7 && argv[i][0] != '-'; i++) {
		uint64_t n = number(argv[i]);

		if (i == 4)
			first = n;
		else if (i == 5)
			count = n;
		else
			shift = n - first;
	}
	for (; i + 2 < argc && !strcmp(argv[i], "--other"); i += 3) {
		struct other *other = &others[n_others++];
		char *plus = strchr(argv[i + 2], '+');

		if (n_others == MAX_OTHERS || !plus)
			die("sectors: bad --other");
		*plus = '\0';
		other->seed = strcmp(argv[i + 1], "-") ? number(argv[i + 1]) :
							 SEED_ANY;
		other->first = number(argv[i + 2]);
		other->count = number(plus + 1);
	}
	if (prefix && i + 2 == argc && !strcmp(argv[i], "--then")) {
		then = number(argv[i + 1]);
		i += 2;
	}
	if (i + 2 == argc && !strcmp(argv[i], "--memory")) {
		memory = number(argv[i + 1]);
		i += 2;
	} else if (fill && i + 1 == argc && !strcmp(argv[i], "--apart")) {
		apart = true;
		i++;
	}
	if (i != argc)
		die("sectors: what is '%s'?", argv[i]);

	fd = open(device, (fill ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (fd < 0)
		die("%s: %s", device, strerror(errno));
	if (!count)
		count = lseek(fd, 0, SEEK_END) / SECTOR - first;
	if (posix_memalign(&buffer, 4096, BUFFER + memory))
		die("sectors: no memory");
	buffer += memory;

	end = first + count;
	for (at = first; at < end; at += BUFFER / SECTOR) {
		size_t length = end - at < BUFFER / SECTOR ?
				(end - at) * SECTOR : BUFFER;
		uint64_t s;

		if (!fill)
			transfer(false, fd, device, buffer, at, length / SECTOR);
		for (s = at; s < at + length / SECTOR; s++) {
			uint64_t *words = buffer + (s - at) * SECTOR;
			uint64_t want = seed, which = s + shift;

			if (fill) {
				make(words, seed, which);
				continue;
			}
			for (i = 0; i < n_others; i++) {
				if (s - others[i].first < others[i].count) {
					want = others[i].seed;
					which = s;
				}
			}
			if (prefix && want != SEED_ANY &&
			    !is(words, want, which)) {
				printf("%" PRIu64 "\n", s);
				prefix = false;
				seed = then;
				shift = 0;
				want = then;
				which = s;
			}
			if (want != SEED_ANY && !is(words, want, which))
				die("%s: sector %" PRIu64 " is %s, not sector %" PRIu64 " of seed %" PRIu64,
				    device, s, describe(words), which, want);
		}
		if (apart)
			write_apart(fd, device, buffer, at, length / SECTOR);
		else if (fill)
			transfer(true, fd, device, buffer, at, length / SECTOR);
	}
	if (prefix)
		printf("%" PRIu64 "\n", end);
	return 0;
}
