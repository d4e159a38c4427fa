// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever the line of a snapshot says: nothing is read beyond its words; what is taken
 * keeps to the limits; and the table that is shown is the same snapshot again. The first
 * byte is the target; the line follows.
 */
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "targets/snapshot/args.hpp"
#include "tests/unit/words.hpp"

using snapshot::args;

namespace
{

void must(bool so)
{
	if (!so)
		abort();
}

std::string table(const args &a)
{
	return written([&](dm::line &to) { snapshot::write_table(a, to); });
}

} /* namespace */

/* libFuzzer's name */
extern "C" int // NOLINTNEXTLINE(readability-identifier-naming)
LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	if (size == 0)
		return 0;
	const auto role = (data[0] & 1) != 0 ? snapshot::role::merge : snapshot::role::snapshot;
	const split line(std::string(data + 1, data + std::min<std::size_t>(size, 1024)));
	args a;

	if (snapshot::read_args(line.all(), role, a))
		return 0;
	must(a.origin && a.cow);
	must(a.persistent || (!a.overflow && role != snapshot::role::merge));
	must(a.chunk_sectors != 0 || a.persistent);
	must(a.chunk_sectors == 0 || !snapshot::check_chunk(a.chunk_sectors, 512, 512));
	must(a.discard_zeroes_cow || !a.discard_passdown_origin);

	const std::string shown = table(a);
	const split again(shown);
	args b;

	must(!snapshot::read_args(again.all(), role, b));
	must(table(b) == shown && b.persistent == a.persistent && b.overflow == a.overflow);
	return 0;
}
