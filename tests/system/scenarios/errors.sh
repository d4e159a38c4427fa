# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Sectors that cannot be read or written: bad blocks of null_blk.

sectors=65536	# of each device

# unreadable GRANULES FIRST... : with ignore_error nothing is missing but these
# 4 KiB pieces, given by their first sectors; GRANULES is how many
unreadable() {
	local first others='' name
	for name in nb nc; do
		fill /dev/$name 2
	done
	copy src=/dev/na dst=/dev/nb,/dev/nc ignore_error=1
	expect done-with-errors -5 0x0
	[ "$done" = "$total" ] || fail "only $done of $total sectors"
	for first; do
		others="$others --other 2 $first+8"
	done
	for name in nb nc; do
		# shellcheck disable=SC2086
		check /dev/$name 1 $others
	done
}

# read_ignored BAD... : each BAD is a sector
read_ignored() {
	local sector granules=
	for sector; do
		bad na "$sector" "$sector"
		granules="$granules $((sector / 8 * 8))"
	done
	# shellcheck disable=SC2086
	unreadable $granules
}

# Where a granule begins is counted from the start of the range.
granule_from_start() {
	bad na 1000 1000
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/nb@3 sector=3 count=5000 ignore_error=1
	expect done-with-errors -5 0x0
	check /dev/nb 1 3 5000 --other 2 995+8
	check /dev/nb 2 0 3
	check /dev/nb 2 5003 0
}

# In an odd range the last granule is a short one.
odd_tail() {
	bad na 5002 5002
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/nb sector=0 count=5003 ignore_error=1
	expect done-with-errors -5 0x0
	check /dev/nb 1 0 5003 --other 2 5000+3
	check /dev/nb 2 5003 0
}

all_bad() {
	bad na 0 $((sectors - 1))
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/nb ignore_error=1 count=2048
	expect done-with-errors -5 0x0
	check /dev/nb 2
}

# Whole areas, each granule of which cannot be read
area() {
	bad na 3000 9000
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/nb ignore_error=1
	expect done-with-errors -5 0x0
	check /dev/nb 1 --other 2 3000+6008
}

# read_stops BAD CHUNK : without ignore_error; nothing wrong is written
read_stops() {
	bad na "$1" "$1"
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/nb "chunk_kb=$2"
	expect failed -5 0x0
	check /dev/nb 2 $(($1 / 8 * 8)) 8
}

# seq_read_stops BAD : in sequence the destinations have everything up to some
# place before the bad sector, and nothing after it
seq_read_stops() {
	local name
	bad na "$1" "$1"
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/nb,/dev/nc write_seq=1 chunk_kb=65536 ignore_error=1
	expect failed -5 0x0
	for name in nb nc; do
		check_prefix /dev/$name 1 --then 2
		[ "$prefix" -le $(($1 / 8 * 8)) ] || fail "$name is written up to $prefix"
		# The part before, which is written meanwhile, may be missing.
		[ "$prefix" -ge $(($1 - 2 * 1024)) ] || fail "$name ends at $prefix"
	done
}

# seq_write_stops BAD : a write to the second of two destinations fails; that
# part, of 512 KiB, may have got anywhere, but none after it
seq_write_stops() {
	local part=$(($1 / 1024 * 1024))
	bad nc "$1" "$1"
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/nb,/dev/nc write_seq=1 chunk_kb=65536 ignore_error=1
	expect failed 0 0x2
	good nc "$1" "$1"
	check_prefix /dev/nc 1 --other - $part+1024 --then 2
	[ "$prefix" -eq $((part + 1024)) ] || fail "nc is written up to $prefix"
	check_prefix /dev/nb 1 --then 2
	[ "$prefix" -eq $part ] || [ "$prefix" -eq $((part + 1024)) ] ||
		fail "nb is written up to $prefix"
}

# merged BAD CHUNK : small copies side by side, which the block layer may make
# one request of, in which a bad sector is not a neighbour's fault
merged() {
	bad na "$1" "$1"
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/nb ignore_error=1 "chunk_kb=$2" count=8192
	expect done-with-errors -5 0x0
	check /dev/nb 1 0 8192 --other 2 $(($1 / 8 * 8))+8
}

write_ignored() {
	local name
	for name in nb nc nd; do
		fill /dev/$name 2
	done
	bad nc 20000 20000
	copy src=/dev/na dst=/dev/nb,/dev/nc,/dev/nd ignore_error=1
	expect done-with-errors 0 0x2
	good nc 20000 20000
	[ "$done" = "$total" ] || fail "only $done of $total sectors"
	check /dev/nb 1
	check /dev/nd 1
	# A failed write may have got anywhere within its part of 512 KiB.
	check /dev/nc 1 --other - 19456+1024
}

# It gets nothing more, and the others get all.
write_left_out() {
	local name
	for name in nb nc nd; do
		fill /dev/$name 2
	done
	bad nc 20000 20000
	copy src=/dev/na dst=/dev/nb,/dev/nc,/dev/nd chunk_kb=512
	expect done-with-errors 0 0x2
	good nc 20000 20000
	[ "$done" = "$total" ] || fail "only $done of $total sectors"
	check /dev/nb 1
	check /dev/nd 1
	check /dev/nc 2 30000 0
}

# The second one when the first one has failed
write_stops() {
	bad nc 20000 20000
	bad nd 40000 40000
	copy src=/dev/na dst=/dev/nc,/dev/nd chunk_kb=512
	expect failed 0 0x3
	[ "$done" -lt "$total" ] || fail 'it did not stop'
}

both_ignored() {
	local name
	for name in nb nc nd; do
		fill /dev/$name 2
	done
	bad na 4097 4097
	bad nb 20000 20000
	bad nd 0 0
	copy src=/dev/na dst=/dev/nb,/dev/nc,/dev/nd ignore_error=1
	expect done-with-errors -5 0x5
	good nb 20000 20000
	good nd 0 0
	check /dev/nc 1 --other 2 4096+8
	check /dev/nb 1 --other 2 4096+8 --other - 19456+1024
	check /dev/nd 1 --other 2 4096+8 --other - 0+1024
}

# fresh NAME... : null_blks without bad blocks, and with the old seed on them
fresh() {
	no_null_blk na nb nc nd
	for name in na nb nc nd; do
		null_blk $name
	done
	fill /dev/na 1
	fill /dev/nc 2
}

# each NAME FUNCTION [ARG...]
each() {
	fresh
	case_ "$@"
}

each 'one bad sector, ignored' read_ignored 12345
each 'the first sector, ignored' read_ignored 0
each 'the last sector, ignored' read_ignored $((sectors - 1))
each 'around the edge of a part, ignored' read_ignored 1023 1024
each 'several bad sectors, ignored' read_ignored 7 8 100 9000 33333 33350 65000
each 'a bad sector next to small copies' merged 4100 4
each 'a bad sector next to copies of 8 KiB' merged 4100 8
each 'granules from the start of the range' granule_from_start
each 'an odd tail that cannot be read' odd_tail
each 'a whole area, ignored' area
each 'nothing can be read, ignored' all_bad
each 'a bad sector stops the copy' read_stops 12345 4096
each 'a bad sector stops a copy in one piece' read_stops 12345 65536
each 'the first sector stops the copy' read_stops 0 65536
each 'the last sector stops the copy' read_stops $((sectors - 1)) 65536
each 'in sequence, the first sector cannot be read' seq_read_stops 0
each 'in sequence, a sector cannot be read' seq_read_stops 30001
each 'in sequence, the last sector cannot be read' seq_read_stops $((sectors - 1))
each 'in sequence, a write fails' seq_write_stops 30001
each 'in sequence, the first write fails' seq_write_stops 0
each 'one of three destinations fails, ignored' write_ignored
each 'one of three destinations fails' write_left_out
each 'all destinations fail' write_stops
each 'source and two destinations fail, ignored' both_ignored
