#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of the system tests that runs in the virtual machine: the helpers of
# the scenarios, and the loop over them.
#
#	guest.sh SCENARIO...
# shellcheck shell=dash disable=SC2015,SC2086
# shellcheck disable=SC2154 # the variables of the sample's status

status=/sys/module/kcopyd_copy/parameters/status
configfs=/sys/kernel/config/nullb

# ---------------------------------------------------------------------------
# Cases

# fail REASON... : ends the case, or the run if there is none
fail() {
	echo "$*" >/tmp/reason
	[ -n "$in_case" ] || echo "FAILED  $scenario: $*"
	exit 1
}

# skip REASON... : ends the case, because the kernel cannot do it. Not by 1 or 2,
# which is how the shell ends after errors in a script.
skip() {
	echo "$*" >/tmp/reason
	exit 77
}

# hangs WHAT... : ends the case and the run
hangs() {
	echo "hangs: $*" >/tmp/reason
	exit 99
}

# case_ NAME FUNCTION [ARG...] : runs a test case in a shell of its own; whatever
# it leaves behind of the sample module goes away
case_() {
	local name="$scenario: $1" code=0
	shift
	echo "kcopyd-test: $name" >/dev/kmsg
	: >/tmp/reason
	(in_case=y; "$@") >/tmp/output 2>&1 || code=$?
	# What hangs cannot be unloaded, and would hang the rest too.
	[ $code -ne 99 ] || {
		echo "FAILED  $name: $(cat /tmp/reason)"
		dmesg | tail -n 5 | sed 's/^/        /'
		exit 1
	}
	for module in kcopyd_copy kcopyd_cpp_copy kcopyd_torture kcopyd_exhaust kcopyd_costs; do
		[ ! -d /sys/module/$module ] || rmmod $module || {
			echo "$module cannot be unloaded" >>/tmp/reason
			code=1
		}
	done
	case $code in
	0)	echo "ok      $name" ;;
	77)	echo "skipped $name: $(cat /tmp/reason)" ;;
	*)	echo "FAILED  $name: $(cat /tmp/reason)"
		tail -n 5 /tmp/output | sed 's/^/        /' ;;
	esac
}

# ---------------------------------------------------------------------------
# Copies

# start PARAMETER... : loads the sample, which starts to copy
start() {
	modprobe kcopyd-copy "$@" ||
		fail "not accepted: $(dmesg | grep kcopyd | tail -n 2)"
}

# seconds : since the start of the kernel
seconds() { cut -d. -f1 /proc/uptime; }

# until_done : waits, and sets state, done, total, read_err, write_err and submit_err
until_done() {
	local end=$(($(seconds) + 300))
	while :; do
		eval "$(cat $status)"
		[ "$state" = copying ] || break
		[ "$(seconds)" -lt $end ] || hangs "$done of $total sectors are copied"
		sleep 0.1
	done
	rmmod kcopyd-copy || fail 'the sample cannot be unloaded'
}

# copy PARAMETER... : copies, without caring how that ends
copy() {
	start "$@"
	until_done
}

# expect STATE READ_ERR WRITE_ERR [SUBMIT_ERR] : how it should have ended
expect() {
	[ "$state" = "$1" ] && [ "$read_err" = "$2" ] && [ "$write_err" = "$3" ] &&
		[ "$submit_err" = "${4:-0}" ] ||
		fail "expected $1, read error $2, write errors $3, rejected ${4:-0}; is: $state, $read_err, $write_err, $submit_err"
}

# copy_ok PARAMETER... : copies all of it without an error
copy_ok() {
	copy "$@"
	expect 'done' 0 0x0
	[ "$done" = "$total" ] || fail "only $done of $total sectors"
}

# rejected TEXT PARAMETER... : kcopyd or the sample refuses, and the log has TEXT
rejected() {
	local text=$1
	shift
	dmesg -c >/dev/null
	! modprobe kcopyd-copy "$@" 2>/tmp/modprobe || fail "accepted: $*"
	dmesg | grep -q "kcopyd.*$text" ||
		fail "expected in the log: $text; is: $(dmesg | grep kcopyd | tail -n 1)"
}

# errno_is TEXT : the last rejection had this errno, in modprobe's words
errno_is() {
	grep -q "$1" /tmp/modprobe || fail "expected: $1; is: $(cat /tmp/modprobe)"
}

fill() {
	local message
	message=$(sectors fill "$@") || fail "$message"
}

# The arguments are those of sectors check
check() {
	local message
	message=$(sectors check "$@") || fail "$message"
}

# The same for sectors prefix; sets prefix to where the prefix ends
check_prefix() {
	prefix=$(sectors prefix "$@") || fail "$prefix"
}

# ---------------------------------------------------------------------------
# Devices

# null_blk NAME ATTRIBUTE=VALUE... : makes /dev/NAME, 32 MiB in memory unless told
null_blk() {
	local name=$1 attribute
	shift
	mkdir "$configfs/$name" || fail "no null_blk $name"
	for attribute in memory_backed=1 size=32 "$@" power=1; do
		echo "${attribute#*=}" >"$configfs/$name/${attribute%%=*}" ||
			fail "null_blk $name: $attribute"
	done
	[ -b "/dev/$name" ] || fail "null_blk made no /dev/$name"
}

no_null_blk() {
	local name
	for name; do
		[ ! -d "$configfs/$name" ] || rmdir "$configfs/$name"
	done
}

no_null_blks() {
	local dir
	for dir in "$configfs"/*/; do
		[ ! -d "$dir" ] || rmdir "$dir"
	done
}

# dm NAME TABLE : makes /dev/mapper/NAME; TABLE has lines split by ;
dm() {
	echo "$2" | tr ';' '\n' | dmsetup create "$1" --noudevsync || fail "no $1"
	dmsetup mknodes "$1"
	[ -b "/dev/mapper/$1" ] || fail "no /dev/mapper/$1"
}

# What is suspended would hang, and with it what is on it.
no_dm() {
	dmsetup info -c --noheadings --separator ' ' -o name,suspended 2>/dev/null |
		while read -r name is; do
			[ "$is" != Suspended ] || dmsetup resume "$name" --noudevsync
		done >/dev/null 2>&1
	dmsetup remove_all --noudevsync --force >/dev/null 2>&1
}

# bad NAME FIRST LAST : these sectors of a null_blk cannot be read or written
bad() {
	local first=$2 last
	# Larger pieces get lost in the kernel's table.
	while [ "$first" -le "$3" ]; do
		last=$((first + 255))
		[ $last -le "$3" ] || last=$3
		echo "+$first-$last" >"$configfs/$1/badblocks" || fail 'no bad blocks'
		first=$((last + 1))
	done
}

# good NAME FIRST LAST : and now they can
good() { echo "-$2-$3" >"$configfs/$1/badblocks"; }

# sdebug PARAMETER... : loads scsi_debug with one disk of 32 MiB, sets sd to it
sdebug() {
	local i=0
	modprobe sd_mod
	modprobe scsi_debug dev_size_mb=32 "$@" || fail 'no scsi_debug'
	while :; do
		sd=$(ls -d /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/* 2>/dev/null)
		sd=/dev/${sd##*/}
		[ ! -b "$sd" ] || break
		i=$((i + 1))
		[ $i -lt 100 ] || fail 'scsi_debug made no disk'
		sleep 0.1
	done
}

# ---------------------------------------------------------------------------
# Nothing left: see exhaust.c, which has been loaded before

exhaust=/sys/module/kcopyd_exhaust/parameters
threads_max=/proc/sys/kernel/threads-max

# take memory|workers : all of it, or all of both. Without workers nothing can be started
# until it is given back, not even a process: only what the shell does itself is there.
take() {
	local code=0
	threads=$(cat $threads_max)
	trap give EXIT
	if [ $1 = memory ]; then
		echo 1 >$exhaust/taken || code=1
	else
		echo 20 >$threads_max
		echo 2 >$exhaust/taken || code=1
	fi
	[ $code = 0 ] || { give; fail "$1 cannot be taken: $(dmesg | tail -n 1)"; }
}

# The only worker of a CPU may be waiting to make another one, and then does nothing else.
give() {
	echo $threads >$threads_max
	echo 0 >$exhaust/taken
}

# ---------------------------------------------------------------------------

in_case=
# One scenario is whether it can be.
[ "$*" = secureboot ] || modprobe kcopyd || { echo 'FAILED  kcopyd.ko cannot be loaded'; exit 1; }
modprobe null_blk nr_devices=0

# shellcheck disable=SC1091
[ ! -f /settings ] || . /settings

for scenario; do
	begin=$(seconds)
	# shellcheck disable=SC1090
	. "/system/$scenario.sh"
	no_null_blks
	echo "        ($scenario: $(($(seconds) - begin)) s)"
done
[ "$*" = secureboot ] || rmmod kcopyd || echo 'FAILED  kcopyd.ko cannot be unloaded'
echo 'all scenarios ran'
