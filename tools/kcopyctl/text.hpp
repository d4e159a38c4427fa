/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers, sizes, rates and times: as users write them, and as they are shown. */
#ifndef KCOPYCTL_TEXT_HPP
#define KCOPYCTL_TEXT_HPP

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/core.h>

namespace kcopyctl
{

using u64 = unsigned long long;

/* A number without a sign, and nothing else. */
[[nodiscard]] inline std::optional<u64> parse_number(std::string_view text, int base = 10)
{
	u64 n = 0;
	const char *end = text.data() + text.size();
	const auto [at, error] = std::from_chars(text.data(), end, n, base);

	if (error != std::errc() || at != end)
		return std::nullopt;
	return n;
}

/* The part before @at, which is taken away together with it; all of it without one. */
inline std::string_view take(std::string_view &text, char at)
{
	const size_t end = text.find(at);
	const std::string_view part = text.substr(0, end);

	text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
	return part;
}

[[nodiscard]] inline std::vector<std::string_view> split(std::string_view text, char at)
{
	std::vector<std::string_view> parts;

	while (!text.empty()) {
		const std::string_view part = take(text, at);

		if (!part.empty())
			parts.push_back(part);
	}
	return parts;
}

[[nodiscard]] inline std::string join(const std::vector<std::string> &words, std::string_view by)
{
	std::string out;

	for (const std::string &word : words) {
		if (!out.empty())
			out += by;
		out += word;
	}
	return out;
}

/* Without what a terminal would obey, as in the name of a file system: controls are ? */
[[nodiscard]] inline std::string printable(std::string text)
{
	for (size_t i = 0; i < text.size(); i++) {
		const auto c = static_cast<unsigned char>(text[i]);
		/* In UTF-8 those beyond ASCII are 0xc2 and this. */
		const bool second = i > 0 && text[i - 1] == '\xc2' && c >= 0x80 && c < 0xa0;

		if (second)
			text[i - 1] = '?';
		if (second || c < 0x20 || c == 0x7f)
			text[i] = '?';
	}
	return text;
}

/* 1 for no unit; K and KiB are 1024, kB and KB are 1000, and so on; 0 is no unit. */
[[nodiscard]] inline u64 unit_of(std::string_view unit)
{
	constexpr std::string_view letters = "KMGTP";
	u64 base = 1024;
	u64 n = 1;

	if (unit.empty() || unit == "B")
		return 1;
	const size_t power = letters.find(unit.front() == 'k' ? 'K' : unit.front());

	unit.remove_prefix(1);
	if (unit == "B")
		base = 1000;
	if (power == std::string_view::npos || (!unit.empty() && unit != "B" && unit != "iB"))
		return 0;
	for (size_t i = 0; i <= power; i++)
		n *= base;
	return n;
}

/* A number of bytes. */
[[nodiscard]] inline std::optional<u64> parse_size(std::string_view text)
{
	const size_t digits = text.find_first_not_of("0123456789");
	const u64 unit = unit_of(digits == std::string_view::npos ? "" : text.substr(digits));
	const std::optional<u64> n = parse_number(text.substr(0, digits));

	if (!n || unit == 0 || *n > std::numeric_limits<u64>::max() / unit)
		return std::nullopt;
	return *n * unit;
}

/* Bytes a second; 0, or the word none, is no limit. */
[[nodiscard]] inline std::optional<u64> parse_rate(std::string_view text)
{
	if (text == "none")
		return 0;
	if (text.ends_with("/s"))
		text.remove_suffix(2);
	return parse_size(text);
}

/* In units of 1024, with about three digits. */
[[nodiscard]] inline std::string show_size(u64 bytes)
{
	constexpr std::array units = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double n = static_cast<double>(bytes) / 1024;
	size_t unit = 0;

	if (bytes < 1024)
		return fmt::format("{} B", bytes);
	/* What would be shown as 1024 is one of the next unit. */
	for (; n >= 1023.5 && unit + 1 < units.size(); unit++)
		n /= 1024;
	return fmt::format("{:.{}f} {}", n, n < 9.95 ? 1 : 0, units.at(unit));
}

[[nodiscard]] inline std::string show_rate(u64 bytes_per_second)
{
	return show_size(bytes_per_second) + "/s";
}

[[nodiscard]] inline std::string show_limit(u64 bytes_per_second)
{
	return bytes_per_second == 0 ? "none" : show_rate(bytes_per_second);
}

[[nodiscard]] inline std::string show_time(u64 seconds)
{
	constexpr u64 long_time = 360000;

	if (seconds >= long_time)
		return fmt::format("{} days", seconds / 86400);
	if (seconds >= 3600)
		return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60,
				   seconds % 60);
	return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
}

/* From microseconds, of which there may be many; rounded @up, or down. */
[[nodiscard]] inline std::string show_us(u64 us, bool up)
{
	const u64 unit = us < 10000000 ? 1000 : 1000000;

	if (us < 10000)
		return fmt::format("{} us", us);
	return fmt::format("{} {}", us / unit + (up && us % unit != 0), unit == 1000 ? "ms" : "s");
}

} /* namespace kcopyctl */

#endif /* KCOPYCTL_TEXT_HPP */
