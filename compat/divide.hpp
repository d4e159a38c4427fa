/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Division of 64 bits where the machine has none. A compiler for 32 bits calls its runtime
 * library for it, which the kernel does not have: C code is to say div64_u64(), as that
 * takes long. The C++ layer has sectors of 64 bits everywhere and divides them a few times
 * for an I/O, so kcopyd_cpp_shim.cpp gives the compiler what it looks for, made of this.
 */
#ifndef KCOPYD_COMPAT_DIVIDE_HPP
#define KCOPYD_COMPAT_DIVIDE_HPP

namespace kcopyd::wide
{

using u64 = unsigned long long;
using s64 = long long;

struct divided {
	u64 quotient;
	u64 remainder;
};

/**
 * wide::divide() - divide by subtraction and shift
 * @n: the dividend
 * @d: the divisor; 0 traps, as the instruction would
 *
 * It takes a step for each bit of the quotient.
 */
constexpr divided divide(u64 n, u64 d) noexcept
{
	if (d == 0)
		__builtin_trap();
	if (n < d)
		return { 0, n };

	u64 quotient = 0;

	for (int shift = __builtin_clzll(d) - __builtin_clzll(n); shift >= 0; shift--) {
		quotient <<= 1;
		if (n >= d << shift) {
			n -= d << shift;
			quotient |= 1;
		}
	}
	return { quotient, n };
}

constexpr u64 magnitude(s64 x) noexcept
{
	return x < 0 ? -static_cast<u64>(x) : static_cast<u64>(x);
}

constexpr s64 with_sign(bool negative, u64 x) noexcept
{
	return static_cast<s64>(negative ? -x : x);
}

/** wide::quotient() - of signed numbers: rounded towards 0, as C and C++ have it */
constexpr s64 quotient(s64 n, s64 d) noexcept
{
	return with_sign((n < 0) != (d < 0), divide(magnitude(n), magnitude(d)).quotient);
}

/** wide::remainder() - of signed numbers: it has the sign of the dividend */
constexpr s64 remainder(s64 n, s64 d) noexcept
{
	return with_sign(n < 0, divide(magnitude(n), magnitude(d)).remainder);
}

} /* namespace kcopyd::wide */

#endif /* KCOPYD_COMPAT_DIVIDE_HPP */
