/* SPDX-License-Identifier: GPL-2.0-only */
/* Submission of what is ready, through dm-io. */
#ifndef KCOPYD_CORE_DISPATCH_H
#define KCOPYD_CORE_DISPATCH_H

#include <linux/workqueue.h>

struct page_list;

extern struct page_list kcopyd_zero_pages;

void kcopyd_dispatch_init(void);
void kcopyd_dispatch_work(struct work_struct *work);

#endif /* KCOPYD_CORE_DISPATCH_H */
