/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Little-endian numbers in bytes that come from or go to a disk, for any machine:
 * there is no type that could be read in the wrong order.
 */
#ifndef KCOPYD_TARGETS_LE_HPP
#define KCOPYD_TARGETS_LE_HPP

namespace le
{

using u32 = unsigned int;
using u64 = unsigned long long;

[[nodiscard]] constexpr u32 get32(const unsigned char *at) noexcept
{
	return at[0] | static_cast<u32>(at[1]) << 8 | static_cast<u32>(at[2]) << 16 |
	       static_cast<u32>(at[3]) << 24;
}

[[nodiscard]] constexpr u64 get64(const unsigned char *at) noexcept
{
	return get32(at) | static_cast<u64>(get32(at + 4)) << 32;
}

constexpr void put32(unsigned char *at, u32 value) noexcept
{
	for (unsigned int i = 0; i < 4; i++)
		at[i] = static_cast<unsigned char>(value >> 8 * i);
}

constexpr void put64(unsigned char *at, u64 value) noexcept
{
	put32(at, static_cast<u32>(value));
	put32(at + 4, static_cast<u32>(value >> 32));
}

} /* namespace le */

#endif /* KCOPYD_TARGETS_LE_HPP */
