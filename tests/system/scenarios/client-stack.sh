# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# The kernel's targets on kcopyd, one on top of the other: a mirror of two snapshots,
# each of a mirror of its own. So one client's callbacks wait for other clients' copies.

throttle=/sys/module/dm_mirror/parameters/raid1_resync_throttle
stacked='top snap1 snap2 origin1 origin2 low1 low2'

# Hundredths of a second since the start of the kernel
centiseconds() { cut -d' ' -f1 /proc/uptime | tr -d .; }

# in_sync MIRROR
in_sync() { dmsetup status $1 | grep -qE ' ([0-9]+)/\1 '; }

# until_in_sync MIRROR SECONDS
until_in_sync() {
	local end=$(($(seconds) + $2))
	until in_sync $1; do
		[ "$(seconds)" -lt $end ] || fail "$1 is not in sync: $(dmsetup status $1)"
		sleep 0.1
	done
}

# mirror NAME REGION DEVICE DEVICE : from the first one to the other
mirror() { dm $1 "0 65536 mirror core 1 $2 2 $3 0 $4 0"; }

# side NUMBER LEG LEG STORE : a mirror, its snapshot, and what it is written by
side() {
	dd if=/dev/zero of=$4 bs=64k count=1 2>/dev/null
	blockdev --flushbufs $4
	mirror low$1 1024 $2 $3
	dm snap$1 "0 65536 snapshot /dev/mapper/low$1 $4 P 16"
	dm origin$1 "0 65536 snapshot-origin /dev/mapper/low$1"
}

# stack [REGION] : it holds what /dev/na does
stack() {
	fill /dev/na 1
	fill /dev/nb 2
	fill /dev/nc 3
	fill /dev/nd 4
	fill /dev/ne 5
	fill /dev/nf 5
	side 1 /dev/na /dev/nb /dev/ne
	side 2 /dev/nc /dev/nd /dev/nf
	mirror top "${1:-1024}" /dev/mapper/snap1 /dev/mapper/snap2
}

# take_memory : all but little of it, as long as files can
take_memory() {
	local kb
	mkdir -p /hog
	mount -t tmpfs -o size=95% none /hog || fail 'no tmpfs'
	kb=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
	dd if=/dev/zero of=/hog/fill bs=1M count=$(((kb - 65536) / 1024)) 2>/dev/null ||
		fail 'memory cannot be filled'
}

give_memory() { umount /hog 2>/dev/null || true; }

# All of its mirrors are brought in sync at once, and its lowest ones are written.
written() {
	stack
	take_memory
	fill /dev/mapper/origin1 6 10000 6000 &
	fill /dev/mapper/origin2 7 30000 6000 &
	fill /dev/mapper/top 8 50000 3000
	fill /dev/mapper/top 8 12001 999
	wait
	until_in_sync top 120
	until_in_sync low1 120
	until_in_sync low2 120
	give_memory
	# What is written at the bottom is not seen above its snapshots.
	for device in top snap1 snap2; do
		check /dev/mapper/$device 1 0 12001
		check /dev/mapper/$device 8 12001 999
		check /dev/mapper/$device 1 13000 37000
		check /dev/mapper/$device 8 50000 3000
		check /dev/mapper/$device 1 53000 12536
	done
	# Nor the other way round.
	for device in /dev/mapper/origin1 /dev/na /dev/nb; do
		check $device 1 0 10000
		check $device 6 10000 6000
		check $device 1 16000 49536
	done
	for device in /dev/mapper/origin2 /dev/nc /dev/nd; do
		check $device 3 0 30000
		check $device 7 30000 6000
		check $device 3 36000 29536
	done
}

# suspended PERCENT REGION : in bounded time, whatever is left of a region at a part a second
suspended() {
	local begin took
	stack $2
	echo $1 >$throttle
	sleep 2
	! in_sync top || fail "in sync at once, at $1 %"
	begin=$(centiseconds)
	dmsetup suspend top --noudevsync || fail 'cannot be suspended'
	took=$(($(centiseconds) - begin))
	echo "        (suspended after $took centiseconds)" >/tmp/took
	dmsetup resume top --noudevsync
	[ $took -lt 2000 ] || fail "suspended only after $took centiseconds"
	echo 100 >$throttle
	until_in_sync top 120
	check /dev/mapper/snap2 1
}

# each NAME FUNCTION [ARG...]
each() {
	local name
	no_null_blks
	for name in na nb nc nd; do
		null_blk $name
	done
	# Each has to hold all of a snapshot.
	null_blk ne size=48
	null_blk nf size=48
	: >/tmp/took
	case_ "$@"
	cat /tmp/took
	give_memory
	echo 100 >$throttle
	for name in $stacked; do
		dmsetup remove $name --noudevsync >/dev/null 2>&1
	done
	no_dm
}

modprobe -a dm-mirror dm-snapshot
each 'it is written while memory is short' written
each 'it is suspended while it copies at 0 %' suspended 0 1024
each 'it is suspended while it copies at 1 %' suspended 1 1024
each 'with large regions, at 0 %' suspended 0 8192
no_null_blks
rmmod dm-mirror dm-snapshot || echo "FAILED  $scenario: the targets cannot be unloaded"
