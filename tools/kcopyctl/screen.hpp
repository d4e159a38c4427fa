/* SPDX-License-Identifier: GPL-2.0-only */
/* What fits on a terminal. */
#ifndef KCOPYCTL_SCREEN_HPP
#define KCOPYCTL_SCREEN_HPP

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/core.h>

#include "text.hpp"

namespace kcopyctl
{

struct screen {
	size_t columns = std::numeric_limits<size_t>::max();
	size_t rows = std::numeric_limits<size_t>::max();
};

/* Of the terminal on stdout, which may not tell. */
[[nodiscard]] inline screen screen_size()
{
	winsize size = {};
	const bool told = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;

	return { told && size.ws_col >= 2 ? size.ws_col : size_t{ 80 },
		 told && size.ws_row >= 2 ? size.ws_row : size_t{ 24 } };
}

/* Lines, of which what is beyond the screen is left out. */
[[nodiscard]] inline std::string cut(std::string_view text, const screen &to)
{
	std::string out;

	for (size_t row = 0; row < to.rows && !text.empty(); row++) {
		out += take(text, '\n').substr(0, to.columns);
		out += '\n';
	}
	return out;
}

/*
 * Each column is as wide as its widest cell, its head included. @sides has < for each one that
 * is to be on the left, and > for each on the right.
 */
[[nodiscard]] inline std::string table(const std::vector<std::vector<std::string>> &rows,
				       std::string_view sides)
{
	std::vector<size_t> widths(sides.size());
	std::string out;

	for (const auto &row : rows) {
		for (size_t i = 0; i < sides.size(); i++)
			widths[i] = std::max(widths[i], row[i].size());
	}
	for (const auto &row : rows) {
		std::string line;

		for (size_t i = 0; i < sides.size(); i++)
			line += sides[i] == '<' ? fmt::format("{:<{}} ", row[i], widths[i]) :
						  fmt::format("{:>{}} ", row[i], widths[i]);
		out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
	}
	return out;
}

} /* namespace kcopyctl */

#endif /* KCOPYCTL_SCREEN_HPP */
