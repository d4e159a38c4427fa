// SPDX-License-Identifier: GPL-2.0-only
/* Division for machines that have none of 64 bits, beside that of this one. */
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <vector>

#include "compat/divide.hpp"

using kcopyd::wide::divide;
using kcopyd::wide::quotient;
using kcopyd::wide::remainder;
using kcopyd::wide::s64;
using kcopyd::wide::u64;

namespace
{

/* The ends of the range, powers of two and their neighbours, and some others of each length. */
std::vector<u64> numbers()
{
	std::vector<u64> all = { 0, std::numeric_limits<u64>::max() };
	std::mt19937_64 random(1); // NOLINT(*-msc51-cpp): the same ones each time

	for (unsigned int bit = 0; bit < 64; bit++) {
		const u64 power = 1ULL << bit;

		all.insert(all.end(),
			   { power - 1, power, power + 1, power | (random() & (power - 1)) });
	}
	return all;
}

TEST(divide, as_the_machine_does)
{
	for (const u64 n : numbers()) {
		for (const u64 d : numbers()) {
			if (d == 0)
				continue;
			ASSERT_EQ(divide(n, d).quotient, n / d) << n << " / " << d;
			ASSERT_EQ(divide(n, d).remainder, n % d) << n << " % " << d;
		}
	}
}

TEST(divide, signed_as_the_machine_does)
{
	for (const u64 a : numbers()) {
		for (const u64 b : numbers()) {
			const auto n = static_cast<s64>(a);
			const auto d = static_cast<s64>(b);

			/* The quotient of these two has no place. */
			if (d == 0 || (n == std::numeric_limits<s64>::min() && d == -1))
				continue;
			ASSERT_EQ(quotient(n, d), n / d) << n << " / " << d;
			ASSERT_EQ(remainder(n, d), n % d) << n << " % " << d;
		}
	}
}

TEST(divide_death, by_nothing)
{
	volatile u64 nothing = 0;

	EXPECT_DEATH(divide(1, nothing), "");
}

} /* namespace */
