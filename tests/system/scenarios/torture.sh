# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Several clients copy at random between devices of many kinds, some of which
# fail. run.sh gives torture_seconds and torture_seed.

torture_status=/sys/module/kcopyd_torture/parameters/status

# torture SECONDS SEED CLIENTS DEVICE...
torture() {
	local seconds=$1 seed=$2 clients=$3 waited=0 devices
	shift 3
	devices=$(echo "$@" | tr ' ' ,)
	modprobe kcopyd_torture "devices=$devices" "seconds=$seconds" "seed=$seed" \
		"clients=$clients" || fail "$(dmesg | grep kcopyd_torture | tail -n 2)"
	while :; do
		eval "$(cat $torture_status)"
		[ "$state" = running ] || break
		waited=$((waited + 1))
		[ $waited -lt $((seconds + 400)) ] ||
			hangs "seed $seed; the log says: $(dmesg | grep kcopyd_torture | tail -n 3)"
		sleep 1
	done
	echo "        (seed $seed: $copies copies, $errors with errors, $refused refused, $lives clients, $sweeps sweeps)" >/tmp/torture
	[ "$state" != hung ] || hangs "$(dmesg | grep 'kcopyd_torture: FAILED' | head -n 3)"
	[ "$state" = passed ] || fail "$(dmesg | grep 'kcopyd_torture: FAILED' | head -n 3)"
	[ "$copies" -gt 20 ] || fail "only $copies copies"
	rmmod kcopyd_torture || fail 'kcopyd_torture cannot be unloaded'
	rmmod kcopyd || fail 'kcopyd cannot be unloaded'
	modprobe kcopyd
}

no_null_blks
modprobe -a dm-mod dm-flakey dm-delay sd_mod brd
null_blk fast size=16
null_blk timer size=16 irqmode=2 completion_nsec=100000
null_blk slow size=16 irqmode=2 completion_nsec=1000000 hw_queue_depth=4
null_blk blocks size=16 blocksize=4096
null_blk spotty size=16
bad spotty 1000 1000
bad spotty 9000 9020
bad spotty 16383 16384
bad spotty 20480 21503
bad spotty 30001 30001
null_blk below size=16
echo '0 32768 flakey /dev/below 0 3 1' | dmsetup create flaky --noudevsync
dmsetup mknodes flaky
fast="/dev/fast /dev/timer /dev/slow /dev/blocks"

case_ 'one client on sound devices' torture $((torture_seconds / 6 + 5)) "$torture_seed" 1 $fast
cat /tmp/torture
case_ 'many clients on sound and failing devices' torture "$torture_seconds" "$torture_seed" 6 $fast '/dev/spotty!' '/dev/mapper/flaky?'
cat /tmp/torture
dmsetup remove_all --noudevsync
