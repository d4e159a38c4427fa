# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# device-mapper targets below kcopyd.

# In pieces, in the wrong order
linear() {
	dm lin '0 1000 linear /dev/nb 60000;1000 3000 linear /dev/nb 100;4000 20000 linear /dev/nb 4000'
	copy_ok src=/dev/na dst=/dev/mapper/lin count=24000
	check /dev/mapper/lin 1 0 24000
	check /dev/nb 1 60000 1000 0
	check /dev/nb 1 100 3000 1000
	check /dev/nb 1 4000 20000 4000
}

error_source() {
	dm err '0 1000 linear /dev/na 0;1000 100 error;1100 20000 linear /dev/na 1100'
	fill /dev/nb 2
	copy src=/dev/mapper/err dst=/dev/nb count=20000 ignore_error=1
	expect done-with-errors -5 0x0
	check /dev/nb 1 0 20000 --other 2 1000+104
	copy src=/dev/mapper/err dst=/dev/nb
	expect failed -5 0x0
}

error_destination() {
	dm err '0 8192 linear /dev/nb 0;8192 8 error;8200 20000 linear /dev/nb 8200'
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/nc,/dev/mapper/err count=20000 ignore_error=1
	expect done-with-errors 0 0x2
	check /dev/nc 1 0 20000
	check /dev/nb 1 0 20000 --other - 8192+1024
}

# Every write fails, every read succeeds.
flakey() {
	dm flaky '0 65536 flakey /dev/nb 0 0 60 1 error_writes'
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/mapper/flaky,/dev/nc ignore_error=1
	expect done-with-errors 0 0x1
	check /dev/nb 2
	check /dev/nc 1
	fill /dev/nd 3
	copy_ok src=/dev/mapper/flaky dst=/dev/nd
	check /dev/nd 2
}

# A source that takes its time
delay() {
	dm slow '0 65536 delay /dev/na 0 20'
	fill /dev/nb 2
	copy_ok src=/dev/mapper/slow dst=/dev/nb pages=64
	check /dev/nb 1
}

# each NAME FUNCTION
each() {
	case_ "$@"
	no_dm
}

no_null_blks
modprobe -a dm-mod dm-delay dm-flakey
for name in na nb nc nd; do
	null_blk $name
done
fill /dev/na 1
each 'dm-linear' linear
each 'a source with an error target in it' error_source
each 'a destination with an error target in it' error_destination
each 'dm-flakey' flakey
each 'dm-delay' delay
