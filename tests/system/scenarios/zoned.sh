# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Host-managed zoned destinations: each zone takes writes in order only, and the
# driver refuses any other, so what arrives was written in order.

zone=8192	# sectors

zoned() {
	null_blk "$1" zoned=1 zone_size=4 zone_nr_conv="${2:-0}"
}

lands() {
	zoned z1
	zoned z2
	copy_ok src=/dev/na dst=/dev/z1,/dev/z2 chunk_kb=65536
	check /dev/z1 1
	check /dev/z2 1
}

# Only the second half of the device, and a conventional destination besides
middle() {
	zoned z3 2
	copy_ok src=/dev/na dst=/dev/z3,/dev/nb "sector=$((4 * zone))" chunk_kb=65536
	check /dev/z3 1 $((4 * zone)) 0
	check /dev/nb 1 $((4 * zone)) 0
}

# A write away from the write pointer is refused by the device: the copy says so.
wrong_place() {
	zoned z4
	copy src=/dev/na dst=/dev/z4@8 sector=8 count=1024
	expect failed 0 0x1
}

# What was written before the bad sector is right, and nothing comes after.
read_error() {
	zoned z5
	bad na "$1" "$1"
	copy src=/dev/na dst=/dev/z5 chunk_kb=65536 ignore_error=1
	expect failed -5 0x0
	check_prefix /dev/z5 1 --then 0
	[ "$prefix" -le $(($1 / 8 * 8)) ] || fail "written up to $prefix"
	[ "$prefix" -ge $(($1 - 2 * 1024)) ] || fail "it stopped at $prefix"
}

no_null_blks
null_blk na
null_blk nb
fill /dev/na 1
case_ 'two zoned destinations' lands
case_ 'a zoned and a conventional destination' middle
case_ 'away from the write pointer' wrong_place
case_ 'a read error in the first part' read_error 5
good na 5 5
no_null_blk z5
case_ 'a read error in the middle' read_error 30001
