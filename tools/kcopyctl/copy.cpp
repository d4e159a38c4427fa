// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcopyctl copy: asks, has kcopyd-copy do it, shows how far it is, compares, and says
 * how it ended.
 */
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
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
		if (shown_ && in_foreground())
			say(stdout, fmt::format("\r{}\r", std::string(width(), ' ')));
		std::fflush(stdout);
		shown_ = false;
	}

private:
	/* The terminal is the shell's, or another job's, otherwise. */
	[[nodiscard]] static bool in_foreground()
	{
		const pid_t group = tcgetpgrp(STDOUT_FILENO);

		return group < 0 || group == getpgrp();
	}

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
			if (!in_foreground())
				return;
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

void ask(const device &source, const std::vector<device> &dests, const copy_options &how)
{
	if (how.yes)
		return;
	if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
		throw failure(
			fmt::format("{} would be overwritten, and there is no terminal to ask "
				    "on: say --yes",
				    join(how.dests, ", ")));
	say(stderr,
	    fmt::format("To be copied:\n  {}\nTo be overwritten:\n", describe_source(source)));
	for (const device &d : dests)
		say(stderr, fmt::format("  {}\n", describe(d)));
	say(stderr, fmt::format("All that is on {} is lost. Go on? [y/N] ",
				dests.size() == 1 ? "it" : "them"));
	/* A signal ends this, too: see ready(). */
	const std::string answer = read_line();

	if (answer != "y" && answer != "yes" && caught_signal() == 0)
		throw failure("nothing was written");
}

/*
 * kcopyd goes past the page cache: what is dirty there is written first, and what is stale
 * afterwards is dropped. Who has the device mounted loses nothing by that.
 */
[[nodiscard]] bool write_back(const file &dev)
{
	if (fsync(dev.get()) != 0)
		return false;
	ioctl(dev.get(), BLKFLSBUF, 0);
	return true;
}

/*
 * A lock of the disk, by which systemd's block device locking protocol keeps udev and others from
 * looking at it before it is what it will be. They look for a moment themselves. Where there
 * can be no lock, as without the disk's node in a container, that is no reason not to copy.
 */
[[nodiscard]] file lock(const device &d, const std::string &disk)
{
	constexpr u64 patience_ms = 5000;
	const u64 give_up = now_ms() + patience_ms;
	file dev(open(disk.c_str(), O_RDONLY | O_CLOEXEC));

	while (!dev || flock(dev.get(), LOCK_EX | LOCK_NB) != 0) {
		if (!dev || errno != EWOULDBLOCK) {
			say(stderr, fmt::format("kcopyctl: {} cannot be locked ({}): udev and "
						"others may look at it meanwhile, or change it\n",
						d.path, last_error()));
			break;
		}
		if (caught_signal() != 0)
			throw failure("nothing was written", exit_signal + caught_signal());
		if (now_ms() > give_up)
			throw failure(fmt::format("{} is locked by a program that changes it, or "
						  "looks at it: nothing was written",
						  d.path));
		sleep_ms(100);
	}
	return dev;
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
	void read_bad(const engine &e);
	void flush();
	void compare();
	[[nodiscard]] verdict compare_with(const device &to);
	void write_map();
	[[nodiscard]] int report();
	[[nodiscard]] u64 bytes() const { return status_.total * 512; }
	[[nodiscard]] bool is_copy(size_t dest) const
	{
		return status_.complete() && !has_failed(status_.write_err, dest);
	}

	const copy_options &how_;
	display display_;
	device source_;
	std::vector<device> dests_;
	file source_file_;
	std::map<std::string, file> locks_; /* by the disk */
	std::vector<file> files_;	    /* of the destinations, open for writing only once */
	std::vector<file> claims_;
	file map_;
	copy_status status_;
	std::vector<bad_range> bad_;
	bool bad_known_ = true;
	verdict verdict_;
	bool compared_ = false;
	u64 begun_ms_ = 0;
	u64 took_ms_ = 0;
};

[[nodiscard]] std::vector<std::string> paths_of(const std::vector<device> &devices)
{
	std::vector<std::string> paths;

	paths.reserve(devices.size());
	for (const device &d : devices)
		paths.push_back(d.path);
	return paths;
}

void copying::look()
{
	source_ = look_at(how_.source, source_file_);
	look_at_users(source_);
	for (const std::string &path : how_.dests) {
		device &d = dests_.emplace_back(look_at(path, files_.emplace_back()));

		look_at_users(d);
	}
	const std::string why = why_not_all(source_, dests_, how_.force);

	if (!why.empty())
		throw failure(why);
	if (source_.in_use())
		say(stderr,
		    fmt::format("kcopyctl: {} is in use ({}): the copy may not be consistent; copy "
				"a snapshot of it instead\n",
				source_.path, users_text(source_)));
	for (device &d : dests_) {
		if (!how_.yes)
			look_at_contents(d);
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
	/* It may be a disk of which nothing but reads can be expected. */
	if (fsync(source_file_.get()) != 0)
		say(stderr, fmt::format("kcopyctl: {} does not write what is in its cache: {}\n",
					source_.path, last_error()));
	for (size_t i = 0; i < dests_.size(); i++) {
		device &d = dests_[i];
		const std::string disk = disk_node(d);

		ready();
		if (!locks_.contains(disk))
			locks_[disk] = lock(d, disk);
		/* For udev each end of writing is a change. */
		file dev(open(d.opened.c_str(), O_RDWR | O_CLOEXEC));

		if (!dev)
			throw failure(fmt::format("{}: {}", d.path, last_error()));
		files_[i] = std::move(dev);
		d.opened = path_of(files_[i]);
		if (!write_back(files_[i]))
			throw failure(fmt::format("{}: {}", d.path, last_error()));
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

/* What is known so far, also if the copy does not end by itself. */
void copying::read_bad(const engine &e)
{
	if (!how_.salvage)
		return;
	try {
		bad_ = e.bad();
	} catch (const failure &f) {
		bad_known_ = false;
		also_wrong(verdict_, exit_failed, f.what());
	}
}

/* Until it ends by itself, or for a signal: the engine's end is its end. */
void copying::transfer()
{
	ready();
	engine e(how_, source_, dests_);

	display_.phase("");
	for (status_ = e.status(); status_.goes_on(); status_ = e.status()) {
		display_.show(status_.done * 512, bytes());
		if (caught_signal() != 0)
			break;
		sleep_ms(100);
	}
	display_.clear();
	if (status_.goes_on())
		verdict_ = { exit_signal + caught_signal(),
			     fmt::format("cancelled: {} of {} were copied, and {}",
					 show_size(status_.done * 512), show_size(bytes()),
					 no_copy(paths_of(dests_))) };
	else
		verdict_ = judge(status_, source_.path, paths_of(dests_));
	read_bad(e);
	try {
		e.end();
	} catch (const failure &f) {
		also_wrong(verdict_, exit_failed, f.what());
	}
	/* The module had them until now. */
	for (size_t i = 0; i < dests_.size(); i++) {
		const device &d = dests_[i];

		if (!how_.verify || !is_copy(i) || d.in_use())
			continue;
		claims_.push_back(claim(d));
		if (!claims_.back())
			also_wrong(verdict_, exit_failed,
				   fmt::format("{} is in use by somebody else already: {}", d.path,
					       last_error()));
	}
}

/* All of them, whatever is wrong with one. */
void copying::flush()
{
	for (size_t i = 0; i < dests_.size(); i++) {
		if (is_copy(i) && !write_back(files_[i]))
			also_wrong(verdict_, exit_failed,
				   fmt::format("what was written to {} may not last: {}",
					       dests_[i].path, last_error()));
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

/* Fails if it cannot be read. */
verdict copying::compare_with(const device &to)
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

			return { exit_differs,
				 fmt::format("{} differs from {} at byte {}", to.path, source_.path,
					     at + static_cast<u64>(differs.first - there.begin())) };
		}
		at += n;
		display_.show(at, bytes());
		const u64 due = begun + ms_at_rate(at, how_.rate);

		sleep_ms(due - std::min(due, now_ms()));
		if (caught_signal() != 0)
			return { exit_signal + caught_signal(),
				 "cancelled: all is copied, and not all of it compared" };
	}
	return {};
}

/* All that are copies, whatever is wrong with one, unless it is told to end. */
void copying::compare()
{
	compared_ = status_.write_err == 0;
	for (size_t i = 0; i < dests_.size() && verdict_.code < exit_signal; i++) {
		const device &to = dests_[i];
		verdict v;

		if (!is_copy(i))
			continue;
		display_.phase("comparing " + to.path + ": ");
		try {
			v = compare_with(to);
		} catch (const failure &f) {
			v = { exit_failed, to.path + " cannot be compared: " + f.what() };
		}
		if (v.code == exit_done)
			continue;
		compared_ = false;
		also_wrong(verdict_, v.code, v.wrong);
	}
	display_.clear();
}

void copying::write_map()
{
	const map_facts of = { source_.path, status_.total, status_.done, !status_.bad_lost };
	const std::string text = how_.json ? map_json(bad_, of) : map_text(bad_, of);
	/* A pipe has no length, and nothing that could be stable. */
	int error = ftruncate(map_.get(), 0) != 0 && errno != EINVAL ? errno :
								       write_all(map_, text);

	if (error == 0 && fsync(map_.get()) != 0 && errno != EINVAL)
		error = errno;
	if (error != 0)
		also_wrong(verdict_, exit_failed,
			   fmt::format("{} cannot be written: {}", how_.map, error_text(-error)));
}

int copying::report()
{
	const u64 per_second = bytes() * 1000 / std::max<u64>(took_ms_, 1);
	const std::vector<std::string> paths = paths_of(dests_);

	if (how_.json) {
		json out;

		out.begin('{').add("source", source_.path).key("destinations").begin('[');
		for (const std::string &path : paths)
			out.add(path);
		out.end().key("failed").begin('[');
		for (size_t i = 0; i < paths.size(); i++) {
			if (!is_copy(i))
				out.add(paths[i]);
		}
		out.end().add("bytes", bytes()).add("milliseconds", took_ms_);
		out.add("skipped_sectors", status_.skipped).key("bad");
		add_bad(out, bad_);
		out.add("bad_complete", bad_known_ && !status_.bad_lost).add("compared", compared_);
		out.add("exit_code", verdict_.code).add("error", verdict_.wrong);
		say(stdout, out.end().text() + "\n");
	} else if (!how_.quiet &&
		   (verdict_.code == exit_done || verdict_.code == exit_incomplete)) {
		say(stdout, fmt::format("{} copied from {} to {} in {} ({}){}\n",
					show_size(bytes() - status_.skipped * 512), source_.path,
					join(paths, ", "), show_time(took_ms_ / 1000),
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
	ask(source_, dests_, how_);
	prepare();
	begun_ms_ = now_ms();
	transfer();
	if (map_ && bad_known_)
		write_map();
	flush();
	took_ms_ = now_ms() - begun_ms_;
	/* What was left out is not the same. */
	if (how_.verify && status_.complete() && bad_known_)
		compare();
	else if (how_.verify)
		also_wrong(verdict_, verdict_.code, "not compared");
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
