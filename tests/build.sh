#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the modules for each kernel, and for those that are named: no warning, whatever
# W=1 asks for, and the public header and the README's example compile as they stand.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/lib.sh
. tests/lib.sh

tests/qemu/deps.sh build roots

# silently COMMAND... : and prints nothing that warns
silently() {
	local code=0
	run "$@" >"$work/log" 2>&1 || code=$?
	cat "$work/log"
	((code == 0)) && ! grep -qiE 'warning|error:' "$work/log"
}

printf 'kcopyd_%s\n' cancel cancel_sync client_cancel client_cancel_sync \
	client_create client_create_named client_destroy client_flush client_get_stats client_resize \
	client_set_part_size client_throttle copy \
	cpp_alloc cpp_assert_failed cpp_free dm_client_create dm_client_destroy \
	dm_client_flush dm_copy dm_do_callback dm_prepare_callback dm_zero \
	do_callback prepare_callback request_cancel request_cancel_sync \
	request_size submit \
	throttle_create throttle_destroy throttle_get_limits throttle_resume throttle_set \
	throttle_suspend zero >"$work/expected"

mkdir -p build
for kernel in 6.1 6.12 7.3 i386 debug-6.1 "$@"; do
	dir=$(tests/qemu/make.sh "$kernel" -s builddir)
	# What is not compiled does not warn.
	flock "$dir.lock" rm -rf "$dir"
	result "modules for Debian's $kernel" silently tests/qemu/make.sh "$kernel" -j"$(nproc)" modules W=1
	# For the KUnit suites it exports more.
	[[ $kernel != *-* ]] || continue
	# The calls of kcopyd.h and the C++ runtime's, and nothing from inside.
	awk '$3 == "kcopyd" || $3 ~ /\/kcopyd$/ { print $2 }' "$dir/Module.symvers" | sort >"$work/exported"
	result "exported symbols on $kernel" diff "$work/expected" "$work/exported"
done

# One line says that there are no headers of the running kernel, if nobody says KDIR.
fallback() {
	mkdir "$work/bin" && printf '#!/bin/sh\necho none\n' >"$work/bin/uname" &&
		chmod +x "$work/bin/uname" || return
	local run=(env -u KDIR PATH="$work/bin:$PATH" make -s builddir)
	"${run[@]}" >"$work/said" 2>"$work/stderr" || return
	"${run[@]}" KDIR="$kdir" >"$work/told" 2>&1 || return
	cat "$work/stderr"
	[ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -q /lib/modules/none/build "$work/stderr" &&
		diff "$work/said" "$work/told"
}
kdir=$(tests/qemu/kernel.sh headers 6.1)
result "a build without headers of the running kernel" fallback

# The public header stands on its own in freestanding C++.
echo '#include "kcopyd.h"' >"$work/header.cpp"
result "kcopyd.h in C++" silently g++ -std=c++20 -ffreestanding -Wall -Wextra -Werror \
	-I. -fsyntax-only "$work/header.cpp"

# What the documents show are modules that build.
tests/docs/modules.sh "$PWD" "$work/modules"
for name in c cpp target; do
	result "a module outside the tree: $name" silently make -C "$kdir" M="$work/modules/$name" W=1 KCFLAGS=-Werror
done

total
