// SPDX-License-Identifier: GPL-2.0-only
/* kcopyctl rate: the limits of clients, and of mirrors. */
#include <algorithm>
#include <vector>

#include <fmt/core.h>
#include <unistd.h>

#include "clients.hpp"
#include "commands.hpp"
#include "dm.hpp"
#include "json.hpp"
#include "system.hpp"
#include "targets.hpp"

namespace kcopyctl
{

namespace
{

/* What a name may mean: clients, and lines of tables. */
struct meant {
	std::vector<listed> clients;
	std::vector<target> mirrors;
};

[[nodiscard]] meant find(const std::string &name)
{
	const std::optional<u64> id = parse_number(name);
	meant m;

	for (const listed &l : list_clients()) {
		if (id ? l.stats.id == *id : l.stats.name == name)
			m.clients.push_back(l);
	}
	if (id)
		return m;
	for (const target &t : list_targets()) {
		if (t.kind == target_kind::mirror && t.device == name)
			m.mirrors.push_back(t);
	}
	return m;
}

/* @start: of which line of the table, where there are several */
void print(const rate_options &options, u64 bytes_per_second,
	   std::optional<u64> start = std::nullopt)
{
	json out;

	if (options.json) {
		out.begin('{').add("name", options.name);
		if (start)
			out.add("start", *start);
		fmt::print("{}\n", out.add("bytes_per_second", bytes_per_second).end().text());
	} else if (!options.limit) {
		fmt::print("{}{}\n", start ? fmt::format("from sector {}: ", *start) : "",
			   show_limit(bytes_per_second));
	}
}

int rate_of_client(const rate_options &options, const listed &l)
{
	if (l.dir.empty())
		throw failure(fmt::format("client {} has no directory in sysfs", l.stats.id));
	if (options.limit) {
		const int error = write_file(l.dir + "/bytes_per_second",
					     std::to_string(*options.limit) + "\n");

		if (error != 0)
			throw failure(fmt::format("the limit of client {} cannot be set: {}",
						  l.stats.id,
						  std::generic_category().message(error)));
	}
	print(options, options.limit.value_or(l.bytes_per_second));
	return exit_done;
}

/* They count in KiB; what is less than one is one, not none. */
int rate_of_mirrors(const rate_options &options, const std::vector<target> &mirrors)
{
	for (const target &t : mirrors) {
		u64 kib = 0;

		if (options.limit) {
			kib = *options.limit / 1024 + (*options.limit % 1024 != 0);
			send_message(t.device, t.start, fmt::format("rate {}", kib));
		} else {
			kib = parse_mirror_rate(send_message(t.device, t.start, "state"))
				      .value_or(0);
		}
		print(options, kib * 1024,
		      mirrors.size() > 1 ? std::optional(t.start) : std::nullopt);
	}
	return exit_done;
}

} /* namespace */

int rate(const rate_options &options)
{
	need_root("rate");
	need_kcopyd();
	const meant m = find(options.name);

	if (m.clients.size() + !m.mirrors.empty() > 1) {
		std::vector<std::string> ids;

		for (const listed &l : m.clients)
			ids.push_back(std::to_string(l.stats.id));
		throw failure(fmt::format("there is more than one \"{}\": say which client: {}",
					  options.name, join(ids, ", ")),
			      exit_usage);
	}
	if (!m.mirrors.empty())
		return rate_of_mirrors(options, m.mirrors);
	if (!m.clients.empty())
		return rate_of_client(options, m.clients.front());
	throw failure(
		fmt::format("there is no client and no kmirror \"{}\": kcopyctl status lists them",
			    options.name));
}

} /* namespace kcopyctl */
