/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is on its way to chunks: reads of the origin, which is not to change before they
 * have ended, and writes to the COW device, which is not to be copied before. By chunk, so
 * that who waits for one does not wait for those of others.
 *
 * Freestanding: memory is that of the bios, and the lock is the caller's.
 */
#ifndef KCOPYD_TARGETS_SNAPSHOT_TRACKED_HPP
#define KCOPYD_TARGETS_SNAPSHOT_TRACKED_HPP

#include "targets/dm/le.hpp"

namespace snapshot
{

using le::u32;
using le::u64;

/* One that is on its way; all zeroes is one that is not. It is copied only then. */
class tracked {
public:
	[[nodiscard]] constexpr bool on_its_way() const noexcept { return at_ != nullptr; }
	[[nodiscard]] constexpr u64 chunk() const noexcept { return chunk_; }

	/* It was on its way. */
	constexpr void ended() noexcept
	{
		*at_ = next_;
		if (next_)
			next_->at_ = at_;
		at_ = nullptr;
	}

private:
	friend class in_flight;

	tracked *next_ = nullptr;
	tracked **at_ = nullptr; /* what points to it */
	u64 chunk_ = 0;
};

/**
 * class in_flight - those that are on their way
 */
class in_flight {
public:
	constexpr void add(tracked &t, u64 chunk) noexcept
	{
		tracked **head = &heads_[chunk % nr_heads];

		t.chunk_ = chunk;
		t.next_ = *head;
		t.at_ = head;
		if (t.next_)
			t.next_->at_ = &t.next_;
		*head = &t;
	}

	/* Is there one to any of these chunks? */
	[[nodiscard]] constexpr bool any(u64 first, u64 count) const noexcept
	{
		const u64 heads = count < nr_heads ? count : nr_heads;

		for (u64 i = 0; i < heads; i++) {
			for (const tracked *t = heads_[(first + i) % nr_heads]; t; t = t->next_) {
				if (t->chunk_ - first < count)
					return true;
			}
		}
		return false;
	}

private:
	static constexpr u64 nr_heads = 256;

	tracked *heads_[nr_heads] = {};
};

} /* namespace snapshot */

#endif /* KCOPYD_TARGETS_SNAPSHOT_TRACKED_HPP */
