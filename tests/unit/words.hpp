/* SPDX-License-Identifier: GPL-2.0-only */
/* A line as device-mapper gives it to a target, and one that a target writes. */
#ifndef KCOPYD_TESTS_UNIT_WORDS_HPP
#define KCOPYD_TESTS_UNIT_WORDS_HPP

#include <array>
#include <sstream>
#include <string>
#include <vector>

#include "targets/dm/text.hpp"

/* Each word has memory of its own, so that ASan sees what is read behind it. */
class split {
public:
	/* A line ends at its first zero, as in C. */
	explicit split(const std::string &line)
	{
		std::istringstream all(line.c_str());
		std::string word;

		while (all >> word)
			words_.emplace_back(word.c_str(), word.c_str() + word.size() + 1);
		for (const auto &w : words_)
			argv_.push_back(w.data());
	}

	[[nodiscard]] dm::words all() const
	{
		return { static_cast<dm::u32>(argv_.size()), argv_.data() };
	}

private:
	std::vector<std::vector<char>> words_;
	std::vector<const char *> argv_;
};

/* What @write writes into a dm::line. */
template <typename F> std::string written(F write)
{
	std::array<char, 4096> room = {};
	kdm_text to = { room.data(), room.size(), 0 };
	dm::line line(to);

	write(line);
	return room.data();
}

#endif /* KCOPYD_TESTS_UNIT_WORDS_HPP */
