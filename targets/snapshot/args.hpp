/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lines of snapshots and of their origin in a table, and the lines that show them.
 * What they look like is mainline's dm-snapshot:
 *
 *	snapshot	<origin> <COW device> <P|PO|N> <chunk size>
 *			[<#features> [discard_zeroes_cow] [discard_passdown_origin]]
 *	snapshot-merge	the same, not with N
 *	snapshot-origin	<origin>
 *
 * Chunk sizes are in sectors of 512 bytes. Freestanding.
 */
#ifndef KCOPYD_TARGETS_SNAPSHOT_ARGS_HPP
#define KCOPYD_TARGETS_SNAPSHOT_ARGS_HPP

#include "targets/dm/text.hpp"
#include "targets/snapshot/store.hpp"

namespace snapshot
{

/* Mainline's DM_CHUNK_SIZE_DEFAULT_SECTORS. */
inline constexpr u32 default_chunk_sectors = 32;

/* Which target a line is of. */
enum class role {
	snapshot,
	merge
};

/**
 * struct args - a line of a snapshot; texts are where the words are
 * @origin: the device of which it is one
 * @cow: the device that has what has changed there
 * @persistent: P; not N
 * @overflow: PO: the store of a full device is not given up; who reads the status knows
 *	the word Overflow. With P and N, a full device makes the snapshot invalid.
 * @chunk_sectors: the size of chunks; 0 for what there is by default
 * @discard_zeroes_cow: a discard of all of a chunk leaves zeroes in the snapshot
 * @discard_passdown_origin: a discard goes to the origin's device, too
 */
struct args {
	const char *origin = nullptr;
	const char *cow = nullptr;
	bool persistent = false;
	bool overflow = false;
	u32 chunk_sectors = 0;
	bool discard_zeroes_cow = false;
	bool discard_passdown_origin = false;
};

/**
 * check_chunk() - can chunks be of that size?
 * @chunk_sectors: the size, of a table or of the header of a store
 * @cow_block: the logical block size of the COW device
 * @origin_block: that of the origin
 *
 * Return: null, or what is wrong.
 */
[[nodiscard]] constexpr const char *check_chunk(u32 chunk_sectors, u32 cow_block,
						u32 origin_block) noexcept
{
	if (chunk_sectors == 0 || (chunk_sectors & (chunk_sectors - 1)) != 0)
		return "The chunk size is not a power of two";
	if (chunk_sectors > max_chunk_sectors)
		return "The chunk size is too large";
	/* In sectors; a block is not smaller than one. */
	if (chunk_sectors % (cow_block / 512) != 0 || chunk_sectors % (origin_block / 512) != 0)
		return "The chunk size is not a multiple of the block size of both devices";
	return nullptr;
}

/**
 * there_is() - how much of some sectors of chunks the origin has
 * @first: the first one
 * @count: so many
 * @origin_sectors: the size of the origin
 * @cow_block: the logical block size of the COW device
 * @origin_block: that of the origin
 *
 * The end of the origin may be no end of the COW device's blocks. Then it is rounded down:
 * no snapshot of it has what is behind.
 *
 * Return: how many sectors are to be copied; all if the origin has none of them, which
 * cannot be copied then.
 */
[[nodiscard]] constexpr u64 there_is(u64 first, u64 count, u64 origin_sectors, u32 cow_block,
				     u32 origin_block) noexcept
{
	const u32 block = (cow_block > origin_block ? cow_block : origin_block) / 512;
	const u64 end = origin_sectors / block * block;

	return first >= end || count < end - first ? count : end - first;
}

/* What it is by default; mainline has no default for the transient store. */
[[nodiscard]] constexpr u32 default_chunk(u32 cow_block) noexcept
{
	const u32 block = cow_block / 512;

	return block > default_chunk_sectors ? block : default_chunk_sectors;
}

namespace detail
{

/* Mainline does not look at what is behind the O of PO, nor behind N. */
[[nodiscard]] constexpr const char *read_store(dm::words &line, args &to) noexcept
{
	const char *type = line.next();

	to.overflow = dm::same_letters(type, "PO");
	to.persistent = to.overflow || dm::same_letters(type, "P");
	if (!to.persistent && !dm::same_letters(type, "N"))
		return "The exception store is none of P, PO and N";
	if (!line.number(to.chunk_sectors))
		return "The chunk size is not a number";
	if (to.chunk_sectors == 0)
		return to.persistent ? nullptr : "The chunk size of a transient store is 0";
	return check_chunk(to.chunk_sectors, 512, 512);
}

[[nodiscard]] constexpr const char *read_features(dm::words &line, args &to) noexcept
{
	dm::words features(0, nullptr);

	if (line.left() == 0)
		return nullptr;
	if (!line.group(features) || features.left() > 2)
		return "The number of features is not from 0 to 2, or too large";
	while (features.left() != 0) {
		const char *feature = features.next();

		if (dm::same_letters(feature, "discard_zeroes_cow"))
			to.discard_zeroes_cow = true;
		else if (dm::same_letters(feature, "discard_passdown_origin"))
			to.discard_passdown_origin = true;
		else
			return "A feature is neither discard_zeroes_cow nor discard_passdown_origin";
	}
	if (to.discard_passdown_origin && !to.discard_zeroes_cow)
		return "discard_passdown_origin needs discard_zeroes_cow";
	return nullptr;
}

} /* namespace detail */

/**
 * read_args() - read a line of a snapshot
 * @line: its words
 * @r: the target
 * @to: as it is by default; receives what the line says
 *
 * What mainline ignores behind the features is refused.
 *
 * Return: null, or what is wrong, and then @to is not to be used.
 */
[[nodiscard]] constexpr const char *read_args(dm::words line, role r, args &to) noexcept
{
	if (line.left() < 4)
		return "There are fewer than 4 arguments";
	to.origin = line.next();
	to.cow = line.next();

	const char *wrong = detail::read_store(line, to);

	if (!wrong)
		wrong = detail::read_features(line, to);
	if (!wrong && line.left() != 0)
		wrong = "There are too many arguments";
	if (!wrong && r == role::merge && !to.persistent)
		wrong = "What is in a transient store cannot be merged";
	return wrong;
}

/* As read_args(), of an origin. */
[[nodiscard]] constexpr const char *read_origin(dm::words line, const char *&origin) noexcept
{
	if (line.left() != 1)
		return "The argument is: <origin>";
	origin = line.next();
	return nullptr;
}

/**
 * write_table() - show the arguments
 * @a: the arguments, where devices have the names that they are to be shown by, and the
 *	chunk size is the one in use
 * @to: the line
 */
constexpr void write_table(const args &a, dm::line &to) noexcept
{
	const u32 features =
		(a.discard_zeroes_cow ? 1U : 0U) + (a.discard_passdown_origin ? 1U : 0U);

	to.add(a.origin).add(' ').add(a.cow).add(' ');
	to.add(!a.persistent ? "N" : a.overflow ? "PO" : "P").add(' ').add(a.chunk_sectors);
	if (features != 0)
		to.add(' ').add(features);
	if (a.discard_zeroes_cow)
		to.add(" discard_zeroes_cow");
	if (a.discard_passdown_origin)
		to.add(" discard_passdown_origin");
}

/**
 * struct state - what the status line of a snapshot shows
 * @invalid: it was given up
 * @merge_failed: it could not be merged to the end
 * @overflowed: the COW device was full, with PO
 * @allocated: sectors of the COW device in use, those of @metadata among them
 * @total: sectors of the COW device
 * @metadata: sectors with headers and exceptions
 */
struct state {
	bool invalid = false;
	bool merge_failed = false;
	bool overflowed = false;
	u64 allocated = 0;
	u64 total = 0;
	u64 metadata = 0;
};

/* Mainline also has the word Unknown, for a store that cannot tell; there is none. */
constexpr void write_status(const state &s, dm::line &to) noexcept
{
	if (s.invalid)
		to.add("Invalid");
	else if (s.merge_failed)
		to.add("Merge failed");
	else if (s.overflowed)
		to.add("Overflow");
	else
		to.add(s.allocated).add('/').add(s.total).add(' ').add(s.metadata);
}

} /* namespace snapshot */

#endif /* KCOPYD_TARGETS_SNAPSHOT_ARGS_HPP */
