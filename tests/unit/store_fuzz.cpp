// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever is on a COW device: nothing is read or written beyond it, what is loaded
 * makes sense, and loading and merging come to an end, with nothing left in memory.
 */
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tests/unit/table.hpp"

using snapshot::exception;
using snapshot::loaded;
using snapshot::store;
using snapshot::store_kind;
using snapshot::u32;
using snapshot::u64;

namespace
{

void must(bool so)
{
	if (!so)
		abort();
}

void must_be_at_an_end(snapshot::removed r)
{
	must(r == snapshot::removed::last || r == snapshot::removed::shrunk);
}

/* The device; reading one area may not go beyond it. */
class device {
public:
	device(const std::uint8_t *data, std::size_t size) : bytes_(data, data + size) {}

	void read(u64 chunk, std::vector<unsigned char> &to) const
	{
		must((chunk + 1) * to.size() <= bytes_.size());
		memcpy(to.data(), bytes_.data() + chunk * to.size(), to.size());
	}

private:
	std::vector<unsigned char> bytes_;
};

/* All that the device still takes: there is a place for each exception. */
void fill(store &s)
{
	std::vector<u64> chunks;
	u64 chunk = 0;

	while (s.allocate(chunk)) {
		must(s.is_data(chunk));
		chunks.push_back(chunk);
	}
	for (const u64 to : chunks) {
		if (s.commit({ to, to }))
			s.written();
	}
}

void load_and_merge(const device &dev, store &s, std::vector<unsigned char> &area, bool and_fill)
{
	table t(64);
	exception last = {};
	u64 all = 0;
	u64 n = 0;
	loaded r = loaded::more;

	for (; r == loaded::more; n++) {
		dev.read(s.area_chunk(n), area);
		r = s.load(n, [&](const exception &e) {
			must(s.is_data(e.to));
			all++;
			return t.add(e.from, e.to) != snapshot::added::twice;
		});
	}
	if (r == loaded::corrupt)
		return;
	if (and_fill) {
		fill(s);
		return;
	}
	while (true) {
		if (s.must_read(n)) {
			dev.read(s.area_chunk(n), area);
			s.back();
		}
		const u32 run = s.last_run(last);

		if (run == 0)
			break;
		must(run <= all);
		all -= run;
		for (u32 i = 0; i < run; i++)
			must_be_at_an_end(t.remove(last.from - i));
		s.merged(run);
	}
	must(all == 0 && t.runs == 0);
}

} /* namespace */

/* libFuzzer's name */
extern "C" int // NOLINTNEXTLINE(readability-identifier-naming)
LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	u32 chunk = 0;

	if (size < 512)
		return 0;
	const store_kind kind = snapshot::read_store_header(data, chunk);

	must((kind == store_kind::ours || kind == store_kind::invalid) == (chunk != 0));
	/* A device has room for the header and an area, or is refused before. */
	if (kind != store_kind::ours || !store::fits(chunk, size / 512))
		return 0;

	std::vector<unsigned char> area(static_cast<std::size_t>(chunk) * 512);
	store s(area.data(), chunk, size / 512);

	load_and_merge(device(data, size), s, area, false);
	load_and_merge(device(data, size), s, area, true);
	return 0;
}
