// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target "refuse": sectors of another device, which does not know one operation of
 * read, write, discard, zero and flush:
 *
 *	dmsetup create r --table '0 65536 refuse /dev/vdb 0 write'
 */
#include "targets/dm/dm.hpp"

namespace
{

class refuse {
public:
	explicit refuse(dm::target t) noexcept : target_(t) {}

	int init(const dm::arguments &args) noexcept
	{
		if (args.size() != 3 || args.number(1, start_) != 0)
			return target_.fail("The arguments are: <device> <sector> <operation>");
		while (!args.is(2, names[refused_]))
			if (++refused_ == KDM_OTHER)
				return target_.fail("No such operation");
		if (const int r = dev_.open(target_, args[0]))
			return target_.fail("The device cannot be opened", r);
		target_.wants(1, 1, 1);
		return 0;
	}

	kdm_mapped map(dm::bio b) noexcept
	{
		if (b.op() == refused_) {
			b.end(-KDM_EOPNOTSUPP);
			return KDM_SUBMITTED;
		}
		b.remap(dev_, start_ + b.sector(target_));
		return KDM_REMAPPED;
	}

	int devices(kdm_device_fn fn, void *context) const noexcept
	{
		return fn(context, dev_.get(), start_, target_.length());
	}

private:
	/* By enum kdm_op */
	static constexpr const char *names[] = { "read", "write", "discard", "zero", "flush" };

	dm::target target_;
	dm::device dev_;
	unsigned long long start_ = 0;
	unsigned int refused_ = KDM_READ;
};

constexpr kdm_ops refuse_ops = dm::ops_of<refuse>("refuse", 1, 0, 0);

} /* namespace */

const kdm_ops *const kdm_targets[] = { &refuse_ops, nullptr };
