/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a module with targets in C++ has besides them: included by its one C file,
 * which adds MODULE_DESCRIPTION and MODULE_LICENSE. Registers what kdm_targets lists.
 */
#ifndef KCOPYD_TARGETS_DM_MODULE_H
#define KCOPYD_TARGETS_DM_MODULE_H

#include <linux/module.h>

#include "dm.h"

#define KDM_MOST_TARGETS 8

static struct kdm_type *kdm_types[KDM_MOST_TARGETS];

static void kdm_module_exit(void)
{
	unsigned int i = KDM_MOST_TARGETS;

	while (i--)
		kdm_unregister(kdm_types[i]);
}

static int __init kdm_module_init(void)
{
	unsigned int i;
	int r;

	for (i = 0; kdm_targets[i]; i++) {
		r = i < KDM_MOST_TARGETS ?
			kdm_register(kdm_targets[i], THIS_MODULE, &kdm_types[i]) : -E2BIG;
		if (r) {
			pr_err("%s: no target %s (error %d)\n", KBUILD_MODNAME,
			       kdm_targets[i]->name, r);
			kdm_module_exit();
			return r;
		}
	}
	return 0;
}

module_init(kdm_module_init);
module_exit(kdm_module_exit);

#endif /* KCOPYD_TARGETS_DM_MODULE_H */
