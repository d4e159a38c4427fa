// SPDX-License-Identifier: GPL-2.0-only
/* kcopyctl: copies of block devices by kcopyd, and what there is to be seen and set. */
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include "commands.hpp"
#include "json.hpp"
#include "system.hpp"

namespace
{

using namespace kcopyctl;

/* One line, whatever the library has to say. */
[[nodiscard]] std::string one_line(std::string text)
{
	for (char &c : text) {
		if (c == '\n')
			c = ' ';
	}
	return text.substr(0, text.find_last_not_of(' ') + 1);
}

[[nodiscard]] CLI::Validator is_rate()
{
	return { [](const std::string &text) {
			return parse_rate(text) ? std::string() :
						  "\"" + text +
							  "\" is not a rate: 50M is 50 MiB a "
							  "second, 0 is any";
		},
		 "BYTES/S" };
}

[[nodiscard]] u64 to_ms(double seconds)
{
	return static_cast<u64>(std::llround(seconds * 1000));
}

class command_line {
public:
	command_line();

	/* Returns an exit code. */
	[[nodiscard]] int run(int argc, const char *const *argv);

private:
	void add_copy();
	void add_top();
	void add_rate();
	[[nodiscard]] std::vector<command_words> words() const;

	CLI::App app_{ "Copies block devices by kcopyd, and shows and limits its copies." };
	CLI::App *copy_ = nullptr;
	CLI::App *status_ = nullptr;
	CLI::App *top_ = nullptr;
	CLI::App *rate_ = nullptr;
	CLI::App *completion_ = nullptr;
	copy_options copy_options_;
	top_options top_options_;
	rate_options rate_options_;
	std::string rate_text_ = "0";
	std::string limit_;
	std::string shell_;
	double copy_interval_ = 0;
	double top_interval_ = 1;
	bool json_ = false;
};

command_line::command_line()
{
	app_.name("kcopyctl");
	app_.require_subcommand(1);
	app_.failure_message(CLI::FailureMessage::simple);
	app_.set_version_flag("--version", "kcopyctl " KCOPYD_VERSION);
	add_copy();
	status_ = app_.add_subcommand("status", "Show the clients of kcopyd and its targets");
	status_->add_flag("--json", json_, "As JSON");
	add_top();
	add_rate();
	completion_ = app_.add_subcommand("completion", "Print what completes words in a shell");
	completion_->add_option("SHELL", shell_, "bash")->required();
}

void command_line::add_copy()
{
	copy_options &o = copy_options_;

	copy_ = app_.add_subcommand("copy", "Copy a block device to others, which are overwritten");
	copy_->add_option("SRC", o.source, "Device that is read")->required();
	copy_->add_option("DST", o.dests, "Devices that are written")->required()->expected(1, 32);
	copy_->add_option("--rate", rate_text_, "Most bytes a second, as in 50M")->check(is_rate());
	copy_->add_flag("--sparse", o.sparse, "Let the devices zero what is all zeroes");
	copy_->add_flag("--salvage", o.salvage, "Leave out what cannot be read, and go on");
	copy_->add_option("--map", o.map, "File that is to list what could not be read")
		->needs(copy_->get_option("--salvage"));
	copy_->add_flag("--verify", o.verify, "Compare in the end");
	copy_->add_flag("--force", o.force, "Overwrite even what is mounted or held");
	copy_->add_flag("-y,--yes", o.yes, "Do not ask");
	copy_->add_flag("--json", o.json, "Progress, result and map as JSON");
	copy_->add_flag("-q,--quiet", o.quiet, "No progress, and no result but errors");
	copy_->add_option("--interval", copy_interval_, "Seconds from one progress to the next")
		->check(CLI::Range(0.05, 86400.0));
	copy_->add_option("--module", o.module, "File of the module kcopyd-copy")
		->check(CLI::ExistingFile);
}

void command_line::add_top()
{
	top_ = app_.add_subcommand("top", "Show what the clients do, until q or Ctrl-C");
	top_->add_option("--interval", top_interval_, "Seconds from one sample to the next")
		->check(CLI::Range(0.05, 86400.0));
	top_->add_option("--count", top_options_.count, "How many samples")
		->check(CLI::Range(1, 1000000000));
	top_->add_flag("--json", top_options_.json, "A line of JSON for each sample");
}

void command_line::add_rate()
{
	rate_ = app_.add_subcommand("rate", "Show or set the most bytes a second");
	rate_->add_option("NAME", rate_options_.name, "Client, by number or name, or a kmirror")
		->required();
	rate_->add_option("LIMIT", limit_, "Bytes a second, as in 50M; 0 or none is no limit")
		->check(is_rate());
	rate_->add_flag("--json", rate_options_.json, "As JSON");
}

[[nodiscard]] std::vector<std::string> options_of(const CLI::App &command)
{
	std::vector<std::string> all;

	for (const CLI::Option *option : command.get_options()) {
		for (const std::string &name : option->get_lnames())
			all.push_back("--" + name);
	}
	return all;
}

std::vector<command_words> command_line::words() const
{
	std::vector<command_words> all = { { app_.get_name(), options_of(app_) } };

	for (const CLI::App *command : app_.get_subcommands(nullptr)) {
		all.front().words.push_back(command->get_name());
		all.push_back({ command->get_name(), options_of(*command) });
	}
	return all;
}

int command_line::run(int argc, const char *const *argv)
{
	try {
		app_.parse(argc, argv);
	} catch (const CLI::Success &help) {
		return app_.exit(help);
	} catch (const CLI::ParseError &error) {
		if (argc > 1 && *argv[1] != '-' && app_.get_subcommands().empty())
			throw failure(fmt::format("there is no command \"{}\": see kcopyctl --help",
						  argv[1]),
				      exit_usage);
		throw failure(one_line(error.what()) + ": see kcopyctl --help", exit_usage);
	}
	if (copy_->parsed()) {
		copy_options_.rate = parse_rate(rate_text_).value_or(0);
		copy_options_.interval_ms = to_ms(copy_interval_);
		return copy(copy_options_);
	}
	if (status_->parsed())
		return status(json_);
	if (top_->parsed()) {
		top_options_.interval_ms = to_ms(top_interval_);
		return top(top_options_);
	}
	if (completion_->parsed())
		return completion(shell_, words());
	if (!limit_.empty())
		rate_options_.limit = parse_rate(limit_);
	return rate(rate_options_);
}

/* Also where the arguments are wrong, and the library does not tell. */
[[nodiscard]] bool wants_json(int argc, const char *const *argv)
{
	return std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
}

/* Returns the code. */
[[nodiscard]] int complain(const std::string &what, int code, bool as_json)
{
	json out;

	if (as_json) {
		out.begin('{').add("exit_code", code).add("error", what);
		say(stdout, out.end().text() + "\n");
		std::fflush(stdout);
	}
	say(stderr, fmt::format("kcopyctl: {}\n", what));
	return code;
}

} /* namespace */

int main(int argc, char **argv)
{
	const bool as_json = wants_json(argc, argv);
	int code = exit_failed;

	settle();
	try {
		code = command_line().run(argc, argv);
	} catch (const failure &f) {
		code = complain(f.what(), f.code(), as_json);
	} catch (const std::exception &e) {
		code = complain(e.what(), exit_failed, as_json);
	}
	/* Both, as an earlier error may have taken away what was to be written. */
	if ((std::fflush(stdout) == 0 && std::ferror(stdout) == 0) || code != exit_done)
		return code;
	std::fputs("kcopyctl: not all is printed, as stdout could not be written\n", stderr);
	return exit_failed;
}
