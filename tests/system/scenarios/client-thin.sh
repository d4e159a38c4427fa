# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# The kernel's dm-thin, on kcopyd. /dev/na has the metadata, /dev/nb the data.

message() { dmsetup message pool 0 "$@" || fail "the pool: $*"; }

# pool [FEATURE...] : with blocks of 64 KiB
pool() {
	dd if=/dev/zero of=/dev/na bs=64k count=1 2>/dev/null
	blockdev --flushbufs /dev/na
	fill /dev/nb 9
	dm pool "0 65536 thin-pool /dev/na /dev/nb 128 0 $# $*"
	[ -d /sys/module/kcopyd/holders/dm_thin_pool ] || fail 'dm-thin does not use kcopyd'
	message 'create_thin 0'
	dm thin '0 32768 thin /dev/mapper/pool 0'
}

# A write of less than a block: the rest of it reads as zeroes, not as what was there.
zeroes() {
	pool
	fill /dev/mapper/thin 1 1000 8
	check /dev/mapper/thin 0 896 104
	check /dev/mapper/thin 1 1000 8
	check /dev/mapper/thin 0 1008 16
}

# Writes that are less than a block break the sharing by a copy.
snapshots() {
	local first
	pool "$@"
	fill /dev/mapper/thin 1
	dmsetup suspend thin --noudevsync
	message 'create_snap 1 0'
	dmsetup resume thin --noudevsync
	dm snap '0 32768 thin /dev/mapper/pool 1'
	for first in 0 1000 5003 12345 30000; do
		fill /dev/mapper/thin 2 $first 11
		fill /dev/mapper/snap 3 $((first + 200)) 5
	done
	check /dev/mapper/snap 1 0 200
	check /dev/mapper/snap 3 200 5
	check /dev/mapper/snap 1 205 995
	check /dev/mapper/snap 3 1200 5
	check /dev/mapper/snap 1 1205 3998
	check /dev/mapper/thin 2 0 11
	check /dev/mapper/thin 1 11 989
	check /dev/mapper/thin 2 1000 11
	check /dev/mapper/thin 1 1011 3992
	check /dev/mapper/thin 2 30000 11
	check /dev/mapper/thin 1 30011 2757
}

# each NAME FUNCTION [ARG...]
each() {
	no_null_blks
	for name in na nb; do
		null_blk $name
	done
	case_ "$@"
	no_dm
}

modprobe dm-thin-pool
each 'new blocks are zeroed' zeroes
each 'snapshots' snapshots
each 'snapshots, without zeroing' snapshots skip_block_zeroing
no_null_blks
rmmod dm-thin-pool || echo "FAILED  $scenario: dm-thin-pool cannot be unloaded"
