// SPDX-License-Identifier: GPL-2.0-only
/* The dirty log of a mirror: what is on disk, and what is remembered. */
#include <algorithm>
#include <array>
#include <cstdint>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <vector>

#include "targets/mirror/log.hpp"

using mirror::log_kind;
using mirror::region_log;
using mirror::region_set;

namespace
{

using sector = std::array<unsigned char, 512>;
using bytes = std::vector<unsigned char>;
using u64 = mirror::u64;

/* A log with memory of exactly the size that it asks for, so that ASan sees what is not. */
struct log_in_memory {
	explicit log_in_memory(u64 nr)
		: memory(region_log::bytes_for(nr), 0xa5), log(memory.data(), nr)
	{
	}

	/* As after a crash: all that is left is the disk. */
	log_in_memory(u64 nr, const bytes &disk) : log_in_memory(nr)
	{
		std::copy_n(disk.begin(), std::min<u64>(disk.size(), region_set::bytes_for(nr)),
			    memory.begin());
	}

	[[nodiscard]] bytes disk() const
	{
		return { memory.data(), memory.data() + region_set::bytes_for(log.size()) };
	}

	[[nodiscard]] bool is_clean(u64 region) const
	{
		return log.next_dirty(region, region + 1) != region;
	}

	bytes memory;
	region_log log;
};

/* What mainline's dm-log "disk" of 1000 regions starts with, as hexdump shows it. */
constexpr std::array<unsigned char, 16> mainline = {
	0x72, 0x52, 0x69, 0x4d, 0x02, 0, 0, 0, 0xe8, 0x03, 0, 0, 0, 0, 0, 0,
};

TEST(log_header, is_mainlines)
{
	sector s = {};
	u64 nr = 0;

	mirror::write_log_header(s.data(), 1000);
	EXPECT_TRUE(std::equal(mainline.begin(), mainline.end(), s.begin()));
	EXPECT_EQ(mirror::read_log_header(s.data(), nr), log_kind::ours);
	EXPECT_EQ(nr, 1000U);
}

TEST(log_header, leaves_the_rest_alone)
{
	sector s;

	s.fill(0x5a);
	mirror::write_log_header(s.data(), ~0ULL);
	EXPECT_TRUE(std::all_of(s.begin() + mirror::log_header_bytes, s.end(),
				[](unsigned char c) { return c == 0x5a; }));
}

TEST(log_header, of_what_kind)
{
	sector s = {};
	u64 nr = 7;

	EXPECT_EQ(mirror::read_log_header(s.data(), nr), log_kind::fresh);
	for (const std::size_t at : { 0U, 15U, 16U, 511U }) {
		sector other = {};

		other[at] = 1;
		EXPECT_EQ(mirror::read_log_header(other.data(), nr), log_kind::foreign) << at;
	}
	mirror::write_log_header(s.data(), 5);
	s[4] = 3;
	EXPECT_EQ(mirror::read_log_header(s.data(), nr), log_kind::newer);
	s[4] = 0;
	EXPECT_EQ(mirror::read_log_header(s.data(), nr), log_kind::newer);
	EXPECT_EQ(nr, 7U) << "changed by what is no log";
	s[4] = 1;
	EXPECT_EQ(mirror::read_log_header(s.data(), nr), log_kind::ours);
	EXPECT_EQ(nr, 5U);
}

TEST(region_set, sizes)
{
	EXPECT_EQ(region_set::bytes_for(0), 0U);
	EXPECT_EQ(region_set::bytes_for(1), 4U);
	EXPECT_EQ(region_set::bytes_for(32), 4U);
	EXPECT_EQ(region_set::bytes_for(33), 8U);
	EXPECT_EQ(region_set::bytes_for(~0ULL), 1ULL << 61);
}

TEST(region_set, order_of_bits)
{
	bytes b(8);
	region_set s(b.data(), 50);

	EXPECT_TRUE(s.add(0));
	EXPECT_FALSE(s.add(0));
	s.add(9);
	s.add(49);
	EXPECT_EQ(b, (bytes{ 1, 2, 0, 0, 0, 0, 2, 0 }));
	EXPECT_EQ(s.count(), 3U);
	EXPECT_TRUE(s.remove(9));
	EXPECT_FALSE(s.remove(9));
	EXPECT_EQ(s.count(), 2U);
}

/* Of each size: nothing behind the last region is in the set, and nothing else is changed. */
TEST(region_set, fills)
{
	for (u64 nr = 0; nr < 100; nr++) {
		for (u64 from = 0; from <= nr; from++) {
			bytes b(region_set::bytes_for(nr), 0xff);
			region_set s(b.data(), nr);

			s.fill(false);
			EXPECT_EQ(s.count(), 0U);
			s.fill_from(from, true);
			ASSERT_EQ(s.count(), nr - from) << nr << ' ' << from;
			ASSERT_EQ(s.next_missing(from, nr), nr);
			ASSERT_EQ(s.next_missing(0, nr), from != 0 ? 0 : nr);
			s.fill(true);
			s.fill_from(from, false);
			ASSERT_EQ(s.count(), from);
			ASSERT_EQ(s.next_missing(0, nr), from);
		}
	}
}

/* Runs of regions that are in the set, and of others */
std::set<u64> fill_at_random(region_set &s, std::mt19937 &rnd)
{
	std::set<u64> in;

	for (u64 region = 0; region < s.size();) {
		const bool present = rnd() % 4 != 0;

		for (u64 n = 1 + rnd() % 100; n != 0 && region < s.size(); n--, region++) {
			if (present && s.add(region))
				in.insert(region);
		}
	}
	return in;
}

/* Against the bits one by one. */
TEST(region_set, searches_at_random)
{
	for (unsigned int seed = 1; seed <= 300; seed++) {
		SCOPED_TRACE(testing::Message() << "seed " << seed);
		std::mt19937 rnd(seed);
		const u64 nr = 1 + rnd() % 300;
		const u64 end = rnd() % (nr + 1);
		bytes b(region_set::bytes_for(nr));
		region_set s(b.data(), nr);
		const std::set<u64> in = fill_at_random(s, rnd);

		EXPECT_EQ(s.count(), in.size());
		for (u64 from = 0; from <= end; from++) {
			u64 missing = from;

			while (missing < end && in.contains(missing))
				missing++;
			ASSERT_EQ(s.next_missing(from, end), missing) << from << " to " << end;
		}
	}
}

/* Mainline's: header and bits in whole blocks; 4096 regions a sector, from the third on. */
TEST(log_header, sizes)
{
	EXPECT_EQ(mirror::log_sectors(1, 1), 3U);
	EXPECT_EQ(mirror::log_sectors(4096, 1), 3U);
	EXPECT_EQ(mirror::log_sectors(4097, 1), 4U);
	EXPECT_EQ(mirror::log_sectors(1, 8), 8U);
	EXPECT_EQ(mirror::log_sectors(6ULL * 4096 + 1, 8), 16U);
	EXPECT_EQ(mirror::log_sectors(~0U, 1), 2 + (1ULL << 20));
}

/* At random: each bit that changed is in the blocks that are written. */
TEST(changed_bytes, at_random)
{
	for (unsigned int seed = 1; seed <= 200; seed++) {
		SCOPED_TRACE(testing::Message() << "seed " << seed);
		std::mt19937 rnd(seed);
		mirror::changed_bytes changed;
		const unsigned int block = 512U << rnd() % 4;
		u64 first = 0;
		u64 count = 0;
		u64 lowest = ~0ULL;
		u64 highest = 0;

		EXPECT_FALSE(changed.take(block, first, count));
		for (unsigned int n = 1 + rnd() % 5; n != 0; n--) {
			const u64 region = rnd() % (1U << (3 + rnd() % 20));

			changed.add(region);
			lowest = std::min(lowest, region / 8);
			highest = std::max(highest, region / 8);
		}
		ASSERT_TRUE(changed.take(block, first, count));
		EXPECT_EQ(first, lowest / block * block);
		EXPECT_EQ(first + count, (highest / block + 1) * block);
		EXPECT_FALSE(changed.take(block, first, count)) << "it is being written";
		changed.add(first, first + count);
		const u64 again = first;
		EXPECT_TRUE(changed.take(block, first, count));
		EXPECT_EQ(first, again);
	}
	mirror::changed_bytes all;
	u64 first = 9;
	u64 count = 0;

	all.add_all(33);
	ASSERT_TRUE(all.take(4, first, count));
	EXPECT_EQ(first, 0U);
	EXPECT_EQ(count, 8U);
}

TEST(region_log, starts)
{
	for (const u64 nr : { 1, 31, 32, 33, 100 }) {
		for (const mirror::sync how :
		     { mirror::sync::by_log, mirror::sync::forced, mirror::sync::none }) {
			log_in_memory m(nr);
			const u64 all = how == mirror::sync::none ? nr : 0;

			m.log.resume(how, 0);
			EXPECT_EQ(m.log.nr_in_sync(), all);
			EXPECT_EQ(m.log.in_sync(nr - 1), all != 0);
			EXPECT_EQ(m.is_clean(nr - 1), all != 0);
		}
	}
}

/* As mainline does: new regions are as the table says, old ones as the log says. */
TEST(region_log, mirror_of_another_size)
{
	const bytes disk(region_set::bytes_for(40), 0xff);
	log_in_memory grown(100, disk);
	log_in_memory trusted(100, disk);
	log_in_memory shrunk(20, disk);

	grown.log.resume(mirror::sync::by_log, 40);
	EXPECT_EQ(grown.log.nr_in_sync(), 40U);
	EXPECT_TRUE(grown.log.in_sync(39));
	EXPECT_FALSE(grown.log.in_sync(40));
	trusted.log.resume(mirror::sync::none, 40);
	EXPECT_EQ(trusted.log.nr_in_sync(), 100U);
	shrunk.log.resume(mirror::sync::by_log, 40);
	EXPECT_EQ(shrunk.log.nr_in_sync(), 20U);
	EXPECT_EQ(shrunk.disk(), (bytes{ 0xff, 0xff, 0x0f, 0 }));
}

TEST(region_log, forced_forgets)
{
	log_in_memory m(64, bytes(8, 0xff));

	m.log.resume(mirror::sync::forced, 64);
	EXPECT_EQ(m.log.nr_in_sync(), 0U);
	EXPECT_EQ(m.disk(), bytes(8));
}

/* What the header says may be anything. */
TEST(region_log, nonsense_in_the_header)
{
	log_in_memory m(10, bytes(4, 0xff));

	m.log.resume(mirror::sync::by_log, ~0ULL);
	EXPECT_EQ(m.log.nr_in_sync(), 10U);
}

TEST(region_log, failed_recovery_is_never_in_sync)
{
	log_in_memory m(3);
	u64 region = 9;

	m.log.resume(mirror::sync::by_log, 0);
	ASSERT_TRUE(m.log.next_to_recover(region));
	EXPECT_EQ(region, 0U);
	m.log.recovered(0, false);
	EXPECT_FALSE(m.log.clear(0));
	EXPECT_FALSE(m.log.in_sync(0));
	EXPECT_FALSE(m.is_clean(0));
	ASSERT_TRUE(m.log.next_to_recover(region));
	EXPECT_EQ(region, 1U);
	m.log.recovered(1, true);
	ASSERT_TRUE(m.log.next_to_recover(region));
	EXPECT_EQ(region, 2U);
	EXPECT_FALSE(m.log.next_to_recover(region));
	/* Number 2 is in recovery still, 0 can be tried again. */
	m.log.recover_again();
	ASSERT_TRUE(m.log.next_to_recover(region));
	EXPECT_EQ(region, 0U);
	EXPECT_FALSE(m.log.next_to_recover(region));
	EXPECT_EQ(m.log.nr_in_sync(), 1U);
	/* What is in sync can be lost again. */
	EXPECT_TRUE(m.log.clear(1));
	EXPECT_EQ(m.log.next_dirty(0, 3), 0U);
	EXPECT_EQ(m.log.next_dirty(1, 3), 2U);
	EXPECT_EQ(m.log.next_dirty(3, 3), 3U);
	m.log.recovered(1, false);
	EXPECT_EQ(m.log.nr_in_sync(), 0U);
	EXPECT_FALSE(m.is_clean(1));
}

/*
 * At random, with crashes: the log never takes a region for in sync that differs, or may.
 * The model knows which regions are the same on all legs, and what is being written.
 */
class model {
public:
	explicit model(unsigned int seed) : rnd(seed), nr(1 + below(200)), m(nr)
	{
		m.log.resume(mirror::sync::by_log, 0);
		flush();
	}

	void step()
	{
		const u64 region = below(nr);

		switch (below(12)) {
		case 0:
		case 1:
		case 2:
			write(region);
			break;
		case 3:
		case 4:
		case 5:
			end_write(region);
			break;
		case 6:
			out_of_sync(region);
			break;
		case 7:
		case 8:
			recover();
			break;
		case 9:
			flush();
			break;
		case 10:
			m.log.recover_again();
			break;
		default:
			if (below(10) == 0)
				crash();
		}
		check();
	}

private:
	u64 below(u64 n) { return rnd() % n; }
	void flush() { disk = m.disk(); }

	/* Until it ends, legs may differ there. */
	void write(u64 region)
	{
		if (m.log.mark(region))
			flush();
		writing.insert(region);
	}

	void end_write(u64 region)
	{
		if (writing.erase(region) != 0)
			m.log.clear(region);
	}

	void out_of_sync(u64 region)
	{
		if (m.log.out_of_sync(region))
			flush();
		same.erase(region);
	}

	void recover()
	{
		u64 region = 0;

		if (!m.log.next_to_recover(region))
			return;
		EXPECT_FALSE(m.log.in_sync(region));
		const bool well = below(4) != 0;

		if (well)
			same.insert(region);
		m.log.recovered(region, well);
		if (!writing.contains(region))
			m.log.clear(region);
	}

	/* What was being written differs now; what was not written to the log is lost. */
	void crash()
	{
		for (const u64 region : writing)
			same.erase(region);
		writing.clear();
		m = log_in_memory(nr, disk);
		m.log = region_log(m.memory.data(), nr);
		m.log.resume(mirror::sync::by_log, nr);
		for (u64 i = 0; i < nr; i++)
			EXPECT_TRUE(!m.log.in_sync(i) || same.contains(i))
				<< "after a crash, " << i;
	}

	void check() const
	{
		u64 in_sync = 0;

		for (u64 i = 0; i < nr; i++) {
			ASSERT_TRUE(!m.log.in_sync(i) || same.contains(i)) << i;
			ASSERT_TRUE(!m.is_clean(i) || m.log.in_sync(i)) << i;
			ASSERT_TRUE(!m.is_clean(i) || !writing.contains(i)) << i;
			in_sync += m.log.in_sync(i) ? 1 : 0;
		}
		ASSERT_EQ(in_sync, m.log.nr_in_sync());
	}

	std::mt19937 rnd;
	u64 nr;
	log_in_memory m;
	bytes disk;
	std::set<u64> same;
	std::set<u64> writing;
};

TEST(region_log, at_random_with_crashes)
{
	for (unsigned int seed = 1; seed <= 60; seed++) {
		SCOPED_TRACE(testing::Message() << "seed " << seed);
		model at_random(seed);

		for (unsigned int i = 0; i < 500 && !HasFailure(); i++)
			at_random.step();
	}
}

} /* namespace */
