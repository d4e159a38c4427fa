#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the kernel's own users of dm-kcopyd, from Debian's source package and
# unchanged, on kcopyd's drop-in header; and shows by the symbols that they import
# that it is kcopyd what they run on, and that each call that the stock module
# makes is one of kcopyd's.
#
#	build.sh KERNEL DIR	the modules are in DIR then; kcopyd's have been built
#				for that kernel before
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
kernel=$1 dir=$2

tests/qemu/deps.sh build clients

source=$(tests/qemu/kernel.sh source "${kernel#debug-}")
mkdir -p "$dir"
cp -r "$source/drivers/md/." "$dir"
cp tests/clients/Kbuild "$dir"
# shellcheck disable=SC2016 # make's own variables
printf 'modules:\n\t$(MAKE) -C $(KDIR) M=$(CURDIR) modules\n' >"$dir/Makefile"
tests/qemu/make.sh "$kernel" -C "$dir" KCOPYD_TREE="$PWD" -j"$(nproc)" >"$dir/log" 2>&1 || {
	grep -m 20 -E 'error|ERROR' "$dir/log" || true
	echo 'FAILED  the kernel'"'"'s users of dm-kcopyd do not build'
	exit 1
}

# What of kcopyd the module imports, in the names of the kernel's own.
imports() { nm -u "$1" | sed -n "s/^ *U $2/dm_kcopyd_/p" | sort; }

failed=0
for module in "$dir"/*.ko; do
	name=${module##*/}
	own=$(imports "$module" dm_kcopyd_)
	if [[ -n $own ]]; then
		echo "FAILED  $name: it imports the kernel's own calls: $(xargs <<<"$own")"
		failed=1
	elif [[ -z $(imports "$module" kcopyd_dm_) ]]; then
		echo "FAILED  $name: it imports none of kcopyd's calls"
		failed=1
	else
		echo "ok      $name is built on kcopyd ($(imports "$module" kcopyd_dm_ | wc -l) calls)"
	fi
done
exit "$failed"
