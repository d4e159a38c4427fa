// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever is on the disk of a dirty log: nothing is read or written beyond its memory,
 * and what is not a log is not taken for one. The first byte is the number of regions,
 * the second one what the table says; the disk follows.
 */
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "targets/mirror/log.hpp"

using mirror::log_kind;
using mirror::region_log;
using mirror::region_set;
using mirror::u64;

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
	if (size < 2)
		return 0;
	const u64 nr = 1 + data[0];
	const auto how = static_cast<mirror::sync>(data[1] % 3);
	std::vector<unsigned char> disk(1024 + region_set::bytes_for(nr));

	memcpy(disk.data(), data + 2, size - 2 < disk.size() ? size - 2 : disk.size());

	u64 known = 0;
	const log_kind kind = mirror::read_log_header(disk.data(), known);

	must(kind == log_kind::ours || known == 0);
	if (kind != log_kind::ours)
		return 0;

	std::vector<unsigned char> memory(region_log::bytes_for(nr));

	memcpy(memory.data(), disk.data() + 1024, region_set::bytes_for(nr));

	region_log log(memory.data(), nr);
	u64 region = 0;
	u64 recovered = 0;

	log.resume(how, known);
	must(log.nr_in_sync() <= nr);
	must(how != mirror::sync::none || log.nr_in_sync() == nr);
	must(how != mirror::sync::forced || log.nr_in_sync() == 0);
	for (; log.next_to_recover(region); recovered++) {
		must(region < nr && !log.in_sync(region));
		log.recovered(region, true);
	}
	must(log.nr_in_sync() == nr && recovered <= nr);

	/* Written and read again it is the same. */
	mirror::write_log_header(disk.data(), nr);
	must(mirror::read_log_header(disk.data(), known) == log_kind::ours && known == nr);
	return 0;
}
