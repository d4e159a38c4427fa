// SPDX-License-Identifier: GPL-2.0-only
/* The smallest useful client of kcopyd in C++; glue.c has the rest of the module. */
#include "kcopyd.hpp"
#include "samples/cpp-copy/glue.h"

using namespace kcopyd;

namespace
{

constexpr auto ended = [](const report &r) noexcept {
	cpp_copy_said(r.ok() ? "copied and compared" : "failed", r.details().bytes_written / 512);
};
constexpr auto went_on = [](sector_t done) noexcept { cpp_copy_said("so far", done); };

struct copier {
	/* In this order: the client's end waits for what calls the request's callables. */
	request<decltype(ended), decltype(went_on)> all{ ended, went_on };
	client service;

	~copier() { all.cancel(); }
};

copier *running;

} /* namespace */

int cpp_copy_start(block_device *from, block_device *to, sector_t count)
{
	result<client> made = client::create("cpp-copy", 1024);

	running = new (may_fail) copier;
	if (!made || !running)
		return made ? -enomem : made.error();
	running->service = made.take();
	if (int err = running->all.reserve(1))
		return err;
	return running->service.submit(running->all, { from, 0, count }, { { to, 0, count } },
				       { .how = flags::verify, .progress_sectors = count / 4 + 1 });
}

void cpp_copy_stop()
{
	delete running;
}
