// SPDX-License-Identifier: GPL-2.0-only
/* kcopyd through its C++ calls, to be measured beside the C ones that they wrap. */
#include "kcopyd.hpp"
#include "bench/calls.h"

using kcopyd::client;
using kcopyd::completion;
using kcopyd::flags;
using kcopyd::may_fail;
using kcopyd::outcome;
using kcopyd::region;
using kcopyd::request;
using kcopyd::result;

namespace
{

struct ended {
	void *slot;

	void operator()(const outcome &o) const noexcept { bench_cpp_ended(slot, o.ok()); }
};

struct cpp_slot {
	explicit cpp_slot(void *slot) noexcept : done(ended{ slot }), req(ended{ slot }) {}

	completion<ended> done;
	request<ended> req;
};

region in_cpp(const io_region &r)
{
	return { r.bdev, r.sector, r.count };
}

} /* namespace */

void *bench_cpp_client_new(unsigned int pages)
{
	result<client> made = client::create(pages);

	return made ? new (may_fail) client(made.take()) : nullptr;
}

void bench_cpp_client_delete(void *c)
{
	delete static_cast<client *>(c);
}

void *bench_cpp_slot_new(void *slot, unsigned int num_dests)
{
	auto *cpp = new (may_fail) cpp_slot(slot);

	if (cpp && cpp->req.reserve(num_dests) != 0) {
		delete cpp;
		return nullptr;
	}
	return cpp;
}

void bench_cpp_slot_delete(void *cpp)
{
	delete static_cast<cpp_slot *>(cpp);
}

int bench_cpp_copy(void *c, void *cpp, const io_region *from, unsigned int num_dests,
		   const io_region *dests)
{
	return static_cast<client *>(c)->copy(in_cpp(*from), num_dests,
					      static_cast<const region *>(dests), flags::none,
					      static_cast<cpp_slot *>(cpp)->done);
}

int bench_cpp_submit(void *c, void *cpp, const io_region *from, unsigned int num_dests,
		     const io_region *dests)
{
	return static_cast<client *>(c)->submit(static_cast<cpp_slot *>(cpp)->req, in_cpp(*from),
						num_dests, static_cast<const region *>(dests));
}
