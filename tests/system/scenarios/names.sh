# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2154 # they share variables with guest.sh
#
# By what names tables call the targets, and what loads their modules.

# targets_are NAME... : device-mapper has these of ours and mainline's, and no others
targets_are() {
	local is
	is=$(dmsetup targets | sed -n '/^k\|^mirror\|^snap/s/ .*//p' | sort | xargs)
	[ "$is" = "$*" ] || fail "targets: $is, not $*"
}

# version_is TARGET VERSION
version_is() {
	dmsetup targets | grep -q "^$1 *v$2\$" || fail "version: $(dmsetup targets | grep "^$1 ")"
}

# used_by MODULE... : so many tables have a target of each
used_by() {
	local module
	for module; do
		[ "$(cat "/sys/module/$module/refcnt" 2>/dev/null)" = 1 ] || fail "$module is not used"
	done
}

own() {
	targets_are
	fill /dev/na 1
	fill /dev/nb 2
	dm m '0 65536 kmirror core 1 1024 2 /dev/na 0 /dev/nb 0'
	used_by kcopyd_mirror
	targets_are kmirror
	dmsetup remove m --noudevsync
	dm o '0 65536 ksnap-origin /dev/na'
	used_by kcopyd_snapshot
	targets_are kmirror ksnap-origin ksnapshot ksnapshot-merge
	dmsetup remove o --noudevsync
	rmmod kcopyd-snapshot
	dm s '0 65536 ksnapshot /dev/na /dev/nc P 16'
	used_by kcopyd_snapshot
	dm k '0 65536 skeleton /dev/na 0'
	used_by kcopyd_dm_skeleton
}

# Both names are the same target: here a snapshot by one, its origin by the other.
mainline() {
	modprobe kcopyd-mirror mainline_names=1
	modprobe kcopyd-snapshot mainline_names=1
	targets_are kmirror ksnap-origin ksnapshot ksnapshot-merge mirror snapshot \
		snapshot-merge snapshot-origin
	version_is mirror 1.14.0
	version_is kmirror 1.0.0
	version_is snapshot 1.16.0
	version_is snapshot-origin 1.9.0
	version_is snapshot-merge 1.5.0
	[ "$(cat /sys/module/kcopyd_mirror/parameters/mainline_names)" = Y ] || fail 'no parameter'
	fill /dev/na 1
	dm s '0 65536 snapshot /dev/na /dev/nc P 16'
	dm o '0 65536 ksnap-origin /dev/na'
	fill /dev/mapper/o 2 100 100
	check /dev/mapper/s 1
	check /dev/mapper/o 2 100 100
	[ "$(dmsetup table s)" = "0 65536 snapshot $(cat /sys/block/na/dev) $(cat /sys/block/nc/dev) P 16" ] ||
		fail "table: $(dmsetup table s)"
	no_dm
	dm m '0 65536 mirror core 1 1024 2 /dev/na 0 /dev/nb 0'
	used_by kcopyd_mirror
	! rmmod kcopyd-mirror 2>/dev/null || fail 'it was unloaded, though it is used'
}

# in_the_way MODULE TARGETS : mainline's module, and its targets: it says what to do, and
# that helps
in_the_way() {
	modprobe "dm-$1"
	dmesg -c >/dev/null
	! modprobe "kcopyd-$1" mainline_names=1 2>/dev/null || fail 'it was loaded'
	[ "$(dmesg | grep -c kcopyd_)" = 1 ] &&
		dmesg | grep -q "kcopyd_$1: there is a target $1 already: unload dm-$1 first, or" ||
		fail "the log says: $(dmesg | tail -n 3)"
	[ ! -d "/sys/module/kcopyd_$1" ] || fail 'it stays'
	# None of its names stays registered, or mainline's would be in nobody's.
	targets_are "$2"
	modprobe "kcopyd-$1" || fail 'nor is it without that'
	rmmod "kcopyd-$1"
	rmmod "dm-$1"
	modprobe "kcopyd-$1" mainline_names=1 || fail 'nor is it alone'
	# The other way round it is for mainline to complain.
	modprobe "dm-$1" 2>/dev/null
	[ ! -d "/sys/module/dm_$1" ] && [ -d "/sys/module/kcopyd_$1" ] || fail 'both were loaded'
}

# As the documentation advises it: mainline's modules are never loaded.
configured() {
	cp /mainline-names.conf /etc/modprobe.d/
	fill /dev/na 1
	fill /dev/nb 2
	dm m '0 65536 mirror core 1 1024 2 /dev/na 0 /dev/nb 0'
	used_by kcopyd_mirror
	[ ! -d /sys/module/dm_mirror ] || fail 'dm-mirror was loaded'
	dmsetup remove m --noudevsync
	dm o '0 65536 snapshot-origin /dev/na'
	used_by kcopyd_snapshot
	[ ! -d /sys/module/dm_snapshot ] || fail 'dm-snapshot was loaded'
}

# each NAME FUNCTION [ARG...]
each() {
	for name in na nb nc; do
		null_blk $name
	done
	case_ "$@"
	no_dm
	no_null_blks
	rm -f /etc/modprobe.d/*
	for name in kcopyd_mirror kcopyd_snapshot kcopyd_dm_skeleton kcopyd_dm dm_mirror dm_snapshot; do
		[ ! -d /sys/module/$name ] || rmmod $name ||
			echo "FAILED  $scenario: $name cannot be unloaded"
	done
}

mkdir -p /etc/modprobe.d
each 'a table loads what has its targets' own
each "mainline's names, besides" mainline
each 'dm-mirror is in the way' in_the_way mirror mirror
each 'dm-snapshot is in the way' in_the_way snapshot \
	'snapshot snapshot-merge snapshot-origin'
each "modprobe loads it in mainline's place" configured
