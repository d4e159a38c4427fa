/* SPDX-License-Identifier: GPL-2.0-only */
/* Which pages were ever seen: a client may use those of its pool and no other. */
#ifndef KCOPYD_TESTS_CENSUS_H
#define KCOPYD_TESTS_CENSUS_H

#include <linux/spinlock.h>

struct page;

#define CENSUS_BITS 12

struct page_census {
	spinlock_t lock;	/* of all of it */
	unsigned int nr;
	const struct page *seen[1 << CENSUS_BITS];
};

void census_init(struct page_census *census);
void census_add(struct page_census *census, const struct page *page);

#endif /* KCOPYD_TESTS_CENSUS_H */
