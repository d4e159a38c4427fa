/* SPDX-License-Identifier: GPL-2.0-only */
/* The clients of kcopyd, as sysfs and debugfs show them. */
#ifndef KCOPYCTL_CLIENTS_HPP
#define KCOPYCTL_CLIENTS_HPP

#include <string>
#include <vector>

#include "stats.hpp"
#include "text.hpp"

namespace kcopyctl
{

struct listed {
	client stats;
	std::string dir; /* in sysfs; empty if it has none */
	u64 bytes_per_second = 0;
	u64 ios_per_second = 0;
	u64 percent = 0;
};

[[nodiscard]] std::vector<listed> list_clients();

} /* namespace kcopyctl */

#endif /* KCOPYCTL_CLIENTS_HPP */
