# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Other drivers: a RAM disk, and a loop device on a file.

to_brd() {
	modprobe brd rd_nr=2 rd_size=16384 || fail 'no brd'
	fill /dev/ram0 1
	fill /dev/ram1 2
	copy_ok src=/dev/ram0 dst=/dev/ram1
	check /dev/ram1 1
	copy_ok src=/dev/ram0 dst=/dev/ram1@1000 sector=7 count=9999
	check /dev/ram1 1 1000 9999 7
	check /dev/ram1 1 10999 0
}

to_loop() {
	modprobe loop
	truncate -s 16M /tmp/loop
	loop=$(losetup -f) && losetup "$loop" /tmp/loop || fail 'no loop device'
	copy_ok src=/dev/na "dst=$loop" count=32768
	check "$loop" 1
	fill /dev/nb 2
	copy_ok "src=$loop" dst=/dev/nb@100 count=20000
	check /dev/nb 1 100 20000 0
	check /dev/nb 2 20100 0
	losetup -d "$loop"
	# The file itself, past the loop device
	check_file=$(cmp -n 16777216 /dev/na /tmp/loop) || fail "the file differs: $check_file"
}

no_null_blks
null_blk na
null_blk nb
fill /dev/na 1
case_ 'RAM disks' to_brd
[ ! -d /sys/module/brd ] || rmmod brd
case_ 'a loop device' to_loop
rm -f /tmp/loop
