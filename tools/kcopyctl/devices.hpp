/* SPDX-License-Identifier: GPL-2.0-only */
/* What a device is made of, who uses it, and whether it may be overwritten. */
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

/* A file system may have a number that is no device's, and a source that is none. */
struct mount {
	device_number device;
	std::string source;
	std::string where;
	std::optional<device_number> source_device = {};

	[[nodiscard]] bool is_on(device_number number) const
	{
		return device == number || source_device == number;
	}
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

/*
 * What is taken up of a device: by itself, which is all of it, or by one that is made of it. Maps,
 * like the logical volumes of a physical one, and files take parts that are not known; those of
 * two maps or two files are different ones.
 */
struct extent {
	enum class kind : unsigned char {
		range,
		map,
		file
	};

	device_number of;
	device_number taken_by;
	std::string name; /* of what it is taken of */
	kind how = kind::range;
	u64 file = 0; /* which one */
	u64 from = 0; /* sectors; of the file, of a loop device on one */
	u64 to = ~0ULL;
};

[[nodiscard]] inline bool share(const extent &a, const extent &b)
{
	using kind = extent::kind;

	/* What is above is looked at there. */
	if (a.of != b.of || (a.taken_by == b.taken_by && a.taken_by != a.of))
		return false;
	if (a.how == b.how && (a.how == kind::map || a.file != b.file))
		return false;
	if (a.how != b.how && (a.how == kind::file || b.how == kind::file))
		return true;
	return a.from < b.to && b.from < a.to;
}

/* What is known of a device. */
struct device {
	std::string path;   /* as it was given; a link may lead elsewhere later */
	std::string opened; /* leads to it as long as it is open here, also others */
	device_number number;
	u64 bytes = 0;
	u64 block = 512;
	bool read_only = false;
	bool busy = false;		/* cannot be opened exclusively */
	std::string model;		/* and serial number, where there are */
	std::string content;		/* what is on it, as far as it is known */
	std::vector<std::string> users; /* as in "mounted on /home" */
	std::vector<extent> extents;	/* from the top downwards */

	[[nodiscard]] bool in_use() const { return busy || !users.empty(); }
};

[[nodiscard]] inline std::string users_text(const device &d)
{
	return d.users.empty() ? "by somebody who is not known" : printable(join(d.users, ", "));
}

/* What is told before it is read. */
[[nodiscard]] inline std::string describe_source(const device &d)
{
	return printable(fmt::format("{}: {}{}{}", d.path, show_size(d.bytes),
				     d.model.empty() ? "" : ", ", d.model));
}

/* What is told before it is overwritten. */
[[nodiscard]] inline std::string describe(const device &d)
{
	const std::string users = d.users.empty() ? "in use " : "in use: ";

	return describe_source(d) + ", " +
	       printable(d.content.empty() ? "nothing that is known" : d.content) +
	       (d.in_use() ? "; " + users + users_text(d) : "");
}

/* Why what is written to one would change the other; empty if it would not. */
[[nodiscard]] inline std::string why_not_both(const device &a, const device &b)
{
	if (a.number == b.number)
		return fmt::format("{} and {} are the same device", a.path, b.path);
	for (const extent &x : a.extents) {
		for (const extent &y : b.extents) {
			if (!share(x, y))
				continue;
			if (x.of == b.number)
				return fmt::format("{} is made of {}, which would be overwritten",
						   a.path, b.path);
			if (x.of == a.number)
				return fmt::format("{} is made of {}, which would be overwritten",
						   b.path, a.path);
			return fmt::format(
				"{} and {} are both on {}: one would overwrite the other", a.path,
				b.path, x.name);
		}
	}
	return "";
}

/* Why nothing may be copied from one to the other; empty if it may. */
[[nodiscard]] inline std::string why_not(const device &from, const device &to, bool force)
{
	if (to.read_only)
		return fmt::format("{} is read-only: blockdev --setrw {} may change that", to.path,
				   to.path);
	if (to.bytes < from.bytes)
		return fmt::format("{} is too small: it has {} bytes and {} has {}", to.path,
				   to.bytes, from.path, from.bytes);
	if (from.bytes % to.block != 0)
		return fmt::format("{} has blocks of {} bytes, and {} does not end with one",
				   to.path, to.block, from.path);
	if (force || !to.in_use())
		return "";
	return fmt::format("{} is in use ({}): stop that first, or say --force", to.path,
			   users_text(to));
}

/* The same for all destinations, none of which has to do with another one. */
[[nodiscard]] inline std::string why_not_all(const device &from, const std::vector<device> &to,
					     bool force)
{
	if (from.bytes == 0)
		return fmt::format("{} is empty: there is nothing to copy", from.path);
	for (size_t i = 0; i < to.size(); i++) {
		std::string why = why_not_both(from, to[i]);

		for (size_t j = 0; j < i && why.empty(); j++)
			why = why_not_both(to[j], to[i]);
		if (why.empty())
			why = why_not(from, to[i], force);
		if (!why.empty())
			return why;
	}
	return "";
}

} /* namespace kcopyctl */

#endif /* KCOPYCTL_DEVICES_HPP */
