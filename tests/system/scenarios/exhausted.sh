# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Eight clients copy while all memory is taken, and nothing can be swapped out, and
# while there are no workers either: see exhaust.c. The devices are filled before, so
# that they have the memory they need.

# exhausted WHAT DEVICE... : the first one is copied to the others, without WHAT
exhausted() {
	local device devices what=$1
	shift
	[ "$(wc -l </proc/swaps)" -le 1 ] || fail "swap: $(cat /proc/swaps)"
	devices=$(echo "$@" | tr ' ' ,)
	fill $1 1
	for device in "$@"; do
		[ $device = $1 ] || fill $device 2
	done
	sync
	modprobe kcopyd_exhaust "devices=$devices" ||
		fail "not accepted: $(dmesg | grep kcopyd | tail -n 2)"
	take $what
	echo 1 >$exhaust/copies || fail 'it does not copy'
	taken=
	read -r taken <$exhaust/status
	give
	echo "        ($taken)" >/tmp/exhausted
	eval "$taken"
	[ "$state" = 'done' ] || fail "it ended only with memory again: $taken"
	[ "$copies" = 1600 ] && [ "$failed" = 0 ] || fail "$taken"
	# There was really none left, and nobody of ours waited for it.
	[ "$taken_mb" -gt 500 ] || fail "only $taken_mb MiB were taken"
	[ "$own_wants" = 0 ] || fail "it waited for memory: $taken"
	[ $what != workers ] || [ "$awake" = 0 ] || fail "there were workers: $taken"
	shift
	for device in "$@"; do
		check $device 1
	done
}

no_null_blks
null_blk na
null_blk nb
null_blk nc irqmode=2 completion_nsec=100000
null_blk nd irqmode=1
dm below '0 65536 linear /dev/nd 0'
case_ 'eight clients between devices in memory' exhausted memory /dev/na /dev/nb /dev/nc
cat /tmp/exhausted
case_ 'through device-mapper' exhausted memory /dev/na /dev/mapper/below /dev/nb
cat /tmp/exhausted
case_ 'with rescuers alone' exhausted workers /dev/na /dev/mapper/below /dev/nb
cat /tmp/exhausted
no_dm
sdebug
case_ 'to SCSI' exhausted memory /dev/na $sd
cat /tmp/exhausted
rmmod scsi_debug
