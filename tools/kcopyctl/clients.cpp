// SPDX-License-Identifier: GPL-2.0-only
/* The clients of kcopyd, as sysfs and debugfs show them. */
#include <algorithm>

#include "clients.hpp"
#include "system.hpp"

namespace kcopyctl
{

namespace
{

[[nodiscard]] u64 number_in(const std::string &path)
{
	const std::string text = read_file(path).value_or("");

	return parse_number(text.substr(0, text.find('\n'))).value_or(0);
}

} /* namespace */

std::vector<listed> list_clients()
{
	const std::string root = "/sys/module/kcopyd/clients/";
	std::vector<listed> all;

	for (const std::string &name : names_in(root)) {
		const std::string dir = std::string(root).append(name);

		/* It may be gone by now: then there is nothing to be read. */
		for (const client &c : parse_clients(read_file(dir + "/stats").value_or("")))
			all.push_back({ c, dir, number_in(dir + "/bytes_per_second"),
					number_in(dir + "/ios_per_second"),
					number_in(dir + "/percent") });
	}
	/* Where there was no memory for a directory, debugfs knows of the client. */
	for (const client &c :
	     parse_clients(read_file("/sys/kernel/debug/kcopyd/stats.kv").value_or(""))) {
		const bool known = std::any_of(all.begin(), all.end(),
					       [&](const listed &l) { return l.stats.id == c.id; });

		if (!known)
			all.push_back({ c, "" });
	}
	std::sort(all.begin(), all.end(),
		  [](const listed &a, const listed &b) { return a.stats.id < b.stats.id; });
	return all;
}

} /* namespace kcopyctl */
