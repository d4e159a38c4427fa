/* SPDX-License-Identifier: GPL-2.0-only */
/* device-mapper's devices whose targets are of kcopyd, through libdevmapper. */
#ifndef KCOPYCTL_DM_HPP
#define KCOPYCTL_DM_HPP

#include <string>
#include <vector>

#include "targets.hpp"
#include "text.hpp"

namespace kcopyctl
{

struct target {
	std::string device; /* its name */
	std::string type;   /* as its table calls it */
	target_kind kind;
	u64 start = 0; /* in sectors */
	u64 length = 0;
	std::string status;
};

/* Of all devices; a failure if device-mapper does not tell. */
[[nodiscard]] std::vector<target> list_targets();

/* Returns the answer, which may be empty; a failure if the target refuses it. */
std::string send_message(const std::string &device, u64 sector, const std::string &text);

} /* namespace kcopyctl */

#endif /* KCOPYCTL_DM_HPP */
