# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Copies between null_blk devices in memory, without errors: everything arrives,
# and nothing else is touched.

whole() {
	copy_ok src=/dev/na dst=/dev/nb,/dev/nc,/dev/nd
	check /dev/nb 1
	check /dev/nc 1
	check /dev/nd 1
}

# A range to another place on each destination; around it they keep what they have
range() {
	fill /dev/nb 2
	fill /dev/nc 3
	copy_ok src=/dev/na dst=/dev/nb@5,/dev/nc@60001 sector=1001 count=4321
	check /dev/nb 1 5 4321 1001
	check /dev/nb 2 0 5
	check /dev/nb 2 4326 0
	check /dev/nc 1 60001 4321 1001
	check /dev/nc 3 0 60001
	check /dev/nc 3 64322 0
}

sizes() {
	local n
	for n in 1 2 7 8 9 15 17 127 128 129 1023 1025 2049; do
		fill /dev/nb 2 0 4096
		copy_ok src=/dev/na dst=/dev/nb@3 sector=11 count=$n
		check /dev/nb 1 3 $n 11
		check /dev/nb 2 0 3
		check /dev/nb 2 $((n + 3)) $((4096 - n - 3))
	done
}

slices() {
	local kb
	for kb in 1 3 64 1048576; do
		fill /dev/nb 2
		copy_ok src=/dev/na dst=/dev/nb count=20000 chunk_kb=$kb
		check /dev/nb 1 0 20000
		check /dev/nb 2 20000 0
	done
}

sequential() {
	fill /dev/nb 2
	fill /dev/nc 2
	copy_ok src=/dev/na dst=/dev/nb,/dev/nc write_seq=1
	check /dev/nb 1
	check /dev/nc 1
}

same_disk() {
	fill /dev/nb 4
	copy_ok src=/dev/nb dst=/dev/nb@30000,/dev/nb@40000 sector=20000 count=10000
	check /dev/nb 4 0 30000
	check /dev/nb 4 30000 10000 20000
	check /dev/nb 4 40000 10000 20000
	check /dev/nb 4 50000 0
}

# Every bit of write_err has its destination.
destinations() {
	local i list=
	for i in $(seq 0 31); do
		null_blk "many$i" size=4
		list=$list,/dev/many$i
	done
	copy_ok src=/dev/na "dst=${list#,}" count=8192
	for i in $(seq 0 31); do
		check "/dev/many$i" 1
	done
	bad many31 4000 4000
	bad many7 4000 4000
	copy src=/dev/na "dst=${list#,}" count=8192 ignore_error=1
	expect done-with-errors 0 0x80000080
	rejected 'dst' src=/dev/na "dst=${list#,},/dev/nb" count=8192
}

# More sectors than 32 bits can count; the device only keeps what is written.
far_away() {
	null_blk far size=4194304
	fill /dev/far 1 8000000001 50000
	fill /dev/far 2 5000000003 50200
	copy_ok src=/dev/far dst=/dev/far@5000000103 sector=8000000001 count=50000
	check /dev/far 1 5000000103 50000 8000000001
	check /dev/far 2 5000000003 100
	check /dev/far 2 5000050103 100
}

# 1 GiB, on devices that keep nothing
large() {
	null_blk big1 memory_backed=0 size=1024
	null_blk big2 memory_backed=0 size=1024
	copy_ok src=/dev/big1 dst=/dev/big2 chunk_kb=1048576
}

no_null_blks
for name in na nb nc nd; do
	null_blk $name
done
fill /dev/na 1
case_ 'a whole device to three' whole
case_ 'a range to other places' range
case_ 'from 1 sector up' sizes
case_ 'slices from 1 KiB to 1 GiB' slices
case_ 'in sequence' sequential
case_ 'from one place of a disk to another' same_disk
case_ '32 destinations' destinations
case_ 'beyond 2^32 sectors' far_away
case_ '1 GiB in one copy' large
