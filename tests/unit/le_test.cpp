// SPDX-License-Identifier: GPL-2.0-only
/* Numbers on disk: in which order, and that none is taken for one in memory. */
#include <array>
#include <concepts>
#include <gtest/gtest.h>
#include <type_traits>

#include "targets/mirror/log.hpp"
#include "targets/snapshot/store.hpp"

using le::field;
using le::u32;
using le::u64;

namespace
{

using bytes = std::array<unsigned char, 16>;

using small = field<u32, 1>;
using large = field<u64, small::end>;

TEST(le, lowest_byte_first)
{
	bytes b = {};

	b.fill(0xee);
	small::store(b.data(), 0x89abcdefU);
	large::store(b.data(), 0xfedcba9876543210ULL);
	EXPECT_EQ(b, (bytes{ 0xee, 0xef, 0xcd, 0xab, 0x89, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc,
			     0xfe, 0xee, 0xee, 0xee }));
	EXPECT_EQ(small::load(b.data()), 0x89abcdefU);
	EXPECT_EQ(large::load(b.data()), 0xfedcba9876543210ULL);
}

/* What must not compile. */
template <typename F, typename T>
concept is_a_number = std::is_convertible_v<F, T> || std::is_constructible_v<T, F> ||
	requires(F f, T t)
{
	f == t;
} || requires(F f, T t)
{
	f = t;
} || requires(F f, T t)
{
	f + t;
} || requires(F f)
{
	!f;
};

template <typename F, typename T>
concept stores = requires(unsigned char *to, T value)
{
	F::store(to, value);
};

/* @T is the type that it has in memory, @Other the one that it has not. */
template <typename F, typename T, typename Other>
concept is_a_field = !is_a_number<F, u32> && !is_a_number<F, u64> && !is_a_number<F, int> &&
		     !std::is_convertible_v<T, F> && stores<F, T> && !stores<F, Other> &&
		     !stores<F, int> && !stores<F, bool> && requires(const unsigned char *at)
{
	{
		F::load(at)
		} -> std::same_as<T>;
};

/* The check itself, of what is a number. */
static_assert(is_a_number<u32, u32> && !is_a_field<u32, u32, u64>);

/* And all that is on disk. */
static_assert(is_a_field<snapshot::header::magic, u32, u64>);
static_assert(is_a_field<snapshot::header::valid, u32, u64>);
static_assert(is_a_field<snapshot::header::version, u32, u64>);
static_assert(is_a_field<snapshot::header::chunk_sectors, u32, u64>);
static_assert(is_a_field<snapshot::on_disk::from, u64, u32>);
static_assert(is_a_field<snapshot::on_disk::to, u64, u32>);
static_assert(is_a_field<mirror::header::magic, u32, u64>);
static_assert(is_a_field<mirror::header::version, u32, u64>);
static_assert(is_a_field<mirror::header::nr_regions, u64, u32>);

} /* namespace */
