/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that the clients of device-mapper's calls share.
 *
 * Each of them has as many pages of its own as the kernel's dm-kcopyd sets aside.
 * That is enough for progress, but too little for large parts, which slow disks
 * need. For these there are blocks of pages, bounded for all clients together,
 * allocated by a worker when some were missed, and given back when they are not
 * used or the system needs the memory. Nothing ever depends on one.
 */
#ifndef KCOPYD_CORE_BLOCK_H
#define KCOPYD_CORE_BLOCK_H

#include <linux/dm-io.h>
#include <linux/list.h>
#include <linux/sizes.h>

/* Pages of a block: 512 KiB, a part of the usual size. */
#define KCOPYD_BLOCK_PAGES	(SZ_512K >> PAGE_SHIFT)

/* A client has so many at most. */
#define KCOPYD_BLOCKS_CLIENT	16

/**
 * struct kcopyd_block - pages that are lent
 * @node: in the list of those that are not
 * @pages: a chain
 */
struct kcopyd_block {
	struct list_head node;
	struct page_list pages[KCOPYD_BLOCK_PAGES];
};

/* Of a part whose pages are a block. */
static inline struct kcopyd_block *kcopyd_block_of(struct page_list *pages)
{
	return container_of(pages, struct kcopyd_block, pages[0]);
}

int kcopyd_blocks_init(void);
void kcopyd_blocks_exit(void);
struct kcopyd_block *kcopyd_block_get(unsigned int held);
void kcopyd_block_put(struct kcopyd_block *block);
unsigned int kcopyd_blocks_trim(unsigned int nr);
unsigned int kcopyd_blocks_free(void);

#endif /* KCOPYD_CORE_BLOCK_H */
