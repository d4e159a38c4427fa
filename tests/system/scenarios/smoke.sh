# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# A little of everything, for kernels on which there is no time for all of it.

copies() {
	fill /dev/na 1
	copy_ok src=/dev/na dst=/dev/nb,/dev/nc
	check /dev/nb 1
	check /dev/nc 1
}

# A sector that cannot be read, and one that cannot be written
fails() {
	fill /dev/nb 2
	bad na 1000 1000
	copy src=/dev/na dst=/dev/nb,/dev/nc ignore_error=1
	expect done-with-errors -5 0x0
	check /dev/nb 1 0 992
	check /dev/nb 2 1000 1
	check /dev/nb 1 1008 0
	good na 1000 1000
	bad nc 5000 5000
	copy src=/dev/na dst=/dev/nb,/dev/nc ignore_error=1
	expect done-with-errors 0 0x2
	good nc 5000 5000
	check /dev/nb 1
}

mirrors() {
	local end
	modprobe kcopyd-mirror || fail 'no kcopyd-mirror'
	dm m '0 65536 kmirror core 1 1024 2 /dev/na 0 /dev/nb 0'
	end=$(($(seconds) + 60))
	until dmsetup status m | grep -q ' 64/64 1 AA '; do
		[ "$(seconds)" -lt $end ] || fail "not in sync: $(dmsetup status m)"
		sleep 0.1
	done
	fill /dev/mapper/m 3 5000 5000
	dmsetup remove m --noudevsync
	check /dev/na 3 5000 5000
	check /dev/nb 3 5000 5000
	check /dev/nb 1 10000 0
	rmmod kcopyd-mirror || fail 'kcopyd-mirror stays'
}

snapshots() {
	modprobe kcopyd-snapshot || fail 'no kcopyd-snapshot'
	fill /dev/na 1
	dd if=/dev/zero of=/dev/nb bs=64k count=1 conv=fsync 2>/dev/null
	dm snap '0 65536 ksnapshot /dev/na /dev/nb P 16'
	dm origin '0 65536 ksnap-origin /dev/na'
	fill /dev/mapper/origin 2 1000 3000
	fill /dev/mapper/snap 3 20000 500
	check /dev/mapper/origin 2 1000 3000
	check /dev/mapper/snap 1 0 20000
	check /dev/mapper/snap 3 20000 500
	check /dev/mapper/snap 1 20500 0
	dmsetup remove snap --noudevsync
	dmsetup remove origin --noudevsync
	rmmod kcopyd-snapshot || fail 'kcopyd-snapshot stays'
}

for name in na nb nc; do
	null_blk $name
done
case_ 'a copy to two disks' copies
case_ 'what cannot be read or written' fails
case_ 'a mirror' mirrors
no_dm
case_ 'a snapshot' snapshots
no_dm
rmmod kcopyd-dm || echo "FAILED  $scenario: kcopyd-dm cannot be unloaded"
no_null_blks
