/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The legs of a mirror: from which one is read, to which ones is written, and what
 * becomes of I/O when one fails.
 *
 * A leg is complete if it has every write that was acknowledged. Where the dirty log says
 * that a region is not in sync, only complete legs have its contents. What differs from
 * mainline's dm-mirror: there it is one leg, the default, that is read where a region is
 * not in sync, and with keep_log another takes its place that need not be complete.
 *
 * After a restart, the first leg is the complete one, unless all regions are in sync.
 *
 * Freestanding. The caller has a lock for all that is not said to need none.
 */
#ifndef KCOPYD_TARGETS_MIRROR_LEGS_HPP
#define KCOPYD_TARGETS_MIRROR_LEGS_HPP

#include "targets/mirror/args.hpp"

namespace mirror
{

/* What went wrong with a leg: one bit each. */
enum class leg_error : u32 {
	write = 1,
	flush = 2,
	sync = 4, /* while a region was copied from it, or to it */
	read = 8,
};

/* What becomes of a write. */
enum class verdict {
	good, /* it goes on, or it was done */
	bad,  /* it fails */
	hold, /* it waits until somebody suspends the mirror, who can change it, or all is well */
};

/**
 * struct recovery - what is to be copied to bring a region in sync
 * @first: its first sector, from the start of the mirror
 * @count: so many sectors; the last region may be shorter than the others
 * @source: the leg that is copied
 * @nr_dests: of @dests
 * @dests: all the others
 */
struct recovery {
	u64 first;
	u64 count;
	u32 source;
	u32 nr_dests;
	u32 dests[max_legs - 1];
};

/**
 * class legs - which legs there are, and how they are
 */
class legs {
public:
	/* No leg. */
	static constexpr u32 none = max_legs;

	/**
	 * legs() - of a mirror that begins
	 * @a: the arguments
	 * @in_sync: are all regions in sync?
	 */
	constexpr legs(const args &a, bool in_sync) noexcept
		: nr_(a.nr_legs), complete_(in_sync ? all() : 1), in_sync_(in_sync),
		  handle_errors_(a.handle_errors), keep_log_(a.keep_log)
	{
	}

	/* A mask of all legs; of those that are complete; of those with nothing wrong. */
	[[nodiscard]] constexpr u32 all() const noexcept { return (1U << nr_) - 1; }
	[[nodiscard]] u32 complete() const noexcept { return load(complete_); }
	[[nodiscard]] u32 healthy() const noexcept { return all() & ~with(any_error); }

	/**
	 * choose() - find a leg to read from
	 * @sector: where, from the start of the mirror
	 * @in_sync: is the region in sync?
	 * @tried: mask of those that are not to be taken
	 *
	 * It is the one with the fewest reads on their way, but for one whose last read
	 * ended where this begins. One that something is wrong with is taken if there is no
	 * other: a bad sector here and one there do not make the mirror unreadable.
	 *
	 * Needs no lock.
	 *
	 * Return: the leg, or none.
	 */
	[[nodiscard]] u32 choose(u64 sector, bool in_sync, u32 tried) const noexcept
	{
		const u32 has_it = complete() | (in_sync ? all() & ~with(leg_error::flush) : 0);
		const u32 leg = cheapest(sector, has_it & healthy() & ~tried);

		return leg != none ? leg : cheapest(sector, has_it & ~tried);
	}

	/* A read of @count sectors begins, and ends. Need no lock. */
	void begin_read(u32 leg, u64 sector, u32 count) noexcept
	{
		__atomic_fetch_add(&reads_[leg], 1, __ATOMIC_RELAXED);
		__atomic_store_n(&next_[leg], static_cast<u32>(sector) + count, __ATOMIC_RELAXED);
	}
	void end_read(u32 leg) noexcept { __atomic_fetch_sub(&reads_[leg], 1, __ATOMIC_RELAXED); }

	/* A mask of those that a write goes to. Of a region in recovery there are none. */
	[[nodiscard]] u32 write_to(bool in_sync) const noexcept
	{
		return in_sync ? all() : complete();
	}

	/**
	 * before_write() - may a write begin?
	 * @in_sync: is its region in sync?
	 * @log_failed: could the log not be written?
	 * @log_stale: not even once: on disk, any region may be in sync
	 */
	[[nodiscard]] verdict before_write(bool in_sync, bool log_failed,
					   bool log_stale) const noexcept
	{
		const bool by_log = in_sync || log_stale;

		if (!handle_errors_)
			return verdict::good;
		if (by_log && log_failed)
			return keep_log_ ? verdict::bad : waits();
		return in_sync || keep_log_ || healthy() == all() ? verdict::good : waits();
	}

	/**
	 * failed() - something went wrong with a leg
	 *
	 * Return: true if users are to be told, by an event.
	 */
	bool failed(u32 leg, leg_error what) noexcept
	{
		const u32 had = load(errors_[leg]);

		store(errors_[leg], had | static_cast<u32>(what));
		return handle_errors_ && (had & static_cast<u32>(what)) == 0;
	}

	/**
	 * wrote() - a write or a flush has ended; not a discard, which may be lost
	 * @what: leg_error::write or leg_error::flush
	 * @to: mask of the legs that it went to
	 * @not_by: mask of those that failed, for which the region is not in sync any more
	 * @log_failed: could the log not be written?
	 * @event: set if users are to be told; else untouched
	 */
	verdict wrote(leg_error what, u32 to, u32 not_by, bool log_failed, bool &event) noexcept
	{
		if (not_by == 0)
			return verdict::good;
		for (u32 i = 0; i < nr_; i++) {
			if ((not_by & (1U << i)) != 0 && failed(i, what))
				event = true;
		}
		in_sync_ = false;

		const bool kept = drop(to, not_by);

		if (keep_log_ && log_failed)
			return verdict::bad;
		if (handle_errors_ && !keep_log_)
			return waits();
		/* Nobody could read it: mainline says that it was written. */
		return kept ? verdict::good : verdict::bad;
	}

	/* A region is not in sync any more, but no leg has failed: they may differ there. */
	void differ() noexcept { in_sync_ = false; }

	/**
	 * plan() - how to bring a region in sync
	 * @region: its number
	 * @region_sectors: the size of regions
	 * @sectors: that of the mirror
	 */
	[[nodiscard]] recovery plan(u64 region, u32 region_sectors, u64 sectors) const noexcept
	{
		recovery r = {};
		const u32 well = complete() & healthy();

		r.first = region * region_sectors;
		r.count = sectors - r.first < region_sectors ? sectors - r.first : region_sectors;
		r.source = static_cast<u32>(__builtin_ctz(well != 0 ? well : complete()));
		for (u32 i = 0; i < nr_; i++) {
			if (i != r.source)
				r.dests[r.nr_dests++] = i;
		}
		return r;
	}

	/**
	 * recovered() - a region has been copied, or could not be
	 * @r: what was planned
	 * @read_failed: the source could not be read
	 * @write_errors: a bit for each of @r.dests that could not be written
	 * @event: set if users are to be told; else untouched
	 *
	 * Return: is the region in sync, for region_log::recovered()? Never if anything
	 * failed; mainline says it is, without handle_errors.
	 */
	bool recovered(const recovery &r, bool read_failed, u32 write_errors, bool &event) noexcept
	{
		if (read_failed && failed(r.source, leg_error::sync))
			event = true;
		for (u32 i = 0; i < r.nr_dests; i++) {
			if ((write_errors & (1U << i)) == 0)
				continue;
			if (failed(r.dests[i], leg_error::sync))
				event = true;
			/* Meanwhile others may have missed a write, so that it is the last one. */
			if (const u32 left = complete() & ~(1U << r.dests[i]))
				store(complete_, left);
		}
		return !read_failed && write_errors == 0;
	}

	/**
	 * all_in_sync() - all regions are in sync
	 *
	 * All legs are complete again, and what was wrong is forgotten; not so of a leg that
	 * could not be flushed, which may have lost anything.
	 *
	 * Return: true if that is news, and users are to be told.
	 */
	bool all_in_sync() noexcept
	{
		if (in_sync_)
			return false;
		in_sync_ = true;
		for (u32 i = 0; i < nr_; i++)
			store(errors_[i], load(errors_[i]) & static_cast<u32>(leg_error::flush));
		store(complete_, complete() | healthy());
		return true;
	}

	/*
	 * The worst of what was wrong with a leg, as mainline has it in the status line. It
	 * also has U there, for what it does not know.
	 */
	[[nodiscard]] char health(u32 leg) const noexcept
	{
		const u32 errors = load(errors_[leg]);

		if ((errors & static_cast<u32>(leg_error::flush)) != 0)
			return 'F';
		if ((errors & static_cast<u32>(leg_error::write)) != 0)
			return 'D';
		if ((errors & static_cast<u32>(leg_error::sync)) != 0)
			return 'S';
		return (errors & static_cast<u32>(leg_error::read)) != 0 ? 'R' : 'A';
	}

private:
	static constexpr u32 any_error = ~0U;

	/* A leg that goes on where it was may have so many more reads on their way. */
	static constexpr u32 for_the_next = 8;

	[[nodiscard]] static u32 load(const u32 &from) noexcept
	{
		return __atomic_load_n(&from, __ATOMIC_RELAXED);
	}
	static void store(u32 &to, u32 value) noexcept
	{
		__atomic_store_n(&to, value, __ATOMIC_RELAXED);
	}

	/* A mask of those that have had one of these errors. */
	[[nodiscard]] u32 with(u32 errors) const noexcept
	{
		u32 mask = 0;

		for (u32 i = 0; i < nr_; i++)
			mask |= (load(errors_[i]) & errors) != 0 ? 1U << i : 0;
		return mask;
	}
	[[nodiscard]] u32 with(leg_error e) const noexcept { return with(static_cast<u32>(e)); }

	[[nodiscard]] u32 cheapest(u64 sector, u32 of) const noexcept
	{
		u32 best = none;
		u64 least = ~0ULL;

		for (u32 i = 0; i < nr_; i++) {
			if ((of & (1U << i)) == 0)
				continue;
			const u32 way = static_cast<u32>(sector) - load(next_[i]);
			const u32 distance = way > ~way ? ~way : way;
			const u64 cost = load(reads_[i]) + (way != 0 ? for_the_next : 0ULL);

			/* The distance decides between those that are as busy. */
			if ((cost << 32 | distance) < least) {
				least = cost << 32 | distance;
				best = i;
			}
		}
		return best;
	}

	/* What waits would wait for ever if there is nothing to go on with. */
	[[nodiscard]] verdict waits() const noexcept
	{
		return healthy() != 0 ? verdict::hold : verdict::bad;
	}

	/*
	 * Those that a write failed on are not complete any more, if one that is has it. If
	 * none has, it is not acknowledged, and all is as before.
	 */
	bool drop(u32 to, u32 not_by) noexcept
	{
		const u32 have = complete() & to & ~not_by;

		if (have == 0)
			return false;
		store(complete_, complete() & ~not_by);
		return true;
	}

	/* Never change. */
	u32 nr_;

	/* Read without the lock. */
	u32 complete_;
	u32 errors_[max_legs] = {};
	u32 reads_[max_legs] = {}; /* on their way */
	u32 next_[max_legs] = {};  /* lower half of the sector where the last one ends */

	bool in_sync_;
	bool handle_errors_;
	bool keep_log_;
};

} /* namespace mirror */

#endif /* KCOPYD_TARGETS_MIRROR_LEGS_HPP */
