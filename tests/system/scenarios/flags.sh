# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Salvage, verification, zero detection and flushes on real drivers.

# salvage BAD... : nothing is missing but these sectors
salvage() {
	local others='' bad
	for bad; do
		bad na "$bad" "$bad"
		others="$others --other 2 $bad+1"
	done
	fill /dev/nb 2
	fill /dev/nc 2
	copy src=/dev/na dst=/dev/nb,/dev/nc salvage=1
	expect done-with-errors -5 0x0
	[ "$done" = "$total" ] || fail "only $done of $total sectors"
	check /dev/nb 1 $others
	check /dev/nc 1 $others
}

# Of 4096 bytes: a bad sector is a bad block
salvage_blocks() {
	no_null_blk nb
	null_blk nb blocksize=4096
	bad na 12345 12345
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/nb salvage=1
	expect done-with-errors -5 0x0
	check /dev/nb 1 --other 2 12344+8
}

verify() {
	copy_ok src=/dev/na dst=/dev/nb,/dev/nc verify=1 "$@"
	check /dev/nb 1
	check /dev/nc 1
}

# One of two disks acknowledges everything and keeps nothing.
verify_finds() {
	no_null_blk nb
	null_blk nb memory_backed=0
	copy src=/dev/na dst=/dev/nc,/dev/nb
	expect 'done' 0 0x0
	copy src=/dev/na dst=/dev/nc,/dev/nb verify=1 ignore_error=1
	expect done-with-errors 0 0x2
	check /dev/nc 1
}

# flushes NAME : that the disk was told to do so far
flushes() { awk '{ print $16 }' "/sys/block/$1/stat"; }

flush() {
	local before
	no_null_blk nb
	null_blk nb cache_size=1
	before=$(flushes nb)
	copy_ok src=/dev/na dst=/dev/nb chunk_kb=65536
	[ "$(flushes nb)" -eq "$before" ] || fail 'a flush that nobody asked for'
	copy_ok src=/dev/na dst=/dev/nb chunk_kb=65536 flush=1
	[ "$(flushes nb)" -eq $((before + 1)) ] || fail "$(($(flushes nb) - before)) flushes"
	check /dev/nb 1
}

# A loop device on a file of 16 MiB: what is zeroed there has no memory.
zeroes() {
	local kb
	modprobe loop
	dd if=/dev/zero of=/tmp/loop bs=1M count=16 2>/dev/null
	loop=$(losetup -f) && losetup "$loop" /tmp/loop || fail 'no loop device'
	fill "$loop" 2
	dd if=/dev/zero of=/dev/na bs=1M seek=4 count=8 conv=notrunc 2>/dev/null
	copy_ok src=/dev/na "dst=$loop" count=32768 detect_zeroes=1
	check "$loop" 1 0 8192
	check "$loop" 1 24576 8192
	cmp -n 8388608 "$loop" /dev/zero 4194304 0 || fail 'no zeroes'
	losetup -d "$loop"
	kb=$(du -k /tmp/loop | cut -f1)
	rm /tmp/loop
	[ "$kb" -le 8500 ] || fail "the file takes $kb KiB"
}

# A disk that cannot do it itself gets zeroes.
zeroes_as_data() {
	fill /dev/nb 2
	dd if=/dev/zero of=/dev/na bs=1M seek=4 count=8 conv=notrunc 2>/dev/null
	copy_ok src=/dev/na dst=/dev/nb detect_zeroes=1 verify=1 flush=1
	check /dev/nb 1 0 8192
	check /dev/nb 1 24576 8192
	cmp -n 8388608 /dev/nb /dev/zero 4194304 0 || fail 'no zeroes'
}

# each NAME FUNCTION [ARG...]
each() {
	no_null_blk na nb nc
	null_blk na
	null_blk nb
	null_blk nc
	fill /dev/na 1
	case_ "$@"
}

each 'salvage to a sector' salvage 0 7 8 1023 1024 12345 65535
each 'salvage to a block of 4096 bytes' salvage_blocks
each 'verified' verify
each 'verified, with two pages' verify pages=2
each 'a difference is found' verify_finds
each 'a flush at the end' flush
each 'zeroes give memory back' zeroes
each 'zeroes are written where that is not possible' zeroes_as_data
each 'salvage with a sequence is rejected' rejected 'KCOPYD_SALVAGE leaves gaps' \
	src=/dev/na dst=/dev/nb salvage=1 write_seq=1
each 'verification with one page is rejected' rejected 'cannot hold two logical blocks' \
	src=/dev/nb dst=/dev/na verify=1 pages=1
