#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of run.sh that runs in a virtual machine:
#
#	guest.sh SUITE VERSION
#
# loads what each way of installing has left in /installed/WAY, and copies something.

extra=/lib/modules/$(uname -r)/extra
modprobe brd rd_nr=2 rd_size=1024

# loads VERSION
loads()
(
	set -e
	modprobe -a kcopyd-mirror kcopyd-snapshot client mine kcopyd-dm-skeleton
	for module in kcopyd kcopyd_dm kcopyd_mirror kcopyd_snapshot; do
		[ "$(cat /sys/module/$module/version)" = "$1" ]
	done
	head -c 1048576 /dev/urandom >/dev/ram0
	modprobe kcopyd-copy src=/dev/ram0 dst=/dev/ram1
	until grep state=done /sys/module/kcopyd_copy/parameters/status; do
		sleep 0.1
	done
	rmmod kcopyd-copy
	cmp /dev/ram0 /dev/ram1
	modprobe -r -a client mine kcopyd-dm-skeleton kcopyd-mirror kcopyd-snapshot
	[ ! -d /sys/module/kcopyd ]
)

bad=0
for way in /installed/*; do
	name="install: $1: they load: $(uname -r), ${way##*/}"
	rm -f "$extra"/*.ko
	cp "$way"/*.ko "$extra/"
	loads "$2" >/tmp/said 2>&1
	code=$?
	if [ $code = 0 ]; then
		echo "ok      $name"
	else
		echo "FAILED  $name"
		sed 's/^/        /' /tmp/said
		dmesg | tail -n 5 | sed 's/^/        /'
		bad=1
		# What is loaded would be the next one's.
		break
	fi
done
exit $bad
