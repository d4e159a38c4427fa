/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs that run in the guest have in common: errors, numbers and I/O. */
#ifndef KCOPYD_TESTS_SYSTEM_TOOL_H
#define KCOPYD_TESTS_SYSTEM_TOOL_H

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR		512
#define WORDS		(SECTOR / sizeof(uint64_t))

static __attribute__((format(printf, 1, 2), noreturn))
void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(1);
}

static uint64_t number(const char *s)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(s, &end, 0);
	if (errno || end == s || *end)
		die("%s: '%s' is not a number", program_invocation_short_name, s);
	return n;
}

/* @sector and @count in sectors; @device is for what is said of errors. */
static void transfer(bool write, int fd, const char *device, void *buffer,
		     uint64_t sector, uint64_t count)
{
	size_t bytes = count * SECTOR;
	ssize_t r = write ? pwrite(fd, buffer, bytes, sector * SECTOR) :
			    pread(fd, buffer, bytes, sector * SECTOR);

	if (r != (ssize_t)bytes)
		die("%s: cannot %s sectors %" PRIu64 "+%" PRIu64 ": %s", device,
		    write ? "write" : "read", sector, count, r < 0 ? strerror(errno) : "too short");
}

#endif /* KCOPYD_TESTS_SYSTEM_TOOL_H */
