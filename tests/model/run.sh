#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Checks the model of the life of copies, in job.pml, in each of the configurations
# below and to the end: every state that can be reached is. Then that each move of
# core/states.h is one that the model makes, that Documentation/states.rst has the
# same moves, and that what breaks the model on purpose is found.
#
#	run.sh [CONFIGURATION...]
#
# Only these, and not what needs all of them. What is broken is a configuration, too.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/lib.sh
. tests/lib.sh

tests/qemu/deps.sh model

# build DEFINITION... : makes $work/pan
build() {
	rm -f "$work"/pan* "$work"/*.trail
	# Spin's own use of the preprocessor leaves lines that it cannot read inside inlines.
	cpp -P -undef -nostdinc "${@/#/-D}" tests/model/job.pml "$work/job.pml" &&
		run env -C "$work" spin -a job.pml &&
		run env -C "$work" gcc -O0 -w -DSAFETY -DMEMLIM=3800 -o pan pan.c
}

# search : exhaustive, and stops at the first error
search() {
	run env -C "$work" timeout 600 ./pan -m1000000 -n
}

wanted() {
	local name=$1
	shift
	[ $# -eq 0 ] || [[ " $* " == *" $name "* ]]
}

# config NAME DEFINITION... : must be free of errors
config() {
	local name=$1 log=$work/$1.log
	shift
	wanted "$name" "${only[@]}" || return 0
	if ! build "$@" >"$log" 2>&1; then
		failure "$name: the model does not build" "$log"
		return
	fi
	search >"$log" 2>&1 || true
	cat "$log" >>"$work/all"
	if grep -q 'errors: 0$' "$log" && ! grep -qE 'search depth too small|out of memory|not completed' "$log"; then
		pass "$name: $(sed -nE 's/^ *([0-9]+) states, stored.*/\1 states/p' "$log"), depth $(sed -nE 's/.*depth reached ([0-9]+),.*/\1/p' "$log")"
	else
		failure "$name: $*" "$log"
	fi
}

# broken NAME WHAT DEFINITION... : the error must be found, and be WHAT
broken() {
	local name=$1 what=$2 log=$work/$1.log
	shift 2
	wanted "$name" "${only[@]}" || return 0
	if ! build "$@" >"$log" 2>&1; then
		failure "$name: the model does not build" "$log"
		return
	fi
	search >"$log" 2>&1 || true
	if grep -qF -- "$what" "$log"; then
		pass "$name is found: $(sed -nE 's/^pan:[0-9]+: (.*) \(at depth.*/\1/p' "$log" | head -n 1)"
	else
		failure "$name is not found: $*" "$log"
	fi
}

# table MACRO KIND : the moves of core/states.h, a line each
table() {
	cpp -P -undef -nostdinc -D"KCOPYD_$1_MOVE(from, to)=$2 from to" core/states.h | sed '/^ *$/d; s/^ *//' | sort
}

only=("$@")
: >"$work/all"

config plain
config plain-one CHUNKS=3 ONE=1 ANYTIME=1 CANCELS=2
config twice CANCELS=2 NOFAIL=1
config one-page PAGES=1 CHUNKS=3
config shares SHARES=1 NOFAIL=1
config shares-errors SHARES=1 ONE=1 CHUNKS=3
config no-cancel CHUNKS=3 CANCELS=0 PAGES=1 SHARES=1 NOFAIL=1
config throttle THROTTLE=1 ANYTIME=1 NOFAIL=1
config throttle-shares THROTTLE=1 SHARES=1 NOFAIL=1
config sync SYNC=1 ANYTIME=1 NOFAIL=1
config sync-errors SYNC=1 ANYTIME=1 ONE=1
config prepared PREPARE=1 ANYTIME=1 NOFAIL=1
config callback-submits RESUBMIT=1 ANYTIME=1
config sequence SEQ=1
config sequence-of-3 SEQ=1 CHUNKS=3 ONE=1 CANCELS=2
config sequence-one-page SEQ=1 CHUNKS=3 PAGES=1 NOFAIL=1
config zero ZERO=1 CHUNKS=3 ONE=1 THROTTLE=1 ANYTIME=1
config zero-sequence ZERO=1 SEQ=1 CHUNKS=3 THROTTLE=1 NOFAIL=1
config zero-sequence-errors ZERO=1 SEQ=1 CHUNKS=3 THROTTLE=1 ONE=1
config ignore IGNORE=1 CHUNKS=3 ONE=1
config ignore-pieces IGNORE=1 PIECES=2 ONE=1 CANCELS=2
config verify VERIFY=1 PAGES=4 ONE=1
config verify-both VERIFY=1 PAGES=2 CHUNKS=1
config verify-ignore VERIFY=1 IGNORE=1 PIECES=2 CHUNKS=1 ONE=1 PAGES=2
config flush FLUSH=1 ONE=1 CHUNKS=3
config flush-both FLUSH=1 CHUNKS=1
config flush-ignore FLUSH=1 IGNORE=1 PIECES=2 CHUNKS=1 ONE=1
config all-flags SEQ=1 VERIFY=1 FLUSH=1 PAGES=4 ONE=1
config empty CHUNKS=0
config empty-flush CHUNKS=0 FLUSH=1 CANCELS=2

broken early-callback 'assertion violated' BREAK_EARLY=1 ONE=1
broken lost-page 'assertion violated' BREAK_LEAK=1 ONE=1
broken cancel-passes-waiting 'assertion violated' BREAK_CANCEL_WAITING=1 NOFAIL=1
broken cancel-wins-twice 'assertion violated' BREAK_CANCEL_TWICE=1 CANCELS=2 NOFAIL=1
broken write-after-failure 'assertion violated' BREAK_SEQ=1 SEQ=1 ONE=1
broken write-out-of-order 'assertion violated' BREAK_ORDER=1 SEQ=1 ONE=1
broken nobody-wakes-up 'invalid end state' BREAK_WAKEUP=1 PAGES=1 NOFAIL=1
broken destroy-does-not-wait 'assertion violated' BREAK_DESTROY=1 ONE=1 NOFAIL=1
broken no-such-move 'assertion violated' BREAK_MOVE=1 ONE=1 NOFAIL=1

if [ ${#only[@]} -eq 0 ]; then
	{ table PART part; table JOB job; } | sort >"$work/table"
	sed -n 's/^moved //p' "$work/all" | sort -u >"$work/moved"
	if diff "$work/table" "$work/moved" >"$work/diff"; then
		pass "all $(wc -l <"$work/table") moves of core/states.h are made"
	else
		failure "moves of core/states.h that the model never makes" "$work/diff"
	fi

	awk '/^Parts$/ { kind = "part" } /^Jobs$/ { kind = "job" }
	     /^What is checked$/ { exit }
	     kind && $1 ~ /^[A-Z]+$/ && $2 ~ /^[A-Z]+$/ { print kind, $1, $2 }' \
		Documentation/states.rst | sort >"$work/documented"
	if diff "$work/table" "$work/documented" >"$work/diff"; then
		pass "Documentation/states.rst has the moves of core/states.h"
	else
		failure "Documentation/states.rst has other moves than core/states.h" "$work/diff"
	fi
fi

total
