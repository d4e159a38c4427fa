// SPDX-License-Identifier: GPL-2.0-only
/* The legs of a mirror: who is read and written, and what is done when one fails. */
#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "targets/mirror/legs.hpp"

using mirror::leg_error;
using mirror::legs;
using mirror::recovery;
using mirror::verdict;
using u32 = mirror::u32;
using u64 = mirror::u64;

namespace
{

mirror::args of(u32 nr, bool handle_errors = false, bool keep_log = false)
{
	mirror::args a;

	a.nr_legs = nr;
	a.handle_errors = handle_errors;
	a.keep_log = keep_log;
	return a;
}

std::string health(const legs &l)
{
	std::string s;

	for (u32 i = 0; (l.all() >> i & 1) != 0; i++)
		s += l.health(i);
	return s;
}

TEST(legs, health_is_the_worst)
{
	legs l(of(5), true);

	EXPECT_EQ(health(l), "AAAAA");
	for (u32 i = 1; i < 5; i++)
		l.failed(i, leg_error::read);
	for (u32 i = 2; i < 5; i++)
		l.failed(i, leg_error::sync);
	for (u32 i = 3; i < 5; i++)
		l.failed(i, leg_error::write);
	l.failed(4, leg_error::flush);
	EXPECT_EQ(health(l), "ARSDF");
	EXPECT_EQ(l.healthy(), 1U);
}

/* Users are told of each kind once, if errors are handled at all. */
TEST(legs, events)
{
	legs handled(of(2, true), true);
	legs ignored(of(2), true);

	EXPECT_TRUE(handled.failed(0, leg_error::read));
	EXPECT_FALSE(handled.failed(0, leg_error::read));
	EXPECT_TRUE(handled.failed(0, leg_error::write));
	EXPECT_TRUE(handled.failed(1, leg_error::read));
	EXPECT_FALSE(ignored.failed(0, leg_error::read));
}

TEST(legs, reads_where_the_contents_are)
{
	legs l(of(3), false);

	EXPECT_EQ(l.complete(), 1U);
	EXPECT_EQ(l.choose(0, false, 0), 0U);
	EXPECT_EQ(l.choose(0, false, 1), legs::none);
	EXPECT_EQ(l.choose(0, true, 1), 1U);
	EXPECT_EQ(l.choose(0, true, 7), legs::none);
	/* One with a bad sector is avoided, and better than none. */
	l.failed(0, leg_error::read);
	EXPECT_NE(l.choose(0, true, 0), 0U);
	EXPECT_EQ(l.choose(0, false, 0), 0U);
	l.failed(1, leg_error::read);
	l.failed(2, leg_error::read);
	EXPECT_EQ(l.choose(0, true, 3), 2U);
	/* What it lost could be anywhere. */
	l.failed(2, leg_error::flush);
	EXPECT_EQ(l.choose(0, true, 3), legs::none);
}

TEST(legs, reads_are_balanced)
{
	legs l(of(3), true);
	std::array<u32, 3> n = {};

	for (u64 i = 0; i < 300; i++) {
		const u32 leg = l.choose(i * 123457, true, 0);

		ASSERT_LT(leg, 3U);
		l.begin_read(leg, i * 123457, 8);
		n[leg]++;
	}
	for (const u32 reads : n)
		EXPECT_NEAR(reads, 100, 5);
}

/* Two that read a file each, and whose reads take turns, stay where they are. */
TEST(legs, streams_keep_their_leg)
{
	legs l(of(2), true);
	u64 a = 1000;
	u64 b = 5000000;
	const u32 leg_a = l.choose(a, true, 0);

	l.begin_read(leg_a, a, 8);
	const u32 leg_b = l.choose(b, true, 0);
	l.begin_read(leg_b, b, 8);
	ASSERT_NE(leg_a, leg_b);
	l.end_read(leg_a);
	l.end_read(leg_b);
	for (unsigned int i = 0; i < 100; i++) {
		a += 8;
		b += 8;
		ASSERT_EQ(l.choose(a, true, 0), leg_a);
		l.begin_read(leg_a, a, 8);
		ASSERT_EQ(l.choose(b, true, 0), leg_b);
		l.begin_read(leg_b, b, 8);
		l.end_read(leg_a);
		l.end_read(leg_b);
	}
	/* One alone uses both when there is much on its way. */
	bool other = false;

	for (unsigned int i = 0; i < 20; i++) {
		const u32 leg = l.choose(a += 8, true, 0);

		other |= leg != leg_a;
		l.begin_read(leg, a, 8);
	}
	EXPECT_TRUE(other);
}

/* Positions are compared by their lower half, which wraps. */
TEST(legs, nearest_beyond_two_terabytes)
{
	legs l(of(2), true);

	l.begin_read(0, (1ULL << 32) - 16, 8);
	l.begin_read(1, 1ULL << 31, 8);
	EXPECT_EQ(l.choose((1ULL << 32) + 8, true, 0), 0U);
	EXPECT_EQ(l.choose((1ULL << 31) - 8, true, 0), 1U);
}

TEST(legs, plans)
{
	legs l(of(3), false);
	recovery r = l.plan(4, 1024, 4 * 1024 + 7);
	bool event = false;

	EXPECT_EQ(r.first, 4096U);
	EXPECT_EQ(r.count, 7U);
	EXPECT_EQ(r.source, 0U);
	ASSERT_EQ(r.nr_dests, 2U);
	EXPECT_EQ(r.dests[0], 1U);
	EXPECT_EQ(r.dests[1], 2U);
	EXPECT_EQ(l.plan(0, 1024, 4103).count, 1024U);
	EXPECT_EQ(l.plan(3, 1024, 4096).count, 1024U);
	/* The bits of errors are those of destinations, not of legs. */
	EXPECT_FALSE(l.recovered(r, false, 2, event));
	EXPECT_FALSE(event) << "errors are not handled";
	EXPECT_EQ(health(l), "AAS");
	EXPECT_FALSE(l.recovered(r, true, 0, event));
	EXPECT_EQ(health(l), "SAS");
	EXPECT_EQ(l.complete(), 1U);
	r = l.plan(0, 1024, 4096);
	EXPECT_EQ(r.source, 0U) << "nobody else has it";
	EXPECT_TRUE(l.recovered(r, false, 0, event));
	EXPECT_TRUE(l.all_in_sync());
	EXPECT_FALSE(l.all_in_sync());
	EXPECT_EQ(health(l), "AAA");
	EXPECT_EQ(l.complete(), 7U);
	/* Now somebody has. */
	l.failed(0, leg_error::sync);
	EXPECT_EQ(l.plan(0, 1024, 4096).source, 1U);
}

TEST(legs, flush_errors_are_not_forgotten)
{
	legs l(of(2), true);
	bool event = false;

	EXPECT_EQ(l.wrote(leg_error::flush, 3, 2, false, event), verdict::good);
	EXPECT_EQ(l.complete(), 1U);
	EXPECT_TRUE(l.all_in_sync());
	EXPECT_EQ(l.complete(), 1U);
	EXPECT_EQ(health(l), "AF");
}

/* A write that was refused may be on some: that is no failure, but all are made the same. */
TEST(legs, differ)
{
	legs l(of(2, true), true);

	l.differ();
	EXPECT_EQ(l.complete(), 3U);
	EXPECT_EQ(health(l), "AA");
	EXPECT_EQ(l.before_write(false, false, false), verdict::good);
	EXPECT_TRUE(l.all_in_sync()) << "users are told";
	EXPECT_FALSE(l.all_in_sync());
}

/* What becomes of a write that failed on some, as mainline does it. */
TEST(legs, verdicts)
{
	const auto wrote = [](const mirror::args &a, bool in_sync, u32 not_by, bool log_failed) {
		legs l(a, in_sync);
		bool event = false;
		const verdict v = l.wrote(leg_error::write, l.all(), not_by, log_failed, event);

		EXPECT_EQ(event, a.handle_errors && not_by != 0);
		return v;
	};

	EXPECT_EQ(wrote(of(2), true, 0, true), verdict::good);
	EXPECT_EQ(wrote(of(2), true, 1, false), verdict::good);
	EXPECT_EQ(wrote(of(2), true, 2, false), verdict::good);
	EXPECT_EQ(wrote(of(2), true, 3, false), verdict::bad);
	EXPECT_EQ(wrote(of(2), false, 1, false), verdict::bad) << "nobody could read it";
	EXPECT_EQ(wrote(of(2), false, 2, false), verdict::good);
	EXPECT_EQ(wrote(of(2, true), true, 1, false), verdict::hold);
	EXPECT_EQ(wrote(of(2, true), true, 3, false), verdict::bad);
	EXPECT_EQ(wrote(of(2, true, true), true, 1, false), verdict::good);
	EXPECT_EQ(wrote(of(2, true, true), true, 1, true), verdict::bad);
	EXPECT_EQ(wrote(of(2, true, true), true, 3, false), verdict::bad);
}

/* A bad sector elsewhere on the leg that has it does not matter. */
TEST(legs, one_complete_leg_is_enough)
{
	for (const bool keep_log : { false, true }) {
		legs l(of(2, keep_log, keep_log), true);
		bool event = false;

		l.failed(0, leg_error::read);
		EXPECT_EQ(l.wrote(leg_error::write, 3, 2, false, event), verdict::good);
		EXPECT_EQ(l.complete(), 1U);
	}
}

/* Of two legs, one misses a write while the other one cannot be copied to. */
TEST(legs, one_stays_complete)
{
	legs l(of(2), true);
	bool event = false;

	EXPECT_EQ(l.wrote(leg_error::write, 3, 3, false, event), verdict::bad);
	const recovery r = l.plan(0, 1024, 4096);

	EXPECT_EQ(l.wrote(leg_error::write, 3, 1U << r.source, false, event), verdict::good);
	EXPECT_FALSE(l.recovered(r, false, 1, event));
	EXPECT_EQ(l.complete(), 1U << r.dests[0]);
}

TEST(legs, verdicts_before)
{
	const auto may = [](const mirror::args &a, bool in_sync, bool log_failed, u32 failed,
			    bool log_stale = false) {
		legs l(a, true);

		for (u32 i = 0; i < a.nr_legs; i++) {
			if ((failed >> i & 1) != 0)
				l.failed(i, leg_error::write);
		}
		return l.before_write(in_sync, log_failed, log_stale);
	};

	for (const bool in_sync : { false, true }) {
		EXPECT_EQ(may(of(2), in_sync, true, 1), verdict::good);
		EXPECT_EQ(may(of(2, true), in_sync, false, 0), verdict::good);
		EXPECT_EQ(may(of(2, true, true), in_sync, false, 1), verdict::good);
	}
	EXPECT_EQ(may(of(2, true), true, true, 0), verdict::hold);
	EXPECT_EQ(may(of(2, true), true, true, 3), verdict::bad);
	EXPECT_EQ(may(of(2, true, true), true, true, 0), verdict::bad);
	EXPECT_EQ(may(of(2, true), true, false, 1), verdict::good);
	EXPECT_EQ(may(of(2, true), false, false, 1), verdict::hold);
	EXPECT_EQ(may(of(2, true), false, true, 0), verdict::good);
	/* The disk has another log still, for which a region may be clean. */
	EXPECT_EQ(may(of(2), false, true, 0, true), verdict::good);
	EXPECT_EQ(may(of(2, true), false, true, 0, true), verdict::hold);
	EXPECT_EQ(may(of(2, true, true), false, true, 0, true), verdict::bad);
}

/*
 * At random: disks that fail now and then, with a dirty log. A region has contents, which
 * is the number of the write; a read has what was acknowledged last, or what was written
 * since and was not.
 */
class model {
public:
	explicit model(unsigned int seed)
		: rnd(seed), args(of(2 + below(3), below(2) != 0)), memory(bytes),
		  log(memory.data(), regions), l(args, false), disk(args.nr_legs),
		  dead(args.nr_legs)
	{
		args.keep_log = args.handle_errors && below(2) != 0;
		allowed.fill({ 0 });
		log.resume(mirror::sync::by_log, 0);
		for (auto &d : disk) {
			/* They all have something different, and only the first one counts. */
			for (u64 &contents : d)
				contents = --garbage;
		}
		disk[0] = {};
		l = legs(args, false);
	}

	void step()
	{
		switch (below(10)) {
		case 0:
			fail_or_mend();
			break;
		case 1:
		case 2:
		case 3:
			write(below(regions));
			break;
		case 4:
			flush();
			break;
		case 5:
			restart();
			break;
		default:
			recover();
		}
		for (u32 i = 0; i < regions; i++)
			read(i);
	}

private:
	static constexpr u32 regions = 6;
	static constexpr u64 bytes = mirror::region_log::bytes_for(regions);

	u32 below(u32 n) { return static_cast<u32>(rnd() % n); }

	void fail_or_mend()
	{
		const u32 i = below(args.nr_legs);

		dead[i] = !dead[i] && below(2) != 0;
	}

	void write(u32 region)
	{
		const bool in_sync = log.in_sync(region);
		u32 not_by = 0;
		bool event = false;

		if (l.before_write(in_sync, false, false) != verdict::good)
			return;
		const u32 to = l.write_to(in_sync);

		ASSERT_NE(to, 0U);
		now++;
		allowed[region].insert(now);
		log.mark(region);
		for (u32 i = 0; i < args.nr_legs; i++) {
			if ((to >> i & 1) == 0)
				continue;
			if (dead[i])
				not_by |= 1U << i;
			if (!dead[i] || below(2) != 0)
				disk[i][region] = now;
		}
		if (not_by != 0)
			log.out_of_sync(region);
		if (l.wrote(leg_error::write, to, not_by, false, event) == verdict::good)
			allowed[region] = { now };
		log.clear(region);
	}

	/* One that has lost what is in its cache; another one has it. */
	void flush()
	{
		const u32 i = below(args.nr_legs);
		bool event = false;

		if (below(5) != 0 || (l.complete() & ~(1U << i) & l.healthy()) == 0)
			return;
		for (u64 &contents : disk[i]) {
			if (below(2) != 0)
				contents = --garbage;
		}
		l.wrote(leg_error::flush, l.all(), 1U << i, false, event);
	}

	/* Mainline begins with the first leg, too: before, somebody has to replace it. */
	void restart()
	{
		if ((l.complete() & 1) == 0 || l.healthy() != l.all())
			return;
		l = legs(args, log.nr_in_sync() == regions);
	}

	void recover()
	{
		u64 region = 0;
		bool event = false;
		u32 failed = 0;

		if (!log.next_to_recover(region)) {
			log.recover_again();
			return;
		}
		const recovery r = l.plan(region, 1, regions);

		ASSERT_NE(l.complete() >> r.source & 1, 0U);
		for (u32 i = 0; i < r.nr_dests && !dead[r.source]; i++) {
			if (dead[r.dests[i]])
				failed |= 1U << i;
			else
				disk[r.dests[i]][region] = disk[r.source][region];
		}
		const bool read_failed = dead[r.source];

		/* Nobody writes to this region, but much can happen elsewhere. */
		while (below(2) != 0) {
			const u32 other =
				(static_cast<u32>(region) + 1 + below(regions - 1)) % regions;

			fail_or_mend();
			write(other);
			flush();
		}
		const bool well = l.recovered(r, read_failed, failed, event);

		ASSERT_EQ(well, !read_failed && failed == 0);
		log.recovered(region, well);
		if (log.nr_in_sync() == regions)
			l.all_in_sync();
	}

	void read(u32 region)
	{
		u32 tried = 0;

		ASSERT_NE(l.complete(), 0U);
		while (true) {
			const u32 leg = l.choose(region, log.in_sync(region), tried);

			if (leg == legs::none)
				break;
			ASSERT_LT(leg, args.nr_legs);
			ASSERT_EQ(tried >> leg & 1, 0U);
			ASSERT_TRUE(allowed[region].contains(disk[leg][region]))
				<< "region " << region << ", leg " << leg << " has "
				<< disk[leg][region];
			tried |= 1U << leg;
		}
		ASSERT_NE(tried, 0U) << "nobody has it";
	}

	std::mt19937 rnd;
	mirror::args args;
	std::vector<unsigned char> memory;
	mirror::region_log log;
	legs l;
	std::vector<std::array<u64, regions>> disk;
	std::vector<bool> dead;
	std::array<std::set<u64>, regions> allowed;
	u64 now = 0;
	u64 garbage = ~0ULL;
};

TEST(legs, never_stale_at_random)
{
	for (unsigned int seed = 1; seed <= 300; seed++) {
		SCOPED_TRACE(testing::Message() << "seed " << seed);
		model at_random(seed);

		for (unsigned int i = 0; i < 400 && !HasFailure(); i++)
			at_random.step();
		if (HasFailure())
			break;
	}
}

} /* namespace */
