// SPDX-License-Identifier: GPL-2.0-only
/* Shrinkers are allocated. */
#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/shrinker.h>

static_assert(__same_type(shrinker_register, void(struct shrinker *)));
