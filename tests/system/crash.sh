# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# What a crash must leave of a mirror and of a snapshot, for the scenarios that have one:
# see crash.c. Regions of a mirror have 256 sectors, chunks of a snapshot 16.

# crash_ COMMAND... : sets what it prints, as variables
crash_() {
	local said
	said=$(crash "$@") || fail "$said"
	eval "$said"
}

# at_random N : sets drawn, less than N, of crash_seed
at_random() {
	crash_seed=$(((crash_seed * 1103515245 + 12345) % 2147483648))
	drawn=$((crash_seed / 65536 % $1))
}

# mirror_up LEG LEG LOG [SYNC] : makes the mirror m
mirror_up() {
	local log="2 $3 256"
	[ -z "$4" ] || log="3 $3 256 $4"
	dm m "0 $(blockdev --getsz $1) kmirror disk $log 2 $1 0 $2 0"
}

mirror_in_sync() { dmsetup status m | grep -q "$regions/$regions 1 AA "; }

until_mirror_in_sync() {
	local end=$(($(seconds) + 120))
	until mirror_in_sync; do
		[ "$(seconds)" -lt $end ] || fail "not in sync: $(dmsetup status m)"
		sleep 0.1
	done
}

# copied : how many sectors kcopyd has read for the mirror
copied() {
	awk -F= '$1 == "name" { name = $2 }
		$1 == "sectors_read" && name == "kmirror" { print $2 }' \
		/sys/kernel/debug/kcopyd/stats.kv
}

# mirror_after_crash LEG LEG LOG JOURNAL : makes m; what was written is there, only what
# the log says is copied, and then the legs are the same. Sets dirty, open and arrived.
mirror_after_crash() {
	local regions
	regions=$(($(blockdev --getsz $1) / 256))
	dirty=$(crash dirty $3 $regions) || fail "$dirty"
	mirror_up $1 $2 $3
	# It is the first leg's, and stays what it is.
	crash_ check /dev/mapper/m $4
	last="dirty regions: $dirty, sectors on their way: $open, of which arrived: $arrived"
	until_mirror_in_sync
	[ "$(copied)" = $((dirty * 256)) ] || fail "of $dirty dirty regions, copied: $(copied)"
	crash_ check $1 $4
	crash_ check $2 $4
	crash_ check /dev/mapper/m $4
}

# snapshot_up ORIGIN COW : makes snap and origin
snapshot_up() {
	local sectors
	sectors=$(blockdev --getsz $1)
	dm snap "0 $sectors ksnapshot $1 $2 P 16"
	dm origin "0 $sectors ksnap-origin $1"
}

# snapshot_begins ORIGIN COW JOURNAL JOURNAL : of what ORIGIN has now
snapshot_begins() {
	dd if=/dev/zero of=$2 bs=64k count=1 oflag=direct conv=fsync 2>/dev/null ||
		fail "$2 cannot be written"
	crash_ copy $1 $3 $4
	snapshot_up $1 $2
}

# snapshot_after_crash ORIGIN COW JOURNAL JOURNAL : makes snap and origin; each has what was
# written to it, and nothing of the other
snapshot_after_crash() {
	snapshot_up $1 $2
	crash_ check /dev/mapper/origin $3
	last="sectors of the origin on their way: $open, of which arrived: $arrived"
	crash_ check /dev/mapper/snap $4
	last="$last; of the snapshot: $open, $arrived"
}

# merge_limit IOS : so many a second, and 0 is no limit
merge_limit() {
	local client
	client=$(grep -lx ksnapshot-merge /sys/module/kcopyd/clients/*/name) &&
		echo $1 >${client%/name}/ios_per_second || fail 'the merge cannot be limited'
}

# merge_up ORIGIN COW [IOS] : makes merge, which is what the snapshot is, slow from its
# first chunk on
merge_up() {
	dmsetup create merge --notable --noudevsync &&
		dmsetup load merge --table "0 $(blockdev --getsz $1) ksnapshot-merge $1 $2 P 16" ||
		fail 'no merge'
	merge_limit ${3:-0}
	dmsetup resume merge --noudevsync && dmsetup mknodes merge || fail 'no merge'
	[ -b /dev/mapper/merge ] || fail 'no /dev/mapper/merge'
}

# to_merge : so many chunks
to_merge() {
	local rest
	rest=$(dmsetup status merge | sed 's/.* \([0-9]*\)\/[0-9]* \([0-9]*\)$/(\1 - \2) \/ 16/')
	echo $((rest))
}

until_merged() {
	local end=$(($(seconds) + 120))
	while [ "$(to_merge)" != 0 ]; do
		[ "$(seconds)" -lt $end ] || fail "not merged: $(dmsetup status merge)"
		sleep 0.1
	done
}

# merge_after_crash ORIGIN COW JOURNAL [IOS] : makes merge; it is what the snapshot was, with
# what was written to it
merge_after_crash() {
	local chunks
	merge_up $1 $2 $4
	chunks=$(to_merge)
	crash_ check /dev/mapper/merge $3
	last="chunks to merge: $chunks, sectors on their way: $open, of which arrived: $arrived"
}

# merge_ends ORIGIN JOURNAL : and in the end, the origin is that
merge_ends() {
	merge_limit 0
	until_merged
	crash_ check /dev/mapper/merge $2
	dmsetup remove merge --noudevsync || fail 'merge is busy'
	crash_ check $1 $2
}
