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
	/* All of it was tried, and the destinations without a write error have what was read. */
	[[nodiscard]] bool complete() const
	{
		return state == "done" || state == "done-with-errors";
	}
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

/* What a negative errno, which the kernel tells, means. */
[[nodiscard]] inline std::string error_text(int error)
{
	return std::generic_category().message(-error);
}

/* "(error -16)", of the kernel's log, in words. */
[[nodiscard]] inline std::string in_words(const std::string &line)
{
	constexpr std::string_view sign = "(error ";
	const size_t at = line.find(sign);
	const size_t end = line.find(')', at);

	if (end == std::string::npos)
		return line;
	const size_t number = at + sign.size();
	const auto error = parse_errno(std::string_view(line).substr(number, end - number));

	return error ? line.substr(0, at + 1) + error_text(*error) + line.substr(end) : line;
}

/* Does the kernel say it of the module kcopyd-copy, or of what it asks kcopyd for? */
[[nodiscard]] inline bool is_of_copy(std::string_view line)
{
	return line.starts_with("kcopyd-copy: ") ||
	       (line.starts_with("kcopyd: ") && line.find("kcopyd_copy") != std::string_view::npos);
}

/* @said by modprobe or insmod, while the kernel's @log had these lines. */
[[nodiscard]] inline std::string why_not_loaded(const std::string &said,
						const std::vector<std::string> &log)
{
	const auto has = [&](int error) {
		return said.find(error_text(-error)) != std::string::npos;
	};
	const bool restricted = std::any_of(log.begin(), log.end(), [](const std::string &line) {
		return line.find("module loading is restricted") != std::string::npos;
	});
	const auto why = std::find_if(log.rbegin(), log.rend(), is_of_copy);

	/* Under lockdown, which Secure Boot brings, it is not permitted. */
	if (has(EKEYREJECTED) || has(ENOKEY) || restricted)
		return "this kernel loads only modules that are signed with a key that it trusts "
		       "(Secure Boot), and kcopyd's are not: make install KEY=<private key> "
		       "CERT=<certificate>, then mokutil --import <certificate>, which for DKMS "
		       "is /var/lib/dkms/mok.pub";
	if (why != log.rend())
		return in_words(*why);
	if (has(EPERM))
		return said + ": load it where that is allowed, not in a container without "
			      "CAP_SYS_MODULE, nor after kernel.modules_disabled=1, which only a "
			      "restart ends";
	return said.find("not found") == std::string::npos ? said :
							     said + " (--module names its file)";
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
	u64 tried = 0;
	bool complete = true; /* of what was tried */
};

[[nodiscard]] inline std::string map_text(const std::vector<bad_range> &all, const map_facts &of)
{
	std::string out;

	if (of.tried < of.sectors)
		out = fmt::format("# incomplete: {} of {} sectors were tried\n", of.tried,
				  of.sectors);
	out += fmt::format("# sectors of 512 bytes of {} ({} in all) that could not be read: first "
			   "count\n",
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
	out.add("tried", of.tried).add("complete", of.complete && of.tried == of.sectors).key("bad");
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

[[nodiscard]] inline bool has_failed(unsigned int write_err, size_t dest)
{
	return (write_err >> dest & 1) != 0;
}

[[nodiscard]] inline std::vector<std::string> failed_paths(unsigned int write_err,
							   const std::vector<std::string> &paths)
{
	std::vector<std::string> failed;

	for (size_t i = 0; i < paths.size(); i++) {
		if (has_failed(write_err, i))
			failed.push_back(paths[i]);
	}
	return failed;
}

[[nodiscard]] inline std::string no_copy(const std::vector<std::string> &dests)
{
	return dests.size() == 1 ? dests[0] + " is no copy" :
				   "none of " + join(dests, ", ") + " is a copy";
}

/* Of a copy that has ended. */
[[nodiscard]] inline verdict judge(const copy_status &s, const std::string &source,
				   const std::vector<std::string> &dests)
{
	verdict v;

	if (s.write_err != 0)
		also_wrong(v, exit_failed,
			   fmt::format("writing failed on {}: {}",
				       join(failed_paths(s.write_err, dests), ", "),
				       s.complete() ?
					       "what is there is not a copy" :
					       "the copy was stopped, and " + no_copy(dests)));
	if (s.submit_err != 0)
		also_wrong(v, exit_failed,
			   fmt::format("kcopyd refused a part of the copy ({}): see dmesg",
				       error_text(s.submit_err)));
	else if (s.skipped != 0)
		also_wrong(v, exit_incomplete,
			   fmt::format("{} sectors of {} cannot be read, and are left out",
				       s.skipped, source));
	else if (s.read_err != 0)
		also_wrong(v, exit_failed,
			   fmt::format("{} cannot be read ({}): --salvage copies what can be",
				       source, error_text(s.read_err)));
	if (!s.complete() && v.code == exit_done)
		also_wrong(v, exit_failed,
			   fmt::format("the copy was stopped by somebody else: {}", s.state));
	return v;
}

} /* namespace kcopyctl */

#endif /* KCOPYCTL_OUTCOME_HPP */
