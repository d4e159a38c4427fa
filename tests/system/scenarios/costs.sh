# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# What is not a matter of speed: how long cancelling takes, what many clients cost, and
# how much memory a client takes beside its pages. The bounds are for a slow machine;
# what was measured is shown.

costs=/sys/module/kcopyd_costs/parameters/result

# Without the pages that each CPU keeps back, which are not counted.
echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction
free_kb() { sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo; }
threads() { find /proc -maxdepth 1 -name '[0-9]*' | wc -l; }

# Each I/O takes 4 ms, one at a time: what is on its way when it is cancelled ends by
# then, and nothing else is waited for.
cancel() {
	modprobe kcopyd_costs jobs=$1 src=/dev/na dst=/dev/slow ||
		fail "not accepted: $(dmesg | grep kcopyd | tail -n 2)"
	read -r measured <$costs
	rmmod kcopyd_costs
	echo "        ($measured)" >/tmp/costs
	eval "$measured"
	# Some had ended before.
	[ "$cancelled" -gt $(($1 / 2)) ] && [ "$one" = 1 ] || fail "$measured"
	[ "$call_ns" -lt 100000000 ] && [ "$one_call_ns" -lt 20000000 ] || fail "$measured"
	[ "$end_ns" -lt 1000000000 ] && [ "$one_end_ns" -lt 500000000 ] || fail "$measured"
}

# made [PARAMETER...] : makes 1000 clients; sets what they take
made() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	kb=$(free_kb)
	nr=$(threads)
	modprobe kcopyd_costs clients=1000 "$@" || fail "$(dmesg | tail -n 2)"
	kb=$((kb - $(free_kb)))
	nr=$(($(threads) - nr))
	rmmod kcopyd_costs
}

# The drop-in's clients have 128 pages, as mainline's, and no more than a thread more.
clients() {
	local kb nr ours_kb ours_nr
	made
	ours_kb=$kb
	ours_nr=$nr
	made mainline=1
	echo "        (1000 clients take $ours_kb KiB, $ours_nr threads; mainline's: $kb KiB, $nr threads)" >/tmp/costs
	[ $kb -gt 512000 ] && [ $nr -ge 950 ] || fail "mainline's take $kb KiB, $nr threads"
	[ $ours_kb -lt $((kb + kb / 4)) ] || fail "1000 clients take $ours_kb KiB, not $kb"
	[ $ours_nr -le $((nr + 1100)) ] || fail "1000 clients have $ours_nr threads, not $nr"
}

# budget PAGES... : what a client takes, while it copies as much as it can at a time
budget() {
	local before kb least pages
	for pages in "$@"; do
		echo 3 >/proc/sys/vm/drop_caches
		before=$(free_kb)
		least=$before
		start src=/dev/na dst=/dev/nb,/dev/nc pages=$pages chunk_kb=1024
		while grep -q 'state=copying' $status; do
			kb=$(free_kb)
			[ $kb -ge $least ] || least=$kb
		done
		kb=$(free_kb)
		[ $kb -ge $least ] || least=$kb
		until_done
		expect 'done' 0 0x0
		kb=$((before - least))
		echo "        ($pages pages, $((pages * 4)) KiB: $kb KiB at most)" >>/tmp/costs
		# 4 MiB for what else runs, and what else the kernel caches
		[ $kb -lt $((pages * 4 + 4096)) ] || fail "$pages pages take $kb KiB"
	done
}

# shown NAME COMMAND... : as case_, with what was measured
shown() {
	rm -f /tmp/costs
	case_ "$@"
	cat /tmp/costs
}

no_null_blks
for name in na nb nc; do
	null_blk $name
done
null_blk slow memory_backed=0 irqmode=2 completion_nsec=4000000 hw_queue_depth=1
# Their memory is there.
fill /dev/na 1
fill /dev/nb 2
fill /dev/nc 3
shown 'cancelling 2,000 copies' cancel 2000
shown 'cancelling 8,000 copies' cancel 8000
shown 'a thousand clients' clients
shown 'memory under each budget' budget 16 256 4096 16384
