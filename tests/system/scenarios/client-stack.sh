# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# The kernel's targets on kcopyd, one on top of the other: a mirror of two snapshots,
# each of a mirror of its own. So one client's callbacks wait for other clients' copies.

throttle=/sys/module/dm_mirror/parameters/raid1_resync_throttle
stacked='top snap1 snap2 origin1 origin2 low1 low2 store1 store2'
sectors=65536	# of each mirror but those of stores
chunk=16	# sectors of a snapshot's
sync=		# or nosync: mirrors are taken for being in sync

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

# mirror NAME REGION DEVICE DEVICE [SECTORS] : from the first one to the other
mirror() { dm $1 "$(table "$@")"; }

table() {
	local log="1 $2"
	[ -z "$sync" ] || log="2 $2 $sync"
	echo "0 ${5:-$sectors} mirror core $log 2 $3 0 $4 0"
}

# again NAME REGION DEVICE DEVICE [SECTORS] : the same mirror is out of sync
again() {
	dmsetup reload $1 --table "$(table "$@")" && dmsetup suspend $1 --noudevsync &&
		dmsetup resume $1 --noudevsync || fail "$1 cannot be changed"
}

# side NUMBER LEG LEG STORE : a mirror, its snapshot, and what it is written by
side() {
	dd if=/dev/zero of=$4 bs=64k count=1 2>/dev/null
	blockdev --flushbufs $4
	mirror low$1 1024 $2 $3
	dm snap$1 "0 $sectors snapshot /dev/mapper/low$1 $4 P $chunk"
	dm origin$1 "0 $sectors snapshot-origin /dev/mapper/low$1"
}

# stack [REGION [STORE STORE]] : it holds what /dev/na does
stack() {
	fill /dev/na 1
	fill /dev/nb 2
	fill /dev/nc 3
	fill /dev/nd 4
	fill /dev/ne 5
	fill /dev/nf 5
	side 1 /dev/na /dev/nb "${2:-/dev/ne}"
	side 2 /dev/nc /dev/nd "${3:-/dev/nf}"
	mirror top "${1:-1024}" /dev/mapper/snap1 /dev/mapper/snap2
}

# take_most : all memory but little of it, as long as files can
take_most() {
	local kb
	mkdir -p /hog
	mount -t tmpfs -o size=95% none /hog || fail 'no tmpfs'
	kb=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
	dd if=/dev/zero of=/hog/fill bs=1M count=$(((kb - 65536) / 1024)) 2>/dev/null ||
		fail 'memory cannot be filled'
}

give_most() { umount /hog 2>/dev/null || true; }

# holds DEVICE SEED [FIRST COUNT SEED]... : all sectors, but those of other seeds in order
holds() {
	local device=$1 seed=$2 at=0
	shift 2
	while [ $# -gt 0 ]; do
		check $device $seed $at $(($1 - at))
		check $device $3 $1 $2
		at=$(($1 + $2))
		shift 3
	done
	check $device $seed $at $((sectors - at))
}

# All of its mirrors are brought in sync at once, and its lowest ones are written.
written() {
	stack
	take_most
	fill /dev/mapper/origin1 6 10000 6000 &
	fill /dev/mapper/origin2 7 30000 6000 &
	fill /dev/mapper/top 8 50000 3000
	fill /dev/mapper/top 8 12001 999
	wait
	until_in_sync top 120
	until_in_sync low1 120
	until_in_sync low2 120
	give_most
	# What is written at the bottom is not seen above its snapshots.
	for device in top snap1 snap2; do
		holds /dev/mapper/$device 1 12001 999 8 50000 3000 8
	done
	# Nor the other way round.
	for device in /dev/mapper/origin1 /dev/na /dev/nb; do
		holds $device 1 10000 6000 6
	done
	for device in /dev/mapper/origin2 /dev/nc /dev/nd; do
		holds $device 3 30000 6000 7
	done
}

# later COMMAND... : a process that begins at a word on descriptor 9. Neither memory for
# one is needed then, nor a fork.
later() {
	(read -r _ <&9; exec "$@") >>/tmp/later 2>&1 &
	writers="$writers $!"
}

# all_ended PID... : they have, well or not
all_ended() {
	local pid state
	for pid; do
		state=Z
		{ read -r _ _ state _ <"/proc/$pid/stat"; } 2>/dev/null
		[ $state = Z ] || return 1
	done
}

# copied COUNT : so many regions of all mirrors
copied() {
	local dir name key value n=0
	for dir in /sys/module/kcopyd/clients/*; do
		read -r name <$dir/name
		[ $name = dm_mirror ] || continue
		while IFS='=' read -r key value; do
			[ $key != copies_done ] || n=$((n + value))
		done <$dir/stats
	done
	[ $n -ge $1 ]
}

# everything_done SECONDS COUNT : without a process, as none can be started
everything_done() {
	local waited=0
	until all_ended $writers && copied $2; do
		waited=$((waited + 1))
		[ $waited -le $(($1 * 2)) ] || return 1
		echo 500 >$exhaust/pause_ms
	done
}

# The same with rescuers alone. What a snapshot notes down goes to mirrors, too: to where
# they are being brought in sync, while what it copies goes to where they are not yet.
# So its callbacks wait for those of others. Both are apart as one chunk of the notes is
# for 1024 of data, of which so many are there before that the rest is in another region.
rescued() {
	local begin took device pid late='' writers='' sync=nosync chunk=32 stored=$((sectors * 3 / 2))
	fill /dev/ng 5
	fill /dev/nh 5
	mirror store1 8192 /dev/ne /dev/ng $stored
	mirror store2 8192 /dev/nf /dev/nh $stored
	stack 1024 /dev/mapper/store1 /dev/mapper/store2
	fill /dev/mapper/origin1 6 1000 8300
	fill /dev/mapper/origin2 7 1000 8300
	rm -f /tmp/go /tmp/later
	mkfifo /tmp/go
	exec 9<>/tmp/go
	later sectors fill /dev/mapper/origin1 6 9300 1200
	later sectors fill /dev/mapper/origin2 7 9300 1200
	later sectors fill /dev/mapper/top 8 12000 600
	later sectors fill /dev/mapper/top 8 2001 99
	sync=
	echo 0 >$throttle
	again low1 1024 /dev/na /dev/nb
	again low2 1024 /dev/nc /dev/nd
	again top 1024 /dev/mapper/snap1 /dev/mapper/snap2
	again store1 8192 /dev/ne /dev/ng $stored
	again store2 8192 /dev/nf /dev/nh $stored
	modprobe kcopyd_exhaust || fail 'no kcopyd_exhaust'
	take workers
	read -r begin _ </proc/uptime
	! copied 40 || fail 'most is copied already'
	for pid in $writers; do
		echo >&9
	done
	echo 2000 >$exhaust/pause_ms
	echo 100 >$throttle
	everything_done 120 54 || late=y
	read -r took _ </proc/uptime
	read -r taken <$exhaust/status
	give
	took=$((${took%.*} - ${begin%.*}))
	echo "        ($took s: $taken)" >/tmp/took
	[ -z "$late" ] || everything_done 20 54 || hangs "also with workers again: $taken"
	[ -z "$late" ] || fail "it ended only with workers again: $taken"
	for pid in $writers; do
		wait $pid || fail "not written: $(cat /tmp/later)"
	done
	eval "$taken"
	[ "$awake" = 0 ] || fail "there were workers: $taken"
	for device in top low1 low2 store1 store2; do
		in_sync $device || fail "$device is not in sync: $(dmsetup status $device)"
	done
	for device in top snap1 snap2; do
		holds /dev/mapper/$device 1 2001 99 8 12000 600 8
	done
	for device in /dev/mapper/origin1 /dev/na /dev/nb; do
		holds $device 1 1000 9500 6
	done
	for device in /dev/mapper/origin2 /dev/nc /dev/nd; do
		holds $device 3 1000 9500 7
	done
	cmp /dev/ne /dev/ng && cmp /dev/nf /dev/nh || fail 'the legs of a store differ'
}

# suspended PERCENT REGION OTHERS : while it copies, in bounded time, which is what is left
# of a region at a part a second; so many mirrors more share that second
suspended() {
	local begin took copied parts=$(($2 / 1024)) most device
	most=$((parts * ($3 + 1) + 3))
	stack $2
	for device in top low1 low2; do
		until_in_sync $device 120
	done
	echo $1 >$throttle
	[ $3 -lt 1 ] || again low1 1024 /dev/na /dev/nb
	[ $3 -lt 2 ] || again low2 1024 /dev/nc /dev/nd
	begin=$(centiseconds)
	again top $2 /dev/mapper/snap1 /dev/mapper/snap2
	sleep 2
	! in_sync top || fail "in sync at once, at $1 %"
	took=$(centiseconds)
	dmsetup suspend top --noudevsync || fail 'cannot be suspended'
	took=$(($(centiseconds) - took))
	echo "        (suspended after $took centiseconds of $((most * 100)))" >/tmp/took
	copied=$(dmsetup status top | sed 's|.* \([0-9]*\)/[0-9]* .*|\1|')
	begin=$((($(centiseconds) - begin) / 100))
	dmsetup resume top --noudevsync
	[ $took -lt $((most * 100)) ] || fail "suspended only after $took centiseconds"
	[ $1 -gt 0 ] || [ $((copied * parts)) -le $((begin + 2)) ] ||
		fail "$copied regions in $begin s are no limit"
	echo 100 >$throttle
	until_in_sync top 120
	check /dev/mapper/snap2 1
}

# each NAME FUNCTION [ARG...]
each() {
	local name
	no_null_blks
	for name in na nb nc nd; do
		null_blk $name size=$((sectors / 2048))
	done
	# Each has to hold all of a snapshot.
	for name in ne nf ng nh; do
		null_blk $name size=$((sectors * 3 / 4096))
	done
	: >/tmp/took
	case_ "$@"
	cat /tmp/took
	give_most
	echo 100 >$throttle
	for name in $stacked; do
		dmsetup remove $name --noudevsync >/dev/null 2>&1
	done
	no_dm
}

modprobe -a dm-mirror dm-snapshot
each 'it is written while memory is short' written
sectors=16384
each 'it is written with rescuers alone' rescued
sectors=65536
each 'it is suspended while it copies at 0 %' suspended 0 1024 0
each 'it is suspended while it copies at 1 %' suspended 1 1024 0
each 'with large regions, at 0 %' suspended 0 8192 0
each 'with large regions, at 1 %' suspended 1 8192 0
each 'while others copy, too, at 0 %' suspended 0 8192 2
no_null_blks
rmmod dm-mirror dm-snapshot || echo "FAILED  $scenario: the targets cannot be unloaded"
