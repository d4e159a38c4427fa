# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2154 # they share variables with guest.sh
#
# The targets under fio, which writes all of a device at random, several writes at a time,
# reads it back, and knows what belongs where.

# fio_ ARGUMENT... : on the devices named there; with --verify_only it reads alone
fio_() {
	fio --thread --ioengine=libaio --direct=1 --rw=randwrite --bsrange=4k-64k --iodepth=16 \
		--verify=crc32c --verify_fatal=1 --size=32m --group_reporting "$@" \
		</dev/null >/tmp/fio.out 2>&1 ||
		fail "fio $*: $(grep -m 3 -i 'verify\|error' /tmp/fio.out)"
}

in_sync() { dmsetup status m | grep -q ' 64/64 '; }
out_of_sync() { ! in_sync; }

# until_ COMMAND... : waits until that is so, or fio has found something
until_() {
	local end=$(($(seconds) + 120))
	until "$@"; do
		[ ! -s /tmp/reason ] || fail "$(cat /tmp/reason)"
		[ "$(seconds)" -lt $end ] || fail "not so: $*: $(dmsetup status m)"
		sleep 0.1
	done
}

# leg NAME TARGET : what is beneath a leg now
leg() {
	dmsetup suspend "leg-$1" --noudevsync
	dmsetup reload "leg-$1" --table "0 65536 $2" && dmsetup resume "leg-$1" --noudevsync ||
		fail "leg-$1 cannot be changed"
}

# fails_and_comes NAME : then what it lacks is copied to it
fails_and_comes() {
	leg "$1" error
	until_ out_of_sync
	sleep 0.5
	leg "$1" "linear /dev/$1 0"
	# What could not be copied is tried again.
	dmsetup suspend m --noudevsync && dmsetup resume m --noudevsync ||
		fail 'it cannot be suspended'
	until_ in_sync
}

# passes : writes all of m again and again, and verifies it, until told; there is something
# else in each sector every time
passes() {
	pass=0
	until [ -e /tmp/stop ]; do
		pass=$((pass + 1))
		echo $pass >/tmp/pass
		fio_ --name=m --filename=/dev/mapper/m --randseed=$pass
	done
}

# mirror LOG : one leg fails after the other, and comes back, while it is written and read
mirror() {
	local fio rounds=0
	fill /dev/na 1
	fill /dev/nb 2
	dm leg-na '0 65536 linear /dev/na 0'
	dm leg-nb '0 65536 linear /dev/nb 0'
	dm m "0 65536 kmirror $1 2 /dev/mapper/leg-na 0 /dev/mapper/leg-nb 0"
	until_ in_sync
	rm -f /tmp/stop
	passes &
	fio=$!
	while [ $rounds -lt 2 ]; do
		fails_and_comes nb
		fails_and_comes na
		rounds=$((rounds + 1))
	done
	: >/tmp/stop
	wait $fio || fail "$(cat /tmp/reason)"
	until_ in_sync
	dmsetup remove m --noudevsync || fail 'it is busy'
	for name in na nb; do
		fio_ --name=m --filename=/dev/$name --randseed="$(cat /tmp/pass)" --verify_only
	done
}

snapshot() {
	fill /dev/na 1
	dm one-store '0 98304 linear /dev/nb 0'
	dm two-store '0 98304 linear /dev/nb 98304'
	snapshots
	dm origin '0 65536 ksnap-origin /dev/na'
	fio_ --name=origin --filename=/dev/mapper/origin --name=two --filename=/dev/mapper/two
	check /dev/mapper/one 1
	# That is on disk, too.
	dmsetup remove one --noudevsync && dmsetup remove two --noudevsync || fail 'they are busy'
	snapshots
	check /dev/mapper/one 1
	fio_ --name=origin --filename=/dev/mapper/origin --name=two --filename=/dev/mapper/two \
		--verify_only
}

snapshots() {
	dm one '0 65536 ksnapshot /dev/na /dev/mapper/one-store P 16'
	dm two '0 65536 ksnapshot /dev/na /dev/mapper/two-store P 64'
}

# each NAME FUNCTION [ARG...]
each() {
	null_blk na
	null_blk nb size=96
	null_blk nl size=1
	case_ "$@"
	: >/tmp/stop
	no_dm
	no_null_blks
}

modprobe -a kcopyd-mirror kcopyd-snapshot
each 'legs of a mirror fail, with a log in memory' mirror 'core 1 1024'
each 'legs of a mirror fail, with a log on disk' mirror 'disk 2 /dev/nl 1024'
each 'an origin and a snapshot, beside another one' snapshot
rmmod kcopyd-mirror kcopyd-snapshot kcopyd-dm ||
	echo "FAILED  $scenario: the modules cannot be unloaded"
