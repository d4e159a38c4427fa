/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands. Each returns the exit code, or fails. */
#ifndef KCOPYCTL_COMMANDS_HPP
#define KCOPYCTL_COMMANDS_HPP

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine.hpp"
#include "text.hpp"

namespace kcopyctl
{

struct copy_options : engine_options {
	std::string source;
	std::vector<std::string> dests;
	bool verify = false;
	bool yes = false;
	bool json = false;
	bool quiet = false;
	u64 interval_ms = 0; /* of what is printed; 0 is what suits */
	std::string map;
};

[[nodiscard]] int copy(const copy_options &options);

struct top_options {
	u64 interval_ms = 1000;
	u64 count = 0; /* 0: until it is ended */
	bool json = false;
};

[[nodiscard]] int status(bool as_json);
[[nodiscard]] int top(const top_options &options);

struct rate_options {
	std::string name;
	std::optional<u64> limit; /* bytes a second; shown if there is none */
	bool json = false;
};

[[nodiscard]] int rate(const rate_options &options);

struct command_words {
	std::string command; /* or the name of it all, before there is one */
	std::vector<std::string> words;
};

/* Prints what the shell is to be told. */
[[nodiscard]] int completion(std::string_view shell, const std::vector<command_words> &commands);

} /* namespace kcopyctl */

#endif /* KCOPYCTL_COMMANDS_HPP */
