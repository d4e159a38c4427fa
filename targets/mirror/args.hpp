/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The line of a mirror in a table, and the lines that show it. What they look like is
 * mainline's dm-mirror, with its dm-log:
 *
 *	core <#params> <region size> [sync|nosync]
 *	disk <#params> <log device> <region size> [sync|nosync]
 *		<#legs> {<device> <offset>}... [<#features> [handle_errors] [keep_log]]
 *
 * Regions and offsets are in sectors of 512 bytes. Freestanding.
 */
#ifndef KCOPYD_TARGETS_MIRROR_ARGS_HPP
#define KCOPYD_TARGETS_MIRROR_ARGS_HPP

#include "targets/dm/text.hpp"
#include "targets/mirror/log.hpp"

namespace mirror
{

/* Mainline's MAX_NR_MIRRORS. */
inline constexpr u32 min_legs = 2;
inline constexpr u32 max_legs = 9;

/* Mainline's dm-log does not take more regions, nor smaller ones, in sectors. */
inline constexpr u64 max_regions = ~0U;
inline constexpr u32 min_region_sectors = 2;

/**
 * struct leg_args - where a leg is
 * @device: the device as the table names it
 * @offset: the sector where the leg begins there
 */
struct leg_args {
	const char *device = nullptr;
	u64 offset = 0;
};

/**
 * struct args - a line of a table; texts are where the words are
 * @log_device: null for a log that is not on disk
 * @region_sectors: the size of a region, a power of two
 * @contents: what the line says of the contents of the legs
 * @nr_legs: of @legs
 * @legs: where they are
 * @handle_errors: writes wait for somebody to deal with a leg that failed
 * @keep_log: they do not, and the log remembers what that leg lacks
 */
struct args {
	const char *log_device = nullptr;
	u32 region_sectors = 0;
	sync contents = sync::by_log;
	u32 nr_legs = 0;
	leg_args legs[max_legs];
	bool handle_errors = false;
	bool keep_log = false;

	[[nodiscard]] constexpr u64 nr_regions(u64 sectors) const noexcept
	{
		return sectors / region_sectors + (sectors % region_sectors != 0);
	}
};

/**
 * check_region() - can regions be of that size?
 * @region_sectors: the size
 * @block_sectors: the logical block size of a leg
 *
 * Return: null, or what is wrong.
 */
[[nodiscard]] constexpr const char *check_region(u32 region_sectors, u32 block_sectors) noexcept
{
	if (region_sectors % block_sectors != 0)
		return "The region size is not a multiple of the block size of all legs";
	return nullptr;
}

namespace detail
{

[[nodiscard]] constexpr const char *read_contents(dm::words &params, args &to) noexcept
{
	const char *contents = params.next();

	if (dm::same_text(contents, "sync"))
		to.contents = sync::forced;
	else if (dm::same_text(contents, "nosync"))
		to.contents = sync::none;
	else
		return "The log's last argument is neither sync nor nosync";
	return nullptr;
}

[[nodiscard]] constexpr const char *read_log(dm::words &line, u64 sectors, args &to) noexcept
{
	const char *type = line.next();
	const bool disk = dm::same_text(type, "disk");
	dm::words params(0, nullptr);

	if (!disk && !dm::same_text(type, "core"))
		return "The log is neither core nor disk";
	if (!line.group(params))
		return "The number of the log's arguments is not a number, or too large";
	if (params.left() < (disk ? 2U : 1U) || params.left() > (disk ? 3U : 2U))
		return "The log has too few or too many arguments";
	if (disk)
		to.log_device = params.next();
	if (!params.number(to.region_sectors) || to.region_sectors < min_region_sectors ||
	    (to.region_sectors & (to.region_sectors - 1)) != 0)
		return "The region size is not a power of two of at least 2 sectors";
	if (to.region_sectors > sectors)
		return "The region size is larger than the mirror";
	if (to.nr_regions(sectors) > max_regions)
		return "There are too many regions of that size";
	return params.left() != 0 ? read_contents(params, to) : nullptr;
}

[[nodiscard]] constexpr const char *read_legs(dm::words &line, u64 sectors, args &to) noexcept
{
	if (!line.number(to.nr_legs) || to.nr_legs < min_legs || to.nr_legs > max_legs)
		return "The number of legs is not from 2 to 9";
	if (line.left() < to.nr_legs * 2)
		return "There are fewer legs than their number";
	for (u32 i = 0; i < to.nr_legs; i++) {
		to.legs[i].device = line.next();
		if (!line.number(~0ULL, to.legs[i].offset))
			return "The offset of a leg is not a number";
		if (to.legs[i].offset > ~0ULL - sectors)
			return "The offset of a leg is too large";
	}
	return nullptr;
}

[[nodiscard]] constexpr const char *read_features(dm::words &line, args &to) noexcept
{
	dm::words features(0, nullptr);

	if (line.left() == 0)
		return nullptr;
	if (!line.group(features))
		return "The number of features is not a number, or too large";
	while (features.left() != 0) {
		const char *feature = features.next();

		if (dm::same_text(feature, "handle_errors"))
			to.handle_errors = true;
		else if (dm::same_text(feature, "keep_log"))
			to.keep_log = true;
		else
			return "A feature is neither handle_errors nor keep_log";
	}
	if (to.keep_log && !to.handle_errors)
		return "keep_log needs handle_errors";
	return nullptr;
}

} /* namespace detail */

/**
 * read_args() - read a line of a table
 * @line: its words
 * @sectors: the size of the mirror
 * @to: as it is by default; receives what the line says
 *
 * Return: null, or what is wrong, and then @to is not to be used.
 */
[[nodiscard]] constexpr const char *read_args(dm::words line, u64 sectors, args &to) noexcept
{
	const char *wrong = detail::read_log(line, sectors, to);

	if (!wrong)
		wrong = detail::read_legs(line, sectors, to);
	if (!wrong)
		wrong = detail::read_features(line, to);
	if (!wrong && line.left() != 0)
		wrong = "There are too many arguments";
	return wrong;
}

/**
 * write_table() - show the arguments
 * @a: the arguments, where devices have the names that they are to be shown by
 * @to: the line
 */
constexpr void write_table(const args &a, dm::line &to) noexcept
{
	const u32 params = (a.log_device ? 2U : 1U) + (a.contents != sync::by_log ? 1U : 0U);
	const u32 features = (a.handle_errors ? 1U : 0U) + (a.keep_log ? 1U : 0U);

	to.add(a.log_device ? "disk " : "core ").add(params).add(' ');
	if (a.log_device)
		to.add(a.log_device).add(' ');
	to.add(a.region_sectors).add(' ');
	if (a.contents != sync::by_log)
		to.add(a.contents == sync::none ? "nosync " : "sync ");
	to.add(a.nr_legs);
	for (u32 i = 0; i < a.nr_legs; i++)
		to.add(' ').add(a.legs[i].device).add(' ').add(a.legs[i].offset);
	if (features != 0)
		to.add(' ').add(features);
	if (a.handle_errors)
		to.add(" handle_errors");
	if (a.keep_log)
		to.add(" keep_log");
}

/* How the device of a log is; the values are those of the status line. */
enum class log_health : char {
	alive = 'A',
	failed = 'D',	    /* it could not be read or written */
	flush_failed = 'F', /* it could not be flushed, which counts for more */
};

/**
 * write_status() - show the state
 * @a: the arguments; see write_table()
 * @health: a character for each leg; see legs::health()
 * @in_sync: so many regions are
 * @regions: of so many
 * @log: how the log's device is, where there is one
 * @to: the line
 */
constexpr void write_status(const args &a, const char *health, u64 in_sync, u64 regions,
			    log_health log, dm::line &to) noexcept
{
	to.add(a.nr_legs).add(' ');
	for (u32 i = 0; i < a.nr_legs; i++)
		to.add(a.legs[i].device).add(' ');
	to.add(in_sync).add('/').add(regions).add(" 1 ");
	for (u32 i = 0; i < a.nr_legs; i++)
		to.add(health[i]);
	if (a.log_device)
		to.add(" 3 disk ").add(a.log_device).add(' ').add(static_cast<char>(log));
	else
		to.add(" 1 core");
}

} /* namespace mirror */

#endif /* KCOPYD_TARGETS_MIRROR_ARGS_HPP */
