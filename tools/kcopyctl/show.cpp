// SPDX-License-Identifier: GPL-2.0-only
/* kcopyctl status and kcopyctl top. */
#include <algorithm>
#include <cstdio>
#include <vector>

#include <termios.h>
#include <unistd.h>

#include "clients.hpp"
#include "commands.hpp"
#include "dm.hpp"
#include "json.hpp"
#include "outcome.hpp"
#include "progress.hpp"
#include "screen.hpp"
#include "system.hpp"
#include "targets.hpp"

namespace kcopyctl
{

namespace
{

/* Nothing for who is not root: the rest is shown to them all the same. */
using visible_targets = std::optional<std::vector<target>>;

[[nodiscard]] visible_targets see_targets()
{
	return geteuid() == 0 ? visible_targets(list_targets()) : std::nullopt;
}

void add_quantiles(json &to, const latencies &all)
{
	to.begin('{');
	for (const unsigned int percent : { 50U, 99U }) {
		const std::optional<u64> us = bound_of(quantile(all, percent));

		to.key(fmt::format("p{}", percent));
		if (us)
			to.add(*us);
		else
			to.null();
	}
	to.end();
}

[[nodiscard]] std::string show_quantiles(const latencies &all)
{
	const auto median = quantile(all, 50);

	if (!median)
		return "-";
	return fmt::format("{}, {}", show_class(*median), show_class(*quantile(all, 99)));
}

void add_client(json &to, const listed &l)
{
	to.begin('{').add("client", l.stats.id).add("name", l.stats.name);
	for (const auto &[key, value] : l.stats.values)
		to.add(key, value);
	to.add("bytes_per_second", l.bytes_per_second).add("ios_per_second", l.ios_per_second);
	to.add("percent", l.percent).key("latency_small_us");
	add_quantiles(to, l.stats.small);
	to.key("latency_large_us");
	add_quantiles(to, l.stats.large);
	to.end();
}

void add_mirror(json &to, const mirror_status &m)
{
	to.key("mirror").begin('{').key("legs").begin('[');
	for (const std::string &leg : m.legs)
		to.add(leg);
	to.end().add("in_sync", m.in_sync).add("regions", m.regions).add("health", m.health);
	to.add("log_device", m.log_device).add("log_health", m.log_health).end();
}

void add_target(json &to, const target &t)
{
	const auto mirror = parse_mirror(t.status);
	const auto snapshot = parse_snapshot(t.status);

	to.begin('{').add("device", t.device).add("target", t.type).add("start", t.start);
	to.add("length", t.length).add("status", t.status);
	if (t.kind == target_kind::mirror && mirror)
		add_mirror(to, *mirror);
	else if (t.kind == target_kind::snapshot && snapshot)
		to.key("snapshot")
			.begin('{')
			.add("state", snapshot->state)
			.add("allocated", snapshot->allocated)
			.add("size", snapshot->size)
			.add("metadata", snapshot->metadata)
			.end();
	to.end();
}

void add_targets(json &to, const visible_targets &targets)
{
	to.key("targets").begin('[');
	for (const target &t : targets.value_or(std::vector<target>()))
		add_target(to, t);
	to.end();
}

void add_copy(json &to, const copy_status &s)
{
	to.begin('{').add("state", s.state).add("done", s.done * 512).add("total", s.total * 512);
	to.add("read_err", s.read_err).add("write_err", u64{ s.write_err });
	to.add("skipped_sectors", s.skipped).end();
}

[[nodiscard]] std::string status_json(const std::vector<listed> &clients,
				      const visible_targets &targets,
				      const std::optional<copy_status> &copy)
{
	json out;

	out.begin('{').key("clients").begin('[');
	for (const listed &l : clients)
		add_client(out, l);
	out.end();
	add_targets(out, targets);
	out.key("copy");
	if (copy)
		add_copy(out, *copy);
	else
		out.null();
	return out.end().text();
}

[[nodiscard]] std::string clients_text(const std::vector<listed> &clients)
{
	std::vector<std::vector<std::string>> rows = { { "CLIENT", "NAME", "PAGES", "QUEUED",
							 "COPIES", "READ", "WRITTEN", "ERRORS",
							 "LIMIT" } };

	for (const listed &l : clients) {
		const client &c = l.stats;

		rows.push_back({ std::to_string(c.id), c.name,
				 fmt::format("{}/{}", c["pages_used"], c["pages"]),
				 std::to_string(c["queued"]),
				 std::to_string(c["copies_done"] + c["zeroes_done"]),
				 show_size(c["sectors_read"] * 512),
				 show_size((c["sectors_written"] + c["sectors_zeroed"]) * 512),
				 std::to_string(c["read_errors"] + c["write_errors"]),
				 show_limit(l.bytes_per_second) });
	}
	return table(rows, "><>>>>>>>") + (clients.empty() ? "       there are none\n" : "");
}

[[nodiscard]] std::string targets_text(const visible_targets &targets)
{
	std::vector<std::vector<std::string>> rows = { { "DEVICE", "TARGET", "SIZE", "STATUS" } };

	if (!targets)
		return "\nOnly root sees the targets of device-mapper.\n";
	for (const target &t : *targets)
		rows.push_back({ t.device, t.type, show_size(t.length * 512),
				 show_target(t.kind, t.status) });
	return targets->empty() ? "" : "\n" + table(rows, "<<><");
}

/* A copy by kcopyctl, if there is one just now. */
[[nodiscard]] std::optional<copy_status> current_copy()
{
	return parse_copy_status(
		read_file("/sys/module/kcopyd_copy/parameters/status").value_or(""));
}

/* A terminal from which keys come at once, and silently. */
class keys {
public:
	/* In the background a shell's job that sets the terminal is stopped. */
	explicit keys(bool wanted)
		: are_(wanted && isatty(STDIN_FILENO) == 1 &&
		       tcgetattr(STDIN_FILENO, &before_) == 0)
	{
		termios raw = before_;

		raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
		if (are_)
			tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	keys(const keys &) = delete;
	keys &operator=(const keys &) = delete;
	~keys()
	{
		if (are_)
			tcsetattr(STDIN_FILENO, TCSANOW, &before_);
	}

	/* Waits; true if somebody wants it to end. */
	[[nodiscard]] bool end_within(u64 ms) const
	{
		const u64 end = now_ms() + ms;
		char key = 0;

		while (caught_signal() == 0 && now_ms() < end) {
			if (!are_) {
				sleep_ms(end - now_ms());
				continue;
			}
			/* A terminal that has gone away has nothing more to tell. */
			if (wait_for_key(std::min<u64>(end - now_ms(), 100)) &&
			    (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
				return true;
		}
		return caught_signal() != 0;
	}

private:
	termios before_ = {};
	bool are_;
};

struct sample {
	u64 ms = 0;
	std::vector<listed> clients;
};

[[nodiscard]] sample take_sample()
{
	const u64 ms = now_ms();

	return { ms, list_clients() };
}

[[nodiscard]] activity activity_in(const listed &l, const sample &now, const sample &before)
{
	const auto earlier =
		std::find_if(before.clients.begin(), before.clients.end(),
			     [&](const listed &e) { return e.stats.id == l.stats.id; });

	return activity_of(l.stats, earlier == before.clients.end() ? client() : earlier->stats,
			   now.ms - before.ms);
}

[[nodiscard]] std::string activity_text(const sample &now, const sample &before)
{
	/* So wide that they keep their places, whatever the next sample has. */
	std::vector<std::vector<std::string>> rows = {
		{ "CLIENT", "NAME", "      READ", "   WRITTEN", "COPIES/s", "QUEUED", "WAITING",
		  "ERRORS", "  SMALL 50%, 99%", "  LARGE 50%, 99%" }
	};

	for (const listed &l : now.clients) {
		const activity a = activity_in(l, now, before);

		rows.push_back({ std::to_string(l.stats.id), l.stats.name, show_rate(a.read),
				 show_rate(a.written), std::to_string(a.copies),
				 std::to_string(l.stats["queued"]),
				 std::to_string(l.stats["waiting"]), std::to_string(a.errors),
				 show_quantiles(a.small), show_quantiles(a.large) });
	}
	return table(rows, "><>>>>>>>>");
}

[[nodiscard]] std::string activity_json(const sample &now, const sample &before,
					const visible_targets &targets)
{
	json out;

	out.begin('{').add("milliseconds", now.ms - before.ms).key("clients").begin('[');
	for (const listed &l : now.clients) {
		const activity a = activity_in(l, now, before);

		out.begin('{').add("client", l.stats.id).add("name", l.stats.name);
		out.add("read_bytes_per_second", a.read);
		out.add("written_bytes_per_second", a.written);
		out.add("copies_per_second", a.copies).add("queued", l.stats["queued"]);
		out.add("waiting", l.stats["waiting"]).add("errors", a.errors);
		out.key("latency_small_us");
		add_quantiles(out, a.small);
		out.key("latency_large_us");
		add_quantiles(out, a.large);
		out.end();
	}
	out.end();
	add_targets(out, targets);
	return out.end().text() + "\n";
}

} /* namespace */

int status(bool as_json)
{
	const screen size = isatty(STDOUT_FILENO) == 1 ? screen_size() : screen();

	need_kcopyd();
	const visible_targets targets = see_targets();
	const std::vector<listed> clients = list_clients();
	const std::optional<copy_status> copy = current_copy();

	if (as_json) {
		fmt::print("{}\n", status_json(clients, targets, copy));
	} else {
		std::string text = clients_text(clients) + targets_text(targets);

		if (copy)
			text += fmt::format("\nkcopyd-copy: {}, {} % of {}\n", copy->state,
					    percent(copy->done, copy->total),
					    show_size(copy->total * 512));
		fmt::print("{}", cut(text, { .columns = size.columns }));
	}
	std::fflush(stdout);
	need_root("to see the targets of device-mapper");
	return exit_done;
}

int top(const top_options &options)
{
	const bool in_place = !options.json && isatty(STDOUT_FILENO) == 1;

	need_kcopyd();
	if (!in_place && !options.json && options.count == 0)
		throw failure("stdout is no terminal: say --count N, for N samples", exit_usage);
	catch_signals();

	const keys k(in_place);
	sample before = take_sample();

	for (u64 i = 0; options.count == 0 || i < options.count; i++) {
		if (k.end_within(options.interval_ms))
			break;
		sample now = take_sample();
		const visible_targets targets = see_targets();
		std::string text = options.json ?
					   activity_json(now, before, targets) :
					   activity_text(now, before) + targets_text(targets);

		if (in_place) {
			const screen size = screen_size();

			/* In the last row there would be no place for the cursor. */
			text = "\033[H\033[2J" + cut(text, { size.columns, size.rows - 1 });
		}
		say(stdout, text);
		/* Nobody may see it any more. */
		if (std::fflush(stdout) != 0)
			break;
		before = std::move(now);
	}
	need_root("to see the targets of device-mapper");
	/* Ctrl-C is how it is ended, too. */
	return exit_done;
}

} /* namespace kcopyctl */
