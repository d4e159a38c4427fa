# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154,SC2317 # they share variables with guest.sh
#
# The commands of the README and the documents, which tests/docs/check.py has taken from
# them: in their order, on /dev/vda to vdd as they name them. Each document begins without
# the modules, and with empty devices.

# What "make" is for here: the modules are where modprobe finds them, too.
make() {
	[ "$*" = '-s builddir' ] || fail "there is no make here: make $*"
	echo "/lib/modules/$(uname -r)/extra"
}

# There is no udev to make the nodes.
dmsetup() {
	/bin/dmsetup "$@" || return
	case $1 in
	create | remove)	/bin/dmsetup mknodes ;;
	esac
}

# On a terminal if it asks or has no end: somebody says y there, and q
kcopyctl() {
	local code=0 pid terminal=
	case "$*" in
	*--yes*)	;;
	"copy "* | top)	terminal=y ;;
	esac
	[ -n "$terminal" ] || { /bin/kcopyctl "$@"; return; }
	rm -f /tmp/keys && mkfifo /tmp/keys || fail 'no FIFO'
	exec 9<>/tmp/keys
	script -q -e -E never -c "stty cols 100; exec /bin/kcopyctl $*" /tmp/pty </tmp/keys \
		>/tmp/terminal 2>&1 9>&- &
	pid=$!
	sleep 2
	[ $1 = top ] && printf q >&9 || printf 'y\n' >&9
	wait $pid || code=$?
	exec 9>&-
	# Of a bar the last state, and no terminal's ends of lines
	tr -d '\r\007' </tmp/terminal
	return $code
}

# plain COMMAND : what is left of what it prints when spaces do not count, nor numbers that
# are not the same each time: of dmsetup, only those of devices
plain() {
	local vary='s/[0-9]+(\.[0-9]+)?/N/g; s/N [KMG]iB/N B/g'
	case $1 in
	dmsetup*)	vary='s/[0-9]+:[0-9]+/N/g' ;;
	esac
	sed -E "$vary; s/[[:space:]]+/ /g; s/^ //; s/ \$//"
}

# as_shown COMMAND TEXT : all lines of it are in /tmp/said
as_shown() {
	plain "$1" </tmp/said >/tmp/plain
	echo "$2" | plain "$1" | while read -r line; do
		[ -z "$line" ] || grep -qxF -- "$line" /tmp/plain || return 1
	done
}

# step LINE COMMAND PRINTS : it succeeds, and prints that; if something, maybe not at once
step() {
	local code end=$(($(seconds) + 60))
	while :; do
		code=0
		rm -f /tmp/said
		eval "$2" >/tmp/said 2>&1 || code=$?
		[ $code != 0 ] || ! as_shown "$2" "$3" || return 0
		[ -n "$3" ] && [ "$(seconds)" -lt $end ] ||
			fail "line $1: $2: exit code $code, not '$3' but '$(tail -n 3 /tmp/said)'"
		sleep 0.2
	done
}

# document FILE
document() {
	mkdir -p /tmp/docs && cd /tmp/docs || fail 'no directory'
	# shellcheck disable=SC1090
	. "$1"
}

clean() {
	no_dm
	no_null_blks
	for name in kcopyd_copy kcopyd_mirror kcopyd_snapshot kcopyd_dm_skeleton kcopyd_dm kcopyd; do
		[ ! -d /sys/module/$name ] || rmmod $name || echo "FAILED  docs: $name stays"
	done
}

mkdir -p /dev/pts
mount -t devpts devpts /dev/pts 2>/dev/null
for file in /docs/*; do
	clean
	for name in vda vdb vdc vdd; do
		# So slow that a copy can be seen.
		null_blk $name mbps=16
	done
	case_ "${file##*/}" document "$file"
done
clean
modprobe kcopyd
unset -f make dmsetup kcopyctl
umount /dev/pts
