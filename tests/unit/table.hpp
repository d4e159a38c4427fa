/* SPDX-License-Identifier: GPL-2.0-only */
/* A table of exceptions whose runs are on the heap, so that ASan sees who has which. */
#ifndef KCOPYD_TESTS_UNIT_TABLE_HPP
#define KCOPYD_TESTS_UNIT_TABLE_HPP

#include <memory>
#include <vector>

#include "targets/snapshot/exceptions.hpp"

class table {
public:
	using exceptions = snapshot::exceptions;
	using u64 = snapshot::u64;

	explicit table(u64 nr_buckets) : buckets_(nr_buckets), all(buckets_.data(), nr_buckets) {}
	table(const table &) = delete;
	table &operator=(const table &) = delete;
	~table() { drain(); }

	snapshot::added add(u64 from, u64 to)
	{
		auto r = std::make_unique<snapshot::run>(from, to);
		const snapshot::added result = all.add(*r);

		if (result == snapshot::added::kept) {
			// NOLINTNEXTLINE(bugprone-unused-return-value): the table has it
			r.release();
			runs++;
		}
		return result;
	}

	snapshot::removed remove(u64 from)
	{
		snapshot::run *freed = nullptr;
		const snapshot::removed result = all.remove(from, freed);

		if (freed)
			runs--;
		delete freed;
		return result;
	}

	/* Returns how many chunks there were. */
	u64 drain()
	{
		u64 search = 0;
		u64 chunks = 0;

		while (snapshot::run *r = all.take_any(search)) {
			chunks += r->chunks();
			runs--;
			delete r;
		}
		return chunks;
	}

private:
	std::vector<snapshot::run *> buckets_;

public:
	exceptions all;
	u64 runs = 0;
};

#endif /* KCOPYD_TESTS_UNIT_TABLE_HPP */
