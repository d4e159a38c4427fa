// SPDX-License-Identifier: GPL-2.0-only
/* Module parameters. */
#define pr_fmt(fmt) "kcopyd: " fmt

#include <linux/highmem.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "clients.h"
#include "export.h"
#include "param.h"

/* Unless it is set, and however little memory there is. */
#define SHARED_MB_LEAST 4U

unsigned int kcopyd_part_kb = 512;

/* Not set: kcopyd_param_init() says. */
unsigned int kcopyd_shared_mb = UINT_MAX;
EXPORT_SYMBOL_FOR_KCOPYD_TESTS(kcopyd_shared_mb);

static int number_set(const char *value, const struct kernel_param *kp,
		      unsigned int least, unsigned int most)
{
	unsigned int n;
	int r = kstrtouint(value, 0, &n);

	if (!r && n >= least && n <= most) {
		WRITE_ONCE(*(unsigned int *)kp->arg, n);
		return 0;
	}
	/* What sysfs passes on ends in a newline. */
	pr_err("%s: '%.*s' is not a number from %u to %u\n", kp->name,
	       (int)min_t(size_t, strcspn(value, "\n"), 32), value, least,
	       most);
	return r ?: -ERANGE;
}

static int part_kb_set(const char *value, const struct kernel_param *kp)
{
	int r = number_set(value, kp, KCOPYD_PART_KB_MIN, KCOPYD_PART_KB_MAX);

	if (!r)
		kcopyd_clients_part_size();
	return r;
}

/* That the kernel can use itself: with 32 bits, the rest is for users. */
static unsigned int memory_mb(void)
{
	return (totalram_pages() - totalhigh_pages()) >> (20 - PAGE_SHIFT);
}

static int shared_mb_set(const char *value, const struct kernel_param *kp)
{
	return number_set(value, kp, 0, memory_mb() / 2);
}

/**
 * kcopyd_param_init() - set what depends on the machine, if nobody has
 *
 * Context: Module initialisation.
 */
void kcopyd_param_init(void)
{
	if (kcopyd_shared_mb == UINT_MAX)
		kcopyd_shared_mb = max(memory_mb() / 64, SHARED_MB_LEAST);
}

static const struct kernel_param_ops shared_mb_ops = {
	.set = shared_mb_set,
	.get = param_get_uint,
};

module_param_cb(shared_mb, &shared_mb_ops, &kcopyd_shared_mb, 0644);
MODULE_PARM_DESC(shared_mb,
		 "What clients of device-mapper's calls can borrow together, in MiB (default a 64th of the memory that the kernel can use itself)");

static const struct kernel_param_ops part_kb_ops = {
	.set = part_kb_set,
	.get = param_get_uint,
};

module_param_cb(part_kb, &part_kb_ops, &kcopyd_part_kb, 0644);
MODULE_PARM_DESC(part_kb,
		 "Largest part of a copy in KiB, from 4 to 4096 (default 512)");
