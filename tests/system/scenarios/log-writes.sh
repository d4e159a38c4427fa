# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# What a power failure leaves of a mirror and of a snapshot, at any moment. All of their
# devices are parts of one that dm-log-writes records, so that there is one order of all
# writes; but each part is taken to have a cache of its own. run.sh gives crash_points,
# crash_flushes and crash_seed.

# parts DEVICE : makes the parts, NAME:FIRST:COUNT. Not linear: since 6.11 a flush goes by it,
# and does not say of which part it is. This flakey one never is.
parts() {
	local part place
	for part in $parts; do
		place=${part#*:}
		dm ${part%%:*} "0 ${place#*:} flakey $1 ${place%:*} 3600 0"
	done
}

# recorded FUNCTION : what that does is in the log
recorded() {
	null_blk nd
	null_blk nw size=512
	dm log '0 65536 log-writes /dev/nd /dev/nw'
	parts /dev/mapper/log
	$1
	no_dm
	no_null_blk nd
	crash entries /dev/nw $2 $3 $4 >/tmp/entries || fail "$(cat /tmp/entries)"
}

# mark : the first time, only what comes after that is looked at; then, that moment is
mark() {
	sync /dev/mapper/j
	dmsetup message log 0 mark here || fail 'no mark'
}

# the KIND [NUMBER] : entry of that kind
the() { sed -n "s/^$1 //p" /tmp/entries | sed -n "${2:-1}p"; }

# a_point N : sets point, for the first ones to a mark, three times each; else anywhere or,
# more often, shortly after an entry to what is looked at
a_point() {
	point=$(the mark $((($1 + 2) / 3)))
	[ -z "$point" ] || return 0
	at_random 4
	if [ $drawn = 0 ]; then
		at_random $(($(the end) - $(the begin)))
		point=$(($(the begin) + drawn))
	else
		at_random "$(grep -c entry /tmp/entries)"
		point=$(the entry $((drawn + 1)))
		at_random 8
		point=$((point + drawn))
		[ $point -le "$(the end)" ] || point=$(the end)
	fi
}

# replayed FUNCTION : it checks what a power failure would leave
replayed() {
	local i=0 part places='' place flush flushes=''
	for part in $parts; do
		place=${part#*:}
		places="$places ${place%:*}"
	done
	[ $crash_flushes = 0 ] || flushes=$(the flush 1,\$)
	echo "        (seed $crash_seed, $(the end) entries, $(grep -c flush /tmp/entries) flushes)" \
		>/tmp/points
	for flush in $flushes; do
		at $((flush + 1)) $1
	done
	while [ $i -lt $crash_points ]; do
		i=$((i + 1))
		a_point $i
		at $point $1
	done
}

# at ENTRIES FUNCTION
at() {
	at_random 32768
	null_blk nr
	crash_ replay /dev/nw /dev/nr $1 $drawn $places
	parts /dev/nr
	echo "entries: $1, seed: $drawn, lost: $lost" >>/tmp/points
	($2) || fail "after $1 entries, $lost writes lost, seed $drawn: $(cat /tmp/reason)"
	no_dm
	no_null_blk nr
}

# a_crash NAME FUNCTION FUNCTION FIRST COUNT JOURNALS : the first one is recorded; with
# entries to these sectors, more is looked at; at JOURNALS begins what is none of its own
a_crash() {
	no_null_blks
	case_ "$1" both $2 $3 $4 $5 $6
	[ ! -f /tmp/points ] || head -n 1 /tmp/points
	no_dm
	no_null_blks
}

both() {
	recorded $1 $3 $4 $5
	replayed $2
}

# work DEVICE JOURNAL WHO WRITES [OPTION...]
work() {
	local device=$1 journal=$2 who=$3 writes=$4 said
	shift 4
	said=$(crash work /dev/mapper/$device /dev/mapper/$journal $who $crash_seed $writes "$@") ||
		fail "$said"
}

mirror_recorded() {
	local regions=32
	fill /dev/mapper/b 7
	crash_ begin /dev/mapper/a /dev/mapper/j
	mirror_up /dev/mapper/a /dev/mapper/b /dev/mapper/l
	mark
	# Nobody but the mirror flushes what was copied, or what is left.
	until_mirror_in_sync
	sleep 3
	mark
	work m j 1 200 leave
	sleep 3
	mark
	work m j 1 200
	dmsetup remove m --noudevsync || fail 'm is busy'
	# dm-log-writes would have what was not flushed after what has FUA.
	sync /dev/mapper/l
	mirror_up /dev/mapper/a /dev/mapper/b /dev/mapper/l sync
	dmsetup message m 0 rate 2048
	work m j 1 200 slow
	dmsetup remove m --noudevsync || fail 'm is busy'
}

mirror_replayed() {
	mirror_after_crash /dev/mapper/a /dev/mapper/b /dev/mapper/l /dev/mapper/j
}

# both_work WRITES : on the origin and the snapshot
both_work() {
	local other
	work origin j 1 $1 fua &
	other=$!
	work snap k 2 $1 fua
	wait $other || exit 1
}

snapshot_recorded() {
	crash_ begin /dev/mapper/o /dev/mapper/j
	snapshot_begins /dev/mapper/o /dev/mapper/c /dev/mapper/j /dev/mapper/k
	mark
	both_work 100
	dmsetup remove origin --noudevsync && dmsetup remove snap --noudevsync || fail busy
	snapshot_up /dev/mapper/o /dev/mapper/c
	both_work 200
}

snapshot_replayed() {
	snapshot_after_crash /dev/mapper/o /dev/mapper/c /dev/mapper/j /dev/mapper/k
}

# One begins, and is used meanwhile.
merge_recorded() {
	crash_ begin /dev/mapper/o /dev/mapper/j
	snapshot_begins /dev/mapper/o /dev/mapper/c /dev/mapper/j /dev/mapper/k
	both_work 60
	dmsetup remove origin --noudevsync && dmsetup remove snap --noudevsync || fail busy
	sync /dev/mapper/o /dev/mapper/c
	mark
	merge_up /dev/mapper/o /dev/mapper/c
	work merge k 3 100 slow
	until_merged
	work merge k 3 20
}

merge_replayed() {
	merge_after_crash /dev/mapper/o /dev/mapper/c /dev/mapper/k
	merge_ends /dev/mapper/o /dev/mapper/k
}

# A flush has dm-log-writes take what is to be flushed out of a list, and log it when it has
# ended. Another flush that begins after it and ends before would come first in the log, without
# that: as if a device had lied. On one CPU a flush of null_blk ends before another one begins.
cpu1=/sys/devices/system/cpu/cpu1/online
[ ! -e $cpu1 ] || echo 0 >$cpu1

# shellcheck disable=SC1091
. /crash.sh
modprobe -a dm-log-writes dm-flakey kcopyd-mirror kcopyd-snapshot ||
	echo "FAILED  $scenario: the modules cannot be loaded"
parts='a:0:8192 b:8192:8192 l:16384:1024 j:17408:256'
a_crash 'a mirror' mirror_recorded mirror_replayed 16384 1024 17408
parts='o:0:8192 c:8192:16384 j:24576:256 k:24832:256'
a_crash 'a snapshot' snapshot_recorded snapshot_replayed 8192 32 24576
a_crash 'a merge' merge_recorded merge_replayed 8192 32 24576
rmmod kcopyd-mirror kcopyd-snapshot kcopyd-dm dm-log-writes dm-flakey ||
	echo "FAILED  $scenario: the modules cannot be unloaded"
[ ! -e $cpu1 ] || echo 1 >$cpu1
