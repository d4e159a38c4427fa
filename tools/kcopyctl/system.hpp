/* SPDX-License-Identifier: GPL-2.0-only */
/* Files, commands, signals and devices: what the rest needs of the system. */
#ifndef KCOPYCTL_SYSTEM_HPP
#define KCOPYCTL_SYSTEM_HPP

#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "devices.hpp"
#include "outcome.hpp"
#include "text.hpp"

namespace kcopyctl
{

/* What ends the command: the line for stderr, and the exit code. */
class failure : public std::runtime_error {
public:
	explicit failure(const std::string &what, int code = exit_failed)
		: std::runtime_error(what), code_(code)
	{
	}

	[[nodiscard]] int code() const { return code_; }

private:
	int code_;
};

/* An open file. */
class file {
public:
	file() = default;
	explicit file(int fd) : fd_(fd) {}
	file(file &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
	file &operator=(file &&other) noexcept
	{
		std::swap(fd_, other.fd_);
		return *this;
	}
	file(const file &) = delete;
	file &operator=(const file &) = delete;
	~file();

	[[nodiscard]] int get() const { return fd_; }
	explicit operator bool() const { return fd_ >= 0; }

private:
	int fd_ = -1;
};

/*
 * At the start: what is inherited and would be in the way. Of stdin, stdout and stderr none
 * is closed then, as what is opened next would be printed to.
 */
void settle();

/* A stream that cannot be written keeps that to itself until main() asks it. */
void say(std::FILE *to, const std::string &text);

/* What errno says now. */
[[nodiscard]] std::string last_error();

/* Nothing if it cannot be read. */
[[nodiscard]] std::optional<std::string> read_file(const std::string &path);

/* 0 or an errno; of a path, which exists. */
[[nodiscard]] int write_all(const file &to, std::string_view text);
[[nodiscard]] int write_file(const std::string &path, std::string_view text);

/* Names in a directory, in order; none if it cannot be read. */
[[nodiscard]] std::vector<std::string> names_in(const std::string &path);

[[nodiscard]] bool is_block_device(const file &open);

[[nodiscard]] bool exists(const std::string &path);

struct finished {
	int code;
	std::string said; /* its last line on stderr */
};

/* Runs a command that Ctrl-C on the terminal does not reach. */
[[nodiscard]] finished run(const std::vector<std::string> &words);

[[nodiscard]] u64 now_ms();

void need_root(std::string_view what);

/* Fails unless kcopyd.ko is loaded. */
void need_kcopyd();

/*
 * From the first call on SIGINT, SIGQUIT, SIGTERM and SIGHUP no longer end the process but are
 * told here: the last one, or 0.
 */
void catch_signals();
[[nodiscard]] int caught_signal();

/* Ends early for a signal. */
void sleep_ms(u64 ms);

/* A line of the terminal without its end; nothing at a signal. */
[[nodiscard]] std::string read_line();

/* The same, or when there is something to be read on stdin; true if there is. */
[[nodiscard]] bool wait_for_key(u64 ms);

/*
 * What a path leads to; fails if it is no block device, or cannot be opened. As long as @open
 * is, no other device gets its number.
 */
[[nodiscard]] device look_at(const std::string &path, file &open);

/* The whole disk if it is a partition. */
[[nodiscard]] std::string disk_node(const device &d);

/* Does its path lead to it now? */
[[nodiscard]] bool is_there(const device &d);

/*
 * Who uses it and its partitions, and what it is made of, by partitions, device-mapper, loop
 * devices and the like, as sysfs has it. kcopyd sees that only of partitions, and of what is read
 * and written by the same call: not of one part of a disk that is copied to another.
 */
void look_at_users(device &d);

/* What only matters of what is going to be overwritten: it is read. */
void look_at_contents(device &d);

/* Nobody else has it exclusively as long as this is open. If somebody has, errno says so. */
[[nodiscard]] file claim(const device &d);

/* Leads there also from other processes, as long as it is open. */
[[nodiscard]] std::string path_of(const file &open);

} /* namespace kcopyctl */

#endif /* KCOPYCTL_SYSTEM_HPP */
