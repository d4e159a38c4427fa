// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcopyctl copy: asks, has kcopyd-copy do it, shows how far it is, compares, and says
 * how it ended.
 */
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "commands.hpp"
#include "json.hpp"
#include "progress.hpp"
#include "screen.hpp"
#include "system.hpp"

namespace kcopyctl
{

namespace
{

/* How far it is, in place on a terminal, else as lines. */
class display {
public:
	explicit display(const copy_options &how)
		: json_(how.json), quiet_(how.quiet),
		  tty_(!how.json && !how.quiet && isatty(STDOUT_FILENO) == 1)
	{
		interval_ms_ = how.interval_ms != 0 ? how.interval_ms : tty_ ? 200 : 5000;
	}

	/* Begins to measure anew. */
	void phase(const std::string &name)
	{
		clear();
		name_ = name;
		meter_ = meter();
		next_ms_ = 0;
	}

	/* In bytes. */
	void show(u64 done, u64 total)
	{
		const u64 now = now_ms();

		if (now < next_ms_)
			return;
		/* The first time there is nothing to be said yet. */
		const bool first = next_ms_ == 0;

		next_ms_ = now + interval_ms_;
		meter_.add(now, done);
		if (!quiet_ && (!first || tty_))
			print(done, total);
	}

	/* Takes away what is shown in place. */
	void clear()
	{
		if (shown_)
			say(stdout, fmt::format("\r{}\r", std::string(width(), ' ')));
		std::fflush(stdout);
		shown_ = false;
	}

private:
	[[nodiscard]] static size_t width() { return screen_size().columns - 1; }

	void print(u64 done, u64 total)
	{
		const u64 r = meter_.rate();
		const std::optional<u64> left = meter_.left(total);
		const std::string text = name_ + progress_text(done, total, r, left);

		if (json_) {
			json line;

			line.begin('{').add("phase", name_).add("done", done).add("total", total);
			line.add("bytes_per_second", r).key("seconds_left");
			if (left)
				line.add(*left);
			else
				line.null();
			say(stdout, line.end().text() + "\n");
		} else if (tty_) {
			say(stdout, "\r" + progress_line(text, done, total, width()));
			shown_ = true;
		} else {
			say(stdout, text + "\n");
		}
		std::fflush(stdout);
	}

	bool json_;
	bool quiet_;
	bool tty_;
	bool shown_ = false;
	u64 interval_ms_;
	u64 next_ms_ = 0;
	std::string name_;
	meter meter_;
};

void ask(const std::vector<device> &dests, const copy_options &how)
{
	std::string answer;

	if (how.yes)
		return;
	if (isatty(STDIN_FILENO) != 1)
		throw failure(
			fmt::format("{} would be overwritten, and there is no terminal to ask "
				    "on: say --yes",
				    join(how.dests, ", ")));
	say(stderr, "To be overwritten:\n");
	for (const device &d : dests)
		say(stderr, fmt::format("  {}\n", describe(d)));
	say(stderr, fmt::format("All that is on {} is lost. Go on? [y/N] ",
				dests.size() == 1 ? "it" : "them"));
	/* A signal ends this, too: see ready(). */
	std::getline(std::cin, answer);
	if (answer != "y" && answer != "yes" && caught_signal() == 0)
		throw failure("nothing was written");
}

/*
 * kcopyd goes past the page cache: what is dirty there is written first, and what is stale
 * afterwards is dropped. Who has the device mounted loses nothing by that.
 */
void write_back(const device &d, bool drop)
{
	const file dev(open(d.opened.c_str(), (drop ? O_RDWR : O_RDONLY) | O_CLOEXEC));

	if (!dev || fsync(dev.get()) != 0)
		throw failure(fmt::format("{}: {}", d.path, last_error()));
	if (drop)
		ioctl(dev.get(), BLKFLSBUF, 0);
}

class copying {
public:
	explicit copying(const copy_options &how) : how_(how), display_(how) {}

	[[nodiscard]] int run();

private:
	void look();
	void ready() const;
	void prepare();
	void transfer();
	void flush();
	void compare();
	void compare_with(const device &to);
	void write_map();
	[[nodiscard]] int report();
	[[nodiscard]] u64 bytes() const { return status_.total * 512; }

	const copy_options &how_;
	display display_;
	device source_;
	std::vector<device> dests_;
	std::vector<std::string> paths_;
	std::vector<file> open_; /* all of them */
	file map_;
	copy_status status_;
	std::vector<bad_range> bad_;
	verdict verdict_;
	bool compared_ = false;
	u64 begun_ms_ = 0;
	u64 took_ms_ = 0;
};

/* One of them, at least, is a destination. */
void refuse_overlap(const device &a, const device &b)
{
	for (const auto &[upper, lower] : { std::pair(&a, &b), std::pair(&b, &a) }) {
		if (is_made_of(upper->number, lower->number))
			throw failure(fmt::format("{} is made of {}, which would be overwritten",
						  upper->path, lower->path));
	}
}

void copying::look()
{
	source_ = look_at(how_.source, open_.emplace_back());
	for (const std::string &path : how_.dests) {
		dests_.push_back(look_at(path, open_.emplace_back()));
		look_at_use(dests_.back());
		paths_.push_back(dests_.back().path);
	}
	const std::string why = why_not_all(source_, dests_, how_.force);

	if (!why.empty())
		throw failure(why);
	for (size_t i = 0; i < dests_.size(); i++) {
		refuse_overlap(source_, dests_[i]);
		for (size_t j = 0; j < i; j++)
			refuse_overlap(dests_[j], dests_[i]);
	}
	look_at_use(source_);
	for (const std::string &user : source_.users) {
		if (user.find("mounted on ") != std::string::npos)
			say(stderr,
			    fmt::format("kcopyctl: {} is {}: what is written there meanwhile makes "
					"the copy one of no moment\n",
					source_.path, printable(user)));
	}
}

/* Before the first write: does nobody want it to end, and is all as it was shown? */
void copying::ready() const
{
	if (caught_signal() != 0)
		throw failure("nothing was written", exit_signal + caught_signal());
	for (const device &d : dests_) {
		if (!is_there(d))
			throw failure(d.path + " is another device by now: nothing was written");
	}
	if (!is_there(source_))
		throw failure(source_.path + " is another device by now: nothing was written");
}

/* What may go wrong before anything is overwritten. */
void copying::prepare()
{
	ready();
	write_back(source_, false);
	for (const device &d : dests_) {
		ready();
		write_back(d, true);
	}
	if (how_.map.empty())
		return;
	/* What it has is kept until there is something else to be written to it. */
	map_ = file(open(how_.map.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	if (!map_)
		throw failure(fmt::format("{} cannot be written: {}", how_.map, last_error()));
	if (is_block_device(map_))
		throw failure(how_.map + " is a block device, which a map would overwrite");
}

/* Until it ends by itself; a signal is a failure, and then the engine's end is its end. */
void copying::transfer()
{
	ready();
	engine e(how_, source_, dests_);

	display_.phase("");
	for (status_ = e.status(); status_.goes_on(); status_ = e.status()) {
		display_.show(status_.done * 512, bytes());
		if (caught_signal() != 0) {
			display_.clear();
			e.end();
			throw failure(
				fmt::format("cancelled: {} of {} were copied, and {} is no copy",
					    show_size(status_.done * 512), show_size(bytes()),
					    join(paths_, ", ")),
				exit_signal + caught_signal());
		}
		sleep_ms(100);
	}
	display_.clear();
	if (how_.salvage)
		bad_ = e.bad();
	verdict_ = judge(status_, source_.path, paths_);
	try {
		e.end();
	} catch (const failure &f) {
		also_wrong(verdict_, exit_failed, f.what());
	}
}

/* All of them, whatever is wrong with one. */
void copying::flush()
{
	for (const device &d : dests_) {
		try {
			write_back(d, true);
		} catch (const failure &f) {
			also_wrong(verdict_, exit_failed, f.what());
		}
	}
}

/* Past the page cache, so that it is the device's. */
class reader {
public:
	static constexpr size_t size = 1 << 20;

	explicit reader(const device &d)
		: path_(d.path), dev_(open(d.opened.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC)),
		  data_(static_cast<char *>(std::aligned_alloc(size, size)), std::free)
	{
		if (!dev_ || !data_)
			throw failure(fmt::format("{}: {}", d.path, last_error()));
	}

	[[nodiscard]] std::string_view read(u64 from, size_t bytes) const
	{
		const ssize_t n = pread(dev_.get(), data_.get(), bytes, static_cast<off_t>(from));

		if (n < 0 || static_cast<size_t>(n) != bytes)
			throw failure(fmt::format("{} cannot be read at byte {}: {}", path_, from,
						  n < 0 ? last_error() : "its end"));
		return { data_.get(), bytes };
	}

private:
	std::string path_;
	file dev_;
	std::unique_ptr<char, decltype(&std::free)> data_;
};

void copying::compare_with(const device &to)
{
	const reader a(source_);
	const reader b(to);
	const u64 begun = now_ms();
	u64 at = 0;

	while (at < bytes()) {
		const bad_range *bad = next_bad(bad_, at / 512);
		size_t n = std::min<u64>(reader::size, bytes() - at);

		if (bad && bad->first * 512 <= at) {
			at = (bad->first + bad->count) * 512;
			continue;
		}
		if (bad)
			n = std::min<u64>(n, bad->first * 512 - at);
		const std::string_view there = a.read(at, n);
		const std::string_view here = b.read(at, n);

		if (there != here) {
			const auto differs =
				std::mismatch(there.begin(), there.end(), here.begin());

			throw failure(
				fmt::format("{} differs from {} at byte {}", to.path, source_.path,
					    at + static_cast<u64>(differs.first - there.begin())),
				exit_differs);
		}
		at += n;
		display_.show(at, bytes());
		const u64 due = begun + ms_at_rate(at, how_.rate);

		sleep_ms(due - std::min(due, now_ms()));
		if (caught_signal() != 0)
			throw failure("cancelled: all is copied, and not all of it compared",
				      exit_signal + caught_signal());
	}
}

/* All of them, whatever is wrong with one, unless it is told to end. */
void copying::compare()
{
	compared_ = true;
	for (const device &to : dests_) {
		display_.phase("comparing " + to.path + ": ");
		try {
			compare_with(to);
		} catch (const failure &f) {
			compared_ = false;
			also_wrong(verdict_, f.code(),
				   f.code() == exit_failed ?
					   to.path + " cannot be compared: " + f.what() :
					   f.what());
			if (f.code() > exit_signal)
				break;
		}
	}
	display_.clear();
}

void copying::write_map()
{
	const map_facts of = { source_.path, status_.total, !status_.bad_lost };
	const std::string text = how_.json ? map_json(bad_, of) : map_text(bad_, of);
	/* A pipe has no length. */
	const int error = ftruncate(map_.get(), 0) != 0 && errno != EINVAL ? errno :
									     write_all(map_, text);

	if (error != 0)
		also_wrong(verdict_, exit_failed,
			   fmt::format("{} cannot be written: {}", how_.map,
				       std::generic_category().message(error)));
}

int copying::report()
{
	const u64 per_second = bytes() * 1000 / std::max<u64>(took_ms_, 1);

	if (how_.json) {
		json out;

		out.begin('{').add("source", source_.path).key("destinations").begin('[');
		for (const std::string &path : paths_)
			out.add(path);
		out.end().add("bytes", bytes()).add("milliseconds", took_ms_);
		out.add("skipped_sectors", status_.skipped).key("bad");
		add_bad(out, bad_);
		out.add("bad_complete", !status_.bad_lost).add("compared", compared_);
		out.add("exit_code", verdict_.code).add("error", verdict_.wrong);
		say(stdout, out.end().text() + "\n");
	} else if (!how_.quiet &&
		   (verdict_.code == exit_done || verdict_.code == exit_incomplete)) {
		say(stdout, fmt::format("{} copied from {} to {} in {} ({}){}\n",
					show_size(bytes() - status_.skipped * 512), source_.path,
					join(paths_, ", "), show_time(took_ms_ / 1000),
					show_rate(per_second), compared_ ? ", and compared" : ""));
	}
	std::fflush(stdout);
	if (!verdict_.wrong.empty())
		say(stderr, fmt::format("kcopyctl: {}\n", verdict_.wrong));
	return verdict_.code;
}

int copying::run()
{
	look();
	ready();
	ask(dests_, how_);
	prepare();
	begun_ms_ = now_ms();
	transfer();
	if (map_)
		write_map();
	flush();
	took_ms_ = now_ms() - begun_ms_;
	if (how_.verify && verdict_.code != exit_failed)
		compare();
	return report();
}

} /* namespace */

int copy(const copy_options &options)
{
	need_root("copy");
	catch_signals();
	return copying(options).run();
}

} /* namespace kcopyctl */
