#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the kernel's own users of dm-kcopyd, from Debian's source package and
# unchanged, on kcopyd's drop-in header; and shows by the symbols that they import
# that it is kcopyd what they run on, and that each call that the stock module
# makes is one of kcopyd's.
#
#	build.sh KDIR DIR	the modules are in DIR then, for the kernel that
#				kcopyd's modules were built for before
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
kdir=$1 dir=$2

tests/qemu/deps.sh build clients

source=$(tests/qemu/kernel.sh source 6.1)
mkdir -p "$dir"
cp -r "$source/drivers/md/." "$dir"
rm -f "$dir/Makefile"
cp tests/clients/Kbuild "$dir"
make -C "$kdir" M="$(cd "$dir" && pwd)" KCOPYD_TREE="$PWD" -j"$(nproc)" modules >"$dir/log" 2>&1 || {
	grep -E 'error|ERROR' "$dir/log" | head -n 20
	echo 'FAILED  the kernel'"'"'s users of dm-kcopyd do not build'
	exit 1
}

# What of kcopyd the module imports, in the names of the kernel's own.
imports() { nm -u "$1" | sed -n "s/^ *U $2/dm_kcopyd_/p" | sort; }

failed=0
for module in "$dir"/*.ko; do
	name=${module##*/}
	if nm -u "$module" | grep -q ' dm_kcopyd_'; then
		echo "FAILED  $name: it imports the kernel's own calls: $(imports "$module" dm_kcopyd_ | xargs)"
		failed=1
	elif [[ -z $(imports "$module" kcopyd_dm_) ]]; then
		echo "FAILED  $name: it imports none of kcopyd's calls"
		failed=1
	else
		echo "ok      $name is built on kcopyd ($(imports "$module" kcopyd_dm_ | wc -l) calls)"
	fi
done
exit "$failed"
