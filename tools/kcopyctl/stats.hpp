/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module tells of its clients: blocks of lines key=value, see kcopyd.rst. */
#ifndef KCOPYCTL_STATS_HPP
#define KCOPYCTL_STATS_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text.hpp"

namespace kcopyctl
{

/* How many took less than 1, 2, 4 us and so on; the last ones took longer than all that. */
using latencies = std::array<u64, 28>;

constexpr size_t longest = std::tuple_size_v<latencies> - 1;

/* "<64", or ">=67108864" */
[[nodiscard]] inline std::optional<size_t> latency_class(std::string_view text)
{
	const bool is_longest = text.starts_with(">=");

	if (!is_longest && !text.starts_with('<'))
		return std::nullopt;
	const u64 us = parse_number(text.substr(is_longest ? 2 : 1)).value_or(0);
	const size_t i = static_cast<size_t>(std::bit_width(us)) - 1 + is_longest;

	if (!std::has_single_bit(us) || i > longest || is_longest != (i == longest))
		return std::nullopt;
	return i;
}

/* As in "<64:12 >=67108864:1", or "-". */
[[nodiscard]] inline std::optional<latencies> parse_latencies(std::string_view text)
{
	latencies all = {};

	if (text == "-")
		return all;
	for (std::string_view word : split(text, ' ')) {
		const auto i = latency_class(take(word, ':'));
		const std::optional<u64> count = parse_number(word);

		if (!count || !i)
			return std::nullopt;
		all.at(*i) += *count;
	}
	return all;
}

/* The class that was enough for @percent of them; nothing if there are none. */
[[nodiscard]] inline std::optional<size_t> quantile(const latencies &all, unsigned int percent)
{
	u64 sum = 0;
	u64 seen = 0;

	for (const u64 n : all)
		sum += n;
	if (sum == 0)
		return std::nullopt;
	for (size_t i = 0; i < all.size(); i++) {
		seen += all.at(i);
		if (static_cast<double>(seen) * 100 >= static_cast<double>(sum) * percent)
			return i;
	}
	return longest;
}

/* So many microseconds were more than enough; nothing of the last class, which has no bound. */
[[nodiscard]] inline std::optional<u64> bound_of(std::optional<size_t> i)
{
	return i && *i != longest ? std::optional(1ULL << *i) : std::nullopt;
}

/* Whatever is rounded, that is true of it. */
[[nodiscard]] inline std::string show_class(size_t i)
{
	return i == longest ? ">" + show_us(1ULL << (longest - 1), false) :
			      "<" + show_us(1ULL << i, true);
}

struct client {
	u64 id = 0;
	std::string name;
	std::map<std::string, u64, std::less<>> values;
	latencies small = {};
	latencies large = {};

	/* 0 for what the module does not tell. */
	[[nodiscard]] u64 operator[](std::string_view key) const
	{
		const auto found = values.find(key);

		return found == values.end() ? 0 : found->second;
	}
};

/* Keys may come that are not known here: if they are numbers they are kept. */
inline void read_line(std::string_view line, client &c)
{
	const std::string_view key = take(line, '=');
	const std::optional<u64> number = parse_number(line);

	if (key == "client")
		c.id = number.value_or(0);
	else if (key == "name")
		c.name = line;
	else if (key == "latency_small_us")
		c.small = parse_latencies(line).value_or(latencies{});
	else if (key == "latency_large_us")
		c.large = parse_latencies(line).value_or(latencies{});
	else if (number)
		c.values.insert_or_assign(std::string(key), *number);
}

/* A block ends at an empty line, or at the end; one without its first line is none. */
[[nodiscard]] inline std::vector<client> parse_clients(std::string_view text)
{
	std::vector<client> all;
	bool in_block = false;

	while (!text.empty()) {
		const std::string_view line = take(text, '\n');

		if (!in_block && line.starts_with("client=")) {
			all.emplace_back();
			in_block = true;
		}
		if (line.empty())
			in_block = false;
		else if (in_block)
			read_line(line, all.back());
	}
	return all;
}

[[nodiscard]] inline latencies since(const latencies &now, const latencies &before)
{
	latencies out = {};

	for (size_t i = 0; i < out.size(); i++)
		out.at(i) = now.at(i) - std::min(now.at(i), before.at(i));
	return out;
}

/* What a client did in some time. */
struct activity {
	u64 read = 0;	 /* bytes a second */
	u64 written = 0; /* likewise, zeroes included */
	u64 copies = 0;	 /* that ended, a second */
	u64 errors = 0;
	latencies small = {};
	latencies large = {};
};

/*
 * @before is the same client, earlier; of a client that is new, an empty one. Counters only
 * grow: one that is smaller belongs to a module that was loaded anew.
 */
[[nodiscard]] inline activity activity_of(const client &now, const client &before, u64 ms)
{
	const auto grown = [&](std::string_view key) {
		return now[key] - std::min(now[key], before[key]);
	};
	const auto a_second = [&](u64 n) { return ms == 0 ? 0 : n * 1000 / ms; };
	activity a;

	a.read = a_second(grown("sectors_read") * 512);
	a.written = a_second((grown("sectors_written") + grown("sectors_zeroed")) * 512);
	a.copies = a_second(grown("copies_done") + grown("zeroes_done"));
	a.errors = grown("read_errors") + grown("write_errors");
	a.small = since(now.small, before.small);
	a.large = since(now.large, before.large);
	return a;
}

} /* namespace kcopyctl */

#endif /* KCOPYCTL_STATS_HPP */
