# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the scripts of this directory share: messages and the cache.
# Sets $cache and $entry for whoever sources it.
# shellcheck disable=SC2034

# A user's PATH lacks where depmod and modprobe are.
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$@"; exit 1; }

# print_usage : the comment at the head of the script
print_usage() { sed -n '4,/^set /s/^# \{0,1\}//p' "$0"; }

# need TOOL... : stop with the one line that installs what is missing
need()
{
	local tool
	for tool; do
		command -v "$tool" >/dev/null ||
			die "'$tool' is not installed: run tests/qemu/deps.sh build boot roots"
	done
}

# Sets $cache, the directory outside the tree that keeps kernels between runs.
find_cache()
{
	local home=${HOME:-$(getent passwd "$UID" | cut -d: -f6)}

	cache=${XDG_CACHE_HOME:-$home/.cache}/kcopyd
	if mkdir -p "$cache" 2>/dev/null && [[ -O $cache && -w $cache ]]; then
		return
	fi
	die "cannot write the cache $cache: set XDG_CACHE_HOME to a directory of yours with 6 GB free"
}

# cached KIND KEY BUILDER [ARG...] : sets $entry to the directory KIND/KEY of
# the cache.  If it is not there, "BUILDER DIR ARG..." fills a temporary
# directory that is renamed into place, so that an interrupted build leaves
# nothing half done; two callers do not build twice.  What others may still use stays:
# keys that nobody has asked for in a week go away.
cached()
{
	local kind=$1 key=$2 builder=$3 lock
	shift 3

	entry=$cache/$kind/$key
	touch -c "$entry"
	[[ -d $entry ]] && return
	mkdir -p "$cache/$kind"
	exec {lock}>"$cache/$kind/.lock"
	if ! flock -n "$lock"; then
		say "waiting for another run that prepares $kind"
		flock "$lock"
	fi
	if [[ ! -d $entry ]]; then
		rm -rf "$cache/$kind/.partial"
		mkdir "$cache/$kind/.partial"
		"$builder" "$cache/$kind/.partial" "$@" {lock}>&-
		mv "$cache/$kind/.partial" "$entry"
		touch "$entry"
		find "$cache/$kind" -mindepth 1 -maxdepth 1 -type d -mtime +6 -exec rm -rf {} +
	fi
	exec {lock}>&-
}
