// SPDX-License-Identifier: GPL-2.0-only
/* The exceptions of a snapshot in memory, alone and with the store that they come from. */
#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <vector>

#include "tests/unit/table.hpp"

using snapshot::added;
using snapshot::exception;
using snapshot::exceptions;
using snapshot::loaded;
using snapshot::removed;
using snapshot::run;
using snapshot::store;
using u32 = snapshot::u32;
using u64 = snapshot::u64;

namespace
{

TEST(exceptions, neighbours_are_one_run)
{
	table t(64);

	EXPECT_EQ(t.all.find(5), nullptr);
	EXPECT_EQ(t.add(5, 10), added::kept);
	EXPECT_EQ(t.add(6, 11), added::joined) << "behind";
	EXPECT_EQ(t.add(4, 9), added::joined) << "before";
	EXPECT_EQ(t.runs, 1U);
	const run *r = t.all.find(4);

	ASSERT_NE(r, nullptr);
	EXPECT_EQ(t.all.find(6), r);
	EXPECT_EQ(r->from(), 4U);
	EXPECT_EQ(r->to(), 9U);
	EXPECT_EQ(r->chunks(), 3U);
	EXPECT_EQ(r->to_of(6), 11U);
	EXPECT_EQ(t.all.find(3), nullptr);
	EXPECT_EQ(t.all.find(7), nullptr);
	EXPECT_EQ(t.add(5, 99), added::twice);
	EXPECT_EQ(t.add(7, 99), added::kept) << "no neighbour on the device";
	EXPECT_EQ(t.add(3, 9), added::kept);
	/* As mainline, it does not join two runs. */
	EXPECT_EQ(t.add(9, 20), added::kept);
	EXPECT_EQ(t.add(8, 19), added::joined);
	/* It would go on where one run ends, and is in the next one. */
	EXPECT_EQ(t.add(7, 12), added::twice);
	EXPECT_EQ(t.drain(), 7U);
}

/* 256 chunks at most, which have their bucket in common. */
TEST(exceptions, runs_end_with_their_bucket)
{
	constexpr u64 bucket = 256;
	table t(64);

	for (u64 i = 0; i < 1024; i++)
		t.add(bucket * 7 + i, 5000 + i);
	EXPECT_EQ(t.runs, 4U);
	for (u64 i = 0; i < 1024; i++) {
		const run *r = t.all.find(bucket * 7 + i);

		ASSERT_NE(r, nullptr);
		ASSERT_EQ(r->chunks(), 256U);
		ASSERT_EQ(r->to_of(bucket * 7 + i), 5000 + i);
	}
	/* Others have the same bucket, of which there are 64. */
	EXPECT_EQ(t.all.find(bucket * (7 + 64)), nullptr);
	EXPECT_EQ(t.add(bucket * (7 + 64), 1), added::kept);
	EXPECT_EQ(t.add(bucket * (8 + 64 * 3) - 1, 2), added::kept);

	/* Neighbours are not one run because there is no other bucket. */
	table single(1);

	for (u64 i = 0; i < 1024; i++)
		single.add(i, 5000 + i);
	EXPECT_EQ(single.runs, 4U);
	for (u64 i = 0; i < 1024; i++)
		ASSERT_NE(single.all.find(i), nullptr) << i;
}

TEST(exceptions, numbers_at_their_limits)
{
	table t(64);

	EXPECT_EQ(t.add(~0ULL, snapshot::max_chunk), added::kept);
	EXPECT_EQ(t.add(~0ULL - 1, snapshot::max_chunk - 1), added::joined);
	EXPECT_EQ(t.add(0, 0), added::kept);
	ASSERT_NE(t.all.find(~0ULL), nullptr);
	EXPECT_EQ(t.all.find(~0ULL)->to_of(~0ULL), snapshot::max_chunk);
	EXPECT_EQ(t.remove(~0ULL - 1), removed::shrunk);
	EXPECT_EQ(t.all.find(~0ULL)->to(), snapshot::max_chunk);
}

TEST(exceptions, removes_at_the_ends_of_a_run)
{
	table t(64);

	for (u64 i = 0; i < 4; i++)
		t.add(i, 100 + i);
	EXPECT_EQ(t.remove(4), removed::missing);
	EXPECT_EQ(t.remove(1), removed::inside);
	EXPECT_EQ(t.remove(3), removed::shrunk);
	EXPECT_EQ(t.remove(0), removed::shrunk);
	EXPECT_EQ(t.all.find(0), nullptr);
	EXPECT_EQ(t.all.find(3), nullptr);
	EXPECT_EQ(t.all.find(1)->to_of(1), 101U);
	EXPECT_EQ(t.remove(2), removed::shrunk);
	EXPECT_EQ(t.remove(1), removed::last);
	EXPECT_EQ(t.remove(1), removed::missing);
	EXPECT_EQ(t.runs, 0U);
}

TEST(exceptions, buckets_as_mainline_has_them)
{
	const u64 most = 2ULL * 1024 * 1024 / sizeof(void *);

	EXPECT_EQ(exceptions::buckets_for(0), 64U);
	EXPECT_EQ(exceptions::buckets_for(127), 64U);
	EXPECT_EQ(exceptions::buckets_for(128), 128U);
	EXPECT_EQ(exceptions::buckets_for(1000), 512U);
	EXPECT_EQ(exceptions::buckets_for(~0ULL), most);
}

/* Chunks are added and removed at random, in a table and in a map. */
void change(std::mt19937 &rnd, table &t, std::map<u64, u64> &model, u64 chunks)
{
	u64 to = 1;

	for (u64 i = 0; i < 3000; i++) {
		const u64 from = rnd() % 4 != 0 ? (i * 3 / 2) % chunks : rnd() % chunks;

		to += rnd() % 8 == 0 ? 2 : 1;
		if (rnd() % 3 != 0) {
			const bool is_new = model.emplace(from, to).second;

			ASSERT_EQ(t.add(from, to) != added::twice, is_new) << from;
		} else {
			const removed r = t.remove(from);

			ASSERT_EQ(r == removed::missing, !model.contains(from)) << from;
			if (r != removed::inside)
				model.erase(from);
		}
	}
}

/* With few buckets and few chunks, so that much is neighbours. */
TEST(exceptions, at_random)
{
	for (unsigned int seed = 1; seed <= 40; seed++) {
		SCOPED_TRACE(testing::Message() << "seed " << seed);
		std::mt19937 rnd(seed);
		table t(1ULL << rnd() % 4);
		std::map<u64, u64> model;
		const u64 chunks = 1 + rnd() % 2000;

		change(rnd, t, model, chunks);
		for (u64 from = 0; from < chunks + 2; from++) {
			const run *r = t.all.find(from);
			const auto m = model.find(from);

			ASSERT_EQ(r != nullptr, m != model.end()) << from;
			ASSERT_TRUE(!r || r->to_of(from) == m->second) << from;
		}
		ASSERT_EQ(t.drain(), model.size());
		ASSERT_EQ(t.runs, 0U);
	}
}

/*
 * A snapshot: a store, with its table. At random, chunks of the origin are copied, in
 * any order; it crashes; and it is merged, which takes from the table the last ones first.
 */
class snapshot_model {
public:
	explicit snapshot_model(unsigned int seed)
		: rnd(seed), chunks(40 + below(400)), device(chunks * 512), area(512),
		  s(area.data(), 1, chunks), t(64)
	{
		s.start();
		write_area();
	}

	void step()
	{
		switch (below(12)) {
		case 0:
			load();
			break;
		case 1:
			if (below(30) == 0)
				merge();
			break;
		case 2:
		case 3:
		case 4:
		case 5:
			commit();
			break;
		default:
			copy();
		}
	}

private:
	u64 below(u64 n) { return rnd() % n; }
	[[nodiscard]] bool is_committed(u64 chunk) const
	{
		return std::any_of(committed.begin(), committed.end(),
				   [&](const exception &e) { return e.from == chunk; });
	}

	void write_area() { std::copy(area.begin(), area.end(), &device[s.current_chunk() * 512]); }
	void read_area(u64 n) { std::copy_n(&device[s.area_chunk(n) * 512], 512, area.begin()); }

	void copy()
	{
		u64 to = 0;

		/* Mostly in order, so that there are runs. */
		from = below(4) != 0 ? from + 1 : below(300);
		if (stable.contains(from) || pending.contains(from) || is_committed(from) ||
		    !s.allocate(to))
			return;
		pending[from] = to;
	}

	void commit()
	{
		if (pending.empty())
			return;
		auto p = pending.begin();

		std::advance(p, below(pending.size()));
		const exception e = { p->first, p->second };

		pending.erase(p);
		committed.push_back(e);
		if (!s.commit(e))
			return;
		if (s.is_full() && s.next_chunk() != 0)
			std::fill_n(&device[s.next_chunk() * 512], 512, 0);
		write_area();
		s.written();
		for (const exception &c : committed) {
			stable[c.from] = c.to;
			ASSERT_NE(t.add(c.from, c.to), added::twice);
		}
		committed.clear();
	}

	void check()
	{
		for (u64 i = 0; i < 400; i++) {
			const run *r = t.all.find(i);
			const auto m = stable.find(i);

			ASSERT_EQ(r != nullptr, m != stable.end()) << i;
			ASSERT_TRUE(!r || r->to_of(i) == m->second) << i;
		}
	}

	void load()
	{
		loaded r = loaded::more;

		check();
		t.drain();
		pending.clear();
		committed.clear();
		s = store(area.data(), 1, chunks);
		for (u64 n = 0; r == loaded::more; n++) {
			read_area(n);
			r = s.load(n, [&](const exception &e) {
				return t.add(e.from, e.to) != added::twice;
			});
		}
		ASSERT_EQ(r, loaded::all);
		check();
	}

	void merge()
	{
		exception last = {};
		u64 n = 0;

		if (!pending.empty() || !committed.empty())
			load();
		while (true) {
			if (s.must_read(n)) {
				read_area(n);
				s.back();
			}
			const u32 many = s.last_run(last);

			if (many == 0)
				break;
			for (u32 i = 0; i < many; i++) {
				const removed r = t.remove(last.from - i);

				ASSERT_TRUE(r == removed::last || r == removed::shrunk)
					<< last.from - i;
				ASSERT_EQ(stable.erase(last.from - i), 1U);
			}
			s.merged(many);
			write_area();
			if (below(8) == 0)
				load();
		}
		ASSERT_TRUE(stable.empty());
		ASSERT_EQ(t.runs, 0U);
		load();
	}

	std::mt19937 rnd;
	u64 chunks;
	std::vector<unsigned char> device;
	std::vector<unsigned char> area;
	store s;
	table t;
	u64 from = 0;
	std::map<u64, u64> pending;
	std::vector<exception> committed;
	std::map<u64, u64> stable;
};

TEST(exceptions, snapshot_at_random)
{
	for (unsigned int seed = 1; seed <= 60; seed++) {
		SCOPED_TRACE(testing::Message() << "seed " << seed);
		snapshot_model at_random(seed);

		for (unsigned int i = 0; i < 600 && !HasFailure(); i++)
			at_random.step();
		if (HasFailure())
			break;
	}
}

} /* namespace */
