# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Loading, unloading, parameters, bad input to the sample, and what is left.

part_kb=/sys/module/kcopyd/parameters/part_kb
shared_mb=/sys/module/kcopyd/parameters/shared_mb

# refused VALUE : part_kb stays as it is, and the log names the value
refused() {
	local before
	before=$(cat $part_kb)
	dmesg -c >/dev/null
	! echo "$1" >$part_kb || fail "accepted: $1"
	dmesg | grep -qF "part_kb: '$1'" || fail "the log does not name '$1'"
	[ "$(cat $part_kb)" = "$before" ] || fail "changed by $1"
}

range() {
	[ "$(cat $part_kb)" = 512 ] || fail "it is $(cat $part_kb) by default"
	refused 0
	refused 3
	refused 4097
	refused -4
	refused many
	refused 4294967300
	refused 0x1001
	echo 4096 >$part_kb && echo 4 >$part_kb && echo 512 >$part_kb ||
		fail 'a good value is refused'
}

# Of the memory that the kernel can use itself. With 32 bits the rest is for users.
shared() {
	local mb
	mb=$(awk '/^(Mem|Low)Total:/ { mb = $2 / 1024 } END { printf "%d", mb }' /proc/meminfo)
	[ "$(cat $shared_mb)" = $((mb / 64)) ] || fail "of $mb MiB it is $(cat $shared_mb) by default"
	! echo $((mb / 2 + 1)) >$shared_mb || fail 'more than half of the memory is accepted'
	echo $((mb / 2)) >$shared_mb && echo $((mb / 64)) >$shared_mb ||
		fail 'a good value is refused'
}

at_load() {
	rmmod kcopyd || fail 'rmmod'
	! modprobe kcopyd part_kb=5000 || fail 'loaded with part_kb=5000'
	modprobe kcopyd part_kb=64 || fail 'not loaded with part_kb=64'
	[ "$(cat $part_kb)" = 64 ] || fail "it is $(cat $part_kb)"
	echo 512 >$part_kb
}

in_use() {
	start src=/dev/na dst=/dev/nb
	! rmmod kcopyd || fail 'unloaded under its client'
	until_done
	expect 'done' 0 0x0
	rmmod kcopyd || fail 'not unloaded when idle'
	modprobe kcopyd
}

bad_input() {
	rejected 'are needed' src=/dev/na
	rejected 'are needed' dst=/dev/na
	rejected 'cannot open /dev/none (error -2)' src=/dev/none dst=/dev/nb
	rejected 'cannot open /dev/none (error -2)' src=/dev/na dst=/dev/none
	rejected 'cannot open /dev/nb@x (error -22)' src=/dev/na dst=/dev/nb@x
	rejected 'cannot open /dev/zero (error -15)' src=/dev/zero dst=/dev/nb
	rejected 'no pages' src=/dev/na dst=/dev/nb pages=0
	rejected 'no memory' src=/dev/na dst=/dev/nb pages=4294967295
	rejected '/dev/na has 65536 sectors' src=/dev/na dst=/dev/nb sector=65536
	rejected '/dev/na has 65536 sectors' src=/dev/na dst=/dev/nb sector=18446744073709551615 count=2
	rejected '/dev/nb@1 has 65536 sectors' src=/dev/na dst=/dev/nb@1
	rejected 'are needed' src=/dev/na dst=/dev/nb chunk_kb=0
	blockdev --setro /dev/nb
	rejected 'cannot open /dev/nb (error -13)' src=/dev/na dst=/dev/nb
	blockdev --setrw /dev/nb
	# Who has it open exclusively keeps it.
	modprobe dm-mod
	echo '0 8 linear /dev/nb 0' | dmsetup create holder --noudevsync
	rejected 'cannot open /dev/nb (error -16)' src=/dev/na dst=/dev/nb
	dmsetup remove holder --noudevsync
	copy_ok src=/dev/na dst=/dev/nb
}

# free_kb : memory that is free once the caches are empty. The lists of pages that
# each CPU keeps back are not counted as free, and may hold tens of MiB: they are
# emptied by setting their limit, and by the lowest one stay so.
free_kb() {
	echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	awk '/^MemFree:/ { print $2 }' /proc/meminfo
}

# A leak of one part's pages, one job or one client a round would be seen.
memory() {
	local i before after
	for i in 1 2 3; do
		copy_ok src=/dev/na dst=/dev/nb
	done
	before=$(free_kb)
	for i in $(seq 100); do
		copy_ok src=/dev/na dst=/dev/nb count=2048 pages=2048
	done
	after=$(free_kb)
	# 100 rounds x 128 KiB
	[ $((before - after)) -lt 12800 ] || fail "$((before - after)) KiB are gone"
}

# rescuers : the threads of clients' workqueues, which keep them going without memory. Newer
# kernels call them kworkers; busybox's ps has not all of such a name.
rescuers() {
	cat /proc/[0-9]*/comm 2>/dev/null |
		sed -nE 's/^(kworker\/R-)?(kcopyd(_cb)?)\/.*/\2/p' | sort | tr '\n' ' '
}

threads() {
	null_blk slow irqmode=2 completion_nsec=20000000
	start src=/dev/na dst=/dev/slow
	[ "$(rescuers)" = 'kcopyd kcopyd_cb ' ] || fail "there are: $(rescuers)"
	rmmod kcopyd-copy || fail 'rmmod'
	[ -z "$(rescuers)" ] || fail "left are: $(rescuers)"
}

no_null_blks
null_blk na
null_blk nb
fill /dev/na 1
case_ 'part_kb is checked' range
case_ 'shared_mb is checked' shared
case_ 'part_kb is checked at load' at_load
case_ 'not unloaded while in use' in_use
case_ 'bad input' bad_input
case_ 'memory comes back' memory
case_ 'each workqueue has a rescuer until the end' threads
