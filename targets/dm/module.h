/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a module with targets in C++ has besides them: included by its one C file,
 * which adds MODULE_DESCRIPTION and MODULE_LICENSE, and MODULE_ALIAS("dm-TARGET") so that
 * device-mapper loads it for tables that have the target. Registers what kdm_targets
 * lists and, with the parameter mainline_names, that by mainline's names, too.
 */
#ifndef KCOPYD_TARGETS_DM_MODULE_H
#define KCOPYD_TARGETS_DM_MODULE_H

#include <linux/module.h>

#include "dm.h"

#define KDM_MOST_NAMES 8

static struct kdm_type *kdm_types[KDM_MOST_NAMES];
static unsigned int kdm_nr_types;

/* Besides their own, which existing tables have. */
static bool kdm_mainline_names;
module_param_named(mainline_names, kdm_mainline_names, bool, 0444);
MODULE_PARM_DESC(mainline_names, "tables may call targets by mainline's names, too (default: no)");

static void kdm_module_exit(void)
{
	while (kdm_nr_types)
		kdm_unregister(kdm_types[--kdm_nr_types]);
}

static int __init kdm_register_all(int mainline)
{
	unsigned int i;
	int r;

	for (i = 0; kdm_targets[i]; i++) {
		if (mainline && !kdm_targets[i]->mainline)
			continue;
		if (kdm_nr_types == KDM_MOST_NAMES)
			return -E2BIG;
		r = kdm_register(kdm_targets[i], mainline, THIS_MODULE, &kdm_types[kdm_nr_types]);
		if (r)
			return r;
		kdm_nr_types++;
	}
	return 0;
}

static int __init kdm_module_init(void)
{
	/* What may be in the way comes first: then nobody uses the others yet. */
	int r = kdm_mainline_names ? kdm_register_all(1) : 0;

	r = r ?: kdm_register_all(0);
	if (r)
		kdm_module_exit();
	return r;
}

module_init(kdm_module_init);
module_exit(kdm_module_exit);

#endif /* KCOPYD_TARGETS_DM_MODULE_H */
