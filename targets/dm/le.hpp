/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Little-endian numbers in bytes that come from or go to a disk, for any machine. Such
 * bytes are never anything but unsigned char, and what a field of them is called, where
 * it is and how large says a type, which is no number: what is not converted, or of the
 * wrong size, does not compile.
 */
#ifndef KCOPYD_TARGETS_LE_HPP
#define KCOPYD_TARGETS_LE_HPP

namespace le
{

using u32 = unsigned int;
using u64 = unsigned long long;

/**
 * class field - a number of a structure on disk
 *
 * @T is what it is in memory, @At the byte where it begins.
 */
template <typename T, unsigned int At> class field {
	static_assert(T(-1) > T(0), "on disk are no negative numbers");

public:
	/* Where the one behind it begins. */
	static constexpr unsigned int end = At + sizeof(T);

	/* @structure: its bytes, for both */
	[[nodiscard]] static constexpr T load(const unsigned char *structure) noexcept
	{
		T value = 0;

		for (unsigned int i = sizeof(T); i-- > 0;)
			value = static_cast<T>(value << 8 | structure[At + i]);
		return value;
	}

	static constexpr void store(unsigned char *structure, T value) noexcept
	{
		for (unsigned int i = 0; i < sizeof(T); i++)
			structure[At + i] = static_cast<unsigned char>(value >> 8 * i);
	}

	/* A number of another size is not cut, or made longer, by the way. */
	template <typename U> static void store(unsigned char *structure, U value) = delete;

	field() = delete;
};

} /* namespace le */

#endif /* KCOPYD_TARGETS_LE_HPP */
