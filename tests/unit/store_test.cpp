// SPDX-License-Identifier: GPL-2.0-only
/* The persistent exception store: what is on the COW device, and what goes where. */
#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <vector>

#include "targets/snapshot/store.hpp"

using snapshot::exception;
using snapshot::loaded;
using snapshot::store;
using snapshot::store_kind;
using u32 = snapshot::u32;
using u64 = snapshot::u64;

namespace
{

using sector = std::array<unsigned char, 512>;
using bytes = std::vector<unsigned char>;

/* What mainline's dm-snapshot starts a store of chunks of 8 sectors with, in hexdump. */
constexpr std::array<unsigned char, 16> mainline = {
	0x53, 0x6e, 0x41, 0x70, 1, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0,
};

TEST(store_header, is_mainlines)
{
	sector s = {};
	u32 chunk = 0;

	snapshot::write_store_header(s.data(), 8, true);
	EXPECT_TRUE(std::equal(mainline.begin(), mainline.end(), s.begin()));
	EXPECT_EQ(snapshot::read_store_header(s.data(), chunk), store_kind::ours);
	EXPECT_EQ(chunk, 8U);
	snapshot::write_store_header(s.data(), 16, false);
	EXPECT_EQ(snapshot::read_store_header(s.data(), chunk), store_kind::invalid);
	EXPECT_EQ(chunk, 16U);
}

TEST(store_header, of_what_kind)
{
	sector s = {};
	u32 chunk = 7;

	EXPECT_EQ(snapshot::read_store_header(s.data(), chunk), store_kind::fresh);
	s[511] = 1;
	EXPECT_EQ(snapshot::read_store_header(s.data(), chunk), store_kind::foreign);
	s = {};
	s[0] = 0x53;
	EXPECT_EQ(snapshot::read_store_header(s.data(), chunk), store_kind::foreign);
	snapshot::write_store_header(s.data(), 8, true);
	s[8] = 2;
	EXPECT_EQ(snapshot::read_store_header(s.data(), chunk), store_kind::newer);
	for (const u32 bad : { 0U, 3U, 1U << 22, 1U << 31, ~0U }) {
		snapshot::write_store_header(s.data(), bad, true);
		EXPECT_EQ(snapshot::read_store_header(s.data(), chunk), store_kind::corrupt) << bad;
	}
	EXPECT_EQ(chunk, 7U) << "changed by what is no store";
	for (u32 good = 1; good <= snapshot::max_chunk_sectors; good *= 2) {
		snapshot::write_store_header(s.data(), good, true);
		EXPECT_EQ(snapshot::read_store_header(s.data(), chunk), store_kind::ours) << good;
		EXPECT_EQ(chunk, good);
	}
}

/* With chunks of 1 sector, 32 exceptions an area: areas at 1, 34, 67. */
TEST(store, where_chunks_are)
{
	bytes area(512);
	store s(area.data(), 1, 100);

	EXPECT_EQ(s.area_chunk(0), 1U);
	EXPECT_EQ(s.area_chunk(1), 34U);
	EXPECT_EQ(s.area_chunk(2), 67U);
	for (const u64 no : { 0, 1, 34, 67, 100, 101 })
		EXPECT_FALSE(s.is_data(no)) << no;
	for (const u64 yes : { 2, 33, 35, 66, 68, 99 })
		EXPECT_TRUE(s.is_data(yes)) << yes;
}

TEST(store, allocates_all_but_metadata_until_it_is_full)
{
	bytes area(512);
	store s(area.data(), 1, 70);
	u64 chunk = 0;
	std::vector<u64> all;

	s.start();
	while (s.allocate(chunk))
		all.push_back(chunk);
	EXPECT_EQ(all.size(), 70U - 4);
	EXPECT_EQ(all.front(), 2U);
	EXPECT_EQ(all.back(), 69U);
	EXPECT_TRUE(std::all_of(all.begin(), all.end(), [&](u64 c) { return s.is_data(c); }));
}

/* Also where the first area ends: there must be another one before it is full. */
TEST(store, goes_on_when_the_device_grows)
{
	for (const u64 chunks : { 3, 33, 34, 35, 36 }) {
		bytes area(512);
		store s(area.data(), 1, chunks);
		u64 chunk = 0;
		u32 from = 0;

		s.start();
		for (const u64 size : { chunks, chunks, chunks + 40 }) {
			s.resize(size);
			while (s.allocate(chunk)) {
				ASSERT_LT(chunk, size);
				ASSERT_FALSE(s.is_full()) << chunks;
				s.commit({ from++, chunk });
				s.written();
			}
		}
		EXPECT_EQ(from, chunks + 40 - 2 - (chunks + 39 - 1) / 33) << chunks;
		s.resize(chunks);
		EXPECT_FALSE(s.allocate(chunk)) << "it has become smaller";
	}
	/* Of a full area that nothing followed, nobody knows what is behind it. */
	bytes area(512);
	store s(area.data(), 1, 34);
	u64 chunk = 0;

	for (u64 i = 0; i < 32; i++)
		snapshot::on_disk::to::store(area.data() + i * 16, i + 2);
	ASSERT_EQ(s.load(0, [](const exception &) { return true; }), loaded::all);
	s.resize(100);
	EXPECT_FALSE(s.allocate(chunk));
}

TEST(store, area_as_mainline_has_it)
{
	bytes area(512, 0xff);
	store s(area.data(), 1, 70);
	u64 chunk = 0;

	s.start();
	ASSERT_TRUE(s.allocate(chunk));
	EXPECT_TRUE(s.commit({ 0x1234, chunk }));
	bytes expected(512);
	expected[0] = 0x34;
	expected[1] = 0x12;
	expected[8] = 2;
	EXPECT_EQ(area, expected);
	EXPECT_EQ(s.chunks_allocated(), 3U);
	EXPECT_EQ(s.chunks_of_metadata(), 2U);
}

/* While a full area is being written, others find chunks. */
TEST(store, allocates_while_an_area_is_full)
{
	bytes area(512);
	store s(area.data(), 1, 70);
	u64 chunk = 0;

	s.start();
	for (u32 i = 0; i < 32; i++) {
		ASSERT_TRUE(s.allocate(chunk));
		s.commit({ i, chunk });
	}
	ASSERT_TRUE(s.is_full());
	EXPECT_TRUE(s.allocate(chunk)) << "it is the area that is full, not the device";
	EXPECT_EQ(chunk, 35U);
	s.written();
	EXPECT_TRUE(s.commit({ 32, chunk }));
}

/*
 * What only damage can do: many exceptions of one chunk. Then more chunks are free than
 * there are places for exceptions, here or only after the next area.
 */
TEST(store, no_more_than_there_is_room_for)
{
	const auto any = [](const exception &) { return true; };

	for (const u64 chunks : { 30, 34, 60 }) {
		bytes area(512);
		store s(area.data(), 1, chunks);

		for (u64 i = 0; i < 31; i++)
			snapshot::on_disk::to::store(area.data() + i * 16, 2ULL);
		EXPECT_EQ(s.load(0, any), loaded::corrupt) << chunks;
	}
	/* Chunks in any order, and holes, are what a crash leaves. */
	bytes area(512);
	store s(area.data(), 1, 60);

	for (u64 i = 0; i < 31; i++)
		snapshot::on_disk::to::store(area.data() + i * 16, 33 - i);
	EXPECT_EQ(s.load(0, any), loaded::all);
	area.assign(512, 0);
	snapshot::on_disk::to::store(area.data(), 59ULL);
	EXPECT_EQ(s.load(0, any), loaded::all);
}

/* It is written when nothing else is on its way. */
TEST(store, commits_in_batches)
{
	bytes area(512);
	store s(area.data(), 1, 70);
	std::array<u64, 3> c = {};

	s.start();
	for (u64 &chunk : c)
		ASSERT_TRUE(s.allocate(chunk));
	EXPECT_FALSE(s.commit({ 5, c[2] }));
	EXPECT_FALSE(s.forget());
	EXPECT_TRUE(s.commit({ 6, c[0] }));
	ASSERT_TRUE(s.allocate(c[0]));
	EXPECT_TRUE(s.forget()) << "what was committed before would wait for ever";
}

TEST(store, corrupt_exceptions)
{
	const auto any = [](const exception &) { return true; };

	for (const u64 to : { 1ULL, 34ULL, 70ULL, ~0ULL }) {
		bytes area(512);
		store s(area.data(), 1, 70);

		snapshot::on_disk::to::store(area.data(), to);
		EXPECT_EQ(s.load(0, any), loaded::corrupt) << to;
	}
	bytes area(512);
	store s(area.data(), 1, 70);

	snapshot::on_disk::to::store(area.data(), 2ULL);
	EXPECT_EQ(s.load(0, [](const exception &) { return false; }), loaded::corrupt);
	EXPECT_EQ(s.load(0, any), loaded::all);
}

TEST(store, merges_the_last_run_first)
{
	bytes area(512);
	store s(area.data(), 1, 70);
	exception last = {};
	u64 n = 0;

	s.start();
	EXPECT_EQ(s.last_run(last), 0U);
	for (const u64 from : { 3, 7, 8, 9 }) {
		u64 to = 0;

		ASSERT_TRUE(s.allocate(to));
		s.commit({ from, to });
	}
	EXPECT_EQ(s.last_run(last), 3U);
	EXPECT_EQ(last.from, 9U);
	EXPECT_EQ(last.to, 5U);
	s.merged(3);
	EXPECT_EQ(s.last_run(last), 1U);
	EXPECT_EQ(last.from, 3U);
	s.merged(1);
	EXPECT_EQ(s.last_run(last), 0U);
	EXPECT_FALSE(s.must_read(n));
	EXPECT_EQ(area, bytes(512));
}

/* Neighbours in the origin are not always neighbours on the device, nor in that order. */
TEST(store, does_not_merge_together_what_is_apart)
{
	bytes area(512);
	store s(area.data(), 1, 70);
	exception last = {};
	std::array<u64, 4> to = {};

	s.start();
	for (u64 &chunk : to)
		ASSERT_TRUE(s.allocate(chunk));
	s.commit({ 5, to[0] });
	s.commit({ 6, to[3] });
	EXPECT_EQ(s.last_run(last), 1U);
	s.commit({ 7, to[2] });
	EXPECT_EQ(s.last_run(last), 1U);
	s.commit({ 9, to[1] });
	EXPECT_EQ(s.last_run(last), 1U);
}

/*
 * At random: a device, a store of it, and what it must know, which is what was stable
 * when it crashed. Every exception is found again, and none twice.
 */
class model {
public:
	explicit model(unsigned int seed)
		: rnd(seed), chunk_sectors(1U << below(2)), chunks(5 + below(200)),
		  device(chunks * chunk_bytes()), area(chunk_bytes()), s(make())
	{
		snapshot::write_store_header(device.data(), chunk_sectors, true);
		s.start();
		write_area();
	}

	void step()
	{
		switch (below(11)) {
		case 0:
		case 1:
		case 2:
		case 3:
			allocate();
			break;
		case 4:
		case 5:
		case 6:
			commit();
			break;
		case 7:
			forget();
			break;
		case 8:
			crash();
			break;
		case 9:
			if (below(20) == 0)
				grow();
			break;
		default:
			if (below(20) == 0)
				merge();
		}
	}

private:
	u64 below(u64 n) { return rnd() % n; }
	[[nodiscard]] u32 chunk_bytes() const { return chunk_sectors * 512; }
	store make() { return { area.data(), chunk_sectors, chunks * chunk_sectors }; }

	[[nodiscard]] unsigned char *at(u64 chunk) { return &device[chunk * chunk_bytes()]; }

	void write_area() { std::copy(area.begin(), area.end(), at(s.current_chunk())); }

	void read_area(u64 n)
	{
		const unsigned char *from = at(s.area_chunk(n));

		std::copy(from, from + chunk_bytes(), area.begin());
	}

	void allocate()
	{
		u64 to = 0;
		const u64 from = next_from++;

		if (!s.allocate(to))
			return;
		ASSERT_TRUE(s.is_data(to));
		ASSERT_FALSE(used.contains(to)) << to;
		used[to] = from;
		pending.push_back({ from, to });
	}

	exception take_pending()
	{
		const u64 i = below(pending.size());
		const exception e = pending[i];

		pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(i));
		return e;
	}

	void flush()
	{
		if (s.is_full() && s.next_chunk() != 0)
			std::fill_n(at(s.next_chunk()), chunk_bytes(), 0);
		write_area();
		for (const exception &e : committed)
			stable[e.from] = e.to;
		committed.clear();
		s.written();
	}

	void commit()
	{
		if (pending.empty())
			return;
		const exception e = take_pending();

		committed.push_back(e);
		if (s.commit(e))
			flush();
	}

	/* By what there was before. */
	void grow()
	{
		chunks += below(40);
		device.resize(chunks * chunk_bytes(), 0xaa);
		s.resize(chunks * chunk_sectors);
	}

	void forget()
	{
		if (pending.empty())
			return;
		take_pending();
		if (s.forget())
			flush();
	}

	void load()
	{
		std::map<u64, u64> found;
		u64 n = 0;
		loaded r = loaded::more;

		s = make();
		for (; r == loaded::more; n++) {
			read_area(n);
			r = s.load(n, [&](const exception &e) {
				return found.emplace(e.from, e.to).second;
			});
		}
		ASSERT_EQ(r, loaded::all);
		ASSERT_EQ(found, stable);
		used.clear();
		for (const auto &[from, to] : stable)
			used[to] = from;
	}

	void crash()
	{
		pending.clear();
		committed.clear();
		load();
	}

	/* All of it, with a crash now and then. */
	void merge()
	{
		exception last = {};
		u64 n = 0;

		crash();
		while (true) {
			if (s.must_read(n)) {
				read_area(n);
				s.back();
			}
			const u32 run = s.last_run(last);

			if (run == 0)
				break;
			for (u32 i = 0; i < run; i++) {
				ASSERT_EQ(stable.at(last.from - i), last.to - i);
				stable.erase(last.from - i);
			}
			s.merged(run);
			write_area();
			if (below(8) == 0)
				load();
		}
		ASSERT_TRUE(stable.empty());
		load();
	}

	std::mt19937 rnd;
	u32 chunk_sectors;
	u64 chunks;
	bytes device;
	bytes area;
	store s;
	u64 next_from = 1;
	std::vector<exception> pending;
	std::vector<exception> committed;
	std::map<u64, u64> stable; /* chunk of the origin to chunk of the device */
	std::map<u64, u64> used;   /* the other way round, of all that were given out */
};

TEST(store, at_random_with_crashes)
{
	for (unsigned int seed = 1; seed <= 100; seed++) {
		SCOPED_TRACE(testing::Message() << "seed " << seed);
		model at_random(seed);

		for (unsigned int i = 0; i < 400 && !HasFailure(); i++)
			at_random.step();
	}
}

} /* namespace */
