# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# The kernel's dm-snapshot, on kcopyd. /dev/na is the origin, /dev/nb the store.

# reload NAME TABLE : another table, with the device suspended meanwhile
reload() {
	dmsetup suspend "$1" --noudevsync && echo "$2" | dmsetup reload "$1" &&
		dmsetup resume "$1" --noudevsync || fail "$1 takes no other table"
}

status() { dmsetup status "$1" || fail "no status of $1"; }

runs_on_kcopyd() {
	[ -d /sys/module/kcopyd/holders/dm_snapshot ] ||
		fail 'dm-snapshot does not use kcopyd'
}

# snapshot TYPE CHUNK : of what /dev/na holds, with the store on /dev/nb
snapshot() {
	fill /dev/na 1
	dd if=/dev/zero of=/dev/nb bs=64k count=1 2>/dev/null
	blockdev --flushbufs /dev/nb
	# The origin learns of the chunks of its snapshots when it is resumed.
	dm snap "0 65536 snapshot /dev/na /dev/nb $1 $2"
	dm origin '0 65536 snapshot-origin /dev/na'
}

copy_on_write() {
	snapshot "$1" "$2"
	runs_on_kcopyd
	fill /dev/mapper/origin 2 1000 3000
	fill /dev/mapper/origin 2 40001 999
	check /dev/mapper/snap 1
	check /dev/mapper/origin 2 1000 3000
	check /dev/mapper/origin 2 40001 999
	check /dev/mapper/origin 1 4000 36001
	# And the other way round
	fill /dev/mapper/snap 3 20000 500
	check /dev/mapper/origin 1 4000 36001
	check /dev/mapper/snap 3 20000 500
	check /dev/mapper/snap 1 0 20000
	check /dev/mapper/snap 1 20500 45036
}

persistent() {
	copy_on_write P 16
	# It is all in the store.
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	dm snap '0 65536 snapshot /dev/na /dev/nb P 16'
	check /dev/mapper/snap 3 20000 500
	check /dev/mapper/snap 1 0 20000
}

transient() { copy_on_write N 8; }

# Several snapshots of one origin, each with its store
several() {
	local i
	snapshot P 16
	for i in 1 2 3; do
		dm store$i "0 12288 linear /dev/nc $((i * 16384))"
		dd if=/dev/zero of=/dev/mapper/store$i bs=64k count=1 2>/dev/null
		blockdev --flushbufs /dev/mapper/store$i
		dm snap$i "0 65536 snapshot /dev/na /dev/mapper/store$i P 32"
	done
	dmsetup suspend origin --noudevsync && dmsetup resume origin --noudevsync
	fill /dev/mapper/origin 2 8192 8192
	for i in '' 1 2 3; do
		check /dev/mapper/snap$i 1
	done
}

# Its store is too small.
full() {
	fill /dev/na 1
	dm store '0 2048 linear /dev/nb 0'
	dd if=/dev/zero of=/dev/mapper/store bs=64k count=1 2>/dev/null
	blockdev --flushbufs /dev/mapper/store
	dm snap '0 65536 snapshot /dev/na /dev/mapper/store P 16'
	dm origin '0 65536 snapshot-origin /dev/na'
	fill /dev/mapper/origin 2
	status snap | grep -q Invalid || fail "not invalid: $(status snap)"
	# What it was for goes on.
	check /dev/mapper/origin 2
}

# A sector of the origin that cannot be read makes the snapshot invalid, as ever.
bad_origin() {
	snapshot P 16
	bad na 5000 5000
	sectors fill /dev/mapper/origin 2 4992 8 >/dev/null
	status snap | grep -q Invalid || fail "not invalid: $(status snap)"
}

merge() {
	local i=0
	snapshot P 16
	fill /dev/mapper/origin 2 1000 3000
	fill /dev/mapper/snap 3 30000 2000
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	reload origin '0 65536 snapshot-merge /dev/na /dev/nb P 16'
	while ! status origin | awk '{ split($4, n, "/"); exit n[1] != $5 }'; do
		i=$((i + 1))
		[ $i -lt 300 ] || fail "not merged: $(status origin)"
		sleep 0.1
	done
	reload origin '0 65536 linear /dev/na 0'
	check /dev/na 3 30000 2000
	check /dev/na 1 0 30000
	check /dev/na 1 32000 33536
}

# each NAME FUNCTION
each() {
	no_null_blks
	for name in na nb nc; do
		null_blk $name
	done
	case_ "$@"
	no_dm
}

modprobe dm-snapshot
each 'a persistent snapshot' persistent
each 'a transient snapshot' transient
each 'four snapshots of one origin' several
each 'a store that is full' full
each 'an origin that cannot be read' bad_origin
each 'a merge' merge
no_null_blks
rmmod dm-snapshot || echo "FAILED  $scenario: dm-snapshot cannot be unloaded"
