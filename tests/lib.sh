# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests share: $work, a directory that goes away; jobs that end with the script,
# also when that is interrupted; and the count of results.
# shellcheck disable=SC2034

# The flags of an outer make, like -j, are not for the builds here.
unset MAKEFLAGS MFLAGS MAKELEVEL

work=$(mktemp -d)
cleanup()
{
	local job
	# Or a second Ctrl-C would leave things half cleaned up.
	trap '' INT TERM HUP
	for job in $(jobs -p); do
		kill -- "-$job" 2>/dev/null || true
		wait "$job" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# start COMMAND... : as a job, in a process group of its own, so that all of it can be
# ended; sets $child
start()
{
	set -m
	"$@" </dev/null &
	child=$!
	set +m
}

# run COMMAND... : and waits for it, which keeps no signal waiting
run()
{
	start "$@"
	wait "$child"
}

passed=0 failed=0 skipped=0

pass()
{
	echo "ok     $1"
	passed=$((passed + 1))
}

# failure NAME [LOG] : with the end of the log
failure()
{
	echo "FAILED $1"
	[[ ! -s ${2-} ]] || tail -n 100 "$2" | sed 's/^/       /'
	failed=$((failed + 1))
}

# result NAME COMMAND... : passes if the command does
result()
{
	local name=$1
	shift
	if "$@" >"$work/result" 2>&1; then
		pass "$name"
	else
		failure "$name" "$work/result"
	fi
}

# total : the last line; fails if anything did, or there was nothing
total()
{
	local line="$passed passed, $failed failed"
	((skipped == 0)) || line+=", $skipped skipped"
	echo "$line"
	((failed == 0 && passed > 0))
}
