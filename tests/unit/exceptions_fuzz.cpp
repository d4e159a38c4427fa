// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever is done to a table of exceptions: it is what a map is. Each three bytes are an
 * operation on a chunk of the origin.
 */
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>

#include "tests/unit/table.hpp"

using snapshot::added;
using snapshot::removed;
using snapshot::u64;

namespace
{

void must(bool so)
{
	if (!so)
		abort();
}

} /* namespace */

/* libFuzzer's name */
extern "C" int // NOLINTNEXTLINE(readability-identifier-naming)
LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	table t(4);
	std::map<u64, u64> model;

	for (; size >= 3; data += 3, size -= 3) {
		const u64 from = data[1] | (data[0] & 1U) << 8;
		const u64 to = data[2] + from % 16 * 3;

		if ((data[0] & 8) != 0) {
			const removed r = t.remove(from);

			must((r == removed::missing) == !model.contains(from));
			if (r != removed::inside)
				model.erase(from);
		} else {
			must((t.add(from, to) == added::twice) == !model.emplace(from, to).second);
		}
		must(t.runs <= model.size());
	}
	for (u64 from = 0; from < 514; from++) {
		const snapshot::run *r = t.all.find(from);
		const auto m = model.find(from);

		must((r != nullptr) == (m != model.end()));
		must(!r || r->to_of(from) == m->second);
	}
	must(t.drain() == model.size());
	return 0;
}
