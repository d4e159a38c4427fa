/* SPDX-License-Identifier: GPL-2.0-only */
/* What kcopyd-copy says of its copy, what that means, and what could not be read. */
#ifndef KCOPYCTL_OUTCOME_HPP
#define KCOPYCTL_OUTCOME_HPP

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/core.h>

#include "json.hpp"
#include "text.hpp"

namespace kcopyctl
{

/* How kcopyctl ends; see Documentation/kcopyctl.rst. */
enum exit_code : int {
	exit_done = 0,
	exit_failed = 1,
	exit_usage = 2,
	exit_incomplete = 3, /* something could not be read, and is left out */
	exit_differs = 4,    /* a destination is not what the source is */
	exit_signal = 128,   /* and the signal's number */
};

/* The line of /sys/module/kcopyd_copy/parameters/status; sectors of 512 bytes. */
struct copy_status {
	std::string state;
	u64 done = 0;
	u64 total = 0;
	int read_err = 0;
	unsigned int write_err = 0;
	int submit_err = 0;
	u64 skipped = 0;       /* sectors that could not be read */
	bool bad_lost = false; /* there were more ranges than the module could keep */

	[[nodiscard]] bool goes_on() const { return state == "starting" || state == "copying"; }
};

/* A negative errno, or 0. */
[[nodiscard]] inline std::optional<int> parse_errno(std::string_view text)
{
	const bool negative = text.starts_with('-');
	const std::optional<u64> n = parse_number(text.substr(negative));

	if (!n || *n > 4095)
		return std::nullopt;
	return negative ? -static_cast<int>(*n) : static_cast<int>(*n);
}

[[nodiscard]] inline std::optional<unsigned int> parse_mask(std::string_view text)
{
	const bool hex = text.starts_with("0x");
	const std::optional<u64> n = parse_number(text.substr(hex ? 2 : 0), hex ? 16 : 10);

	if (!n || *n > 0xffffffff)
		return std::nullopt;
	return static_cast<unsigned int>(*n);
}

template <typename T> [[nodiscard]] bool set(T &to, const auto &from)
{
	if (from)
		to = static_cast<T>(*from);
	return from.has_value();
}

[[nodiscard]] inline bool read_word(std::string_view key, std::string_view value, copy_status &s)
{
	if (key == "state")
		s.state = value;
	else if (key == "done")
		return set(s.done, parse_number(value));
	else if (key == "total")
		return set(s.total, parse_number(value));
	else if (key == "read_err")
		return set(s.read_err, parse_errno(value));
	else if (key == "write_err")
		return set(s.write_err, parse_mask(value));
	else if (key == "submit_err")
		return set(s.submit_err, parse_errno(value));
	else if (key == "skipped")
		return set(s.skipped, parse_number(value));
	else if (key == "bad_lost")
		return set(s.bad_lost, parse_number(value));
	return true;
}

[[nodiscard]] inline std::optional<copy_status> parse_copy_status(std::string_view line)
{
	copy_status s;

	for (std::string_view word : split(take(line, '\n'), ' ')) {
		const std::string_view key = take(word, '=');

		if (!read_word(key, word, s))
			return std::nullopt;
	}
	if (s.state.empty() || s.done > s.total)
		return std::nullopt;
	return s;
}

/* @said by modprobe or insmod, while the kernel's @log had these lines. */
[[nodiscard]] inline std::string why_not_loaded(const std::string &said,
						const std::vector<std::string> &log)
{
	const auto last_with = [&](std::string_view word) {
		const auto found = std::find_if(log.rbegin(), log.rend(), [&](const auto &line) {
			return line.find(word) != std::string::npos;
		});

		return found == log.rend() ? std::string() : *found;
	};
	const auto has = [&](int error) {
		return said.find(std::generic_category().message(error)) != std::string::npos;
	};

	/* Under lockdown, which Secure Boot brings, it is not permitted. */
	if (has(EKEYREJECTED) || has(ENOKEY) || !last_with("module loading is restricted").empty())
		return "this kernel loads only modules that are signed with a key that it trusts "
		       "(Secure Boot), and kcopyd's are not: make install KEY=<private key> "
		       "CERT=<certificate>, then mokutil --import <certificate>, which for DKMS "
		       "is /var/lib/dkms/mok.pub";
	const std::string why = last_with("kcopyd");

	return why.empty() ? said + " (--module names the module's file)" : why;
}

/* Sectors of the source. */
struct bad_range {
	u64 first;
	u64 count;

	bool operator==(const bad_range &) const = default;
};

/* Lines of "<first> <count>"; nothing if one of them is not. */
[[nodiscard]] inline std::optional<std::vector<bad_range>> parse_bad(std::string_view text)
{
	std::vector<bad_range> all;

	while (!text.empty()) {
		const auto words = split(take(text, '\n'), ' ');
		const auto first = parse_number(words.empty() ? "" : words[0]);
		const auto count = parse_number(words.size() == 2 ? words[1] : "");

		if (!first || !count || *count == 0 || *first > ~0ULL - *count)
			return std::nullopt;
		all.push_back({ *first, *count });
	}
	return all;
}

/* In ascending order, and neighbours in one. */
[[nodiscard]] inline std::vector<bad_range> merged(std::vector<bad_range> all)
{
	std::vector<bad_range> out;

	std::sort(all.begin(), all.end(),
		  [](const bad_range &a, const bad_range &b) { return a.first < b.first; });
	for (const bad_range &r : all) {
		if (out.empty() || r.first > out.back().first + out.back().count)
			out.push_back(r);
		else
			out.back().count =
				std::max(out.back().count, r.first + r.count - out.back().first);
	}
	return out;
}

/* Is any of these sectors in a range? They are in ascending order. */
[[nodiscard]] inline const bad_range *next_bad(const std::vector<bad_range> &all, u64 sector)
{
	const auto found =
		std::upper_bound(all.begin(), all.end(), sector,
				 [](u64 s, const bad_range &r) { return s < r.first + r.count; });

	return found == all.end() ? nullptr : &*found;
}

struct map_facts {
	std::string source;
	u64 sectors = 0;
	bool complete = true;
};

[[nodiscard]] inline std::string map_text(const std::vector<bad_range> &all, const map_facts &of)
{
	std::string out = fmt::format("# sectors of 512 bytes of {} ({} in all) that could not be "
				      "read: first count\n",
				      of.source, of.sectors);

	for (const bad_range &r : all)
		out += fmt::format("{} {}\n", r.first, r.count);
	if (!of.complete)
		out += "# there were more\n";
	return out;
}

inline void add_bad(json &to, const std::vector<bad_range> &all)
{
	to.begin('[');
	for (const bad_range &r : all)
		to.begin('{').add("first", r.first).add("count", r.count).end();
	to.end();
}

[[nodiscard]] inline std::string map_json(const std::vector<bad_range> &all, const map_facts &of)
{
	json out;

	out.begin('{').add("source", of.source).add("sectors", of.sectors);
	out.add("complete", of.complete).key("bad");
	add_bad(out, all);
	return out.end().text() + "\n";
}

/* How it has ended, and a line of what is wrong, if anything. */
struct verdict {
	int code = exit_done;
	std::string wrong;
};

/* The worst is the code: a signal, a failure, what differs, what is left out. */
[[nodiscard]] inline int worse(int a, int b)
{
	const int most = std::max(a, b);
	const bool failed = a == exit_failed || b == exit_failed;

	return failed && most < exit_signal ? exit_failed : most;
}

/* What was wrong before is told, too. */
inline void also_wrong(verdict &v, int code, std::string_view what)
{
	v.code = worse(v.code, code);
	v.wrong += v.wrong.empty() ? "" : "; ";
	v.wrong += what;
}

[[nodiscard]] inline std::string failed_paths(unsigned int mask,
					      const std::vector<std::string> &paths)
{
	std::string out;

	for (size_t i = 0; i < paths.size() && i < 32; i++) {
		if ((mask >> i & 1) != 0)
			out += (out.empty() ? "" : ", ") + paths[i];
	}
	return out;
}

/* Of a copy that has ended. Errors of writing come first: of these nothing is known. */
[[nodiscard]] inline verdict judge(const copy_status &s, const std::string &source,
				   const std::vector<std::string> &dests)
{
	if (s.write_err != 0)
		return { exit_failed,
			 fmt::format("writing failed on {}: what is there is not a copy",
				     failed_paths(s.write_err, dests)) };
	if (s.submit_err != 0)
		return { exit_failed,
			 fmt::format("kcopyd refused a part of the copy (error {}): see dmesg",
				     s.submit_err) };
	if (s.state == "done")
		return {};
	if (s.state == "done-with-errors")
		return { exit_incomplete,
			 fmt::format("{} sectors of {} cannot be read, and are left out", s.skipped,
				     source) };
	if (s.read_err != 0)
		return { exit_failed,
			 fmt::format("{} cannot be read (error {}): --salvage copies what can be",
				     source, s.read_err) };
	return { exit_failed, fmt::format("the copy was stopped by somebody else: {}", s.state) };
}

} /* namespace kcopyctl */

#endif /* KCOPYCTL_OUTCOME_HPP */
