// SPDX-License-Identifier: GPL-2.0-only
/* kcopyctl completion: what completes its words in a shell. */
#include <fmt/core.h>

#include "commands.hpp"
#include "system.hpp"

namespace kcopyctl
{

namespace
{

/* Behind _kcopyctl_words, which has the words of each command, and those before there is one. */
constexpr const char *bash = R"bash(
# Those that begin like $word.
_kcopyctl_take()
{
	local line
	while read -r line; do
		[[ $line != "$word"* ]] || COMPREPLY+=("$line")
	done
}

# Block devices, and what they may be in: /dev/disk/by-id/..., /dev/<volume group>/...
_kcopyctl_devices()
{
	local path
	if [[ -z $word ]]; then
		while read -r _ _ _ path; do
			[[ ! -b /dev/$path ]] || COMPREPLY+=("/dev/$path")
		done </proc/partitions
	fi
	compopt -o filenames 2>/dev/null
	while read -r path; do
		[[ ! -b $path && ! -d $path ]] || COMPREPLY+=("$path")
	done < <(compgen -f -- "${word:-/dev/mapper/}")
}

_kcopyctl_names()
{
	local path
	cat /sys/module/kcopyd/clients/*/name 2>/dev/null
	for path in /dev/mapper/*; do
		[[ ! -b $path ]] || echo "${path##*/}"
	done
}

_kcopyctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	COMPREPLY=()
	# --map=FILE is three words to bash.
	if [[ $word == = ]]; then
		word=
	elif [[ $before == = ]]; then
		before=${COMP_WORDS[COMP_CWORD-2]}
	fi
	case $before in
	--map | --module)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return ;;
	--rate | --interval | --count)
		return ;;
	esac
	if ((COMP_CWORD == 1)); then
		_kcopyctl_take <<<"${_kcopyctl_words[kcopyctl]}"
	elif [[ $word == -* ]]; then
		_kcopyctl_take <<<"${_kcopyctl_words[${COMP_WORDS[1]:-kcopyctl}]}"
	else
		case ${COMP_WORDS[1]} in
		copy)
			_kcopyctl_devices ;;
		rate)
			_kcopyctl_take < <(_kcopyctl_names) ;;
		completion)
			_kcopyctl_take <<<bash ;;
		esac
	fi
}

complete -F _kcopyctl kcopyctl
)bash";

} /* namespace */

int completion(std::string_view shell, const std::vector<command_words> &commands)
{
	if (shell != "bash")
		throw failure(fmt::format("there is no completion for {}: only for bash", shell),
			      exit_usage);
	fmt::print("# bash completion of kcopyctl\n\ndeclare -gA _kcopyctl_words=(\n");
	for (const command_words &c : commands)
		fmt::print("\t[{}]=$'{}'\n", c.command, join(c.words, "\\n"));
	fmt::print(")\n{}", bash);
	return exit_done;
}

} /* namespace kcopyctl */
