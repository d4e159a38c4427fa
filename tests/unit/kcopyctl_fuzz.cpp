// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever the module and the system say: nothing is read beyond it, what is taken makes
 * sense, and JSON has no control characters.
 */
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#define FMT_HEADER_ONLY
#include "tools/kcopyctl/devices.hpp"
#include "tools/kcopyctl/json.hpp"
#include "tools/kcopyctl/outcome.hpp"
#include "tools/kcopyctl/stats.hpp"
#include "tools/kcopyctl/targets.hpp"

using namespace kcopyctl;

namespace
{

void must(bool so)
{
	if (!so)
		abort();
}

void check_clients(std::string_view text)
{
	for (const client &c : parse_clients(text)) {
		const auto half = quantile(c.small, 50);
		const auto most = quantile(c.small, 99);

		must(half.has_value() == most.has_value() && half <= most);
		must(activity_of(c, c, 1000).errors == 0);
	}
}

void check_bad(std::string_view text)
{
	const auto all = parse_bad(text);
	u64 end = 0;

	if (!all)
		return;
	for (const bad_range &r : merged(*all)) {
		must(r.count != 0 && (end == 0 || r.first > end));
		end = r.first + r.count;
		must(end > r.first);
	}
	for (const bad_range &r : *all)
		must(next_bad(merged(*all), r.first) != nullptr);
}

void check_targets(std::string_view text)
{
	const auto m = parse_mirror(text);
	const auto s = parse_snapshot(text);

	must(!m || (m->health.size() == m->legs.size() && m->in_sync <= m->regions));
	must(!s || s->allocated <= s->size);
	must(!show_target(target_kind::mirror, text).empty() || text.empty());
}

} /* namespace */

/* libFuzzer's name */
extern "C" int // NOLINTNEXTLINE(readability-identifier-naming)
LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	/* In memory of its own, so that ASan sees what is read behind it. */
	const std::vector<char> copy(data, data + size);
	const std::string_view text(copy.data(), copy.size());
	const auto status = parse_copy_status(text);

	must(!status || status->done <= status->total);
	check_clients(text);
	check_bad(text);
	check_targets(text);
	for (const mount &m : parse_mounts(text))
		must(m.where.size() <= size);
	must(parse_swaps(text).size() <= size);
	for (const char c : json_text(text))
		must(static_cast<unsigned char>(c) >= 0x20);
	return 0;
}
