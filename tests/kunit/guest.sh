#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: runs the suites, which is what inserting their module does.
#
#	guest.sh [SUITE...]	skip the suites that use disks, but for these
set -eu

# Suites choose the allocations that fail; these let any be chosen.
for faults in failslab fail_page_alloc; do
	dir=/sys/kernel/debug/$faults
	echo N >$dir/ignore-gfp-wait
	echo 0 >$dir/verbose
done
echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
# Of a task that is marked, all of the slab fail.
dir=/sys/kernel/debug/failslab
echo Y >$dir/task-filter
echo -1 >$dir/times
echo 100 >$dir/probability

# KCSAN looks at one access in so many. On its kernel only modules are looked at, so it
# can be more than it was made for.
kcsan=/sys/module/kcsan/parameters
[ ! -d $kcsan ] || echo 40 >$kcsan/skip_watch

# A case may take minutes, for all of which modprobe waits; each has a time limit of its own.
echo 0 >/proc/sys/kernel/hung_task_timeout_secs

modprobe kcopyd
[ $# -eq 0 ] || echo "$@" >/tmp/kcopyd-suites
modprobe kcopyd_kunit
# Nothing is left behind that uses them.
rmmod kcopyd_kunit
rmmod kcopyd
