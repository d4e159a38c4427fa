// SPDX-License-Identifier: GPL-2.0-only
#include <linux/hash.h>
#include <linux/string.h>

#include "census.h"

void census_init(struct page_census *census)
{
	memset(census, 0, sizeof(*census));
	spin_lock_init(&census->lock);
}

/* Any context. A full table stays full, which is more than any pool has. */
void census_add(struct page_census *census, const struct page *page)
{
	const unsigned int size = 1 << CENSUS_BITS;
	unsigned int i = hash_ptr(page, CENSUS_BITS);
	unsigned long flags;

	spin_lock_irqsave(&census->lock, flags);
	while (census->nr < size && census->seen[i] != page) {
		if (!census->seen[i]) {
			census->seen[i] = page;
			census->nr++;
			break;
		}
		i = (i + 1) % size;
	}
	spin_unlock_irqrestore(&census->lock, flags);
}
