// SPDX-License-Identifier: GPL-2.0-only
/* Shrinkers are structures of their users, and have a name. */
#include <linux/atomic.h>
#include <linux/shrinker.h>

int probe(struct shrinker *shrinker);

int probe(struct shrinker *shrinker)
{
	return register_shrinker(shrinker, "probe");
}
