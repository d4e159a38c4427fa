# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# What a power failure leaves of a mirror and of a snapshot, at any moment. All of their
# devices are parts of one that dm-log-writes records, so that there is one order of all
# writes; but each part is taken to have a cache of its own. run.sh gives crash_points and
# crash_seed.

# parts DEVICE : makes the parts, NAME:FIRST:COUNT
parts() {
	local part place
	for part in $parts; do
		place=${part#*:}
		dm ${part%%:*} "0 ${place#*:} linear $1 ${place%:*}"
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
	crash entries /dev/nw $2 $3 >/tmp/entries || fail "$(cat /tmp/entries)"
}

# begun : only what comes after that is looked at
begun() { dmsetup message log 0 mark begun || fail 'no mark'; }

# a_point : sets point, somewhere between begin and end, or after an entry to what is
# looked at, or shortly before or after it
a_point() {
	local first last lines
	first=$(head -n 1 /tmp/entries) last=$(tail -n 1 /tmp/entries)
	at_random $((last - first))
	point=$((first + drawn))
	at_random 4
	[ $drawn != 0 ] || return
	lines=$(wc -l </tmp/entries)
	at_random $lines
	point=$(sed -n "$((drawn + 1))p" /tmp/entries)
	at_random 4
	point=$((point + drawn - 1))
	[ $point -le $last ] || point=$last
}

# replayed FUNCTION : it checks what a power failure would leave
replayed() {
	local i=0 part places='' place open_=0 arrived_=0 lost_=0
	for part in $parts; do
		place=${part#*:}
		places="$places ${place%:*}"
	done
	echo "        (seed $crash_seed, $(tail -n 1 /tmp/entries) entries)" >/tmp/points
	while [ $i -lt $crash_points ]; do
		i=$((i + 1))
		a_point
		at_random 32768
		null_blk nr
		crash_ replay /dev/nw /dev/nr $point $drawn $places
		parts /dev/nr
		echo "entries: $point, seed: $drawn, lost: $lost" >>/tmp/points
		($1) || fail "after $point entries, $lost writes lost, seed $drawn: $(cat /tmp/reason)"
		no_dm
		no_null_blk nr
	done
}

# a_crash NAME FUNCTION FUNCTION FIRST COUNT : the first one is recorded; with entries
# to these sectors, more is looked at
a_crash() {
	no_null_blks
	case_ "$1" both $2 $3 $4 $5
	[ ! -f /tmp/points ] || head -n 1 /tmp/points
	no_dm
	no_null_blks
}

both() {
	recorded $1 $3 $4
	replayed $2
}

mirror_recorded() {
	local regions=32
	fill /dev/mapper/b 7
	crash_ begin /dev/mapper/a /dev/mapper/j
	mirror_up /dev/mapper/a /dev/mapper/b /dev/mapper/l
	begun
	# Nobody but the mirror flushes what was copied, or what is left.
	until_mirror_in_sync
	sleep 3
	crash work /dev/mapper/m /dev/mapper/j 1 $crash_seed 200 leave >/tmp/said || fail "$(cat /tmp/said)"
	sleep 3
	crash work /dev/mapper/m /dev/mapper/j 1 $crash_seed 200 >/tmp/said || fail "$(cat /tmp/said)"
	dmsetup remove m --noudevsync || fail 'm is busy'
	# dm-log-writes would have what was not flushed after what has FUA.
	sync /dev/mapper/l
	mirror_up /dev/mapper/a /dev/mapper/b /dev/mapper/l sync
	dmsetup message m 0 rate 2048
	crash work /dev/mapper/m /dev/mapper/j 1 $crash_seed 200 slow >/tmp/said || fail "$(cat /tmp/said)"
	dmsetup remove m --noudevsync || fail 'm is busy'
}

mirror_replayed() {
	mirror_after_crash /dev/mapper/a /dev/mapper/b /dev/mapper/l /dev/mapper/j
}

# both_work SEED WRITES : on the origin and the snapshot
both_work() {
	local other
	crash work /dev/mapper/origin /dev/mapper/j 1 $1 $2 fua >/tmp/said &
	other=$!
	crash work /dev/mapper/snap /dev/mapper/k 2 $1 $2 fua >/tmp/said2 || fail "$(cat /tmp/said2)"
	wait $other || fail "$(cat /tmp/said)"
}

snapshot_recorded() {
	crash_ begin /dev/mapper/o /dev/mapper/j
	snapshot_begins /dev/mapper/o /dev/mapper/c /dev/mapper/j /dev/mapper/k
	begun
	both_work $crash_seed 100
	dmsetup remove origin --noudevsync && dmsetup remove snap --noudevsync || fail busy
	snapshot_up /dev/mapper/o /dev/mapper/c
	both_work $crash_seed 200
}

snapshot_replayed() {
	snapshot_after_crash /dev/mapper/o /dev/mapper/c /dev/mapper/j /dev/mapper/k
}

# shellcheck disable=SC1091
. /crash.sh
modprobe -a dm-log-writes kcopyd-mirror kcopyd-snapshot ||
	echo "FAILED  $scenario: the modules cannot be loaded"
parts='a:0:8192 b:8192:8192 l:16384:1024 j:17408:256'
a_crash 'a mirror' mirror_recorded mirror_replayed 16384 1024
parts='o:0:8192 c:8192:16384 j:24576:256 k:24832:256'
a_crash 'a snapshot' snapshot_recorded snapshot_replayed 8192 32
rmmod kcopyd-mirror kcopyd-snapshot kcopyd-dm dm-log-writes ||
	echo "FAILED  $scenario: the modules cannot be unloaded"
