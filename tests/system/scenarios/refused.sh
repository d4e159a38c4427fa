# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# What a device does not know it does not do, and that is told: newer kernels tell it
# apart from other failures. The device is r, on nb unless told.

# refuses OPERATION [DEVICE]
refuses() {
	local table="0 32768 refuse ${2:-/dev/nb} 0 $1"
	if [ -b /dev/mapper/r ]; then
		dmsetup suspend r --noudevsync && dmsetup load r --table "$table" &&
			dmsetup resume r --noudevsync || fail 'r cannot be changed'
	else
		dm r "$table"
	fi
}

# Alone, and together with another
writes() {
	refuses write
	copy src=/dev/na dst=/dev/mapper/r count=32768
	expect failed 0 0x1
	copy src=/dev/na dst=/dev/nc,/dev/mapper/r ignore_error=1 count=32768
	expect done-with-errors 0 0x2
	check /dev/nc 1 0 32768
	check /dev/nb 2
}

# As another failure, where it is not told apart
reads() {
	refuses read
	copy src=/dev/mapper/r dst=/dev/nc
	case $read_err in
	-5 | -95) expect failed $read_err 0x0 ;;
	*)	expect failed -95 0x0 ;;
	esac
	check /dev/nc 3
}

reads_back() {
	refuses read
	copy src=/dev/na dst=/dev/nc,/dev/mapper/r ignore_error=1 verify=1 count=32768
	expect done-with-errors 0 0x2
	check /dev/nc 1 0 32768
}

flushes() {
	no_null_blk nb
	null_blk nb cache_size=1
	refuses flush
	copy src=/dev/na dst=/dev/mapper/r count=32768 flush=1
	expect failed 0 0x1
}

# a_loop : sets loop to a device of 16 MiB
a_loop() {
	modprobe loop
	dd if=/dev/zero of=/tmp/loop bs=1M count=16 2>/dev/null
	loop=$(losetup -f) && losetup "$loop" /tmp/loop || fail 'no loop device'
}

no_loop() {
	losetup -d "$loop"
	rm /tmp/loop
}

# Then it gets them as data. The first one asked for is not the last.
zeroes() {
	a_loop
	fill "$loop" 2
	refuses zero "$loop"
	dd if=/dev/zero of=/dev/na bs=1M seek=4 count=8 conv=notrunc 2>/dev/null
	copy_ok src=/dev/na dst=/dev/mapper/r count=32768 detect_zeroes=1
	check /dev/mapper/r 1 0 8192
	check /dev/mapper/r 1 24576 8192
	cmp -n 8388608 /dev/mapper/r /dev/zero 4194304 0 || fail 'no zeroes'
	dmsetup remove r --noudevsync
	no_loop
}

# is TEXT : at the end of the mirror's state
is() {
	dmsetup status m | grep -q " $1\$" || fail "not $1: $(dmsetup status m)"
}

leg() {
	refuses discard
	dm m '0 32768 kmirror core 2 1024 nosync 2 /dev/na 0 /dev/mapper/r 0'
	fill /dev/mapper/m 3 1000 8
	is '32/32 1 AA 1 core'
	refuses write
	fill /dev/mapper/m 4 1000 8
	is '31/32 1 AD 1 core'
	check /dev/mapper/m 4 1000 8
	check /dev/nb 3 1000 8
}

log() {
	no_null_blk nb
	null_blk nb
	refuses discard
	dm m "0 32768 kmirror disk 3 /dev/mapper/r 1024 nosync 2 /dev/na 0 /dev/nc 0"
	fill /dev/mapper/m 3 1000 8
	is A
	refuses write
	fill /dev/mapper/m 4 5000 8
	is D
}

# region : the first one of the log, 1 if it is clean
region() {
	echo $(($(dd if=/dev/nl bs=512 skip=2 count=1 iflag=direct 2>/dev/null | od -An -tu1 -N 1) & 1))
}

# A user's flush fails while the mirror waits for one of its own, and that one does well.
flush_meanwhile() {
	local sync
	no_null_blk nb nc
	null_blk nb cache_size=1
	null_blk nc cache_size=1
	null_blk nl size=1
	dm stuck '0 32768 linear /dev/nb 0'
	refuses flush /dev/nc
	dm m '0 32768 kmirror disk 3 /dev/nl 1024 nosync 2 /dev/mapper/stuck 0 /dev/mapper/r 0'
	fill /dev/mapper/m 3 0 8
	dmsetup suspend stuck --noudevsync || fail 'it goes on'
	sync /dev/mapper/m &
	sync=$!
	sleep 3
	[ -d /proc/$sync ] && [ "$(region)" = 0 ] || fail 'it was too slow'
	refuses discard /dev/nc
	dmsetup resume stuck --noudevsync || fail 'it is stuck'
	wait $sync
	sleep 3
	is 'AF 3 disk [0-9:]* A'
	[ "$(region)" = 0 ] || fail 'what may be lost is clean'
}

# None is clean where one is not known to be, nor that which was before.
flush_later() {
	local i=0 sync
	no_null_blk nb
	null_blk nb cache_size=1
	null_blk nl size=1
	dm log '0 2048 linear /dev/nl 0'
	refuses discard
	dm m '0 32768 kmirror disk 3 /dev/mapper/log 1024 nosync 2 /dev/na 0 /dev/mapper/r 0'
	fill /dev/mapper/m 3 0 8
	until [ "$(region)" = 1 ]; do
		i=$((i + 1))
		[ $i -lt 300 ] || fail 'it does not become clean'
		sleep 0.1
	done
	refuses flush
	dmsetup suspend log --noudevsync || fail 'it goes on'
	sync /dev/mapper/m &
	sync=$!
	sleep 3
	[ -d /proc/$sync ] || fail 'it has ended before the log says that nothing is clean'
	dmsetup resume log --noudevsync || fail 'the log is stuck'
	wait $sync
	[ "$(region)" = 0 ] || fail 'what may be lost is clean'
	sleep 3
	is 'AF 3 disk [0-9:]* A'
	[ "$(region)" = 0 ] || fail 'it is clean again'
}

lio=/sys/kernel/config/target
lio_disk=$lio/loopback/naa.6001405000000001/tpgt_1

# exports DEVICE : sets sd to a SCSI disk of it, which hands on data that is anywhere in memory
exports() {
	local i=0
	modprobe sd_mod
	modprobe target_core_iblock && modprobe tcm_loop || fail 'no LIO'
	mkdir -p $lio/core/iblock_0/m $lio_disk/lun/lun_0 &&
		echo "udev_path=$1" >$lio/core/iblock_0/m/control &&
		echo 1 >$lio/core/iblock_0/m/enable &&
		echo naa.6001405000000002 >$lio_disk/nexus &&
		ln -s $lio/core/iblock_0/m $lio_disk/lun/lun_0/m || fail 'no SCSI disk'
	while :; do
		sd=$(ls -d /sys/bus/scsi/devices/*/block/* 2>/dev/null)
		sd=/dev/${sd##*/}
		[ ! -b "$sd" ] || break
		i=$((i + 1))
		[ $i -lt 100 ] || fail 'no SCSI disk'
		sleep 0.1
	done
}

exports_no_more() {
	rm $lio_disk/lun/lun_0/m && rmdir $lio_disk/lun/lun_0 $lio_disk ${lio_disk%/*} &&
		rmdir $lio/core/iblock_0/m $lio/core/iblock_0 || fail 'the SCSI disk stays'
}

# That legs cannot have data from where a caller has it is no failure of theirs, be it that
# one of them can. Kernels that do not mind write it, if it is no more than a sector: it is in
# one piece.
misplaced() {
	local n
	dm m "0 32768 kmirror core 2 1024 nosync 2 /dev/na 0 $1 0"
	fill /dev/mapper/m 3
	exports /dev/mapper/m
	for n in 1 2 3 4 5 6 7 8; do
		sectors fill $sd 4 1000 1 --memory 4
		sectors fill $sd 4 1000 16 --memory 4
		sectors check $sd 3 $((n * 2048)) 1 --memory 4
	done
	for n in 1 2 3 4 5 6 7 8 9; do
		! dmsetup status m | grep -q ' 32/32 ' || break
		sleep 1
	done
	is '32/32 1 AA 1 core'
	exports_no_more
	dd if=/dev/na bs=512 count=32768 iflag=direct 2>/dev/null | md5sum >/tmp/sum
	dd if=$1 bs=512 count=32768 iflag=direct 2>/dev/null | md5sum | cmp - /tmp/sum ||
		fail 'the legs differ'
}

# Its disk minds, those of null_blk do not.
misplaced_leg() {
	a_loop
	misplaced "$loop"
	no_dm
	no_loop
}

# Newer kernels take what is in one piece neither in memory nor in blocks; the disk cannot.
apart() {
	local n
	no_null_blk nb
	null_blk nb blocksize=4096 virt_boundary=1
	dm m '0 32768 kmirror core 2 1024 nosync 2 /dev/nb 0 /dev/nc 0'
	fill /dev/mapper/m 3
	! sectors fill /dev/mapper/m 4 1000 8 --apart || fail 'it is written'
	for n in 1 2 3 4 5 6 7 8 9; do
		! dmsetup status m | grep -q ' 32/32 ' || break
		sleep 1
	done
	is '32/32 1 AA 1 core'
	sectors fill /dev/mapper/m 5 1000 8
	check /dev/nb 3 0 32768 --other 5 1000+8
}

# A chunk that cannot be written as a whole is what it was.
misplaced_chunk() {
	local seed=1
	a_loop
	dm snap "0 32768 ksnapshot /dev/na $loop P 16"
	exports /dev/mapper/snap
	! sectors fill $sd 4 1024 16 --memory 4 || seed=4
	exports_no_more
	check /dev/mapper/snap 1 --other $seed 1024+16
	fill /dev/mapper/snap 5 1024 16
	check /dev/mapper/snap 1 --other 5 1024+16
	no_dm
	no_loop
}

# each NAME FUNCTION
each() {
	local name
	for name in na nb nc; do
		null_blk $name
	done
	fill /dev/na 1
	fill /dev/nb 2
	fill /dev/nc 3
	case_ "$@"
	no_dm
	no_null_blks
}

modprobe kcopyd-mirror && modprobe kcopyd-snapshot && modprobe kcopyd_refuse ||
	fail 'no kcopyd-mirror, kcopyd-snapshot or kcopyd_refuse'
each 'writes' writes
each 'reads' reads
each 'reading back' reads_back
each 'flushes' flushes
each 'zeroes' zeroes
each 'writes of a leg of a mirror' leg
each 'writes of the log of a mirror' log
each "a user's flush of a mirror" flush_meanwhile
each "a user's flush of a mirror that is clean" flush_later
each 'what one leg of a mirror cannot have' misplaced_leg
each 'what a leg of a mirror cannot have from where it is' apart
each 'what the COW device of a snapshot cannot have' misplaced_chunk
for name in kcopyd-mirror kcopyd-snapshot kcopyd_refuse kcopyd-dm; do
	rmmod $name || echo "FAILED  $scenario: $name cannot be unloaded"
done
