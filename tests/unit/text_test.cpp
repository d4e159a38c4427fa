// SPDX-License-Identifier: GPL-2.0-only
/* The words of a table's line, and the lines that are shown. */
#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

#include "targets/dm/text.hpp"

using dm::line;
using dm::read_number;
using dm::words;
using u32 = dm::u32;
using u64 = dm::u64;

namespace
{

constexpr u64 any = ~0ULL;

TEST(text, numbers)
{
	u64 n = 7;

	for (const char *bad :
	     { "", " 1", "1 ", "+1", "-1", "0x10", "1k", "1.0", "a", "--", "\n",
	       "18446744073709551616", "99999999999999999999", "184467440737095516150" })
		EXPECT_FALSE(read_number(bad, any, n)) << bad;
	EXPECT_EQ(n, 7U) << "changed by what is no number";
	EXPECT_TRUE(read_number("18446744073709551615", any, n));
	EXPECT_EQ(n, any);
	EXPECT_TRUE(read_number("0000000000000000000000017", any, n));
	EXPECT_EQ(n, 17U);
	EXPECT_TRUE(read_number("0", 0, n));
	EXPECT_EQ(n, 0U);
}

/* For each limit, the number below, at and above it; small and at random. */
TEST(text, limits_of_numbers)
{
	constexpr unsigned int seed = 1;
	std::mt19937_64 rnd(seed);

	SCOPED_TRACE(testing::Message() << "seed " << seed);
	for (u64 i = 0; i < 20000; i++) {
		const u64 most = i < 2000 ? i : (rnd() >> rnd() % 64) % ~0ULL;
		u64 n = 0;

		EXPECT_TRUE(read_number(std::to_string(most).c_str(), most, n));
		ASSERT_EQ(n, most);
		ASSERT_FALSE(read_number(std::to_string(most + 1).c_str(), most, n)) << most;
		ASSERT_FALSE(read_number((std::to_string(most) + "0").c_str(), most, n) &&
			     most != 0);
	}
}

TEST(text, compares)
{
	EXPECT_TRUE(dm::same_text("", ""));
	EXPECT_TRUE(dm::same_text("sync", "sync"));
	for (const char *other : { "", "syn", "sync1", "Sync", "nosync" })
		EXPECT_FALSE(dm::same_text("sync", other)) << other;
	EXPECT_TRUE(dm::same_letters("PO", "pO"));
	EXPECT_FALSE(dm::same_letters("PO", "P"));
	EXPECT_FALSE(dm::same_letters("P", "PO"));
	/* They differ by the bit in which upper and lower case differ. */
	EXPECT_FALSE(dm::same_letters("@[", "`{"));
}

TEST(text, words_in_turn)
{
	const std::array<const char *, 6> argv = { "a", "2", "b", "c", "4294967296", "1" };
	words w(argv.size(), argv.data());
	words group(0, nullptr);
	u32 n = 0;

	EXPECT_STREQ(w.next(), "a");
	ASSERT_TRUE(w.group(group));
	EXPECT_EQ(group.left(), 2U);
	EXPECT_STREQ(group.next(), "b");
	EXPECT_STREQ(group.next(), "c");
	EXPECT_STREQ(group.next(), "") << "beyond the group";
	EXPECT_EQ(w.left(), 2U);
	EXPECT_FALSE(w.number(n)) << "mainline takes it for 0";
	EXPECT_FALSE(w.group(group)) << "there is no word left";
	EXPECT_FALSE(w.number(n));
	EXPECT_STREQ(w.next(), "");
}

/* Whatever room there is: what fits is there, ended by a zero, and nothing is behind. */
TEST(text, lines_are_cut)
{
	const std::string whole = "max 18446744073709551615 0,x";

	for (size_t size = 0; size < whole.size() + 3; size++) {
		std::vector<char> room(size, 'z');
		kdm_text to = { room.data(), size, 0 };
		line l(to);

		l.add("max").add(' ').add(any).add(' ').add(0U).add(',').add("x");
		EXPECT_EQ(l.cut(), size <= whole.size()) << size;
		EXPECT_EQ(to.used, size == 0 ? 0 : std::min(size - 1, whole.size()));
		if (size != 0) {
			EXPECT_EQ(std::string(room.data()), whole.substr(0, size - 1));
		}
	}
}

TEST(text, lines_go_on)
{
	std::array<char, 8> room = {};
	kdm_text to = { room.data(), room.size(), 0 };

	line(to).add("ab");
	line second(to);
	second.add(12U);
	EXPECT_STREQ(room.data(), "ab12");
	EXPECT_FALSE(second.cut());
}

} /* namespace */
