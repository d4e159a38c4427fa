// SPDX-License-Identifier: GPL-2.0-only
/* The line of a mirror in a table, and the lines that show it. */
#include <gtest/gtest.h>
#include <string>

#include "targets/mirror/args.hpp"
#include "tests/unit/words.hpp"

using mirror::args;
using mirror::log_health;

namespace
{

constexpr unsigned long long sectors = 1000000;

/* Its words are where @words has them. */
args read(const split &words)
{
	args a;

	EXPECT_EQ(mirror::read_args(words.all(), sectors, a), nullptr);
	return a;
}

std::string table(const args &a)
{
	return written([&](dm::line &to) { mirror::write_table(a, to); });
}

/* Empty if there is nothing wrong. */
std::string wrong(const std::string &line, unsigned long long length = sectors)
{
	const split words(line);
	args a;
	const char *text = mirror::read_args(words.all(), length, a);

	return text ? text : "";
}

TEST(mirror_args, core)
{
	const split line("core 1 1024 2 /dev/a 0 253:1 2048");
	const args a = read(line);

	EXPECT_EQ(a.log_device, nullptr);
	EXPECT_EQ(a.region_sectors, 1024U);
	EXPECT_EQ(a.contents, mirror::sync::by_log);
	EXPECT_EQ(a.nr_legs, 2U);
	EXPECT_STREQ(a.legs[0].device, "/dev/a");
	EXPECT_EQ(a.legs[0].offset, 0U);
	EXPECT_STREQ(a.legs[1].device, "253:1");
	EXPECT_EQ(a.legs[1].offset, 2048U);
	EXPECT_FALSE(a.handle_errors);
	EXPECT_FALSE(a.keep_log);
	EXPECT_EQ(a.nr_regions(sectors), 977U);
	EXPECT_EQ(a.nr_regions(1024), 1U);
}

TEST(mirror_args, disk_and_features)
{
	const split line("disk 3 8:1 2 nosync 3 8:2 1 8:3 2 8:4 3 2 keep_log handle_errors");
	const args a = read(line);

	EXPECT_STREQ(a.log_device, "8:1");
	EXPECT_EQ(a.region_sectors, 2U);
	EXPECT_EQ(a.contents, mirror::sync::none);
	EXPECT_EQ(a.nr_legs, 3U);
	EXPECT_TRUE(a.handle_errors);
	EXPECT_TRUE(a.keep_log);
}

/* As mainline writes them, these lines are read and written the same. */
TEST(mirror_args, tables_as_mainline_writes_them)
{
	for (const char *line : {
		     "core 1 1024 2 8:1 0 8:2 0",
		     "core 2 1024 sync 2 8:1 0 8:2 384",
		     "core 2 1024 nosync 2 8:1 0 8:2 0 1 handle_errors",
		     "disk 2 8:3 1024 2 8:1 0 8:2 0 2 handle_errors keep_log",
		     "disk 3 8:3 1024 sync 9 8:1 1 8:2 2 8:3 3 8:4 4 8:5 5 8:6 6 8:7 7 8:8 8 8:9 9",
	     }) {
		const split words(line);

		EXPECT_EQ(table(read(words)), line);
	}
}

TEST(mirror_args, what_is_wrong)
{
	const std::string legs = " 2 8:1 0 8:2 0";

	EXPECT_EQ(wrong(""), "The log is neither core nor disk");
	EXPECT_EQ(wrong("Core 1 1024" + legs), "The log is neither core nor disk");
	for (const char *n : { "", " x", " 99", " -1", " 4294967297 1024" })
		EXPECT_EQ(wrong(std::string("core") + n),
			  "The number of the log's arguments is not a number, or too large");
	for (const char *log :
	     { "core 0", "core 3 2 sync x", "disk 1 8:3", "disk 4 8:3 2 sync x", "disk 0" })
		EXPECT_EQ(wrong(log + legs), "The log has too few or too many arguments");
	for (const char *size : { "0", "1", "3", "1023", "4294967296", "4294967298", "1k", "+2" })
		EXPECT_EQ(wrong(std::string("core 1 ") + size + legs),
			  "The region size is not a power of two of at least 2 sectors");
	EXPECT_EQ(wrong("core 1 2048" + legs, 2047), "The region size is larger than the mirror");
	EXPECT_EQ(wrong("core 1 2048" + legs, 2048), "");
	EXPECT_EQ(wrong("core 1 2" + legs, 2ULL * 0xffffffff + 1),
		  "There are too many regions of that size");
	EXPECT_EQ(wrong("core 1 2" + legs, 2ULL * 0xffffffff), "");
	EXPECT_EQ(wrong("core 2 2 block_on_error" + legs),
		  "The log's last argument is neither sync nor nosync");
	for (const char *n : { "", " 1 8:1 0", " 0", " 10", " x" })
		EXPECT_EQ(wrong(std::string("core 1 2") + n),
			  "The number of legs is not from 2 to 9");
	EXPECT_EQ(wrong("core 1 2 2 8:1 0 8:2"), "There are fewer legs than their number");
	EXPECT_EQ(wrong("core 1 2 2 8:1 0 8:2 0x1"), "The offset of a leg is not a number");
	EXPECT_EQ(wrong("core 1 2 2 8:1 0 8:2 18446744073709551615", 2),
		  "The offset of a leg is too large");
	EXPECT_EQ(wrong("core 1 2 2 8:1 0 8:2 18446744073709551613", 2), "");
	for (const char *n : { " x", " 2 handle_errors", " 1" })
		EXPECT_EQ(wrong("core 1 2" + legs + n),
			  "The number of features is not a number, or too large");
	EXPECT_EQ(wrong("core 1 2" + legs + " 1 Handle_errors"),
		  "A feature is neither handle_errors nor keep_log");
	EXPECT_EQ(wrong("core 1 2" + legs + " 1 keep_log"), "keep_log needs handle_errors");
	EXPECT_EQ(wrong("core 1 2" + legs + " 1 handle_errors x"), "There are too many arguments");
	EXPECT_EQ(wrong("core 1 2" + legs + " 0"), "");
}

TEST(mirror_args, regions_and_blocks)
{
	EXPECT_EQ(mirror::check_region(2, 1), nullptr);
	EXPECT_EQ(mirror::check_region(8, 8), nullptr);
	EXPECT_STREQ(mirror::check_region(4, 8),
		     "The region size is not a multiple of the block size of all legs");
}

TEST(mirror_args, status_as_mainline_writes_it)
{
	const split core("core 1 1024 2 8:1 0 8:2 0");
	const split disk("disk 2 8:4 1024 3 8:1 0 8:2 0 8:3 0");
	const auto status = [](const split &line, const char *health, log_health log) {
		const args a = read(line);

		return written(
			[&](dm::line &to) { mirror::write_status(a, health, 976, 977, log, to); });
	};

	EXPECT_EQ(status(core, "AD", log_health::alive), "2 8:1 8:2 976/977 1 AD 1 core");
	EXPECT_EQ(status(disk, "AAR", log_health::alive),
		  "3 8:1 8:2 8:3 976/977 1 AAR 3 disk 8:4 A");
	EXPECT_EQ(status(disk, "AAA", log_health::failed),
		  "3 8:1 8:2 8:3 976/977 1 AAA 3 disk 8:4 D");
	EXPECT_EQ(status(disk, "AAA", log_health::flush_failed),
		  "3 8:1 8:2 8:3 976/977 1 AAA 3 disk 8:4 F");
}

} /* namespace */
