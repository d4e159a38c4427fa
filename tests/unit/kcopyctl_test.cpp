// SPDX-License-Identifier: GPL-2.0-only
/* What kcopyctl makes of what users, the module and the system say. */
#include <array>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

/* There is no library of it for 32 bits. */
#define FMT_HEADER_ONLY
#include "tools/kcopyctl/devices.hpp"
#include "tools/kcopyctl/json.hpp"
#include "tools/kcopyctl/outcome.hpp"
#include "tools/kcopyctl/progress.hpp"
#include "tools/kcopyctl/screen.hpp"
#include "tools/kcopyctl/stats.hpp"
#include "tools/kcopyctl/targets.hpp"
#include "tools/kcopyctl/text.hpp"

using namespace kcopyctl;

namespace
{

constexpr u64 kib = 1024;
constexpr u64 mib = kib * 1024;
constexpr u64 gib = mib * 1024;

TEST(kcopyctl_text, sizes)
{
	const std::vector<std::pair<const char *, u64>> good = {
		{ "0", 0 },
		{ "512", 512 },
		{ "7B", 7 },
		{ "4K", 4 * kib },
		{ "4k", 4 * kib },
		{ "4KiB", 4 * kib },
		{ "4kB", 4000 },
		{ "3MB", 3000000 },
		{ "50M", 50 * mib },
		{ "2GiB", 2 * gib },
		{ "1T", 1024 * gib },
		{ "16383P", 16383 * mib * gib },
		{ "18446744073709551615", ~0ULL },
	};

	for (const auto &[text, n] : good)
		EXPECT_EQ(parse_size(text), n) << text;
	for (const char *bad : { "", " 1", "1 ", "-1", "+1", "1.5G", "M", "1X", "1KK", "1iB",
				 "1Kib", "1m", "0x10", "16384P", "18446744073709551616", "5/s" })
		EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(kcopyctl_text, rates)
{
	EXPECT_EQ(parse_rate("none"), 0U);
	EXPECT_EQ(parse_rate("0"), 0U);
	EXPECT_EQ(parse_rate("50M/s"), 50 * mib);
	EXPECT_EQ(parse_rate("1000"), 1000U);
	for (const char *bad : { "", "/s", "none/s", "50M/", "any" })
		EXPECT_FALSE(parse_rate(bad)) << bad;
}

TEST(kcopyctl_text, shown)
{
	EXPECT_EQ(show_size(0), "0 B");
	EXPECT_EQ(show_size(1023), "1023 B");
	EXPECT_EQ(show_size(1024), "1.0 KiB");
	EXPECT_EQ(show_size(1536), "1.5 KiB");
	EXPECT_EQ(show_size(10 * kib), "10 KiB");
	EXPECT_EQ(show_size(10199), "10 KiB");
	EXPECT_EQ(show_size(mib - 1), "1.0 MiB") << "and not 1024 KiB";
	EXPECT_EQ(show_size(~0ULL), "16 EiB");
	EXPECT_EQ(show_rate(50 * mib), "50 MiB/s");
	EXPECT_EQ(show_limit(0), "none");
	EXPECT_EQ(show_time(0), "0:00");
	EXPECT_EQ(show_time(59), "0:59");
	EXPECT_EQ(show_time(3599), "59:59");
	EXPECT_EQ(show_time(3600), "1:00:00");
	EXPECT_EQ(show_time(360000), "4 days");
	EXPECT_EQ(show_us(64, true), "64 us");
	EXPECT_EQ(show_us(65536, true), "66 ms");
	EXPECT_EQ(show_us(66000, true), "66 ms");
	EXPECT_EQ(show_us(67108864, true), "68 s");
	EXPECT_EQ(show_us(67108864, false), "67 s");
}

/* What is shown of a size is it again, but for what is rounded. */
TEST(kcopyctl_text, sizes_again)
{
	for (u64 n = 1; n < 1ULL << 50; n = n * 3 / 2 + 1) {
		std::string shown = show_size(n);
		double factor = 1;

		for (const char unit : { 'K', 'M', 'G', 'T', 'P' }) {
			factor *= 1024;
			if (shown.find(unit) == std::string::npos)
				continue;
			EXPECT_NEAR(std::stod(shown) * factor / static_cast<double>(n), 1, 0.06)
				<< n << " is " << shown;
			EXPECT_LT(std::stod(shown), 1024) << n;
		}
	}
}

TEST(kcopyctl_text, printable)
{
	EXPECT_EQ(printable("a b~\xc3\xa4\xe2\x82\xac"), "a b~\xc3\xa4\xe2\x82\xac");
	EXPECT_EQ(printable("\x1b[1A\t\x7f\n"), "?[1A???");
	/* U+0080, U+009B and U+00A0, and a character with such bytes. */
	EXPECT_EQ(printable("\xc2\x80\xc2\x9b\xc2\xa0\xc3\x80"), "????\xc2\xa0\xc3\x80");
}

TEST(kcopyctl_json, text)
{
	EXPECT_EQ(json_text("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\u000a\\u0001\"");
	EXPECT_EQ(json_text("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
		  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	/* Cut, too long, a surrogate, beyond the last, a byte that follows nothing. */
	EXPECT_EQ(json_text(std::string_view("\xc3\xa4").substr(0, 1)), "\"\\ufffd\"");
	EXPECT_EQ(json_text("\xc3(\xc0\xaf"), "\"\\ufffd(\\ufffd\\ufffd\"");
	EXPECT_EQ(json_text("\xe0\x80\xaf"), "\"\\ufffd\\ufffd\\ufffd\"");
	EXPECT_EQ(json_text("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
	EXPECT_EQ(json_text("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
	EXPECT_EQ(json_text("\x80"), "\"\\ufffd\"");
}

TEST(kcopyctl_json, values)
{
	json out;

	out.begin('{').add("a", u64{ 1 }).add("b", true).key("c").begin('[').end();
	out.key("d").begin('[').begin('{').end().add("x").null().add(-5).end().key("e").null();
	EXPECT_EQ(out.end().text(), R"({"a":1,"b":true,"c":[],"d":[{},"x",null,-5],"e":null})");
}

TEST(kcopyctl_progress, percents)
{
	EXPECT_EQ(percent(0, 0), 100U);
	EXPECT_EQ(percent(0, 7), 0U);
	EXPECT_EQ(percent(6, 7), 85U);
	EXPECT_EQ(percent(999999, 1000000), 99U) << "100 is all of it";
	EXPECT_EQ(percent(7, 7), 100U);
	EXPECT_EQ(percent(~0ULL - 1, ~0ULL), 99U);
	EXPECT_EQ(percent(~0ULL / 2, ~0ULL), 50U);
}

TEST(kcopyctl_progress, rate_and_rest)
{
	meter m;

	EXPECT_EQ(m.rate(), 0U);
	EXPECT_FALSE(m.left(mib));
	m.add(1000, 0);
	EXPECT_FALSE(m.left(mib)) << "nothing is known yet";
	m.add(1000, 0);
	EXPECT_EQ(m.rate(), 0U) << "at the same moment";
	m.add(3000, 2 * mib);
	EXPECT_EQ(m.rate(), mib);
	EXPECT_EQ(m.left(2 * mib), 0U);
	EXPECT_EQ(m.left(2 * mib + 1), 1U) << "rounded up";
	EXPECT_EQ(m.left(62 * mib), 60U);
	/* It becomes slower: after the window nothing is left of what was before. */
	for (u64 s = 4; s <= 14; s++)
		m.add(s * 1000, 2 * mib + (s - 3) * 1000);
	EXPECT_EQ(m.rate(), 1000U);
	for (u64 s = 15; s <= 25; s++)
		m.add(s * 1000, 2 * mib + 11000);
	EXPECT_EQ(m.rate(), 0U);
	EXPECT_FALSE(m.left(62 * mib)) << "it stands still";
}

/* With hours between two looks, and as much as there can be. */
TEST(kcopyctl_progress, no_overflow)
{
	meter m;

	m.add(0, 0);
	m.add(1000, ~0ULL - 1);
	EXPECT_EQ(m.rate(), ~0ULL - 1);
	EXPECT_EQ(m.left(~0ULL), 1U);
	EXPECT_EQ(ms_at_rate(~0ULL, ~0ULL), 1000U);
	EXPECT_EQ(ms_at_rate(mib, 0), 0U);
	EXPECT_EQ(ms_at_rate(3 * mib / 2, mib), 1500U);
}

/* Parts of some size, and logical blocks of up to 64 KiB. */
TEST(kcopyctl_progress, chunks)
{
	EXPECT_EQ(chunk_kb(0), 4096U);
	EXPECT_EQ(chunk_kb(1), 128U);
	EXPECT_EQ(chunk_kb(8 * mib), 1024U);
	EXPECT_EQ(chunk_kb(~0ULL), 4096U);
	for (u64 rate = 1; rate < 100 * mib; rate = rate * 5 / 4 + 1)
		ASSERT_EQ(chunk_kb(rate) % 128, 0U) << rate;
}

TEST(kcopyctl_progress, lines)
{
	EXPECT_EQ(bar(0, 10, 4), "[....]");
	EXPECT_EQ(bar(5, 10, 4), "[##..]");
	EXPECT_EQ(bar(10, 10, 4), "[####]");
	EXPECT_EQ(progress_text(mib, 2 * mib, kib, 1024),
		  " 50 %  1.0 MiB of 2.0 MiB  1.0 KiB/s  17:04 left");
	EXPECT_EQ(progress_text(0, 2 * mib, 0, std::nullopt),
		  "  0 %  0 B of 2.0 MiB  0 B/s  -:-- left");
	for (size_t width = 1; width < 200; width++) {
		const std::string line = progress_line("half of it", 1, 2, width);

		ASSERT_EQ(line.size(), width);
		ASSERT_EQ(line.find('[') == 0, width >= 23) << line;
		ASSERT_EQ(line.find("half of it") != std::string::npos, width >= 10) << line;
	}
}

TEST(kcopyctl_screen, tables)
{
	EXPECT_EQ(table({ { "A", "NAME", "  N" }, { "100", "x", "5" }, { "7", "longer", "6" } },
			"><>"),
		  "  A NAME     N\n"
		  "100 x        5\n"
		  "  7 longer   6\n");
	EXPECT_EQ(table({ { "A", "B" }, { "a", "" } }, "<<"), "A B\na\n") << "nothing behind it";
}

TEST(kcopyctl_screen, what_fits)
{
	const std::string text = "12345\n123\n\n1\n";

	EXPECT_EQ(cut(text, {}), text);
	EXPECT_EQ(cut(text, { .columns = 4 }), "1234\n123\n\n1\n");
	EXPECT_EQ(cut(text, { 2, 2 }), "12\n12\n");
	EXPECT_EQ(cut(text, { 5, 3 }), "12345\n123\n\n");
}

constexpr std::string_view two_clients = "client=3\nname=kcopyd_copy\npages=1024\nqueued=2\n"
					 "sectors_read=2048\nsectors_written=4096\n"
					 "read_errors=1\ncopies_done=7\n"
					 "latency_small_us=-\nlatency_large_us=<64:12 <128:3\n"
					 "\n"
					 "client=12\nname=a=b\nnew_key=words\npages=8\n\n";

TEST(kcopyctl_stats, clients)
{
	const auto all = parse_clients(two_clients);

	ASSERT_EQ(all.size(), 2U);
	EXPECT_EQ(all[0].id, 3U);
	EXPECT_EQ(all[0].name, "kcopyd_copy");
	EXPECT_EQ(all[0]["pages"], 1024U);
	EXPECT_EQ(all[0]["no such"], 0U);
	EXPECT_EQ(all[0].large[6], 12U);
	EXPECT_EQ(all[0].large[7], 3U);
	EXPECT_EQ(all[1].id, 12U);
	EXPECT_EQ(all[1].name, "a=b");
	EXPECT_EQ(all[1]["pages"], 8U);
	EXPECT_EQ(all[1].values.count("new_key"), 0U);
}

/* One that has no beginning is none, and one without an end is one. */
TEST(kcopyctl_stats, cut_blocks)
{
	EXPECT_TRUE(parse_clients("").empty());
	EXPECT_TRUE(parse_clients("pages=7\n\n").empty());
	const auto all = parse_clients("\n\npages=7\n\nclient=1\nname=x");

	ASSERT_EQ(all.size(), 1U);
	EXPECT_EQ(all[0].name, "x");
	EXPECT_EQ(all[0]["pages"], 0U);
}

TEST(kcopyctl_stats, latencies)
{
	const auto all = parse_latencies("<1:1 <2:2 <67108864:3 >=67108864:4");

	ASSERT_TRUE(all);
	EXPECT_EQ((*all)[0], 1U);
	EXPECT_EQ((*all)[1], 2U);
	EXPECT_EQ((*all)[26], 3U);
	EXPECT_EQ((*all)[27], 4U);
	EXPECT_EQ(parse_latencies("-"), kcopyctl::latencies{});
	for (const char *bad : { "<3:1", "<64", "64:1", "<64:x", "<134217728:1", ">=64:1", "<:1",
				 ">=134217728:1", "<0:1", ":1" })
		EXPECT_FALSE(parse_latencies(bad)) << bad;
}

TEST(kcopyctl_stats, quantiles)
{
	EXPECT_FALSE(quantile(kcopyctl::latencies{}, 50));
	const auto all = parse_latencies("<4:50 <64:49 <1024:1").value_or(kcopyctl::latencies{});

	EXPECT_EQ(bound_of(quantile(all, 50)), 4U);
	EXPECT_EQ(bound_of(quantile(all, 51)), 64U);
	EXPECT_EQ(bound_of(quantile(all, 99)), 64U);
	EXPECT_EQ(bound_of(quantile(all, 100)), 1024U);
}

/* What is shown of a class is true of all that is in it. */
TEST(kcopyctl_stats, bounds)
{
	const auto all = parse_latencies("<1:1 >=67108864:9").value_or(kcopyctl::latencies{});

	EXPECT_FALSE(bound_of(std::nullopt));
	EXPECT_FALSE(bound_of(quantile(all, 50))) << "there is none";
	EXPECT_EQ(quantile(all, 50), longest);
	EXPECT_EQ(show_class(longest), ">67 s");
	EXPECT_EQ(show_class(longest - 1), "<68 s");
	EXPECT_EQ(show_class(16), "<66 ms");
	EXPECT_EQ(show_class(0), "<1 us");
}

TEST(kcopyctl_stats, activities)
{
	const client now = parse_clients(two_clients)[0];
	const client before = parse_clients("client=3\nsectors_read=1024\nsectors_written=4096\n"
					    "copies_done=9\nlatency_large_us=<64:10\n")[0];
	const activity a = activity_of(now, before, 500);

	EXPECT_EQ(a.read, mib);
	EXPECT_EQ(a.written, 0U);
	EXPECT_EQ(a.copies, 0U) << "a counter that became smaller";
	EXPECT_EQ(a.errors, 1U);
	EXPECT_EQ(a.large[6], 2U);
	EXPECT_EQ(a.large[7], 3U);
	EXPECT_EQ(activity_of(now, client(), 1000).read, mib);
	EXPECT_EQ(activity_of(now, client(), 0).read, 0U);
}

TEST(kcopyctl_outcome, status)
{
	const auto s = parse_copy_status("state=done-with-errors done=10 total=10 read_err=-5 "
					 "write_err=0x80000001 submit_err=0 skipped=8 bad_ranges=2 "
					 "bad_lost=1 later=words\n");

	ASSERT_TRUE(s);
	EXPECT_EQ(s->state, "done-with-errors");
	EXPECT_FALSE(s->goes_on());
	EXPECT_EQ(s->total, 10U);
	EXPECT_EQ(s->read_err, -5);
	EXPECT_EQ(s->write_err, 0x80000001U);
	EXPECT_EQ(s->skipped, 8U);
	EXPECT_TRUE(s->bad_lost);
	EXPECT_TRUE(parse_copy_status("state=copying done=0 total=1\n")->goes_on());
	for (const char *bad :
	     { "", "done=1 total=2", "state=copying done=3 total=2", "state=copying done=x total=2",
	       "state=copying read_err=--5", "state=copying write_err=0x100000000" })
		EXPECT_FALSE(parse_copy_status(bad)) << bad;
}

copy_status ended(const char *state)
{
	copy_status s;

	s.state = state;
	return s;
}

TEST(kcopyctl_outcome, why_it_is_not_loaded)
{
	const std::string modprobe = "modprobe: ERROR: could not insert 'kcopyd_copy': ";
	const auto is_of_trust = [&](const std::string &error,
				     const std::vector<std::string> &log) {
		return why_not_loaded(modprobe + error, log).find("mokutil --import") !=
		       std::string::npos;
	};

	EXPECT_TRUE(is_of_trust("Key was rejected by service",
				{ "kcopyd: loading of unsigned module is rejected" }));
	EXPECT_TRUE(is_of_trust("Required key not available", {}));
	EXPECT_TRUE(is_of_trust("Operation not permitted",
				{ "Lockdown: modprobe: unsigned module loading is restricted; "
				  "see man kernel_lockdown.7",
				  "something else" }));
	EXPECT_FALSE(is_of_trust("Operation not permitted", {}));
	EXPECT_NE(why_not_loaded(modprobe + "Operation not permitted", {}).find("modules_disabled"),
		  std::string::npos);
	EXPECT_EQ(why_not_loaded(modprobe + "Device or resource busy",
				 { "kcopyd-copy: first",
				   "kcopyd-copy: cannot open /dev/a (error -16)", "another" }),
		  "kcopyd-copy: cannot open /dev/a (Device or resource busy)");
	EXPECT_EQ(why_not_loaded("x", { "kcopyd: copy_init [kcopyd_copy]: client rejected: y" }),
		  "kcopyd: copy_init [kcopyd_copy]: client rejected: y");
	/* What others do meanwhile is not why. */
	EXPECT_EQ(why_not_loaded(modprobe + "Invalid argument",
				 { "kcopyd: client 3 (kmirror): no memory",
				   "device-mapper: kmirror: not a kcopyd-copy: line" }),
		  modprobe + "Invalid argument");
	EXPECT_EQ(why_not_loaded("Module kcopyd-copy not found in directory /lib", { "another" }),
		  "Module kcopyd-copy not found in directory /lib (--module names its file)");
	for (const char *line : { "(error 7", "(error x)", "(error )", "error -16)", "" })
		EXPECT_EQ(in_words(line), line);
}

TEST(kcopyctl_outcome, verdicts)
{
	const std::vector<std::string> dests = { "/dev/b", "/dev/c" };
	copy_status s = ended("done");

	EXPECT_EQ(judge(s, "/dev/a", dests).code, exit_done);
	EXPECT_EQ(judge(s, "/dev/a", dests).wrong, "");
	s = ended("done-with-errors");
	s.read_err = -5;
	s.skipped = 16;
	EXPECT_EQ(judge(s, "/dev/a", dests).code, exit_incomplete);
	EXPECT_EQ(judge(s, "/dev/a", dests).wrong,
		  "16 sectors of /dev/a cannot be read, and are left out");
	/* One that could not be written is the worst, and not all there is. */
	s.write_err = 2;
	EXPECT_EQ(judge(s, "/dev/a", dests).code, exit_failed);
	EXPECT_EQ(judge(s, "/dev/a", dests).wrong,
		  "writing failed on /dev/c: what is there is not a copy; "
		  "16 sectors of /dev/a cannot be read, and are left out");
	s = ended("failed");
	s.read_err = -5;
	EXPECT_EQ(judge(s, "/dev/a", dests).code, exit_failed);
	EXPECT_EQ(judge(s, "/dev/a", dests).wrong,
		  "/dev/a cannot be read (Input/output error): --salvage copies what can be");
	s = ended("failed");
	s.submit_err = -22;
	EXPECT_EQ(judge(s, "/dev/a", dests).code, exit_failed);
	EXPECT_EQ(judge(ended("stopped"), "/dev/a", dests).code, exit_failed);
}

/* Where it stopped, what is on the others is not a copy either. */
TEST(kcopyctl_outcome, stopped_for_all)
{
	copy_status s = ended("failed");

	s.write_err = 2;
	EXPECT_EQ(judge(s, "/dev/a", { "/dev/b", "/dev/c" }).wrong,
		  "writing failed on /dev/c: the copy was stopped, and none of /dev/b, /dev/c is a "
		  "copy");
	s.write_err = 1;
	EXPECT_EQ(judge(s, "/dev/a", { "/dev/b" }).wrong,
		  "writing failed on /dev/b: the copy was stopped, and /dev/b is no copy");
}

TEST(kcopyctl_outcome, also_wrong)
{
	verdict v;

	also_wrong(v, exit_incomplete, "left out");
	EXPECT_EQ(v.code, exit_incomplete);
	also_wrong(v, exit_differs, "differs");
	EXPECT_EQ(v.code, exit_differs);
	also_wrong(v, exit_failed, "cannot be read");
	EXPECT_EQ(v.code, exit_failed);
	also_wrong(v, exit_differs, "differs, too");
	EXPECT_EQ(v.code, exit_failed);
	also_wrong(v, exit_signal + 2, "cancelled");
	EXPECT_EQ(v.code, exit_signal + 2);
	EXPECT_EQ(v.wrong, "left out; differs; cannot be read; differs, too; cancelled");
}

TEST(kcopyctl_outcome, bad_ranges)
{
	using ranges = std::vector<bad_range>;
	const auto all = parse_bad("96 8\n8 8\n16 1\n10 2\n\n");

	EXPECT_FALSE(all) << "an empty line";
	EXPECT_EQ(parse_bad(""), ranges{});
	for (const char *bad : { "1\n", "1 0\n", "1 2 3\n", "x 1\n", "18446744073709551615 1\n" })
		EXPECT_FALSE(parse_bad(bad)) << bad;

	const ranges m = merged({ { 96, 8 }, { 8, 8 }, { 16, 1 }, { 10, 2 } });

	EXPECT_EQ(m, (ranges{ { 8, 9 }, { 96, 8 } }));
	EXPECT_EQ(next_bad(m, 0), m.data());
	EXPECT_EQ(next_bad(m, 16), m.data());
	EXPECT_EQ(next_bad(m, 17), &m[1]);
	EXPECT_EQ(next_bad(m, 103), &m[1]);
	EXPECT_EQ(next_bad(m, 104), nullptr);
	EXPECT_EQ(map_text(m, { "/dev/a", 100, 100, false }),
		  "# sectors of 512 bytes of /dev/a (100 in all) that could not be read: first "
		  "count\n8 9\n96 8\n# there were more\n");
	EXPECT_EQ(map_text({}, { "/dev/a", 100, 60 }),
		  "# incomplete: 60 of 100 sectors were tried\n"
		  "# sectors of 512 bytes of /dev/a (100 in all) that could not be read: first "
		  "count\n");
	EXPECT_EQ(map_json({}, { "/dev/a", 100, 60 }),
		  R"({"source":"/dev/a","sectors":100,"tried":60,"complete":false,"bad":[]})"
		  "\n");
	EXPECT_EQ(map_json(m, { "/dev/a", 100, 100 }),
		  R"({"source":"/dev/a","sectors":100,"tried":100,"complete":true,)"
		  R"("bad":[{"first":8,"count":9},{"first":96,"count":8}]})"
		  "\n");
}

TEST(kcopyctl_targets, mirrors)
{
	const auto core = parse_mirror("2 252:0 252:1 3/64 1 AD 1 core");

	ASSERT_TRUE(core);
	EXPECT_EQ(core->legs, (std::vector<std::string>{ "252:0", "252:1" }));
	EXPECT_EQ(core->in_sync, 3U);
	EXPECT_EQ(core->regions, 64U);
	EXPECT_EQ(core->health, "AD");
	EXPECT_EQ(core->log_health, "");
	const auto disk = parse_mirror("3 8:0 8:1 8:2 64/64 1 AAA 3 disk 8:3 A");

	ASSERT_TRUE(disk);
	EXPECT_EQ(disk->log_device, "8:3");
	EXPECT_EQ(disk->log_health, "A");
	for (const char *bad :
	     { "", "2", "0 3/64 1 A 1 core", "2 252:0 252:1 3/64 1 A 1 core",
	       "2 252:0 252:1 65/64 1 AA 1 core", "2 252:0 252:1 3/64 1 AA 1 disk",
	       "2 252:0 252:1 3/64 1 AA 3 disk 8:3", "99 252:0 252:1 3/64 1 AA 1 core",
	       "2 252:0 252:1 3/64 2 AA 1 core" })
		EXPECT_FALSE(parse_mirror(bad)) << bad;
	EXPECT_EQ(parse_mirror_rate("running rate 1000"), 1000U);
	EXPECT_FALSE(parse_mirror_rate("paused"));
	EXPECT_EQ(show_target(target_kind::mirror, "2 252:0 252:1 3/64 1 AD 1 core"),
		  "4 % in sync, legs AD");
	EXPECT_EQ(show_target(target_kind::mirror, "3 8:0 8:1 8:2 64/64 1 AAA 3 disk 8:3 D"),
		  "100 % in sync, legs AAA, log D");
	EXPECT_EQ(show_target(target_kind::mirror, "?"), "?");
}

TEST(kcopyctl_targets, snapshots)
{
	const auto s = parse_snapshot("512/2048 16");

	ASSERT_TRUE(s);
	EXPECT_EQ(s->state, "valid");
	EXPECT_EQ(s->allocated, 512U);
	EXPECT_EQ(s->metadata, 16U);
	EXPECT_EQ(parse_snapshot("Invalid")->state, "invalid");
	EXPECT_EQ(parse_snapshot("Overflow")->state, "overflow");
	for (const char *bad : { "", "512/2048", "512 16", "4096/2048 16", "512/2048 x" })
		EXPECT_FALSE(parse_snapshot(bad)) << bad;
	EXPECT_EQ(show_target(target_kind::snapshot, "512/2048 16"), "25 % of 1.0 MiB used");
	EXPECT_EQ(show_target(target_kind::snapshot, "Invalid"), "invalid");
	EXPECT_EQ(show_target(target_kind::origin, ""), "");
}

/* Mainline's names are kcopyd's only where its module has taken them. */
TEST(kcopyctl_targets, names)
{
	using enum target_kind;

	EXPECT_EQ(kind_of("kmirror", {}), mirror);
	EXPECT_EQ(kind_of("ksnapshot", {}), snapshot);
	EXPECT_EQ(kind_of("ksnapshot-merge", {}), snapshot);
	EXPECT_EQ(kind_of("ksnap-origin", {}), origin);
	EXPECT_EQ(kind_of("mirror", { true, false }), mirror);
	EXPECT_EQ(kind_of("snapshot", { false, true }), snapshot);
	EXPECT_EQ(kind_of("snapshot-merge", { false, true }), snapshot);
	EXPECT_EQ(kind_of("snapshot-origin", { false, true }), origin);
	EXPECT_FALSE(kind_of("mirror", { false, true }));
	for (const char *other : { "snapshot", "snapshot-merge", "snapshot-origin", "linear", "" })
		EXPECT_FALSE(kind_of(other, { true, false })) << other;
}

TEST(kcopyctl_devices, mounts)
{
	const auto all = parse_mounts("21 27 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
				      "27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
				      "30 27 0:31 /sub /a\\040b rw - btrfs /dev/sdb rw\n"
				      "not a line\n"
				      "31 27 8:2 / /c rw -\n");

	ASSERT_EQ(all.size(), 3U);
	EXPECT_EQ(all[1].device, (device_number{ 8, 1 }));
	EXPECT_EQ(all[1].where, "/");
	/* Its own number and that of its source are those of a device. */
	mount m = all[2];

	EXPECT_TRUE(m.is_on({ 0, 31 }));
	EXPECT_FALSE(m.is_on({ 8, 16 }));
	m.source_device = device_number{ 8, 16 };
	EXPECT_TRUE(m.is_on({ 0, 31 }));
	EXPECT_TRUE(m.is_on({ 8, 16 }));
	EXPECT_EQ(all[2].source, "/dev/sdb");
	EXPECT_EQ(all[2].where, "/a b");
	EXPECT_EQ(unescape("a\\134\\x\\04"), "a\\\\x\\04");
	EXPECT_EQ(parse_swaps("Filename\tType\n/dev/sda2  partition\t1\n/a\\040b\tfile\n"),
		  (std::vector<std::string>{ "/dev/sda2", "/a b" }));
}

device disk(const char *path, u64 minor, u64 bytes = gib)
{
	device d;

	d.path = path;
	d.number = { 8, minor };
	d.bytes = bytes;
	return d;
}

TEST(kcopyctl_devices, may_be_overwritten)
{
	const device from = disk("/dev/a", 0);
	device to = disk("/dev/b", 16);
	const auto why = [&](bool force) { return why_not(from, to, force); };

	EXPECT_EQ(why(false), "");
	to.bytes = gib - 1;
	EXPECT_NE(why(true).find("too small"), std::string::npos);
	to.bytes = 2 * gib;
	to.read_only = true;
	EXPECT_NE(why(true).find("read-only"), std::string::npos);
	to.read_only = false;
	to.users = { "mounted on /x" };
	EXPECT_EQ(why(false), "/dev/b is in use (mounted on /x): stop that first, or say --force");
	EXPECT_EQ(why(true), "");
	to.users.clear();
	to.busy = true;
	EXPECT_NE(why(false).find("in use"), std::string::npos);
	EXPECT_EQ(why(true), "");
}

extent taken(u64 of, u64 by, extent::kind how = extent::kind::range, u64 from = 0, u64 to = ~0ULL)
{
	extent e;

	e.of = { 8, of };
	e.taken_by = { 8, by };
	e.name = "of" + std::to_string(of);
	e.how = how;
	e.from = from;
	e.to = to;
	return e;
}

TEST(kcopyctl_devices, parts)
{
	using kind = extent::kind;
	const extent disk = taken(0, 0);
	const extent first = taken(0, 1, kind::range, 8, 100);
	const extent second = taken(0, 2, kind::range, 100, 200);
	const extent map = taken(0, 16, kind::map);
	extent file = taken(0, 17, kind::file, 0, 50);
	extent other = taken(0, 18, kind::file, 0, 50);

	for (const extent &e : { disk, first, second, map, file })
		EXPECT_TRUE(share(disk, e) && share(e, disk)) << "all of it";
	EXPECT_FALSE(share(disk, taken(3, 3))) << "of another one";
	EXPECT_FALSE(share(first, first)) << "what is above tells more";
	EXPECT_FALSE(share(first, second));
	EXPECT_TRUE(share(second, taken(0, 3, kind::range, 199, 300)));
	EXPECT_TRUE(share(first, map) && share(map, first)) << "it may be there";
	EXPECT_FALSE(share(map, taken(0, 19, kind::map))) << "logical volumes";
	EXPECT_TRUE(share(file, second)) << "it may be anywhere";
	other.file = 1;
	EXPECT_FALSE(share(file, other)) << "two files";
	other.file = file.file;
	EXPECT_TRUE(share(file, other)) << "one file";
	other.from = 50;
	other.to = 60;
	EXPECT_FALSE(share(file, other)) << "two parts of one file";
}

TEST(kcopyctl_devices, have_to_do_with_each_other)
{
	using kind = extent::kind;
	device sda = disk("/dev/sda", 0);
	device part = disk("/dev/sda1", 1);
	device second = disk("/dev/sda2", 2);
	device loop = disk("/dev/loop0", 16);

	sda.extents = { taken(0, 0) };
	part.extents = { taken(1, 1), taken(0, 1, kind::range, 8, 100) };
	second.extents = { taken(2, 2), taken(0, 2, kind::range, 100, 200) };
	loop.extents = { taken(16, 16), taken(0, 16) };
	EXPECT_EQ(why_not_both(part, second), "");
	EXPECT_EQ(why_not_both(part, part), "/dev/sda1 and /dev/sda1 are the same device");
	for (const auto &[a, b] : { std::pair(part, sda), std::pair(sda, part) })
		EXPECT_EQ(why_not_both(a, b),
			  "/dev/sda1 is made of /dev/sda, which would be overwritten");
	EXPECT_EQ(why_not_both(part, loop),
		  "/dev/sda1 and /dev/loop0 are both on of0: one would overwrite the other");
	EXPECT_EQ(why_not_all(second, { part, loop }, true),
		  "/dev/sda2 and /dev/loop0 are both on of0: one would overwrite the other");
	EXPECT_EQ(why_not_all(disk("/dev/b", 32), { part, loop }, true),
		  "/dev/sda1 and /dev/loop0 are both on of0: one would overwrite the other");
}

TEST(kcopyctl_devices, blocks_that_do_not_fit)
{
	device to = disk("/dev/b", 16, 2 * gib);

	to.block = 4096;
	EXPECT_EQ(why_not(disk("/dev/a", 0), to, false), "");
	EXPECT_NE(why_not(disk("/dev/a", 0, gib + 512), to, true).find("4096"), std::string::npos);
}

TEST(kcopyctl_devices, several)
{
	const device from = disk("/dev/a", 0);

	EXPECT_EQ(why_not_all(from, { disk("/dev/b", 16), disk("/dev/c", 32) }, false), "");
	EXPECT_EQ(why_not_all(from, { disk("/dev/b", 16), disk("/dev/c", 16) }, true),
		  "/dev/b and /dev/c are the same device");
	EXPECT_NE(why_not_all(from, { disk("/dev/b", 16), disk("/dev/c", 32, 5) }, true), "");
	EXPECT_NE(why_not_all(disk("/dev/a", 0, 0), { disk("/dev/b", 16) }, true).find("empty"),
		  std::string::npos);
}

TEST(kcopyctl_devices, described)
{
	device d = disk("/dev/b", 16);

	EXPECT_EQ(describe(d), "/dev/b: 1.0 GiB, nothing that is known");
	d.content = "ext4 \"home\"";
	d.users = { "mounted on /x", "held by m" };
	EXPECT_EQ(describe(d), "/dev/b: 1.0 GiB, ext4 \"home\"; in use: mounted on /x, held by m");
	d.content = "ext4 \"\x1b[2K\r\"";
	d.users = { "mounted on /\n" };
	EXPECT_EQ(describe(d), "/dev/b: 1.0 GiB, ext4 \"?[2K?\"; in use: mounted on /?");
	d.users.clear();
	d.busy = true;
	d.content = "ext4";
	d.model = "DISK \n7";
	EXPECT_EQ(describe(d),
		  "/dev/b: 1.0 GiB, DISK ?7, ext4; in use by somebody who is not known");
	EXPECT_EQ(describe_source(d), "/dev/b: 1.0 GiB, DISK ?7");
}

} /* namespace */
