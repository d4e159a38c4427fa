/* SPDX-License-Identifier: GPL-2.0-only */
/* How fast something goes, how long it will take, and the line that shows it. */
#ifndef KCOPYCTL_PROGRESS_HPP
#define KCOPYCTL_PROGRESS_HPP

#include <algorithm>
#include <deque>
#include <optional>
#include <string>

#include <fmt/core.h>

#include "text.hpp"

namespace kcopyctl
{

/* How long so many bytes may take at least. */
[[nodiscard]] inline u64 ms_at_rate(u64 bytes, u64 bytes_per_second)
{
	if (bytes_per_second == 0)
		return 0;
	return bytes / bytes_per_second * 1000 +
	       static_cast<u64>(static_cast<double>(bytes % bytes_per_second) * 1000 /
				static_cast<double>(bytes_per_second));
}

/*
 * How much the module copies by one call, of which four are on their way, and whose end it
 * tells: at a low rate there is progress to be seen, too. Of whole logical blocks, whatever
 * their size.
 */
[[nodiscard]] inline u64 chunk_kb(u64 bytes_per_second)
{
	constexpr u64 least = 128;
	constexpr u64 most = 4096;

	return bytes_per_second == 0 ?
		       most :
		       std::clamp(bytes_per_second / 8 / 1024 / least * least, least, most);
}

/* The rate of the last ten seconds, so that a change is seen soon but does not jump. */
class meter {
public:
	static constexpr u64 window_ms = 10000;

	void add(u64 now_ms, u64 bytes)
	{
		samples_.push_back({ now_ms, bytes });
		/* One is kept that is as old as the window, or older. */
		while (samples_.size() > 2 && now_ms - samples_[1].ms >= window_ms)
			samples_.pop_front();
	}

	/* Bytes a second. */
	[[nodiscard]] u64 rate() const
	{
		if (samples_.size() < 2)
			return 0;
		const u64 ms = samples_.back().ms - samples_.front().ms;
		const u64 bytes = samples_.back().bytes - samples_.front().bytes;

		if (ms == 0)
			return 0;
		/* No overflow, whatever there is. */
		return bytes / ms * 1000 + bytes % ms * 1000 / ms;
	}

	/* Seconds, rounded up; nothing while it stands still. */
	[[nodiscard]] std::optional<u64> left(u64 total) const
	{
		const u64 done = samples_.empty() ? 0 : samples_.back().bytes;
		const u64 r = rate();

		if (done >= total)
			return 0;
		if (r == 0)
			return std::nullopt;
		return (total - done) / r + ((total - done) % r != 0);
	}

private:
	struct sample {
		u64 ms;
		u64 bytes;
	};

	std::deque<sample> samples_;
};

/* Rounded down, so that 100 is all of it. */
[[nodiscard]] inline u64 percent(u64 done, u64 total)
{
	if (total == 0 || done >= total)
		return 100;
	const double percents = static_cast<double>(done) * 100 / static_cast<double>(total);

	/* What is large may be rounded up to all of it. */
	return std::min<u64>(99, static_cast<u64>(percents));
}

[[nodiscard]] inline std::string bar(u64 done, u64 total, size_t width)
{
	const size_t full = percent(done, total) * width / 100;

	return "[" + std::string(full, '#') + std::string(width - full, '.') + "]";
}

/* What is to be said of it, without a bar. */
[[nodiscard]] inline std::string progress_text(u64 done, u64 total, u64 rate,
					       std::optional<u64> left)
{
	return fmt::format("{:3} %  {} of {}  {}  {} left", percent(done, total), show_size(done),
			   show_size(total), show_rate(rate), left ? show_time(*left) : "-:--");
}

/* The same with a bar, in exactly @width columns, so that it covers the one before. */
[[nodiscard]] inline std::string progress_line(const std::string &text, u64 done, u64 total,
					       size_t width)
{
	constexpr size_t narrowest = 10;
	constexpr size_t widest = 40;
	const size_t taken = text.size() + 3;
	std::string line = text;

	if (width >= taken + narrowest)
		line = bar(done, total, std::min(width - taken, widest)) + " " + text;
	line.resize(width, ' ');
	return line;
}

} /* namespace kcopyctl */

#endif /* KCOPYCTL_PROGRESS_HPP */
