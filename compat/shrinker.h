/* SPDX-License-Identifier: GPL-2.0-only */
/* The one shrinker of the module, however the kernel wants it to be made. */
#ifndef KCOPYD_COMPAT_SHRINKER_H
#define KCOPYD_COMPAT_SHRINKER_H

#include <linux/errno.h>
#include <linux/atomic.h>
#include <linux/shrinker.h>

#include "features.h"

typedef unsigned long (*kcopyd_shrink_fn)(struct shrinker *shrinker,
					  struct shrink_control *control);

/**
 * struct kcopyd_compat_shrinker - a registered shrinker
 * @shrinker: the kernel's
 */
struct kcopyd_compat_shrinker {
#ifdef KCOPYD_HAVE_SHRINKER_ALLOC
	struct shrinker *shrinker;
#else
	struct shrinker shrinker;
#endif
};

/**
 * kcopyd_compat_shrinker_register() - register a shrinker
 * @s: the shrinker
 * @count: how much could be freed
 * @scan: frees some of it
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
static inline int
kcopyd_compat_shrinker_register(struct kcopyd_compat_shrinker *s,
				kcopyd_shrink_fn count, kcopyd_shrink_fn scan)
{
#ifdef KCOPYD_HAVE_SHRINKER_ALLOC
	s->shrinker = shrinker_alloc(0, "kcopyd");
	if (!s->shrinker)
		return -ENOMEM;
	s->shrinker->count_objects = count;
	s->shrinker->scan_objects = scan;
	shrinker_register(s->shrinker);
	return 0;
#else
	s->shrinker.count_objects = count;
	s->shrinker.scan_objects = scan;
	s->shrinker.seeks = DEFAULT_SEEKS;
	return register_shrinker(&s->shrinker, "kcopyd");
#endif
}

/**
 * kcopyd_compat_shrinker_unregister() - undo kcopyd_compat_shrinker_register()
 * @s: the shrinker
 *
 * Context: Process context, may sleep.
 */
static inline void
kcopyd_compat_shrinker_unregister(struct kcopyd_compat_shrinker *s)
{
#ifdef KCOPYD_HAVE_SHRINKER_ALLOC
	shrinker_free(s->shrinker);
#else
	unregister_shrinker(&s->shrinker);
#endif
}

#endif /* KCOPYD_COMPAT_SHRINKER_H */
