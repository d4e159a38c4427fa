# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# The kernel's dm-mirror, on kcopyd, with dmsetup and with lvm2.

throttle=/sys/module/dm_mirror/parameters/raid1_resync_throttle

# mirror [FEATURE] : of /dev/na, the first leg, and /dev/nb
mirror() {
	dm mirror "0 65536 mirror core 1 1024 2 /dev/na 0 /dev/nb 0 ${1:+1 $1}"
	[ -d /sys/module/kcopyd/holders/dm_mirror ] || fail 'dm-mirror does not use kcopyd'
}

# in_sync : all of its regions are
in_sync() { dmsetup status mirror | grep -q ' 64/64 '; }

# until_in_sync SECONDS
until_in_sync() {
	local end=$(($(seconds) + $1))
	until in_sync; do
		[ "$(seconds)" -lt $end ] || fail "not in sync: $(dmsetup status mirror)"
		sleep 0.1
	done
}

sync_() {
	fill /dev/na 1
	fill /dev/nb 2
	mirror
	until_in_sync 60
	dmsetup status mirror | grep -q ' AA ' || fail "legs: $(dmsetup status mirror)"
	check /dev/nb 1
	fill /dev/mapper/mirror 3 5000 5000
	check /dev/na 3 5000 5000
	check /dev/nb 3 5000 5000
}

# The module's parameter is looked at while it copies.
throttled() {
	fill /dev/na 1
	echo 0 >$throttle
	mirror
	sleep 3
	! in_sync || fail 'in sync at once, at 0 %'
	echo 100 >$throttle
	until_in_sync 60
	check /dev/nb 1
}

# A leg that does not take all: it is not in sync, and the other one serves.
bad_leg() {
	local i=0
	fill /dev/na 1
	fill /dev/nb 2
	bad nb 20000 20100
	mirror handle_errors
	while ! dmsetup status mirror | grep -q ' A[SDR] '; do
		i=$((i + 1))
		[ $i -lt 600 ] || fail "legs: $(dmsetup status mirror)"
		sleep 0.1
	done
	! in_sync || fail 'in sync with a bad leg'
	check /dev/mapper/mirror 1
	dmsetup remove mirror --noudevsync || fail 'busy'
	# It recovers.
	good nb 20000 20100
	mirror handle_errors
	until_in_sync 60
	check /dev/nb 1
}

suspended() {
	local begin
	fill /dev/na 1
	echo 0 >$throttle
	mirror
	begin=$(seconds)
	dmsetup suspend mirror --noudevsync || fail 'cannot be suspended'
	dmsetup resume mirror --noudevsync
	[ $(($(seconds) - begin)) -lt 30 ] || fail "suspended only after $(($(seconds) - begin)) s"
	echo 100 >$throttle
	until_in_sync 60
}

# lvm COMMAND... : without udev and daemons, on what is here
lvm_() {
	lvm "$@" --config 'devices { dir="/dev" scan=["/dev"] obtain_device_list_from_udev=0 external_device_info_source="none" use_devicesfile=0 types=["nullb",16] }
		activation { udev_sync=0 udev_rules=0 verify_udev_operations=1 monitoring=0 reserved_stack=64 reserved_memory=0 }
		global { use_lvmpolld=0 use_lvmlockd=0 locking_dir="/tmp/lock" } backup { backup=0 archive=0 }' >/tmp/lvm 2>&1 ||
		fail "lvm $1: $(tail -n 2 /tmp/lvm)"
}

pvmove() {
	mkdir -p /tmp/lock /run/lvm
	dd if=/dev/zero of=/dev/na bs=1M count=1 2>/dev/null
	dd if=/dev/zero of=/dev/nb bs=1M count=1 2>/dev/null
	lvm_ pvcreate -y /dev/na /dev/nb
	lvm_ vgcreate -s 1M vg /dev/na /dev/nb
	lvm_ lvcreate -y -Wn -Zn -l 20 -n lv vg /dev/na
	fill /dev/mapper/vg-lv 1
	lvm_ pvmove -i 1 /dev/na /dev/nb
	check /dev/mapper/vg-lv 1
	dmsetup table vg-lv | grep -q "linear $(cat /sys/block/nb/dev) " ||
		fail "it is not on nb: $(dmsetup table vg-lv)"
	lvm_ vgchange -an vg
}

# each NAME FUNCTION
each() {
	no_null_blks
	for name in na nb; do
		null_blk $name
	done
	case_ "$@"
	echo 100 >$throttle
	no_dm
}

modprobe dm-mirror
each 'a mirror is brought in sync' sync_
each 'its throttle' throttled
each 'a leg with bad sectors' bad_leg
each 'it is suspended while it copies at 0 %' suspended
each 'pvmove' pvmove
no_null_blks
rmmod dm-mirror || echo "FAILED  $scenario: dm-mirror cannot be unloaded"
