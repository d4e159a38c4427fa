/* SPDX-License-Identifier: GPL-2.0-only */
/* Module parameters. */
#ifndef KCOPYD_CORE_PARAM_H
#define KCOPYD_CORE_PARAM_H

#include <linux/compiler.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sizes.h>

extern unsigned int kcopyd_part_kb;
extern unsigned int kcopyd_shared_mb;

void kcopyd_param_init(void);

#define KCOPYD_PART_KB_MIN 4
#define KCOPYD_PART_KB_MAX 4096

/* The largest part of a copy, in pages. @kib: of the client, or 0 */
static inline unsigned int kcopyd_part_pages(unsigned int kib)
{
	return max_t(unsigned int,
		     (kib ?: READ_ONCE(kcopyd_part_kb)) / (PAGE_SIZE / SZ_1K), 1);
}

#endif /* KCOPYD_CORE_PARAM_H */
