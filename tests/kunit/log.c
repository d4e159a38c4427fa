// SPDX-License-Identifier: GPL-2.0-only
#include <linux/string.h>

#include "log.h"

/* Remember where the log ends now. */
void log_mark(struct kmsg_dump_iter *mark)
{
	char line[16];
	size_t len;

	kmsg_dump_rewind(mark);
	while (kmsg_dump_get_line(mark, false, line, sizeof(line), &len))
		;
}

/* How many lines since then contain the text? */
unsigned int log_count(const struct kmsg_dump_iter *mark, const char *text)
{
	struct kmsg_dump_iter iter = *mark;
	char line[512];
	unsigned int n = 0;
	size_t len;

	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &len)) {
		line[len] = '\0';
		n += !!strstr(line, text);
	}
	return n;
}
