// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever the line of a mirror says: nothing is read beyond its words; what is taken
 * keeps to the limits; and the table that is shown is the same mirror again. The first
 * byte is the logarithm of the mirror's size; the line follows.
 */
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "targets/mirror/args.hpp"
#include "tests/unit/words.hpp"

using mirror::args;
using mirror::u32;
using mirror::u64;

namespace
{

void must(bool so)
{
	if (!so)
		abort();
}

std::string table(const args &a)
{
	return written([&](dm::line &to) { mirror::write_table(a, to); });
}

void check(const args &a, u64 sectors)
{
	must(a.region_sectors >= 2 && (a.region_sectors & (a.region_sectors - 1)) == 0);
	must(a.region_sectors <= sectors && a.nr_regions(sectors) <= mirror::max_regions);
	must(a.nr_regions(sectors) * a.region_sectors >= sectors);
	must(a.nr_legs >= mirror::min_legs && a.nr_legs <= mirror::max_legs);
	must(a.handle_errors || !a.keep_log);
	for (u32 i = 0; i < a.nr_legs; i++)
		must(a.legs[i].device && a.legs[i].offset + sectors >= sectors);
}

} /* namespace */

/* libFuzzer's name */
extern "C" int // NOLINTNEXTLINE(readability-identifier-naming)
LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	if (size == 0)
		return 0;
	const u64 sectors = 1ULL << data[0] % 56;
	const split line(std::string(data + 1, data + std::min<std::size_t>(size, 1024)));
	args a;

	if (mirror::read_args(line.all(), sectors, a))
		return 0;
	check(a, sectors);

	const std::string shown = table(a);
	const split again(shown);
	args b;

	must(!mirror::read_args(again.all(), sectors, b));
	check(b, sectors);
	must(table(b) == shown && b.contents == a.contents && b.region_sectors == a.region_sectors);
	return 0;
}
