// SPDX-License-Identifier: GPL-2.0-only
/* kcopyctl completion: what completes its words in a shell. */
#include <fmt/core.h>

#include "commands.hpp"
#include "system.hpp"

namespace kcopyctl
{

namespace
{

constexpr const char *bash = R"bash(# bash completion of kcopyctl

_kcopyctl_devices()
{
	local line
	while read -r _ _ _ line; do
		[[ -b /dev/$line ]] && echo "/dev/$line"
	done </proc/partitions
	compgen -f -- /dev/mapper/
}

_kcopyctl_names()
{
	cat /sys/module/kcopyd/clients/*/name 2>/dev/null
	compgen -f -- /dev/mapper/ | sed 's|.*/||'
}

_kcopyctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=
	COMPREPLY=()
	case $before in
	--map | --module)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return ;;
	--rate | --interval | --count)
		return ;;
	esac
	if ((COMP_CWORD == 1)); then
		words='copy status top rate completion --help --version'
	else
		case ${COMP_WORDS[1]} in
		copy)
			words='--rate --sparse --salvage --map --verify --force --yes --json
				--quiet --interval --module --help'
			[[ $word == -* ]] || words=$(_kcopyctl_devices) ;;
		status)
			words='--json --help' ;;
		top)
			words='--interval --count --json --help' ;;
		rate)
			words='--json --help'
			[[ $word == -* ]] || words=$(_kcopyctl_names) ;;
		completion)
			words='bash' ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _kcopyctl kcopyctl
)bash";

} /* namespace */

int completion(std::string_view shell)
{
	if (shell != "bash")
		throw failure(fmt::format("there is no completion for {}: only for bash", shell),
			      exit_usage);
	fmt::print("{}", bash);
	return exit_done;
}

} /* namespace kcopyctl */
