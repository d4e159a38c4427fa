/* SPDX-License-Identifier: GPL-2.0-only */
/* Who uses a device, and whether it may be overwritten. */
#ifndef KCOPYCTL_DEVICES_HPP
#define KCOPYCTL_DEVICES_HPP

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "text.hpp"

namespace kcopyctl
{

/* The number of a device, as the kernel writes it. */
struct device_number {
	u64 major = 0;
	u64 minor = 0;

	bool operator==(const device_number &) const = default;
};

struct mount {
	device_number device;
	std::string source; /* of some file systems only this names a device */
	std::string where;
};

/* \040 and the like, for what would end a field */
[[nodiscard]] inline std::string unescape(std::string_view text)
{
	std::string out;

	while (!text.empty()) {
		const auto code = text.front() == '\\' && text.size() >= 4 ?
					  parse_number(text.substr(1, 3), 8) :
					  std::nullopt;

		out += code ? static_cast<char>(*code) : text.front();
		text.remove_prefix(code ? 4 : 1);
	}
	return out;
}

[[nodiscard]] inline std::optional<device_number> parse_device_number(std::string_view text)
{
	const auto major = parse_number(take(text, ':'));
	const auto minor = parse_number(text);

	if (!major || !minor)
		return std::nullopt;
	return device_number{ *major, *minor };
}

/* Of /proc/self/mountinfo; lines that make no sense are passed over. */
[[nodiscard]] inline std::vector<mount> parse_mounts(std::string_view text)
{
	std::vector<mount> all;

	while (!text.empty()) {
		const auto words = split(take(text, '\n'), ' ');
		size_t dash = 5;

		while (dash < words.size() && words[dash] != "-")
			dash++;
		if (words.size() < dash + 3)
			continue;
		const auto device = parse_device_number(words[2]);

		if (device)
			all.push_back({ *device, unescape(words[dash + 2]), unescape(words[4]) });
	}
	return all;
}

/* Of /proc/swaps: the paths. */
[[nodiscard]] inline std::vector<std::string> parse_swaps(std::string_view text)
{
	std::vector<std::string> all;

	/* Its first line has no path. */
	while (!text.empty()) {
		const std::string_view line = take(text, '\n');

		if (line.starts_with('/'))
			all.push_back(unescape(line.substr(0, line.find_first_of(" \t"))));
	}
	return all;
}

/* What is known of a device that a copy would be written to. */
struct device {
	std::string path;   /* as it was given; a link may lead elsewhere later */
	std::string node;   /* where that led, for the module */
	std::string opened; /* leads to it as long as it is open here */
	device_number number;
	u64 bytes = 0;
	u64 block = 512;
	bool read_only = false;
	bool busy = false;		/* cannot be opened exclusively */
	std::string content;		/* what is on it, as far as it is known */
	std::vector<std::string> users; /* as in "mounted on /home" */
};

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

/* What is told before it is overwritten. */
[[nodiscard]] inline std::string describe(const device &d)
{
	std::string out = fmt::format("{}: {}, {}", d.path, show_size(d.bytes),
				      d.content.empty() ? "nothing that is known" : d.content);

	if (!d.users.empty())
		out += "; in use: " + join(d.users, ", ");
	else if (d.busy)
		out += "; in use by somebody who is not known";
	return printable(out);
}

/*
 * A path with one of these would be something else to the parameters of a module. To the
 * kernel 0xa0 is a space, too, also as a part of a character in UTF-8.
 */
[[nodiscard]] inline bool path_can_be_told(std::string_view path)
{
	return path.find_first_of(", \t\n\v\f\r\"\xa0") == std::string_view::npos &&
	       path.size() < 200;
}

/* Why nothing may be copied from one to the other; empty if it may. */
[[nodiscard]] inline std::string why_not(const device &from, const device &to, bool force)
{
	if (to.number == from.number)
		return fmt::format("{} is {} itself", to.path, from.path);
	if (to.read_only)
		return fmt::format("{} is read-only: blockdev --setrw {} may change that", to.path,
				   to.path);
	if (to.bytes < from.bytes)
		return fmt::format("{} is too small: it has {} bytes and {} has {}", to.path,
				   to.bytes, from.path, from.bytes);
	if (from.bytes % to.block != 0)
		return fmt::format("{} has blocks of {} bytes, and {} does not end with one",
				   to.path, to.block, from.path);
	if (force || (to.users.empty() && !to.busy))
		return "";
	return fmt::format("{} is in use ({}): stop that first, or say --force", to.path,
			   to.users.empty() ? "by somebody who is not known" :
					      printable(join(to.users, ", ")));
}

/* The same for all destinations, which are different devices. */
[[nodiscard]] inline std::string why_not_all(const device &from, const std::vector<device> &to,
					     bool force)
{
	if (from.bytes == 0)
		return fmt::format("{} is empty: there is nothing to copy", from.path);
	for (size_t i = 0; i < to.size(); i++) {
		std::string why = why_not(from, to[i], force);

		if (!why.empty())
			return why;
		for (size_t j = 0; j < i; j++) {
			if (to[j].number == to[i].number)
				return fmt::format("{} and {} are the same device", to[j].path,
						   to[i].path);
		}
	}
	return "";
}

} /* namespace kcopyctl */

#endif /* KCOPYCTL_DEVICES_HPP */
