// SPDX-License-Identifier: GPL-2.0-only
/* device-mapper's devices whose targets are of kcopyd, through libdevmapper. */
#include <cerrno>
#include <cstdint>
#include <memory>

#include <libdevmapper.h>

#include "dm.hpp"
#include "system.hpp"

namespace kcopyctl
{

namespace
{

using task = std::unique_ptr<dm_task, decltype(&dm_task_destroy)>;

/* The library would print by itself. */
void say_nothing(int /*level*/, const char * /*file*/, int /*line*/, int /*dm_errno*/,
		 const char * /*format*/, ...) // NOLINT(cert-dcl50-cpp): the library's type
{
}

[[nodiscard]] task make_task(int type, const std::string &device)
{
	dm_log_with_errno_init(say_nothing);
	task t(dm_task_create(type), dm_task_destroy);

	if (!t || (!device.empty() && dm_task_set_name(t.get(), device.c_str()) == 0))
		throw failure("no memory for device-mapper");
	return t;
}

[[nodiscard]] bool run(const task &t)
{
	return dm_task_run(t.get()) != 0;
}

/* One of mainline's with these names cannot be loaded beside such a module. */
[[nodiscard]] bool has_mainline_names(const std::string &module)
{
	return read_file("/sys/module/" + module + "/parameters/mainline_names")
		.value_or("")
		.starts_with('Y');
}

void add_targets(const std::string &device, mainline_names also, std::vector<target> &all)
{
	const task t = make_task(DM_DEVICE_STATUS, device);
	void *next = nullptr;

	/* Asking is not to write what is on its way. */
	dm_task_no_flush(t.get());
	/* It may have been removed meanwhile. */
	if (!run(t))
		return;
	do {
		std::uint64_t start = 0;
		std::uint64_t length = 0;
		char *type = nullptr;
		char *params = nullptr;

		next = dm_get_next_target(t.get(), next, &start, &length, &type, &params);
		const auto kind = kind_of(type ? type : "", also);

		if (kind)
			all.push_back({ device, type, *kind, start, length, params ? params : "" });
	} while (next);
}

} /* namespace */

std::vector<target> list_targets()
{
	std::vector<target> all;

	if (!exists("/sys/class/misc/device-mapper"))
		return all;
	const mainline_names also = { has_mainline_names("kcopyd_mirror"),
				      has_mainline_names("kcopyd_snapshot") };
	const task t = make_task(DM_DEVICE_LIST, "");

	if (!run(t))
		throw failure("device-mapper does not tell its devices: " + last_error());
	const dm_names *names = dm_task_get_names(t.get());

	/* Without any there is one that is 0. */
	if (!names || names->dev == 0)
		return all;
	for (const char *at = reinterpret_cast<const char *>(names);;) {
		const auto *one = reinterpret_cast<const dm_names *>(at);

		add_targets(static_cast<const char *>(one->name), also, all);
		if (one->next == 0)
			return all;
		at += one->next;
	}
}

std::string send_message(const std::string &device, u64 sector, const std::string &text)
{
	const task t = make_task(DM_DEVICE_TARGET_MSG, device);

	if (dm_task_set_sector(t.get(), sector) == 0 ||
	    dm_task_set_message(t.get(), text.c_str()) == 0)
		throw failure("no memory for device-mapper");
	if (!run(t))
		throw failure(fmt::format("{} refuses the message \"{}\": {}", device, text,
					  last_error()));
	const char *response = dm_task_get_message_response(t.get());

	return response ? response : "";
}

} /* namespace kcopyctl */
