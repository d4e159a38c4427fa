# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Device-mapper seen from C++, by the sample target "skeleton".

# is TEXT : the state of the target
is() {
	[ "$(dmsetup status s)" = "0 40000 skeleton $1" ] || fail "state: $(dmsetup status s)"
}

serves() {
	fill /dev/na 1
	# A leading 0 has no meaning, as in the kernel's own targets.
	dm s '0 40000 skeleton /dev/na 02048'
	[ "$(dmsetup table s)" = "0 40000 skeleton $(cat /sys/block/na/dev) 2048" ] ||
		fail "table: $(dmsetup table s)"
	dmsetup message s 0 reset || fail 'no message'
	is '0 0'
	fill /dev/mapper/s 2 1000 500
	blockdev --flushbufs /dev/mapper/s
	dmsetup status s | grep -q ' skeleton [0-9]* 50[0-9]$' || fail "state: $(dmsetup status s)"
	check /dev/na 2 3048 500 1000
	check /dev/na 1 0 3048
	check /dev/na 1 3548 0
	! dmsetup message s 0 other 2>/dev/null || fail 'takes any message'
	! dmsetup message s 0 reset now 2>/dev/null || fail 'takes more than it knows'
	dmsetup message s 0 reset
	is '0 0'
}

# Two in one table, so that where a target begins matters.
two() {
	fill /dev/na 1
	fill /dev/nb 2
	dm s '0 1000 skeleton /dev/na 500;1000 2000 skeleton /dev/nb 8'
	check /dev/mapper/s 1 0 1000 500
	check /dev/mapper/s 2 1000 2000 8
}

flushes() { awk '{ print $16 }' /sys/block/nc/stat; }

# What has no data comes too.
others() {
	local before
	no_null_blk nc
	null_blk nc cache_size=1 discard=1
	fill /dev/nc 1
	dm s '0 40000 skeleton /dev/nc 2048'
	before=$(flushes)
	fill /dev/mapper/s 2 0 8
	sync /dev/mapper/s
	[ "$(flushes)" -gt "$before" ] || fail 'flushes do not arrive'
	blkdiscard -o 4096 -l 8192 /dev/mapper/s || fail 'discards are refused'
	check /dev/nc 1 0 2048
	check /dev/nc 1 2072 40
}

suspended() {
	dm s '0 40000 skeleton /dev/na 0'
	dmsetup suspend s --noudevsync && dmsetup resume s --noudevsync || fail 'not suspended'
	echo '0 30000 skeleton /dev/nb 0' | dmsetup reload s --noudevsync || fail 'not reloaded'
	dmsetup resume s --noudevsync
	[ "$(dmsetup table s)" = "0 30000 skeleton $(cat /sys/block/nb/dev) 0" ] ||
		fail "table: $(dmsetup table s)"
}

# refused TEXT ARGUMENTS
refused() {
	dmesg -c >/dev/null
	! echo "0 40000 skeleton $2" | dmsetup create s --noudevsync 2>/dev/null ||
		fail "accepted: $2"
	dmesg | grep -q "skeleton: $1" || fail "for '$2', the log says: $(dmesg | tail -n 2)"
	dmsetup remove s --noudevsync 2>/dev/null || true
}

bad_input() {
	refused 'The arguments are: ' ''
	refused 'The arguments are: ' /dev/na
	refused 'The arguments are: ' '/dev/na 0 0'
	refused 'The first sector is not a number' '/dev/na x'
	refused 'The first sector is not a number' '/dev/na -1'
	refused 'The first sector is not a number' '/dev/na +1'
	refused 'The first sector is not a number' '/dev/na 0x'
	refused 'The first sector is not a number' '/dev/na 18446744073709551616'
	refused 'The device cannot be opened' '/dev/none 0'
	refused 'The device is too small' '/dev/na 25537'
	refused 'The device is too small' '/dev/na 18446744073709551615'
}

# each NAME FUNCTION
each() {
	case_ "$@"
	no_dm
}

null_blk na
null_blk nb
modprobe kcopyd-dm-skeleton || echo "FAILED  $scenario: the module cannot be loaded"
each 'it serves, and counts' serves
each 'two in one table' two
each 'flushes and discards' others
each 'suspended, and changed' suspended
each 'bad input' bad_input
rmmod kcopyd-dm-skeleton kcopyd-dm || echo "FAILED  $scenario: the modules cannot be unloaded"
no_null_blks
