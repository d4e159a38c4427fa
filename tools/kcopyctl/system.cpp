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
#include <linux/loop.h>
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

/* Where a whole disk begins that this may be a partition of. */
[[nodiscard]] std::string disk_of(const std::string &sysfs)
{
	return exists(sysfs + "/partition") ? sysfs + "/.." : sysfs;
}

/* Of a partition. */
[[nodiscard]] std::optional<device_number> disk_number(const std::string &sysfs)
{
	return exists(sysfs + "/partition") ? parse_device_number(first_line(sysfs + "/../dev")) :
					      std::nullopt;
}

/* As in /dev. */
[[nodiscard]] std::string name_of(const std::string &sysfs)
{
	std::error_code error;
	std::string name = fs::canonical(sysfs, error).filename().string();

	std::replace(name.begin(), name.end(), '!', '/');
	return name;
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

	if (probe)
		blkid_probe_enable_partitions(probe.get(), 1);
	switch (probe ? blkid_do_safeprobe(probe.get()) : -1) {
	case 0:
		break;
	case 1:
		return "";
	case -2:
		return "more than one kind of contents";
	default:
		return "contents that cannot be looked at";
	}

	const std::string type = value("TYPE");
	const std::string label = value("LABEL");

	if (type.empty()) {
		const std::string table = value("PTTYPE");

		return table.empty() ? "" : "a partition table (" + table + ")";
	}
	return label.empty() ? type : type + " \"" + label + "\"";
}

struct partition {
	std::string name;
	device_number number;
};

[[nodiscard]] std::vector<partition> partitions_of(const std::string &sysfs)
{
	std::vector<partition> all;

	for (const std::string &name : names_in(sysfs)) {
		const std::string part = fmt::format("{}/{}", sysfs, name);
		const auto number = parse_device_number(first_line(part + "/dev"));

		if (number && exists(part + "/partition"))
			all.push_back({ name_of(part), *number });
	}
	return all;
}

/* What a loop device takes up: it neither claims it nor is its holder. */
[[nodiscard]] std::optional<extent> backing_of(const std::string &sysfs)
{
	if (!exists(sysfs + "/loop"))
		return std::nullopt;

	const file loop(open(("/dev/" + name_of(sysfs)).c_str(), O_RDONLY | O_CLOEXEC));
	loop_info64 info = {};
	extent e;

	if (!loop || ioctl(loop.get(), LOOP_GET_STATUS64, &info) != 0)
		return std::nullopt;
	/* Of a file the first is its file system's, and the second that, too, or 0. */
	const bool is_file = info.lo_rdevice == 0 || info.lo_rdevice == info.lo_device;
	const dev_t of = is_file ? info.lo_device : info.lo_rdevice;

	e.of = { major(of), minor(of) };
	if (is_file) {
		e.how = extent::kind::file;
		e.file = info.lo_inode;
	}
	e.from = info.lo_offset / 512;
	if (info.lo_sizelimit != 0)
		e.to = (info.lo_offset + info.lo_sizelimit + 511) / 512;
	return e;
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
	for (mount &m : all.mounts) {
		if (m.source.starts_with('/'))
			m.source_device = number_of(m.source);
	}
	for (const std::string &path : parse_swaps(read_file("/proc/swaps").value_or(""))) {
		if (const auto number = number_of(path))
			all.swaps.push_back(*number);
	}
	for (const std::string &name : names_in("/sys/block")) {
		const auto on = backing_of("/sys/block/" + name);

		/* The device of a file is mounted. */
		if (on && on->how != extent::kind::file)
			all.loops.emplace_back(name, on->of);
	}
	return all;
}

/* Of one device; @what is empty, or names it. */
void add_users(const users_of_all &all, device_number number, const std::string &what,
	       std::vector<std::string> &users)
{
	for (const mount &m : all.mounts) {
		if (m.is_on(number))
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

[[nodiscard]] extent map_on(device_number of)
{
	extent e;

	e.of = of;
	e.how = extent::kind::map;
	return e;
}

/* What a device is made of, and what that is made of. */
void add_extents(const users_of_all &all, device_number number, std::vector<extent> &extents)
{
	const std::string sysfs = sysfs_of(number);
	const auto takes = [&](extent e) {
		e.taken_by = number;
		e.name = name_of(sysfs_of(e.of));
		extents.push_back(e);
		add_extents(all, e.of, extents);
	};

	if (const auto disk = disk_number(sysfs)) {
		extent e;

		e.of = *disk;
		e.from = parse_number(first_line(sysfs + "/start")).value_or(0);
		e.to = e.from + parse_number(first_line(sysfs + "/size")).value_or(0);
		takes(e);
	}
	if (const auto backing = backing_of(sysfs))
		takes(*backing);
	for (const std::string &name : names_in(sysfs + "/slaves")) {
		const auto below = parse_device_number(
			first_line(fmt::format("{}/slaves/{}/dev", sysfs, name)));

		if (below)
			takes(map_on(*below));
	}
	if (exists(sysfs))
		return;
	/*
	 * It is that of a file system without a device of its own, as of btrfs; or sysfs does
	 * not have all devices, and it is on itself.
	 */
	const auto mounted =
		std::find_if(all.mounts.begin(), all.mounts.end(), [&](const mount &m) {
			return m.device == number && m.source_device && m.source_device != number;
		});

	if (mounted != all.mounts.end())
		takes(map_on(*mounted->source_device));
}

/* Model and serial number of the disk. */
[[nodiscard]] std::string model_of(const std::string &sysfs)
{
	const std::string disk = disk_of(sysfs);
	std::string text;

	for (const char *of : { "/device/model", "/device/serial", "/serial" }) {
		std::string line = first_line(disk + of);

		line.erase(line.find_last_not_of(' ') + 1);
		if (!line.empty())
			text += (text.empty() ? "" : " ") + line;
	}
	return text;
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
	const file to(open(path.c_str(), O_WRONLY | O_CLOEXEC));

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
	sigaction(SIGTERM, &action, nullptr);
	/* Under nohup the end of the terminal is not for it, and in the background no key is. */
	for (const int number : { SIGHUP, SIGINT, SIGQUIT }) {
		struct sigaction before = {};

		if (sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(number, &action, nullptr);
	}
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

std::string read_line()
{
	std::array<char, 256> line = {};
	pollfd in = { .fd = STDIN_FILENO, .events = POLLIN, .revents = 0 };
	sigset_t all = {};
	sigset_t before = {};
	ssize_t n = 0;

	/* One that comes just before is noticed, too. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	while (caught_signal() == 0 && ppoll(&in, 1, nullptr, &before) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &before, nullptr);
	if (caught_signal() == 0)
		n = read(STDIN_FILENO, line.data(), line.size());
	std::string_view text(line.data(), n > 0 ? static_cast<size_t>(n) : 0);

	return std::string(take(text, '\n'));
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
	if (!S_ISBLK(st.st_mode))
		throw failure(fmt::format(
			"{} is not a block device{}", path,
			S_ISREG(st.st_mode) ? ": losetup --find --show makes one of a file" : ""));
	open = file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
	d.path = fs::absolute(path, error).string();
	if (!open || fstat(open.get(), &st) != 0 ||
	    ioctl(open.get(), BLKGETSIZE64, &d.bytes) != 0 ||
	    ioctl(open.get(), BLKSSZGET, &block) != 0 ||
	    ioctl(open.get(), BLKROGET, &read_only) != 0)
		throw failure(fmt::format("{}: {}", d.path, last_error()));
	d.opened = path_of(open);
	d.number = { major(st.st_rdev), minor(st.st_rdev) };
	d.block = static_cast<u64>(block);
	d.read_only = read_only != 0;
	d.model = model_of(sysfs_of(d.number));
	return d;
}

std::string disk_node(const device &d)
{
	const std::string sysfs = sysfs_of(d.number);

	return disk_number(sysfs) ? "/dev/" + name_of(disk_of(sysfs)) : d.opened;
}

bool is_there(const device &d)
{
	return number_of(d.path) == d.number;
}

void look_at_users(device &d)
{
	const users_of_all all = all_users();
	const std::string sysfs = sysfs_of(d.number);

	extent &all_of_it = d.extents.emplace_back();

	all_of_it.of = d.number;
	all_of_it.taken_by = d.number;
	all_of_it.name = name_of(sysfs);
	add_extents(all, d.number, d.extents);
	add_users(all, d.number, "", d.users);
	for (const partition &p : partitions_of(sysfs))
		add_users(all, p.number, p.name + " ", d.users);
	/* Who has all of the disk has its partitions, too. */
	if (const auto disk = disk_number(sysfs))
		add_users(all, *disk, name_of(disk_of(sysfs)) + " ", d.users);
	d.busy = d.users.empty() && !claim(d) && errno == EBUSY;
}

void look_at_contents(device &d)
{
	d.content = content_of(d.opened);
	for (const partition &p : partitions_of(sysfs_of(d.number))) {
		const std::string content = content_of("/dev/" + p.name);

		d.content += (d.content.empty() ? "" : ", ") + p.name +
			     (content.empty() ? "" : " " + content);
	}
}

file claim(const device &d)
{
	return file(open(d.opened.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
}

std::string path_of(const file &open)
{
	return fmt::format("/proc/{}/fd/{}", getpid(), open.get());
}

} /* namespace kcopyctl */
