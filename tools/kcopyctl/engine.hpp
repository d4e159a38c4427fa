/* SPDX-License-Identifier: GPL-2.0-only */
/* The module kcopyd-copy, which copies while it is loaded. */
#ifndef KCOPYCTL_ENGINE_HPP
#define KCOPYCTL_ENGINE_HPP

#include <string>
#include <vector>

#include "devices.hpp"
#include "outcome.hpp"
#include "system.hpp"
#include "text.hpp"

namespace kcopyctl
{

struct engine_options {
	u64 rate = 0; /* bytes a second; 0 is any */
	bool sparse = false;
	bool salvage = false;
	bool force = false;
	std::string module; /* the module's file; else modprobe looks for it */
};

/**
 * class engine - owns a copy that is on its way, or has ended
 *
 * Its end is the end of the copy, however far that is.
 */
class engine {
public:
	/* Fails if the kernel does not begin. The devices are open as long as it takes. */
	engine(const engine_options &how, const device &source, const std::vector<device> &dests);
	engine(const engine &) = delete;
	engine &operator=(const engine &) = delete;
	~engine();

	[[nodiscard]] static bool is_running();

	/* They fail if somebody has unloaded it, also if it is loaded again. */
	[[nodiscard]] copy_status status() const;
	/* What could not be read so far, in order. */
	[[nodiscard]] std::vector<bad_range> bad() const;

	/* Fails if the module cannot be unloaded. */
	void end();

private:
	[[nodiscard]] std::string line() const;

	file status_; /* of no other copy, whatever is loaded later */
	bool loaded_ = false;
};

} /* namespace kcopyctl */

#endif /* KCOPYCTL_ENGINE_HPP */
