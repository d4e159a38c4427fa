# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# A round of work that ends when the machine is killed, and what must be there after the
# round before. run.sh gives kills_round, kills_last and crash_seed. The disks are: legs,
# log, origin, COW device, journals.

# round CASE FUNCTION : a failure ends it all
round() {
	rm -f /tmp/well
	case_ "round $kills_round: $1" well $2
	[ -f /tmp/well ] || exit 1
	sed -n 's/./        &/p' /tmp/last
}

well() {
	last=
	"$@"
	echo "$last" >/tmp/last
	: >/tmp/well
}

mirror_begins() {
	fill /dev/vdb 7
	crash_ begin /dev/vda /dev/vdf
	mirror_up /dev/vda /dev/vdb /dev/vdc
}

mirror_checked() { mirror_after_crash /dev/vda /dev/vdb /dev/vdc /dev/vdf; }

# It is killed while much is being copied.
mirror_resyncs() {
	mirror_up /dev/vda /dev/vdb /dev/vdc $resync
	dmsetup message m 0 rate 4096 || fail 'no rate'
	crash_ check /dev/mapper/m /dev/vdf
	last="sectors on their way: $open, of which arrived: $arrived"
}

snapshot_first() {
	crash_ begin /dev/vdd /dev/vdf+512
	snapshot_begins /dev/vdd /dev/vde /dev/vdf+512 /dev/vdf+768
}

# phase [merge|snapshot] : is it a snapshot, or one that is being merged?
phase() {
	if [ $# = 1 ]; then
		echo $1 | dd of=/dev/vdf bs=512 seek=1024 conv=sync,fsync 2>/dev/null
	else
		dd if=/dev/vdf bs=512 skip=1024 count=1 2>/dev/null | head -n 1
	fi
}

# Often another one is begun, to which everything is to be copied yet, or this one is to be
# merged.
snapshot_checked() {
	snapshot_after_crash /dev/vdd /dev/vde /dev/vdf+512 /dev/vdf+768
	at_random 3
	[ $drawn != 0 ] || return 0
	dmsetup remove origin --noudevsync && dmsetup remove snap --noudevsync || fail busy
	if [ $drawn = 1 ]; then
		snapshot_begins /dev/vdd /dev/vde /dev/vdf+512 /dev/vdf+768
	else
		phase merge
	fi
}

# When it has ended, there is a snapshot of the origin again.
merge_checked() {
	merge_after_crash /dev/vdd /dev/vde /dev/vdf+768 $merge_ios
	at_random 2
	[ $drawn = 0 ] || [ $kills_last = 1 ] || return 0
	merge_ends /dev/vdd /dev/vdf+768
	crash_ copy /dev/vdd /dev/vdf+768 /dev/vdf+512
	snapshot_begins /dev/vdd /dev/vde /dev/vdf+512 /dev/vdf+768
	phase snapshot
}

# works DEVICE JOURNAL WHO : in the background
works() {
	: >/tmp/work-$3
	{
		crash work $1 $2 $3 $crash_seed 0 'done' fua slow >/tmp/work-$3
		echo "FAILED  $scenario: it does not work any more on $1: $(cat /tmp/work-$3)"
	} &
	while [ ! -s /tmp/work-$3 ]; do
		sleep 0.1
	done
}

# shellcheck disable=SC1091
. /crash.sh
# Of 512 chunks, so that most kills meet a merge half-way.
merge_ios=50
modprobe -a virtio_pci virtio_blk kcopyd-mirror kcopyd-snapshot
[ -b /dev/vdf ] || echo "FAILED  $scenario: there are not all disks"

at_random 4
if [ $kills_round = 1 ]; then
	round 'a mirror begins' mirror_begins
elif [ $drawn = 0 ] && [ $kills_last = 0 ]; then
	resync=sync
	round 'a mirror is copied again' mirror_resyncs
elif [ $drawn = 1 ] && [ $kills_last = 0 ]; then
	resync=
	round 'a mirror that goes on being copied' mirror_resyncs
else
	round 'a mirror' mirror_checked
fi

if [ $kills_round = 1 ]; then
	round 'a snapshot begins' snapshot_first
elif [ "$(phase)" = merge ]; then
	round 'a merge' merge_checked
else
	round 'a snapshot' snapshot_checked
fi

if [ $kills_last = 0 ]; then
	works /dev/mapper/m /dev/vdf 1
	if [ "$(phase)" = merge ]; then
		[ -b /dev/mapper/merge ] || merge_up /dev/vdd /dev/vde $merge_ios
		works /dev/mapper/merge /dev/vdf+768 4
	else
		works /dev/mapper/origin /dev/vdf+512 2
		works /dev/mapper/snap /dev/vdf+768 3
	fi
	echo 'kill me' >/dev/ttyS3
	wait
	exit 1
fi
no_dm
rmmod kcopyd-mirror kcopyd-snapshot kcopyd-dm || echo "FAILED  $scenario: the modules cannot be unloaded"
