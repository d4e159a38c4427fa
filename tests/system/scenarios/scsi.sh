# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# scsi_debug: errors as SCSI disks report them, with sense data.

options() { echo "$1" >/sys/bus/pseudo/drivers/scsi_debug/opts; }

plain() {
	sdebug
	fill "$sd" 2
	copy_ok src=/dev/na "dst=$sd"
	check "$sd" 1
	fill /dev/nb 2
	copy_ok "src=$sd" dst=/dev/nb
	check /dev/nb 1
}

# Sectors 0x1234 (4660) to 4669 report a medium error.
medium_error() {
	sdebug
	fill "$sd" 1
	fill /dev/nb 2
	options 2
	copy "src=$sd" dst=/dev/nb
	expect failed -5 0x0
	check /dev/nb 2 4656 16
	fill /dev/nb 2
	copy "src=$sd" dst=/dev/nb ignore_error=1
	expect done-with-errors -5 0x0
	check /dev/nb 1 --other 2 4656+16
}

blocks_4k() {
	sdebug sector_size=4096
	fill "$sd" 2
	copy_ok src=/dev/na "dst=$sd"
	check "$sd" 1
	rejected 'aligned' src=/dev/na "dst=$sd" sector=4 count=8
}

# each NAME FUNCTION
each() {
	case_ "$@"
	[ ! -d /sys/module/scsi_debug ] || rmmod scsi_debug ||
		echo "FAILED  $scenario: scsi_debug cannot be unloaded after: $1"
}

no_null_blks
null_blk na
null_blk nb
fill /dev/na 1
each 'to a SCSI disk and back' plain
each 'medium errors' medium_error
each 'a SCSI disk with blocks of 4096 bytes' blocks_4k
