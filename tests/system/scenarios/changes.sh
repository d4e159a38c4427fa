# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Devices that change or go away while they are copied, and a client that goes.

# slow NAME [MS] : each request takes so long, 200 ms unless told: many times what
# is done meanwhile, or the copy would end before
slow() { null_blk "$1" irqmode=2 completion_nsec=$((${2:-200} * 1000000)); }

# wait_started : until a part of the copy is done
wait_started() {
	local i=0
	while eval "$(cat "$status")"; [ "$state" = copying ] && [ "$done" -eq 0 ]; do
		i=$((i + 1))
		[ $i -lt 3000 ] || fail 'nothing is copied'
		sleep 0.02
	done
	[ "$state" = copying ] || fail "the copy has ended too soon: $state"
}

unload() {
	slow ns
	start src=/dev/na dst=/dev/ns chunk_kb=256
	wait_started
	rmmod kcopyd-copy || fail 'rmmod'
	check /dev/ns 1 0 512
	rmmod kcopyd || fail 'rmmod kcopyd'
	modprobe kcopyd
}

# One part after the other, so that what was copied is a prefix.
unload_one_big() {
	local was
	slow nt 20
	start src=/dev/na dst=/dev/nt chunk_kb=1048576 pages=64 write_seq=1
	sleep 0.2
	rmmod kcopyd-copy || fail 'rmmod'
	check_prefix /dev/nt 1 --then 0
	[ "$prefix" -gt 0 ] && [ "$prefix" -lt 65536 ] ||
		fail "$prefix of 65536 sectors are copied"
	was=$prefix
	sleep 0.2
	check_prefix /dev/nt 1 --then 0
	[ "$prefix" -eq "$was" ] ||
		fail "$((prefix - was)) sectors were copied after rmmod"
}

destination_removed() {
	slow nu 1000
	start src=/dev/na dst=/dev/nb,/dev/nu chunk_kb=1048576
	sleep 0.2
	echo 0 >"$configfs/nu/power"
	until_done
	expect done-with-errors 0 0x2
	check /dev/nb 1
}

source_removed() {
	slow nv 1000
	start src=/dev/nv dst=/dev/nb chunk_kb=1048576 ignore_error=1
	sleep 0.2
	echo 0 >"$configfs/nv/power"
	until_done
	expect done-with-errors -5 0x0
}

# Slices that come after the removal are rejected: the device has no sectors.
removed_between() {
	slow nx
	start src=/dev/na dst=/dev/nx chunk_kb=256
	wait_started
	echo 0 >"$configfs/nx/power"
	until_done
	[ "$state" = failed ] || fail "it is $state"
}

scsi_deleted() {
	sdebug ndelay=200000000
	start src=/dev/na "dst=$sd" chunk_kb=1048576
	sleep 0.2
	echo 1 >"/sys/block/${sd#/dev/}/device/delete"
	until_done
	expect failed 0 0x1
}

read_only() {
	slow nw
	start src=/dev/na dst=/dev/nw chunk_kb=256
	wait_started
	dmesg -c >/dev/null
	blockdev --setro /dev/nw
	until_done
	expect failed 0 0x1 -30
	dmesg | grep -q 'kcopyd: client.*destination 0 (nw) is read-only' ||
		fail 'the log does not say so'
}

no_null_blks
null_blk na
null_blk nb
fill /dev/na 1
case_ 'the client is unloaded while it copies' unload
case_ 'the client is unloaded during a large copy' unload_one_big
case_ 'a destination is removed' destination_removed
case_ 'the source is removed' source_removed
case_ 'a destination is removed between copies' removed_between
case_ 'a SCSI disk is deleted' scsi_deleted
[ ! -d /sys/module/scsi_debug ] || rmmod scsi_debug
case_ 'a destination becomes read-only' read_only
