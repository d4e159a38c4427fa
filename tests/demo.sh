#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests make demo: as it is, with images of one's own, and interrupted.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/lib.sh
. tests/lib.sh

tests/qemu/deps.sh build boot lint

# All of the demo's processes and files can be told by this directory.
mkdir "$work/tmp"
demo() {
	start env TMPDIR="$work/tmp" samples/demo/demo.sh >"$work/log" 2>&1
}

# ended CODE : waits for the demo, which leaves nothing behind
ended() {
	local code=0
	wait "$child" || code=$?
	[ "$code" -eq "$1" ] || { echo "exit code $code, not $1"; return 1; }
	! grep -lz "^TMPDIR=$work/tmp" /proc/[0-9]*/environ 2>/dev/null || return 1
	[ -z "$(ls -A "$work/tmp")" ] || { ls -A "$work/tmp"; return 1; }
}

# has NUMBER TEXT : so many lines of what the demo said have the text
has() {
	[ "$(grep -cF "$2" "$work/log")" -eq "$1" ] || { echo "not $1 times: $2"; return 1; }
}

# copied [TEXT] : three copies are right, and so is what is left out of another
copied() {
	demo
	ended 0 && has 3 "every sector is the source's${1-}" && has 1 'were not written' &&
		has 1 ' MiB, failed after ' && has 1 'kcopyd-copy: done-with-errors: ' &&
		has 1 'in sync: all three are the same' && has 1 'the snapshot is what the mirror was' &&
		has 2 'again, sector by sector'
}

interrupted() {
	demo
	until grep -q '^== One copy' "$work/log"; do
		kill -0 "$child" || return 1
		sleep 0.1
	done
	kill "$child"
	ended 143
}

# or_said COMMAND... : if it fails, with what the demo said
or_said() {
	"$@" || { tail -n 15 "$work/log" | sed 's/^/| /'; return 1; }
}

result 'the demo' or_said copied '; e2fsck: clean; mounted, all'

# Not of whole MiB, nor of whole pages
head -c $((5 * 1048576 + 1536)) /dev/urandom >"$work/own, \"raw\".img"
export KCOPYD_DEMO_DISK="$work/own, \"raw\".img"
result 'a raw image' or_said copied

# A qcow2 image of 2 MiB, all of whose data is in its second cluster
python3 - "$work/qcow2" <<-'END'
	import os, struct, sys
	K = 65536
	header = struct.pack(">4sIQIIQIIQQII", b"QFI\xfb", 2, 0, 0, 16, 32 * K, 0, 1,
	                     3 * K, K, 1, 0) + struct.pack(">Q", 0)
	refcounts = struct.pack(">6H", *[1] * 6)
	tables = [header, struct.pack(">Q", 2 * K), refcounts,
	          struct.pack(">Q", 4 * K | 1 << 63), struct.pack(">QQ", 0, 5 * K | 1 << 63)]
	with open(sys.argv[1], "wb") as file:
	    for table in tables:
	        file.write(table.ljust(K, b"\0"))
	    file.write(os.urandom(K))
END
KCOPYD_DEMO_DISK=$work/qcow2 result 'a qcow2 image' or_said copied

result 'an interrupted demo leaves nothing' or_said interrupted

total
