/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exceptions of a snapshot in memory: which chunk of the origin is where on the COW
 * device. Chunks that are neighbours in both places are one run, as in mainline's
 * dm-snapshot: a snapshot that is written from end to end takes a run for 256 chunks.
 *
 * Freestanding: the buckets and each run's memory are the caller's, and so is the lock.
 */
#ifndef KCOPYD_TARGETS_SNAPSHOT_EXCEPTIONS_HPP
#define KCOPYD_TARGETS_SNAPSHOT_EXCEPTIONS_HPP

#include "targets/snapshot/store.hpp"

namespace snapshot
{

/* Mainline's DM_CHUNK_CONSECUTIVE_BITS and DM_CHUNK_NUMBER_BITS. */
inline constexpr u32 run_bits = 8;
inline constexpr u64 max_chunk = (1ULL << 56) - 1;

/**
 * class run - chunks that follow one another in both places
 *
 * Whoever has to do with more than that derives from it.
 */
class run {
public:
	constexpr run() noexcept = default;

	/* Of a chunk. @to is no more than max_chunk. */
	constexpr run(u64 from, u64 to) noexcept : from_(from), to_(to) {}

	[[nodiscard]] constexpr u64 from() const noexcept { return from_; }
	[[nodiscard]] constexpr u64 to() const noexcept { return to_; }
	[[nodiscard]] constexpr u32 chunks() const noexcept { return static_cast<u32>(more_) + 1; }

	/* Where a chunk of it is. */
	[[nodiscard]] constexpr u64 to_of(u64 from) const noexcept { return to_ + (from - from_); }

	[[nodiscard]] constexpr bool has(u64 from) const noexcept
	{
		return from >= from_ && from - from_ <= more_;
	}

private:
	friend class exceptions;

	run *next_ = nullptr;
	u64 from_ = 0;
	u64 to_ : 56 = 0;
	u64 more_ : 8 = 0; /* chunks after the first one */
};

/* What became of a chunk that was to be added. */
enum class added {
	kept,	/* its run is in the table */
	joined, /* it is part of another run, and its own is free again */
	twice,	/* that chunk of the origin was there already; so is its own */
};

/* What became of a chunk that was to be removed. */
enum class removed {
	last,	 /* it was the last one of its run, which is free now */
	shrunk,	 /* its run has become shorter */
	missing, /* there is no such chunk */
	inside,	 /* it is neither the first nor the last one of its run, and still there */
};

/**
 * class exceptions - a table of runs, by chunks of the origin
 */
class exceptions {
public:
	/**
	 * exceptions() - an empty table
	 * @buckets: memory for so many; receives the table
	 * @nr_buckets: a power of two
	 */
	constexpr exceptions(run **buckets, u64 nr_buckets) noexcept
		: buckets_(buckets), mask_(nr_buckets - 1)
	{
		for (u64 i = 0; i < nr_buckets; i++)
			buckets_[i] = nullptr;
	}

	/*
	 * How many buckets mainline has for a COW device of so many chunks: no more than
	 * 2 MiB of them.
	 */
	[[nodiscard]] static constexpr u64 buckets_for(u64 chunks) noexcept
	{
		constexpr u64 least = 64;
		u64 most = 2ULL * 1024 * 1024 / sizeof(void *);

		while (most > least && most > chunks)
			most /= 2;
		return most;
	}

	/* The run that a chunk of the origin is in; null if it is in none. */
	[[nodiscard]] constexpr run *find(u64 from) const noexcept
	{
		run *r = *bucket(from);

		while (r && !r->has(from) && r->from_ < from)
			r = r->next_;
		return r && r->has(from) ? r : nullptr;
	}

	/**
	 * add() - add a chunk
	 * @r: its run, of one chunk
	 *
	 * The table has it from now on if it is kept. A bucket is sorted. What is merged is
	 * removed last first, in the order in which it was added; then remove() finds it
	 * at an end of its run.
	 */
	constexpr added add(run &r) noexcept
	{
		run **at = bucket(r.from_);
		run *before = nullptr;

		for (; *at && (*at)->from_ <= r.from_; at = &(*at)->next_)
			before = *at;
		if (before && before->has(r.from_))
			return added::twice;
		if ((before && append(*before, r)) || (*at && prepend(**at, r)))
			return added::joined;
		r.next_ = *at;
		*at = &r;
		return added::kept;
	}

	/**
	 * remove() - remove a chunk, the first or the last one of its run
	 * @from: the chunk of the origin
	 * @freed: receives its run if that is not in the table any more
	 */
	constexpr removed remove(u64 from, run *&freed) noexcept
	{
		run **at = bucket(from);

		while (*at && !(*at)->has(from))
			at = &(*at)->next_;
		if (!*at)
			return removed::missing;

		run &r = **at;

		if (r.more_ == 0) {
			*at = r.next_;
			freed = &r;
			return removed::last;
		}
		if (from == r.from_) {
			r.from_++;
			r.to_ = r.to_ + 1;
		} else if (from != r.from_ + r.more_) {
			return removed::inside;
		}
		r.more_ = r.more_ - 1;
		return removed::shrunk;
	}

	/**
	 * take_any() - empty the table
	 * @search: 0 at first; where it goes on
	 *
	 * Return: a run that is not in the table any more; null if that is empty.
	 */
	[[nodiscard]] constexpr run *take_any(u64 &search) noexcept
	{
		for (; search <= mask_; search++) {
			run *r = buckets_[search];

			if (r) {
				buckets_[search] = r->next_;
				return r;
			}
		}
		return nullptr;
	}

private:
	/* The chunks of a run have the same bucket: none has more than 256. */
	[[nodiscard]] constexpr run **bucket(u64 from) const noexcept
	{
		return &buckets_[from >> run_bits & mask_];
	}

	[[nodiscard]] static constexpr bool together(u64 a, u64 b) noexcept
	{
		return a >> run_bits == b >> run_bits;
	}

	[[nodiscard]] static constexpr bool append(run &to, const run &r) noexcept
	{
		if (!together(to.from_, r.from_) || r.from_ != to.from_ + to.more_ + 1 ||
		    r.to_ != to.to_ + to.more_ + 1)
			return false;
		to.more_ = to.more_ + 1;
		return true;
	}

	[[nodiscard]] static constexpr bool prepend(run &to, const run &r) noexcept
	{
		if (!together(to.from_, r.from_) || r.from_ + 1 != to.from_ || r.to_ + 1 != to.to_)
			return false;
		to.from_--;
		to.to_ = to.to_ - 1;
		to.more_ = to.more_ + 1;
		return true;
	}

	run **buckets_;
	u64 mask_;
};

} /* namespace snapshot */

#endif /* KCOPYD_TARGETS_SNAPSHOT_EXCEPTIONS_HPP */
