/* SPDX-License-Identifier: GPL-2.0-only */
/* The status of kmirror and of the snapshots, as device-mapper gives it. */
#ifndef KCOPYCTL_TARGETS_HPP
#define KCOPYCTL_TARGETS_HPP

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "progress.hpp"
#include "text.hpp"

namespace kcopyctl
{

struct mirror_status {
	std::vector<std::string> legs;
	u64 in_sync = 0;
	u64 regions = 0;
	std::string health; /* a letter for each leg */
	std::string log_device;
	std::string log_health; /* empty with a log in memory */
};

struct snapshot_status {
	std::string state; /* valid, invalid, overflow */
	u64 allocated = 0; /* sectors */
	u64 size = 0;
	u64 metadata = 0;
};

enum class target_kind {
	mirror,
	snapshot,
	origin
};

/* By whatever name: may modules of kcopyd take mainline's, too? */
struct mainline_names {
	bool mirror = false;
	bool snapshot = false;
};

/* Of a target in a table; nothing if it is not of kcopyd. */
[[nodiscard]] inline std::optional<target_kind> kind_of(std::string_view type, mainline_names also)
{
	if (type == "kmirror" || (also.mirror && type == "mirror"))
		return target_kind::mirror;
	if (type == "ksnapshot" || type == "ksnapshot-merge" ||
	    (also.snapshot && (type == "snapshot" || type == "snapshot-merge")))
		return target_kind::snapshot;
	if (type == "ksnap-origin" || (also.snapshot && type == "snapshot-origin"))
		return target_kind::origin;
	return std::nullopt;
}

/* "<a>/<b>" */
[[nodiscard]] inline bool parse_fraction(std::string_view text, u64 &a, u64 &b)
{
	const auto first = parse_number(take(text, '/'));
	const auto second = parse_number(text);

	if (!first || !second || *first > *second)
		return false;
	a = *first;
	b = *second;
	return true;
}

/* <#legs> <device>... <in sync>/<regions> 1 <health>... 1 core | 3 disk <device> <health> */
[[nodiscard]] inline std::optional<mirror_status> parse_mirror(std::string_view params)
{
	const auto words = split(params, ' ');
	const auto nr = parse_number(words.empty() ? "" : words[0]);
	mirror_status m;

	if (!nr || *nr == 0 || *nr > 32 || words.size() < *nr + 6)
		return std::nullopt;

	const auto *next = &words[1 + static_cast<size_t>(*nr)];

	m.legs.assign(words.begin() + 1, words.begin() + 1 + static_cast<int>(*nr));
	if (!parse_fraction(next[0], m.in_sync, m.regions) || next[1] != "1" ||
	    next[2].size() != *nr)
		return std::nullopt;
	m.health = next[2];
	if (words.size() == *nr + 6 && next[3] == "1" && next[4] == "core")
		return m;
	if (words.size() != *nr + 8 || next[3] != "3" || next[4] != "disk")
		return std::nullopt;
	m.log_device = next[5];
	m.log_health = next[6];
	return m;
}

[[nodiscard]] inline std::optional<snapshot_status> parse_snapshot(std::string_view params)
{
	const auto words = split(params, ' ');
	snapshot_status s;

	if (words.size() == 1 && words[0] == "Invalid")
		return snapshot_status{ "invalid" };
	if (words.size() == 1 && words[0] == "Overflow")
		return snapshot_status{ "overflow" };
	if (words.size() != 2 || !parse_fraction(words[0], s.allocated, s.size))
		return std::nullopt;
	const auto metadata = parse_number(words[1]);

	if (!metadata)
		return std::nullopt;
	s.metadata = *metadata;
	s.state = "valid";
	return s;
}

/* The answer of a mirror to the message "state": KiB a second. */
[[nodiscard]] inline std::optional<u64> parse_mirror_rate(std::string_view answer)
{
	const auto words = split(answer, ' ');

	if (words.size() != 3 || words[1] != "rate")
		return std::nullopt;
	return parse_number(words[2]);
}

/* In a few words; what is not understood as it came. */
[[nodiscard]] inline std::string show_target(target_kind kind, std::string_view params)
{
	if (kind == target_kind::mirror) {
		const auto m = parse_mirror(params);

		if (m)
			return fmt::format("{} % in sync, legs {}{}{}",
					   percent(m->in_sync, m->regions), m->health,
					   m->log_health.empty() ? "" : ", log ", m->log_health);
	} else if (kind == target_kind::snapshot) {
		const auto s = parse_snapshot(params);

		if (s && s->state == "valid")
			return fmt::format("{} % of {} used", percent(s->allocated, s->size),
					   show_size(s->size * 512));
		if (s)
			return s->state;
	}
	return std::string(params);
}

} /* namespace kcopyctl */

#endif /* KCOPYCTL_TARGETS_HPP */
