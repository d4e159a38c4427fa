#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of the bench that runs in the virtual machine: sets up the devices,
# and runs each line of /bench/runs, "ROW<tab>ENGINE<tab>PARAMETERS". What comes
# back by /dev/out is "ROW<tab>RESULT".
# shellcheck shell=dash disable=SC2086

configfs=/sys/kernel/config/nullb
result=/sys/module/kcopyd_bench/parameters/result

# null_blk NAME ATTRIBUTE=VALUE...
null_blk() {
	local name=$1 attribute
	shift
	mkdir "$configfs/$name"
	for attribute in "$@" power=1; do
		echo "${attribute#*=}" >"$configfs/$name/${attribute%%=*}" || exit 1
	done
}

modprobe -a dm-mod kcopyd || exit 1
modprobe null_blk nr_devices=0 || exit 1
modprobe brd rd_nr=2 rd_size=65536 || exit 1
# No delay, and no requests: what is seen is the engine's own work.
for i in 0 1 2 3 4 5 6 7 8; do
	null_blk n$i size=4194304 queue_mode=0 irqmode=0
done
for us in 20 80; do
	null_blk t${us}a size=1048576 irqmode=2 completion_nsec=${us}000 max_sectors=2560
	null_blk t${us}b size=1048576 irqmode=2 completion_nsec=${us}000 max_sectors=2560
done
# One request at a time, each takes 4 ms however large.
null_blk hdda size=1048576 irqmode=2 completion_nsec=4000000 hw_queue_depth=1 max_sectors=2560
null_blk hddb size=1048576 irqmode=2 completion_nsec=4000000 hw_queue_depth=1 max_sectors=2560
for name in a b; do
	null_blk mem$name size=128 memory_backed=1 irqmode=0 blocksize=4096
	null_blk null$name size=128 irqmode=0 blocksize=4096
done
# Time flies here when there is nothing to do, and a run is one long wait.
echo 0 >/proc/sys/kernel/hung_task_timeout_secs
# What is freed counts as free at once.
echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction

# The first write to memory-backed devices allocates their pages.
for name in mema memb ram0 ram1; do
	dd if=/dev/zero of=/dev/$name bs=1M count=$(($(blockdev --getsize64 /dev/$name) >> 20)) 2>/dev/null
	blockdev --flushbufs /dev/$name
done

tab=$(printf '\t') failed=0
while IFS=$tab read -r row engine params; do
	if modprobe -- kcopyd_bench engine=$engine $params; then
		printf '%s\t%s\n' "$row" "$(cat $result)" >/dev/out
		rmmod kcopyd_bench
	else
		echo "FAILED $row, $engine: $(dmesg | grep kcopyd_bench | tail -n 1)"
		failed=1
	fi
done </bench/runs
rmmod kcopyd && exit $failed
