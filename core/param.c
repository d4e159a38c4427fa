// SPDX-License-Identifier: GPL-2.0-only
/* Module parameters. */
#define pr_fmt(fmt) "kcopyd: " fmt

#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "clients.h"
#include "param.h"

unsigned int kcopyd_part_kb = 512;

static int part_kb_set(const char *value, const struct kernel_param *kp)
{
	unsigned int kb;
	int r = kstrtouint(value, 0, &kb);

	if (!r && kb >= KCOPYD_PART_KB_MIN && kb <= KCOPYD_PART_KB_MAX) {
		WRITE_ONCE(kcopyd_part_kb, kb);
		kcopyd_clients_part_size();
		return 0;
	}
	/* What sysfs passes on ends in a newline. */
	pr_err("part_kb: '%.*s' is not a number from %u to %u\n",
	       (int)min_t(size_t, strcspn(value, "\n"), 32), value,
	       KCOPYD_PART_KB_MIN, KCOPYD_PART_KB_MAX);
	return r ?: -ERANGE;
}

static const struct kernel_param_ops part_kb_ops = {
	.set = part_kb_set,
	.get = param_get_uint,
};

module_param_cb(part_kb, &part_kb_ops, &kcopyd_part_kb, 0644);
MODULE_PARM_DESC(part_kb,
		 "Largest part of a copy in KiB, from 4 to 4096 (default 512)");
