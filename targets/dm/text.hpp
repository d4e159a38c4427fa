/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words of a table's line, and the lines that are shown to users. Freestanding, and
 * without a call into C, so that what is made of them can be tested anywhere.
 *
 * What is wrong with a line is a constant string that names the argument, as
 * device-mapper's ti->error; null is none.
 */
#ifndef KCOPYD_TARGETS_TEXT_HPP
#define KCOPYD_TARGETS_TEXT_HPP

#include "targets/dm/dm.h"

namespace dm
{

using u32 = unsigned int;
using u64 = unsigned long long;

[[nodiscard]] constexpr char to_lower(char c) noexcept
{
	return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

[[nodiscard]] constexpr bool same_text(const char *a, const char *b) noexcept
{
	for (; *a != 0 && *a == *b; a++)
		b++;
	return *a == *b;
}

/* Letters of the alphabet are the same in both cases. */
[[nodiscard]] constexpr bool same_letters(const char *a, const char *b) noexcept
{
	for (; *a != 0 && to_lower(*a) == to_lower(*b); a++)
		b++;
	return to_lower(*a) == to_lower(*b);
}

/**
 * read_number() - read a number, all of it
 * @text: decimal digits and nothing else; mainline's sscanf() takes what is above its
 *	type for another number, which this does not
 * @most: the largest one
 * @value: receives it; untouched on failure
 *
 * Return: false if that is no number, or above @most.
 */
[[nodiscard]] constexpr bool read_number(const char *text, u64 most, u64 &value) noexcept
{
	u64 n = 0;

	if (*text == 0)
		return false;
	for (; *text != 0; text++) {
		if (*text < '0' || *text > '9')
			return false;
		const u64 digit = static_cast<u64>(*text - '0');

		if (n > most / 10 || digit > most - n * 10)
			return false;
		n = n * 10 + digit;
	}
	value = n;
	return true;
}

/**
 * class words - reads words, one after the other
 *
 * They stay where they are, and what is read of them points there.
 */
class words {
public:
	constexpr words(u32 argc, const char *const *argv) noexcept : argc_(argc), argv_(argv) {}

	[[nodiscard]] constexpr u32 left() const noexcept { return argc_; }

	/* An empty one if there is none left. */
	constexpr const char *next() noexcept
	{
		if (argc_ == 0)
			return "";
		argc_--;
		return *argv_++;
	}

	/* As read_number(), of the next word. */
	[[nodiscard]] constexpr bool number(u64 most, u64 &value) noexcept
	{
		return read_number(next(), most, value);
	}

	[[nodiscard]] constexpr bool number(u32 &value) noexcept
	{
		u64 n = 0;

		if (!number(~0U, n))
			return false;
		value = static_cast<u32>(n);
		return true;
	}

	/**
	 * group() - read how many words follow that belong together, and take them
	 * @all: receives them
	 *
	 * Return: false if that is no number, or there are not so many.
	 */
	[[nodiscard]] constexpr bool group(words &all) noexcept
	{
		u32 n = 0;

		if (!number(n) || n > argc_)
			return false;
		all = words(n, argv_);
		argc_ -= n;
		argv_ += n;
		return true;
	}

private:
	u32 argc_;
	const char *const *argv_;
};

/**
 * class line - writes a line, as much as fits
 *
 * One that is cut fills its room: this is how device-mapper sees that there was more, and
 * asks again with more room.
 */
class line {
public:
	explicit constexpr line(kdm_text &to) noexcept : to_(to)
	{
		if (to_.used < to_.size)
			to_.buf[to_.used] = 0;
	}

	constexpr line &add(char c) noexcept
	{
		if (to_.used + 1 >= to_.size) {
			cut_ = true;
			return *this;
		}
		to_.buf[to_.used++] = c;
		to_.buf[to_.used] = 0;
		return *this;
	}

	constexpr line &add(const char *text) noexcept
	{
		while (*text != 0)
			add(*text++);
		return *this;
	}

	constexpr line &add(u64 number) noexcept
	{
		char digits[21] = {};
		u32 at = sizeof(digits) - 1;

		do {
			digits[--at] = static_cast<char>('0' + number % 10);
			number /= 10;
		} while (number != 0);
		return add(digits + at);
	}

	constexpr line &add(u32 number) noexcept { return add(static_cast<u64>(number)); }

	/* Was there more than fits? */
	[[nodiscard]] constexpr bool cut() const noexcept { return cut_; }

private:
	kdm_text &to_;
	bool cut_ = false;
};

} /* namespace dm */

#endif /* KCOPYD_TARGETS_TEXT_HPP */
