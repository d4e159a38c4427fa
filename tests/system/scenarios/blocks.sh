# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Devices with logical blocks of 512 and of 4096 bytes.

to_4k() {
	fill /dev/n4 2
	copy_ok src=/dev/na dst=/dev/n4@16 sector=8 count=5000
	check /dev/n4 1 16 5000 8
	check /dev/n4 2 0 16
	check /dev/n4 2 5016 0
}

from_4k() {
	fill /dev/n4 4
	fill /dev/nb 2
	copy_ok src=/dev/n4 dst=/dev/nb
	check /dev/nb 4
}

unaligned() {
	fill /dev/n4 2
	rejected 'not aligned' src=/dev/na dst=/dev/n4 sector=0 count=4
	errno_is 'Invalid'
	rejected 'not aligned' src=/dev/na dst=/dev/n4@0 sector=1 count=8
	rejected 'not aligned' src=/dev/na dst=/dev/n4@4 sector=0 count=8
	rejected 'not aligned' src=/dev/n4 dst=/dev/nb sector=4 count=8
	# One of two destinations is enough.
	rejected 'not aligned' src=/dev/na dst=/dev/nb,/dev/n4 sector=0 count=12
	check /dev/n4 2
}

# The smallest piece that can be told apart is a block of either device.
bad_to_4k() {
	fill /dev/n4 2
	bad na 4099 4099
	copy src=/dev/na dst=/dev/n4 ignore_error=1
	expect done-with-errors -5 0x0
	check /dev/n4 1 --other 2 4096+8
}

no_null_blks
null_blk na
null_blk nb
null_blk n4 blocksize=4096
fill /dev/na 1
case_ '512 to 4096' to_4k
case_ '4096 to 512' from_4k
case_ 'ranges that are not aligned are rejected' unaligned
case_ 'a bad sector, from 512 to 4096' bad_to_4k
