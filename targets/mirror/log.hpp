/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty log of a mirror: which regions are being written, and which are the same
 * on all legs. What is on disk is as mainline's dm-log ("disk", version 2) writes it, so
 * that either goes on with a log of the other's.
 *
 * A header of a sector, a sector that is not used, and from there on a bit for each
 * region, the first one the lowest of the first byte: 1 is clean, and so in sync after
 * a crash. Numbers are little-endian.
 *
 * Freestanding: memory and I/O are the caller's, and so is the lock.
 */
#ifndef KCOPYD_TARGETS_MIRROR_LOG_HPP
#define KCOPYD_TARGETS_MIRROR_LOG_HPP

#include "targets/dm/le.hpp"

namespace mirror
{

using le::u32;
using le::u64;

/* What mainline's dm-log has. */
inline constexpr u32 log_magic = 0x4D695272; /* "rRiM" on disk */
inline constexpr u32 log_version = 2;
inline constexpr u32 log_bits_sector = 2; /* where the bits begin */

/* The header. */
namespace header
{
using magic = le::field<u32, 0>;
using version = le::field<u32, magic::end>;
using nr_regions = le::field<u64, version::end>;
} /* namespace header */
inline constexpr u32 log_header_bytes = header::nr_regions::end;

static_assert(log_header_bytes == 16);

/* What a table's line says of the contents of the legs. */
enum class sync {
	by_log, /* what the log says; without one, nothing is in sync */
	forced, /* "sync": nothing is in sync, whatever the log says */
	none,	/* "nosync": everything is, whatever the log says */
};

/* Of what kind the first sector of a log is. */
enum class log_kind {
	fresh,	 /* all zeroes: there is no log yet */
	ours,	 /* a log that can be gone on with */
	newer,	 /* a log of a version that is not known */
	foreign, /* something else, which is not to be overwritten */
};

/**
 * read_log_header() - look at the first sector of a log
 * @sector: its 512 bytes
 * @nr_regions: set to how many regions the bits are of, where it is a log
 *
 * Version 1 was in the order of the machine that wrote it. A little-endian one's is the
 * same as version 2; a big-endian one's does not have the magic number here.
 */
[[nodiscard]] constexpr log_kind read_log_header(const unsigned char *sector,
						 u64 &nr_regions) noexcept
{
	if (header::magic::load(sector) == log_magic) {
		const u32 version = header::version::load(sector);

		if (version != log_version && version != 1)
			return log_kind::newer;
		nr_regions = header::nr_regions::load(sector);
		return log_kind::ours;
	}
	for (unsigned int i = 0; i < 512; i++) {
		if (sector[i] != 0)
			return log_kind::foreign;
	}
	return log_kind::fresh;
}

/**
 * log_sectors() - the size of a log on disk
 * @nr_regions: of so many regions
 * @block_sectors: the logical block size of its device
 *
 * Header and bits; mainline reads and writes all of that, in whole blocks.
 */
[[nodiscard]] constexpr u64 log_sectors(u64 nr_regions, u32 block_sectors) noexcept
{
	const u64 n = log_bits_sector + nr_regions / 4096 + (nr_regions % 4096 != 0);

	return (n + block_sectors - 1) / block_sectors * block_sectors;
}

/* Writes a header into the first sector of a log, of which it leaves the rest alone. */
constexpr void write_log_header(unsigned char *sector, u64 nr_regions) noexcept
{
	header::magic::store(sector, log_magic);
	header::version::store(sector, log_version);
	header::nr_regions::store(sector, nr_regions);
}

/**
 * class region_set - a bit for each region
 *
 * The bytes are those of the disk. What is behind the last region is 0.
 */
class region_set {
public:
	constexpr region_set() noexcept = default;

	/* @bytes: bytes_for(@nr_regions) of them, whose contents are taken as they are */
	constexpr region_set(unsigned char *bytes, u64 nr_regions) noexcept
		: bytes_(bytes), nr_(nr_regions)
	{
	}

	/* In words of 32 bits; what is behind them on disk nobody looks at. */
	[[nodiscard]] static constexpr u64 bytes_for(u64 nr_regions) noexcept
	{
		return (nr_regions / 32 + (nr_regions % 32 != 0)) * 4;
	}

	[[nodiscard]] constexpr bool has(u64 region) const noexcept
	{
		return (bytes_[region / 8] >> region % 8 & 1) != 0;
	}

	/* Both return whether that changed anything. */
	constexpr bool add(u64 region) noexcept { return !has(region) && flip(region); }
	constexpr bool remove(u64 region) noexcept { return has(region) && flip(region); }

	/* All regions, or none. */
	constexpr void fill(bool in) noexcept
	{
		for (u64 i = 0; i < bytes_for(nr_); i++)
			bytes_[i] = in ? 0xff : 0;
		cut();
	}

	/* From @region on. */
	constexpr void fill_from(u64 region, bool in) noexcept
	{
		for (; region < nr_ && region % 8 != 0; region++)
			set(region, in);
		for (u64 i = region / 8; region < nr_ && i < bytes_for(nr_); i++)
			bytes_[i] = in ? 0xff : 0;
		cut();
	}

	/* Removes what is behind the last region. */
	constexpr void cut() noexcept
	{
		for (u64 i = nr_ / 8 + (nr_ % 8 != 0); i < bytes_for(nr_); i++)
			bytes_[i] = 0;
		if (nr_ % 8 != 0)
			bytes_[nr_ / 8] &= static_cast<unsigned char>((1U << nr_ % 8) - 1);
	}

	constexpr void copy(const region_set &other) noexcept
	{
		for (u64 i = 0; i < bytes_for(nr_); i++)
			bytes_[i] = other.bytes_[i];
	}

	[[nodiscard]] constexpr u64 count() const noexcept
	{
		u64 n = 0;

		for (u64 region = 0; region < nr_; region += 32)
			n += bits(word_of(region));
		return n;
	}

	/*
	 * The first region from @region on, before @end, that is not in the set; @end if all
	 * are. It is not behind the last one.
	 */
	[[nodiscard]] constexpr u64 next_missing(u64 region, u64 end) const noexcept
	{
		while (region < end) {
			if (region % 32 == 0 && word_of(region) == ~0U)
				region += 32;
			else if (has(region))
				region++;
			else
				return region;
		}
		return end;
	}

	[[nodiscard]] constexpr u64 size() const noexcept { return nr_; }

private:
	[[nodiscard]] constexpr u32 word_of(u64 region) const noexcept
	{
		return le::field<u32, 0>::load(bytes_ + region / 32 * 4);
	}

	/* How many are set, without a call of the compiler's runtime. */
	[[nodiscard]] static constexpr u32 bits(u32 word) noexcept
	{
		word -= word >> 1 & 0x55555555;
		word = (word & 0x33333333) + (word >> 2 & 0x33333333);
		word = (word + (word >> 4)) & 0x0f0f0f0f;
		return (word * 0x01010101) >> 24;
	}

	constexpr bool flip(u64 region) noexcept
	{
		bytes_[region / 8] ^= static_cast<unsigned char>(1U << region % 8);
		return true;
	}

	constexpr void set(u64 region, bool in) noexcept
	{
		if (has(region) != in)
			flip(region);
	}

	unsigned char *bytes_ = nullptr;
	u64 nr_ = 0;
};

/**
 * class changed_bytes - what of the bits is to be written
 *
 * Told of each region whose bit has changed, it knows the bytes from the first such one
 * to the last one: a log of many regions is large, and is written before each write to a
 * clean one.
 */
class changed_bytes {
public:
	constexpr void add(u64 region) noexcept { add(region / 8, region / 8 + 1); }

	/* All of them. */
	constexpr void add_all(u64 nr_regions) noexcept
	{
		add(0, region_set::bytes_for(nr_regions));
	}

	/**
	 * take() - begin to write
	 * @block: in blocks of so many bytes, a power of two, of which the first one begins
	 *	with the bits
	 * @first: receives the first byte
	 * @count: receives how many
	 *
	 * Return: false if there are none. What could not be written is given back by add().
	 */
	[[nodiscard]] constexpr bool take(u32 block, u64 &first, u64 &count) noexcept
	{
		if (first_ >= end_)
			return false;
		first = first_ / block * block;
		count = (end_ - first + block - 1) / block * block;
		first_ = ~0ULL;
		end_ = 0;
		return true;
	}

	constexpr void add(u64 first, u64 end) noexcept
	{
		first_ = first < first_ ? first : first_;
		end_ = end > end_ ? end : end_;
	}

private:
	u64 first_ = ~0ULL;
	u64 end_ = 0;
};

/**
 * class region_log - what is known of the regions of a mirror
 *
 * A region is clean or dirty: a write to it may be on its way. It is in sync or not:
 * all legs have the same. And it may be in recovery: it is being copied.
 *
 * The set of the clean ones is what a log on disk has. A region is only clean if it is in
 * sync, so that after a crash everything that is not clean is to be copied.
 */
class region_log {
public:
	/* How much memory it takes, in bytes. */
	[[nodiscard]] static constexpr u64 bytes_for(u64 nr_regions) noexcept
	{
		return 3 * region_set::bytes_for(nr_regions);
	}

	/**
	 * region_log() - of a mirror of so many regions
	 * @memory: bytes_for(@nr_regions) bytes; for a log on disk, the first third of
	 *	them is what the disk has from log_bits_sector on, in whole words of 32
	 *	bits: what was read goes there, and from there it is written
	 *
	 * It knows nothing before resume().
	 */
	constexpr region_log(unsigned char *memory, u64 nr_regions) noexcept
		: clean_(memory, nr_regions),
		  in_sync_(memory + region_set::bytes_for(nr_regions), nr_regions),
		  recovering_(memory + 2 * region_set::bytes_for(nr_regions), nr_regions)
	{
	}

	/**
	 * resume() - go on with what is in the first third of the memory
	 * @s: what the table says
	 * @nr_known: so many regions the disk's bits are of; 0 without any
	 *
	 * The mirror may have become larger or smaller since.
	 */
	constexpr void resume(sync s, u64 nr_known) noexcept
	{
		if (s != sync::by_log || nr_known > size())
			nr_known = s == sync::by_log ? size() : 0;
		clean_.fill_from(nr_known, s == sync::none);
		in_sync_.copy(clean_);
		recovering_.fill(false);
		nr_in_sync_ = in_sync_.count();
		search_ = 0;
	}

	[[nodiscard]] constexpr u64 size() const noexcept { return clean_.size(); }
	[[nodiscard]] constexpr bool in_sync(u64 region) const noexcept
	{
		return in_sync_.has(region);
	}
	[[nodiscard]] constexpr u64 nr_in_sync() const noexcept { return nr_in_sync_; }

	/*
	 * A write to the region is to begin. Returns true if the log on disk has to be
	 * written before.
	 */
	constexpr bool mark(u64 region) noexcept { return clean_.remove(region); }

	/* Likewise to any region. */
	constexpr void mark_all() noexcept { clean_.fill(false); }

	/*
	 * There is no write to the region any more. Returns true if the log on disk is to be
	 * written now and then. Of one that is not in sync it changes nothing.
	 */
	constexpr bool clear(u64 region) noexcept
	{
		return in_sync_.has(region) && clean_.add(region);
	}

	/**
	 * next_to_recover() - find a region that is to be copied
	 * @region: receives it; it is in recovery from now on
	 *
	 * Return: false if there is none that is not in recovery, this time round:
	 * recover_again() begins from the start.
	 */
	constexpr bool next_to_recover(u64 &region) noexcept
	{
		do {
			search_ = in_sync_.next_missing(search_, size());
			if (search_ == size())
				return false;
			region = search_++;
		} while (recovering_.has(region));
		recovering_.add(region);
		return true;
	}

	constexpr void recover_again() noexcept { search_ = 0; }

	/* The first region from @region on, before @end, that is not clean; @end if all are. */
	[[nodiscard]] constexpr u64 next_dirty(u64 region, u64 end) const noexcept
	{
		return clean_.next_missing(region, end);
	}

	/* The region has been copied to all legs, or could not be. */
	constexpr void recovered(u64 region, bool well) noexcept
	{
		recovering_.remove(region);
		if (well)
			nr_in_sync_ += in_sync_.add(region) ? 1 : 0;
		else
			out_of_sync(region);
	}

	/* A write to the region did not reach all legs. As mark(). */
	constexpr bool out_of_sync(u64 region) noexcept
	{
		nr_in_sync_ -= in_sync_.remove(region) ? 1 : 0;
		return clean_.remove(region);
	}

private:
	region_set clean_;
	region_set in_sync_;
	region_set recovering_;
	u64 nr_in_sync_ = 0;
	u64 search_ = 0;
};

} /* namespace mirror */

#endif /* KCOPYD_TARGETS_MIRROR_LOG_HPP */
