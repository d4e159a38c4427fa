// SPDX-License-Identifier: GPL-2.0-only
/* What is on its way to chunks, against a plain list of them. */
#include <gtest/gtest.h>
#include <list>
#include <random>

#include "targets/snapshot/tracked.hpp"

using snapshot::in_flight;
using snapshot::tracked;
using u64 = snapshot::u64;

namespace
{

TEST(tracked, by_chunk)
{
	in_flight all;
	tracked a;
	tracked b;

	EXPECT_FALSE(a.on_its_way());
	EXPECT_FALSE(all.any(0, ~0ULL));
	all.add(a, 5);
	all.add(b, 5 + 256);
	EXPECT_TRUE(a.on_its_way());
	EXPECT_EQ(b.chunk(), 5U + 256);
	EXPECT_TRUE(all.any(5, 1));
	EXPECT_TRUE(all.any(0, 6));
	EXPECT_FALSE(all.any(0, 5));
	EXPECT_FALSE(all.any(6, 255));
	a.ended();
	EXPECT_FALSE(a.on_its_way());
	EXPECT_FALSE(all.any(5, 1)) << "others have the same place";
	EXPECT_TRUE(all.any(6, 256));
	EXPECT_TRUE(all.any(0, 1000000));
	b.ended();
	EXPECT_FALSE(all.any(0, ~0ULL));
	/* And once more. */
	all.add(a, ~0ULL);
	EXPECT_TRUE(all.any(~0ULL, 1));
	EXPECT_FALSE(all.any(0, ~0ULL));
	a.ended();
}

TEST(tracked, at_random)
{
	std::mt19937 rnd(1);
	std::list<tracked> on;
	in_flight all;

	for (u64 i = 0; i < 20000; i++) {
		if (on.empty() || rnd() % 2 != 0) {
			on.emplace_back();
			all.add(on.back(), rnd() % 1000);
		} else {
			auto gone = on.begin();

			std::advance(gone, rnd() % on.size());
			gone->ended();
			on.erase(gone);
		}

		const u64 first = rnd() % 1000;
		const u64 count = 1 + rnd() % (rnd() % 4 != 0 ? 3 : 600);
		bool expected = false;

		for (const tracked &t : on)
			expected |= t.chunk() >= first && t.chunk() < first + count;
		ASSERT_EQ(all.any(first, count), expected) << first << '+' << count;
	}
	for (tracked &t : on)
		t.ended();
}

} /* namespace */
