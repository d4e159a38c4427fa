// SPDX-License-Identifier: GPL-2.0-only
/* Files, commands, signals and devices: what the rest needs of the system. */
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>

#include <blkid/blkid.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system.hpp"

namespace kcopyctl
{

namespace
{

namespace fs = std::filesystem;

/* Where it would have 32 bits, -D_FILE_OFFSET_BITS=64 is missing. */
static_assert(sizeof(off_t) == 8);

volatile std::sig_atomic_t signal_number = 0;

void caught(int number)
{
	signal_number = number;
}

[[nodiscard]] std::string read_all(const file &from)
{
	std::array<char, 4096> part = {};
	std::string all;
	ssize_t n = 0;

	do {
		n = read(from.get(), part.data(), part.size());
		if (n > 0)
			all.append(part.data(), static_cast<size_t>(n));
	} while (n > 0 || (n < 0 && errno == EINTR));
	return all;
}

[[nodiscard]] std::string program(const std::string &name)
{
	/* Of those who became root without its PATH. */
	return exists("/sbin/" + name) ? "/sbin/" + name : name;
}

[[nodiscard]] std::string last_line(const std::string &text)
{
	const auto lines = split(text, '\n');

	return lines.empty() ? "" : std::string(lines.back());
}

[[nodiscard]] std::optional<device_number> number_of(const std::string &path)
{
	struct stat st = {};

	if (stat(path.c_str(), &st) != 0 || !S_ISBLK(st.st_mode))
		return std::nullopt;
	return device_number{ major(st.st_rdev), minor(st.st_rdev) };
}

[[nodiscard]] std::string sysfs_of(device_number n)
{
	return fmt::format("/sys/dev/block/{}:{}", n.major, n.minor);
}

[[nodiscard]] std::string first_line(const std::string &path)
{
	const std::optional<std::string> text = read_file(path);

	return text ? text->substr(0, text->find('\n')) : "";
}

/* What libblkid finds on it. */
[[nodiscard]] std::string content_of(const std::string &path)
{
	const std::unique_ptr<blkid_struct_probe, decltype(&blkid_free_probe)> probe(
		blkid_new_probe_from_filename(path.c_str()), blkid_free_probe);
	const auto value = [&](const char *name) {
		const char *text = nullptr;

		return blkid_probe_lookup_value(probe.get(), name, &text, nullptr) == 0 ?
			       std::string(text) :
			       std::string();
	};

	if (!probe)
		return "";
	blkid_probe_enable_partitions(probe.get(), 1);
	switch (blkid_do_safeprobe(probe.get())) {
	case 0:
		break;
	case -2:
		return "more than one kind of contents";
	default:
		return "";
	}

	const std::string type = value("TYPE");
	const std::string label = value("LABEL");

	if (type.empty()) {
		const std::string table = value("PTTYPE");

		return table.empty() ? "" : "a partition table (" + table + ")";
	}
	return label.empty() ? type : type + " \"" + label + "\"";
}

/* What a loop device is on, if that is a device: it neither claims it nor is its holder. */
[[nodiscard]] std::optional<device_number> backing_of(const std::string &sysfs)
{
	return number_of(first_line(sysfs + "/loop/backing_file"));
}

struct users_of_all {
	std::vector<mount> mounts;
	std::vector<device_number> swaps;
	std::vector<std::pair<std::string, device_number>> loops;
};

[[nodiscard]] users_of_all all_users()
{
	users_of_all all;

	all.mounts = parse_mounts(read_file("/proc/self/mountinfo").value_or(""));
	/* A file system may have a number that is no device's. */
	for (mount &m : all.mounts) {
		if (m.source.starts_with('/'))
			m.device = number_of(m.source).value_or(m.device);
	}
	for (const std::string &path : parse_swaps(read_file("/proc/swaps").value_or(""))) {
		if (const auto number = number_of(path))
			all.swaps.push_back(*number);
	}
	for (const std::string &name : names_in("/sys/block")) {
		if (const auto number = backing_of("/sys/block/" + name))
			all.loops.emplace_back(name, *number);
	}
	return all;
}

/* Of one device; @what is empty, or names the partition. */
void add_users(const users_of_all &all, device_number number, const std::string &what,
	       std::vector<std::string> &users)
{
	for (const mount &m : all.mounts) {
		if (m.device == number)
			users.push_back(what + "mounted on " + m.where);
	}
	if (std::find(all.swaps.begin(), all.swaps.end(), number) != all.swaps.end())
		users.push_back(what + "swap space");
	for (const std::string &name : names_in(sysfs_of(number) + "/holders")) {
		const std::string dm = first_line("/sys/class/block/" + name + "/dm/name");

		users.push_back(what + "held by " + (dm.empty() ? name : dm));
	}
	for (const auto &[name, on] : all.loops) {
		if (on == number)
			users.push_back(fmt::format("{}held by {}", what, name));
	}
}

} /* namespace */

file::~file()
{
	if (fd_ >= 0)
		close(fd_);
}

void settle()
{
	int fd = -1;

	/* Of whom SIGCHLD is ignored, a command's exit code is lost. */
	std::signal(SIGCHLD, SIG_DFL);
	/* What is written to them goes wrong all the same. */
	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
}

void say(std::FILE *to, const std::string &text)
{
	std::fputs(text.c_str(), to);
}

std::string last_error()
{
	return std::generic_category().message(errno);
}

std::optional<std::string> read_file(const std::string &path)
{
	const file from(open(path.c_str(), O_RDONLY | O_CLOEXEC));

	if (!from)
		return std::nullopt;
	return read_all(from);
}

int write_all(const file &to, std::string_view text)
{
	while (!text.empty()) {
		const ssize_t n = write(to.get(), text.data(), text.size());

		if (n < 0 && errno != EINTR)
			return errno;
		if (n > 0)
			text.remove_prefix(static_cast<size_t>(n));
	}
	return 0;
}

int write_file(const std::string &path, std::string_view text)
{
	const file to(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));

	return to ? write_all(to, text) : errno;
}

std::vector<std::string> names_in(const std::string &path)
{
	std::vector<std::string> names;
	std::error_code error;

	for (const auto &entry : fs::directory_iterator(path, error))
		names.push_back(entry.path().filename().string());
	std::sort(names.begin(), names.end());
	return names;
}

bool is_block_device(const file &open)
{
	struct stat st = {};

	return fstat(open.get(), &st) == 0 && S_ISBLK(st.st_mode);
}

bool exists(const std::string &path)
{
	return access(path.c_str(), F_OK) == 0;
}

finished run(const std::vector<std::string> &words)
{
	std::array<int, 2> ends = {};
	std::vector<std::string> copies = words;
	std::vector<char *> argv;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t child = -1;
	int status = 0;

	copies.front() = program(copies.front());
	argv.reserve(copies.size() + 1);
	for (std::string &word : copies)
		argv.push_back(word.data());
	argv.push_back(nullptr);
	if (pipe2(ends.data(), O_CLOEXEC) != 0)
		throw failure("no pipe: " + last_error());

	const file out(ends[0]);
	file in(ends[1]);

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in.get(), STDERR_FILENO);
	posix_spawn_file_actions_adddup2(&actions, in.get(), STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	/* A process group of its own is not the one that the terminal's Ctrl-C is for. */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	const int error =
		posix_spawnp(&child, argv.front(), &actions, &attributes, argv.data(), environ);

	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (error != 0)
		throw failure(words.front() + ": " + std::generic_category().message(error));
	in = file();
	const std::string said = read_all(out);

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			throw failure(words.front() + " may have failed: " + last_error());
	}
	return { WIFEXITED(status) ? WEXITSTATUS(status) : exit_signal, last_line(said) };
}

u64 now_ms()
{
	timespec now = {};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return static_cast<u64>(now.tv_sec) * 1000 + static_cast<u64>(now.tv_nsec) / 1000000;
}

void need_root(std::string_view what)
{
	if (geteuid() != 0)
		throw failure(fmt::format("{} needs root: try sudo", what));
}

void need_kcopyd()
{
	if (!exists("/sys/module/kcopyd"))
		throw failure("kcopyd is not loaded: modprobe kcopyd, or insmod its kcopyd.ko");
}

void catch_signals()
{
	struct sigaction action = {};

	action.sa_handler = caught;
	for (const int number : { SIGINT, SIGQUIT, SIGTERM })
		sigaction(number, &action, nullptr);
	/* Under nohup the end of the terminal is not the end of the copy. */
	struct sigaction before = {};

	if (sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, nullptr);
	/* Who reads what is printed may go away; the copy goes on, and main() tells. */
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, nullptr);
}

int caught_signal()
{
	return signal_number;
}

/* A signal that comes just before would not be noticed for as long as this. */
void sleep_ms(u64 ms)
{
	constexpr u64 longest = 100;
	const u64 end = now_ms() + ms;

	while (caught_signal() == 0 && now_ms() < end)
		poll(nullptr, 0, static_cast<int>(std::min(end - now_ms(), longest)));
}

bool wait_for_key(u64 ms)
{
	pollfd in = { .fd = STDIN_FILENO, .events = POLLIN, .revents = 0 };

	return caught_signal() == 0 && poll(&in, 1, static_cast<int>(ms)) > 0;
}

device look_at(const std::string &path, file &open)
{
	std::error_code error;
	struct stat st = {};
	device d;
	int block = 0;
	int read_only = 0;

	if (stat(path.c_str(), &st) != 0)
		throw failure(fmt::format("{}: {}", path, last_error()));
	d.path = fs::absolute(path, error).string();
	d.node = fs::canonical(path, error).string();
	if (!S_ISBLK(st.st_mode))
		throw failure(fmt::format(
			"{} is not a block device{}", path,
			S_ISREG(st.st_mode) ? ": losetup --find --show makes one of a file" : ""));
	if (!path_can_be_told(d.node))
		throw failure(fmt::format("{} has a character that cannot be told to the module",
					  printable(d.node)));

	open = file(::open(d.node.c_str(), O_RDONLY | O_CLOEXEC));
	if (!open || fstat(open.get(), &st) != 0 ||
	    ioctl(open.get(), BLKGETSIZE64, &d.bytes) != 0 ||
	    ioctl(open.get(), BLKSSZGET, &block) != 0 ||
	    ioctl(open.get(), BLKROGET, &read_only) != 0)
		throw failure(fmt::format("{}: {}", d.path, last_error()));
	d.opened = fmt::format("/proc/self/fd/{}", open.get());
	d.number = { major(st.st_rdev), minor(st.st_rdev) };
	d.block = static_cast<u64>(block);
	d.read_only = read_only != 0;
	return d;
}

bool is_there(const device &d)
{
	return number_of(d.path) == d.number;
}

bool is_made_of(device_number upper, device_number lower)
{
	const std::string sysfs = sysfs_of(upper);
	std::vector<std::string> below;

	if (upper == lower)
		return true;
	if (const auto backing = backing_of(sysfs); backing && is_made_of(*backing, lower))
		return true;
	if (exists(sysfs + "/partition"))
		below.push_back(sysfs + "/../dev");
	for (const std::string &name : names_in(sysfs + "/slaves"))
		below.push_back(fmt::format("/sys/class/block/{}/dev", name));
	return std::any_of(below.begin(), below.end(), [&](const std::string &path) {
		const auto number = parse_device_number(first_line(path));

		return number && is_made_of(*number, lower);
	});
}

void look_at_use(device &d)
{
	const users_of_all all = all_users();
	const std::string sysfs = sysfs_of(d.number);

	add_users(all, d.number, "", d.users);
	for (const std::string &name : names_in(sysfs)) {
		const std::string part = fmt::format("{}/{}", sysfs, name);

		if (!exists(part + "/partition"))
			continue;
		if (const auto number = parse_device_number(first_line(part + "/dev")))
			add_users(all, *number, name + " ", d.users);
	}

	const file exclusive(open(d.opened.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));

	d.busy = !exclusive && errno == EBUSY;
	d.content = content_of(d.opened);
}

} /* namespace kcopyctl */
