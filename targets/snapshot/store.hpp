/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The persistent exception store of a snapshot: where on the COW device is what. It is as
 * mainline's dm-snapshot ("P", version 1) writes it, so that either goes on with a
 * store of the other's.
 *
 * The device is made of chunks. Chunk 0 has a header. Then come areas, each a chunk of
 * exceptions and as many chunks of data as there is room for exceptions in it. An
 * exception is two numbers: the chunk of the origin that has been copied, and the chunk
 * here to which. One with 0 for the latter ends them all. Numbers are little-endian.
 *
 * Freestanding: memory and I/O are the caller's, and so is the lock. In memory is one
 * area, the one that exceptions are added to.
 */
#ifndef KCOPYD_TARGETS_SNAPSHOT_STORE_HPP
#define KCOPYD_TARGETS_SNAPSHOT_STORE_HPP

#include "targets/dm/le.hpp"

namespace snapshot
{

using le::u32;
using le::u64;

/* What mainline's dm-snapshot has. */
inline constexpr u32 store_magic = 0x70416e53; /* "SnAp" on disk */
inline constexpr u32 store_version = 1;
inline constexpr u64 header_chunks = 1;

/* The header. */
namespace header
{
using magic = le::field<u32, 0>;
using valid = le::field<u32, magic::end>;
using version = le::field<u32, valid::end>;
using chunk_sectors = le::field<u32, version::end>;
} /* namespace header */
inline constexpr u32 header_bytes = header::chunk_sectors::end;

/* An exception: a chunk of the origin, and one of the COW device. */
namespace on_disk
{
using from = le::field<u64, 0>;
using to = le::field<u64, from::end>;
} /* namespace on_disk */
inline constexpr u32 exception_bytes = on_disk::to::end;

static_assert(header_bytes == 16 && exception_bytes == 16);

/* The largest chunk, in sectors: mainline has its size in bytes in an int. */
inline constexpr u32 max_chunk_sectors = 1U << 21;

/* Of what kind the first sector of a COW device is. */
enum class store_kind {
	fresh,	 /* its first number is 0: there is no store yet */
	ours,	 /* a store that can be gone on with */
	invalid, /* a store that was given up when it was full or failed */
	newer,	 /* a store of a version that is not known */
	corrupt, /* a store with a chunk size that there cannot be */
	foreign, /* something else, which is not to be overwritten */
};

/**
 * read_store_header() - look at the first sector of a COW device
 * @sector: its 512 bytes
 * @chunk_sectors: set to the size of its chunks where it is a store, which is what
 *	counts, whatever the table says
 */
[[nodiscard]] constexpr store_kind read_store_header(const unsigned char *sector,
						     u32 &chunk_sectors) noexcept
{
	const u32 magic = header::magic::load(sector);
	const u32 chunk = header::chunk_sectors::load(sector);

	if (magic == 0) {
		/* Mainline looks at no more than that; this could still be somebody's. */
		for (u32 i = 4; i < 512; i++) {
			if (sector[i] != 0)
				return store_kind::foreign;
		}
		return store_kind::fresh;
	}
	if (magic != store_magic)
		return store_kind::foreign;
	if (header::version::load(sector) != store_version)
		return store_kind::newer;
	if (chunk == 0 || (chunk & (chunk - 1)) != 0 || chunk > max_chunk_sectors)
		return store_kind::corrupt;
	chunk_sectors = chunk;
	return header::valid::load(sector) != 0 ? store_kind::ours : store_kind::invalid;
}

/* Writes a header into the first sector of a chunk, of which it leaves the rest alone. */
constexpr void write_store_header(unsigned char *sector, u32 chunk_sectors, bool valid) noexcept
{
	header::magic::store(sector, store_magic);
	header::valid::store(sector, valid ? 1U : 0U);
	header::version::store(sector, store_version);
	header::chunk_sectors::store(sector, chunk_sectors);
}

/* The chunk of the origin @from has been copied to the chunk @to of the COW device. */
struct exception {
	u64 from;
	u64 to;
};

/* What came of load(). */
enum class loaded {
	more,	 /* the area is full: load() the next one */
	all,	 /* there are no more exceptions */
	corrupt, /* there is one that cannot be */
};

/**
 * class store - where exceptions go
 */
class store {
public:
	/**
	 * store() - of a COW device
	 * @area: memory of a chunk
	 * @chunk_sectors: the size of chunks, a power of two
	 * @cow_sectors: the size of the device, which fits()
	 */
	constexpr store(unsigned char *area, u32 chunk_sectors, u64 cow_sectors) noexcept
		: area_(area), per_area_(chunk_sectors * (512 / exception_bytes)),
		  chunks_(cow_sectors / chunk_sectors)
	{
	}

	/* Is there room for a store: a header, and an area? */
	[[nodiscard]] static constexpr bool fits(u32 chunk_sectors, u64 cow_sectors) noexcept
	{
		return cow_sectors / chunk_sectors > header_chunks;
	}

	/*
	 * The device may have grown. A full area that nothing followed is the last one for
	 * good: nobody knows what is behind it. One that gets smaller loses exceptions, of
	 * which its errors tell.
	 */
	constexpr void resize(u64 cow_sectors) noexcept
	{
		const u64 chunks = cow_sectors / (per_area_ / (512 / exception_bytes));

		if (chunks > chunks_ && (!is_full() || next_chunk() != 0))
			chunks_ = chunks;
	}

	/* The chunk of the exceptions of area number @n. */
	[[nodiscard]] constexpr u64 area_chunk(u64 n) const noexcept
	{
		return header_chunks + (static_cast<u64>(per_area_) + 1) * n;
	}

	/* Is that a chunk of data, and of this device? */
	[[nodiscard]] constexpr bool is_data(u64 chunk) const noexcept
	{
		return chunk > header_chunks && chunk < chunks_ && !is_area(chunk);
	}

	/* An empty store: header and area 0, all zeroes, are to be written. */
	constexpr void start() noexcept
	{
		current_ = 0;
		wipe();
		next_free_ = header_chunks + 1;
		pending_ = 0;
	}

	/**
	 * load() - take over the area that has been read
	 * @n: its number; from 0 on, one after the other
	 * @add: told of each exception; false if it cannot be one
	 */
	template <typename F> constexpr loaded load(u64 n, F add) noexcept
	{
		if (n == 0)
			next_free_ = header_chunks + 1;
		current_ = n;
		pending_ = 0;
		for (used_ = 0; used_ < per_area_; used_++) {
			const exception e = get(used_);

			if (e.to == 0)
				break;
			if (!is_data(e.to) || !add(e))
				return loaded::corrupt;
			if (next_free_ <= e.to)
				next_free_ = e.to + 1;
		}
		skip_area();
		/* Each has a chunk of its own, or there would be too few places for more. */
		if (current_ * per_area_ + used_ > data_before(next_free_))
			return loaded::corrupt;
		/* A full area that nothing can follow is the last one. */
		if (used_ == per_area_ && area_chunk(n + 1) < chunks_)
			return loaded::more;
		for (u32 i = used_; i < per_area_; i++)
			put(i, { 0, 0 });
		return loaded::all;
	}

	/**
	 * allocate() - find a chunk for data
	 * @chunk: receives it; it will be committed, or forgotten
	 *
	 * Return: false if the device is full.
	 */
	[[nodiscard]] constexpr bool allocate(u64 &chunk) noexcept
	{
		/* An area is not filled if there is no room for another, in case the device grows. */
		if (next_free_ >= chunks_ || (next_free_ + 1 == chunks_ && is_area(chunks_)))
			return false;
		chunk = next_free_++;
		skip_area();
		pending_++;
		return true;
	}

	/**
	 * commit() - the data of an exception is on disk
	 * @e: the exception, of a chunk that was allocated
	 *
	 * Not while a full area is to be written: there is no room in memory for more.
	 *
	 * Return: true if the area is to be written now, as nothing else is on its way or
	 * it is full. If is_full(), the next area is to be filled with zeroes before, and
	 * flushed. Callers are told of all that was committed by then when that is stable,
	 * after written().
	 */
	constexpr bool commit(const exception &e) noexcept
	{
		put(used_++, e);
		pending_--;
		return pending_ == 0 || is_full();
	}

	/* The data of an allocated chunk could not be written: it is lost until a restart. */
	constexpr bool forget() noexcept { return --pending_ == 0 && used_ != 0; }

	/* Of the area in memory. */
	[[nodiscard]] constexpr bool is_full() const noexcept { return used_ == per_area_; }
	[[nodiscard]] constexpr u64 current_chunk() const noexcept { return area_chunk(current_); }

	/* The chunk of the next area; 0 if the device ends before. */
	[[nodiscard]] constexpr u64 next_chunk() const noexcept
	{
		const u64 chunk = area_chunk(current_ + 1);

		return chunk < chunks_ ? chunk : 0;
	}

	/* The area in memory is on disk. The next one is begun, if there is one. */
	constexpr void written() noexcept
	{
		if (!is_full() || next_chunk() == 0)
			return;
		current_++;
		wipe();
	}

	/**
	 * must_read() - is the area before the one in memory needed, to merge?
	 * @n: receives its number; it is to be read, then back() be called
	 */
	[[nodiscard]] constexpr bool must_read(u64 &n) const noexcept
	{
		n = current_ - 1;
		return used_ == 0 && current_ != 0;
	}

	constexpr void back() noexcept
	{
		current_--;
		used_ = per_area_;
	}

	/**
	 * last_run() - what is to be merged next
	 * @last: receives the last exception of the area in memory
	 *
	 * Return: how many exceptions before it, and with it, are of neighbours in both
	 * places, in the same order; 0 if there are none at all.
	 */
	[[nodiscard]] constexpr u32 last_run(exception &last) const noexcept
	{
		u32 n = 1;

		if (used_ == 0)
			return 0;
		last = get(used_ - 1);
		for (; n < used_; n++) {
			const exception e = get(used_ - 1 - n);

			if (e.from + n != last.from || e.to + n != last.to)
				break;
		}
		return n;
	}

	/* The last @n exceptions are merged: the area is to be written. */
	constexpr void merged(u32 n) noexcept
	{
		for (; n != 0 && used_ != 0; n--)
			put(--used_, { 0, 0 });
		/* As if all had been committed in the order of their chunks. */
		next_free_ = current_chunk() + used_ + 1;
	}

	/* For the status line, in chunks. */
	[[nodiscard]] constexpr u64 chunks_allocated() const noexcept { return next_free_; }
	[[nodiscard]] constexpr u64 chunks_of_metadata() const noexcept
	{
		return header_chunks + current_ + 1;
	}

private:
	[[nodiscard]] constexpr bool is_area(u64 chunk) const noexcept
	{
		return chunk % (static_cast<u64>(per_area_) + 1) == header_chunks;
	}

	/* So many chunks of data come before @chunk. */
	[[nodiscard]] constexpr u64 data_before(u64 chunk) const noexcept
	{
		const u64 x = chunk - header_chunks + per_area_;

		return x - per_area_ - x / (static_cast<u64>(per_area_) + 1);
	}

	constexpr void skip_area() noexcept
	{
		if (is_area(next_free_))
			next_free_++;
	}

	[[nodiscard]] constexpr exception get(u32 i) const noexcept
	{
		const unsigned char *at = area_ + static_cast<u64>(i) * exception_bytes;

		return { on_disk::from::load(at), on_disk::to::load(at) };
	}

	constexpr void put(u32 i, const exception &e) noexcept
	{
		unsigned char *at = area_ + static_cast<u64>(i) * exception_bytes;

		on_disk::from::store(at, e.from);
		on_disk::to::store(at, e.to);
	}

	constexpr void wipe() noexcept
	{
		used_ = 0;
		for (u32 i = 0; i < per_area_; i++)
			put(i, { 0, 0 });
	}

	unsigned char *area_;
	u32 per_area_;
	u32 used_ = 0; /* exceptions in the area in memory */
	u64 chunks_;
	u64 current_ = 0; /* number of the area in memory */
	u64 next_free_ = header_chunks + 1;
	u64 pending_ = 0; /* chunks that were allocated and not committed */
};

} /* namespace snapshot */

#endif /* KCOPYD_TARGETS_SNAPSHOT_STORE_HPP */
