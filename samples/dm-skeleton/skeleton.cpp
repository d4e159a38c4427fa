// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target "skeleton": sectors of another device, as the target linear, which
 * counts what is read and written:
 *
 *	dmsetup create s --table '0 65536 skeleton /dev/vdb 2048'
 *	dmsetup status s
 *	dmsetup message s 0 reset
 */
#include "targets/dm/dm.hpp"

namespace
{

class skeleton {
public:
	explicit skeleton(dm::target t) noexcept : target_(t) {}

	int init(const dm::arguments &args) noexcept
	{
		if (args.size() != 2)
			return target_.fail("The arguments are: <device> <first sector>");
		if (args.number(1, start_) != 0)
			return target_.fail("The first sector is not a number");
		if (const int r = dev_.open(target_, args[0]))
			return target_.fail("The device cannot be opened", r);
		if (start_ > dev_.sectors() || target_.length() > dev_.sectors() - start_)
			return target_.fail("The device is too small");
		target_.wants(1, 1, 1);
		return 0;
	}

	kdm_mapped map(dm::bio b) noexcept
	{
		if (b.op() == KDM_READ || b.op() == KDM_WRITE)
			__atomic_fetch_add(&sectors_[b.op()], b.sectors(), __ATOMIC_RELAXED);
		b.remap(dev_, start_ + b.sector(target_));
		return KDM_REMAPPED;
	}

	void status(kdm_text &text) const noexcept
	{
		kdm_print(&text, "%lu %lu", __atomic_load_n(&sectors_[KDM_READ], __ATOMIC_RELAXED),
			  __atomic_load_n(&sectors_[KDM_WRITE], __ATOMIC_RELAXED));
	}

	void table(kdm_text &text) const noexcept
	{
		kdm_print(&text, "%s %llu", dev_.name(), start_);
	}

	int message(const dm::arguments &args, kdm_text &) noexcept
	{
		if (args.size() != 1 || !args.is(0, "reset"))
			return -kcopyd::einval;
		__atomic_store_n(&sectors_[KDM_READ], 0, __ATOMIC_RELAXED);
		__atomic_store_n(&sectors_[KDM_WRITE], 0, __ATOMIC_RELAXED);
		return 0;
	}

	int devices(kdm_device_fn fn, void *context) const noexcept
	{
		return fn(context, dev_.get(), start_, target_.length());
	}

private:
	dm::target target_;
	dm::device dev_;
	unsigned long long start_ = 0;
	unsigned long sectors_[2] = {}; /* by KDM_READ and KDM_WRITE */
};

constexpr kdm_ops skeleton_ops = dm::ops_of<skeleton>("skeleton", 1, 0, 0);

} /* namespace */

const kdm_ops *const kdm_targets[] = { &skeleton_ops, nullptr };
