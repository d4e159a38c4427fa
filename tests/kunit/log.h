/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel log says since a moment. */
#ifndef KCOPYD_TESTS_LOG_H
#define KCOPYD_TESTS_LOG_H

#include <linux/kmsg_dump.h>

void log_mark(struct kmsg_dump_iter *mark);
unsigned int log_count(const struct kmsg_dump_iter *mark, const char *text);

#endif /* KCOPYD_TESTS_LOG_H */
