// SPDX-License-Identifier: GPL-2.0-only
/* The module kcopyd-copy, which copies while it is loaded. */
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine.hpp"
#include "progress.hpp"
#include "system.hpp"

namespace kcopyctl
{

namespace
{

const std::string parameters = "/sys/module/kcopyd_copy/parameters/";

/* The kernel's log from now on. */
class kernel_log {
public:
	kernel_log() : log_(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC))
	{
		if (log_)
			lseek(log_.get(), 0, SEEK_END);
	}

	/* Each read() is of one. */
	[[nodiscard]] std::vector<std::string> lines() const
	{
		std::array<char, 8192> record = {};
		std::vector<std::string> all;
		ssize_t n = 0;

		while ((n = read(log_.get(), record.data(), record.size())) > 0 || errno == EPIPE) {
			std::string_view text(record.data(), n > 0 ? static_cast<size_t>(n) : 0);

			take(text, ';');
			all.emplace_back(take(text, '\n'));
		}
		return all;
	}

private:
	file log_;
};

/* What follows the last @ is a sector. */
[[nodiscard]] std::string parameter(const device &d)
{
	return d.opened + "@0";
}

[[nodiscard]] std::vector<std::string> command_line(const engine_options &how, const device &source,
						    const std::vector<device> &dests)
{
	std::vector<std::string> words = { "modprobe", "--first-time", "kcopyd-copy" };
	std::string dst;

	if (!how.module.empty())
		words = { "insmod", how.module };
	for (const device &d : dests)
		dst += (dst.empty() ? "" : ",") + parameter(d);
	words.push_back("src=" + parameter(source));
	words.push_back("dst=" + dst);
	words.push_back(fmt::format("count={}", source.bytes / 512));
	words.push_back(fmt::format("rate={}", how.rate));
	words.push_back(fmt::format("chunk_kb={}", chunk_kb(how.rate)));
	words.emplace_back("pages=1024");
	/* Also what is not wanted: options of modprobe.d come before these. */
	for (const auto &[name, value] :
	     { std::pair("salvage", how.salvage), std::pair("detect_zeroes", how.sparse),
	       std::pair("shared", how.force), std::pair("ignore_error", false),
	       std::pair("write_seq", false), std::pair("verify", false),
	       std::pair("flush", false) })
		words.push_back(fmt::format("{}={:d}", name, value));
	return words;
}

/* With the path by which the user knows it. */
[[nodiscard]] std::string renamed(std::string text, const device &d)
{
	const std::string to_module = parameter(d);
	const size_t at = text.find(to_module);

	return at == std::string::npos ? text : text.replace(at, to_module.size(), d.path);
}

void unload()
{
	constexpr u64 patience_ms = 5000;
	const u64 give_up = now_ms() + patience_ms;

	/* Somebody may be just reading what is in sysfs. */
	while (syscall(SYS_delete_module, "kcopyd_copy", O_NONBLOCK) != 0) {
		if (errno == ENOENT)
			throw failure("somebody else has unloaded kcopyd-copy");
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			throw failure("kcopyd-copy cannot be unloaded: " + last_error());
		if (now_ms() > give_up)
			throw failure("kcopyd-copy cannot be unloaded: somebody uses it");
		usleep(10000);
	}
}

} /* namespace */

engine::engine(const engine_options &how, const device &source, const std::vector<device> &dests)
{
	if (is_running())
		throw failure(
			"there is a copy already, and one at a time is possible: wait for it, "
			"or end it by rmmod kcopyd-copy");
	/* insmod looks for nothing. */
	if (!how.module.empty())
		need_kcopyd();

	const kernel_log log;
	const finished loading = run(command_line(how, source, dests));

	if (loading.code != 0) {
		std::string why = renamed(why_not_loaded(loading.said, log.lines()), source);

		for (const device &d : dests)
			why = renamed(std::move(why), d);
		throw failure("the copy cannot begin: " + why);
	}
	status_ = file(open((parameters + "status").c_str(), O_RDONLY | O_CLOEXEC));
	if (!status_) {
		const std::string why = last_error();

		if (!is_running())
			throw failure(
				"the copy cannot begin: modprobe did not load kcopyd-copy, and "
				"says that it did: look into /etc/modprobe.d");
		unload();
		throw failure("the copy was ended, as its status cannot be read: " + why);
	}
	loaded_ = true;
}

engine::~engine()
{
	try {
		end();
	} catch (const failure &) {
		/* There is something better to be told already. */
	}
}

void engine::end()
{
	if (!std::exchange(loaded_, false))
		return;
	/* The one that there is now may be somebody else's. */
	static_cast<void>(line());
	unload();
}

bool engine::is_running()
{
	return exists("/sys/module/kcopyd_copy");
}

std::string engine::line() const
{
	std::array<char, 4096> text = {};
	const ssize_t n = pread(status_.get(), text.data(), text.size(), 0);

	if (n < 0)
		throw failure(
			"somebody else has unloaded kcopyd-copy: the copy may not be complete");
	return { text.data(), static_cast<size_t>(n) };
}

copy_status engine::status() const
{
	const std::string text = line();
	const std::optional<copy_status> s = parse_copy_status(text);

	if (!s)
		throw failure("kcopyd-copy is of another version: its status is " + text);
	return *s;
}

std::vector<bad_range> engine::bad() const
{
	std::vector<bad_range> all;

	for (;;) {
		const int error =
			write_file(parameters + "bad_from", std::to_string(all.size()) + "\n");
		const auto more = parse_bad(read_file(parameters + "bad").value_or(""));

		/* It was this one's if this one is still there. */
		static_cast<void>(line());
		if (error != 0 || !more)
			throw failure("kcopyd-copy does not tell what could not be read");
		if (more->empty())
			return merged(std::move(all));
		all.insert(all.end(), more->begin(), more->end());
	}
}

} /* namespace kcopyctl */
