/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The transient store of a snapshot ("N" of mainline's dm-snapshot): chunks of the COW
 * device one after the other, of which nothing is written down. Freestanding.
 */
#ifndef KCOPYD_TARGETS_SNAPSHOT_TRANSIENT_HPP
#define KCOPYD_TARGETS_SNAPSHOT_TRANSIENT_HPP

#include "targets/dm/le.hpp"

namespace snapshot
{

using le::u32;
using le::u64;

/**
 * class transient_store - where chunks of a snapshot go that ends with its table
 */
class transient_store {
public:
	constexpr transient_store(u32 chunk_sectors, u64 cow_sectors) noexcept
		: chunk_sectors_(chunk_sectors), chunks_(cow_sectors / chunk_sectors)
	{
	}

	/* The device may have grown. */
	constexpr void resize(u64 cow_sectors) noexcept
	{
		const u64 chunks = cow_sectors / chunk_sectors_;

		if (chunks > chunks_)
			chunks_ = chunks;
	}

	/* As store::allocate(). */
	[[nodiscard]] constexpr bool allocate(u64 &chunk) noexcept
	{
		if (next_free_ >= chunks_)
			return false;
		chunk = next_free_++;
		return true;
	}

	/* For the status line; there is no metadata. */
	[[nodiscard]] constexpr u64 chunks_allocated() const noexcept { return next_free_; }

private:
	u32 chunk_sectors_;
	u64 chunks_;
	u64 next_free_ = 0;
};

} /* namespace snapshot */

#endif /* KCOPYD_TARGETS_SNAPSHOT_TRANSIENT_HPP */
