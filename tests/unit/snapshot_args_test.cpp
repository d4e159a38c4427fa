// SPDX-License-Identifier: GPL-2.0-only
/* The lines of snapshots in a table, the lines that show them, and the transient store. */
#include <gtest/gtest.h>
#include <string>

#include "targets/snapshot/args.hpp"
#include "targets/snapshot/transient.hpp"
#include "tests/unit/words.hpp"

using snapshot::args;
using snapshot::role;

namespace
{

/* Empty if there is nothing wrong. */
std::string wrong(const std::string &line, role r = role::snapshot)
{
	const split words(line);
	args a;
	const char *text = snapshot::read_args(words.all(), r, a);

	return text ? text : "";
}

/* As mainline writes them, these lines are read and written the same. */
TEST(snapshot_args, tables_as_mainline_writes_them)
{
	for (const char *line : {
		     "253:0 253:1 P 16",
		     "253:0 253:1 PO 0",
		     "253:0 253:1 PO 2097152 1 discard_zeroes_cow",
		     "253:0 253:1 N 1 2 discard_zeroes_cow discard_passdown_origin",
	     }) {
		const split words(line);
		args a;

		ASSERT_EQ(snapshot::read_args(words.all(), role::snapshot, a), nullptr) << line;
		EXPECT_EQ(written([&](dm::line &to) { snapshot::write_table(a, to); }), line);
	}
}

TEST(snapshot_args, letters_of_either_case)
{
	for (const char *type : { "P", "p", "PO", "Po", "pO", "po", "N", "n" }) {
		const split words(std::string("a b ") + type + " 8 1 Discard_Zeroes_COW");
		args a;

		ASSERT_EQ(snapshot::read_args(words.all(), role::snapshot, a), nullptr) << type;
		EXPECT_EQ(a.persistent, type[0] == 'P' || type[0] == 'p');
		EXPECT_EQ(a.overflow, type[1] != 0);
		EXPECT_TRUE(a.discard_zeroes_cow);
		EXPECT_EQ(wrong(std::string("a b ") + type + " 8", role::merge).empty(),
			  a.persistent);
	}
}

TEST(snapshot_args, what_is_wrong)
{
	for (const char *few : { "", "a", "a b", "a b P" })
		EXPECT_EQ(wrong(few), "There are fewer than 4 arguments");
	for (const char *type : { "X", "PX", "PON", "OP", "NO", "persistent", "0" })
		EXPECT_EQ(wrong(std::string("a b ") + type + " 8"),
			  "The exception store is none of P, PO and N");
	for (const char *size : { "x", "-1", "+8", "8k", "4294967304" })
		EXPECT_EQ(wrong(std::string("a b P ") + size), "The chunk size is not a number");
	EXPECT_EQ(wrong("a b P 24"), "The chunk size is not a power of two");
	EXPECT_EQ(wrong("a b P 4194304"), "The chunk size is too large");
	EXPECT_EQ(wrong("a b N 0"), "The chunk size of a transient store is 0");
	for (const char *features : { "x", "3", "1", "2 discard_zeroes_cow" })
		EXPECT_EQ(wrong(std::string("a b P 8 ") + features),
			  "The number of features is not from 0 to 2, or too large");
	EXPECT_EQ(wrong("a b P 8 3 discard_zeroes_cow discard_zeroes_cow discard_zeroes_cow"),
		  "The number of features is not from 0 to 2, or too large");
	EXPECT_EQ(wrong("a b P 8 1 discard"),
		  "A feature is neither discard_zeroes_cow nor discard_passdown_origin");
	EXPECT_EQ(wrong("a b P 8 1 discard_passdown_origin"),
		  "discard_passdown_origin needs discard_zeroes_cow");
	EXPECT_EQ(wrong("a b P 8 0"), "");
	EXPECT_EQ(wrong("a b P 8 2 discard_zeroes_cow discard_zeroes_cow"), "");
	EXPECT_EQ(wrong("a b P 8 0 x"), "There are too many arguments");
	EXPECT_EQ(wrong("a b n 8", role::merge), "What is in a transient store cannot be merged");
}

TEST(snapshot_args, chunks_and_blocks)
{
	EXPECT_EQ(snapshot::check_chunk(8, 4096, 512), nullptr);
	EXPECT_NE(snapshot::check_chunk(4, 4096, 512), nullptr);
	EXPECT_NE(snapshot::check_chunk(4, 512, 4096), nullptr);
	for (const unsigned int bad : { 0U, 3U, 1U << 22, ~0U })
		EXPECT_NE(snapshot::check_chunk(bad, 512, 512), nullptr) << bad;
	EXPECT_EQ(snapshot::default_chunk(512), 32U);
	EXPECT_EQ(snapshot::default_chunk(65536), 128U);
}

TEST(snapshot_args, end_of_the_origin)
{
	EXPECT_EQ(snapshot::there_is(976, 16, 1001, 4096, 512), 16U);
	EXPECT_EQ(snapshot::there_is(992, 16, 1001, 512, 512), 9U);
	EXPECT_EQ(snapshot::there_is(992, 16, 1001, 4096, 512), 8U);
	EXPECT_EQ(snapshot::there_is(992, 16, 1000, 512, 4096), 8U);
	EXPECT_EQ(snapshot::there_is(992, 16, 1008, 512, 512), 16U);
	/* Not less than none */
	EXPECT_EQ(snapshot::there_is(1000, 8, 1001, 4096, 512), 8U);
	EXPECT_EQ(snapshot::there_is(1008, 16, 1001, 512, 512), 16U);
}

TEST(snapshot_args, origin)
{
	const split none("");
	const split one("8:1");
	const split two("8:1 8:2");
	const char *origin = nullptr;

	EXPECT_NE(snapshot::read_origin(none.all(), origin), nullptr);
	EXPECT_NE(snapshot::read_origin(two.all(), origin), nullptr);
	EXPECT_EQ(origin, nullptr);
	EXPECT_EQ(snapshot::read_origin(one.all(), origin), nullptr);
	EXPECT_STREQ(origin, "8:1");
}

TEST(snapshot_args, status_as_mainline_writes_it)
{
	snapshot::state s = { .allocated = 48, .total = 2048, .metadata = 32 };
	const auto status = [&] {
		return written([&](dm::line &to) { snapshot::write_status(s, to); });
	};

	EXPECT_EQ(status(), "48/2048 32");
	s.overflowed = true;
	EXPECT_EQ(status(), "Overflow");
	s.merge_failed = true;
	EXPECT_EQ(status(), "Merge failed");
	s.invalid = true;
	EXPECT_EQ(status(), "Invalid");
}

TEST(transient_store, all_chunks_once)
{
	snapshot::transient_store s(8, 8 * 10 + 7);
	unsigned long long chunk = 99;

	for (unsigned int i = 0; i < 10; i++) {
		EXPECT_EQ(s.chunks_allocated(), i);
		ASSERT_TRUE(s.allocate(chunk));
		EXPECT_EQ(chunk, i);
	}
	EXPECT_FALSE(s.allocate(chunk));
	EXPECT_EQ(s.chunks_allocated(), 10U);
}

} /* namespace */
