#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the modules for each kernel: no warning, whatever W=1 asks for, and the
# public header and the README's example compile as they stand.
set -euo pipefail
cd "$(dirname "$0")/.."
# The flags of an outer make, like -j, are not for the builds here.
unset MAKEFLAGS MFLAGS MAKELEVEL

tests/qemu/deps.sh build roots

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# result NAME COMMAND...: passes if the command does and prints nothing that warns
result() {
	local name=$1
	shift
	if "$@" >"$work/log" 2>&1 && ! grep -qiE 'warning|error:' "$work/log"; then
		echo "ok     $name"
		passed=$((passed + 1))
	else
		echo "FAILED $name"
		sed 's/^/       /' "$work/log"
		failed=$((failed + 1))
	fi
}

printf 'kcopyd_%s\n' cancel cancel_sync client_cancel client_cancel_sync \
	client_create client_create_named client_destroy client_flush client_get_stats client_resize \
	client_set_part_size client_throttle copy \
	cpp_alloc cpp_assert_failed cpp_free dm_client_create dm_client_destroy \
	dm_client_flush dm_copy dm_do_callback dm_prepare_callback dm_zero \
	do_callback prepare_callback request_cancel request_cancel_sync \
	request_size submit \
	throttle_create throttle_destroy throttle_set zero >"$work/expected"

mkdir -p build
for kernel in 6.1 6.12 7.3 i386 debug-6.1; do
	dir=$(tests/qemu/make.sh "$kernel" -s builddir)
	# What is not compiled does not warn.
	flock "$dir.lock" rm -rf "$dir"
	result "modules for Debian's $kernel" tests/qemu/make.sh "$kernel" -j"$(nproc)" modules W=1
	# For the KUnit suites it exports more.
	[ "$kernel" != debug-6.1 ] || continue
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
result "kcopyd.h in C++" g++ -std=c++20 -ffreestanding -Wall -Wextra -Werror \
	-I. -fsyntax-only "$work/header.cpp"

# The README's example is a module that builds.
mkdir "$work/example"
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md >"$work/example/example.c"
cat >>"$work/example/example.c" <<-'END'
	int (*const example)(struct block_device *, struct block_device *) = copy_first_mib;
	MODULE_DESCRIPTION("example");
	MODULE_LICENSE("GPL");
END
# With what the README says a client's Kbuild file has.
cat >"$work/example/Kbuild" <<-END
	KCOPYD := $PWD
	include \$(KCOPYD)/include/client.mk
	obj-m := example.o
END
result "the README's example" make -C "$kdir" M="$work/example" W=1 \
	KCFLAGS=-Werror

# So is that of the contract's section on C++, with the Kbuild file that it shows.
mkdir "$work/cpp"
awk '/^\t#include "kcopyd.hpp"$/ { on = 1 } /^[^\t]/ { on = 0 } on' Documentation/kcopyd.rst |
	sed 's/^\t//' >"$work/cpp/logic.cpp"
echo 'extern "C" int example(block_device *src, block_device *a, block_device *b);
	int example(block_device *src, block_device *a, block_device *b) { return copy_first_mib(src, a, b); }' \
	>>"$work/cpp/logic.cpp"
cat >"$work/cpp/glue.c" <<-'END'
	#include <linux/module.h>
	struct block_device;
	int example(struct block_device *src, struct block_device *a, struct block_device *b);
	int (*const call)(struct block_device *, struct block_device *, struct block_device *) = example;
	MODULE_DESCRIPTION("example");
	MODULE_LICENSE("GPL");
END
awk '/^C\+\+$/ { on = 1 } /^Durability$/ { on = 0 } on' Documentation/kcopyd.rst |
	sed -n '/^\tKCOPYD := /,/cxx.mk$/s/^\t//p' | sed "s|/path/to/kcopyd|$PWD|" >"$work/cpp/Kbuild"
result "the C++ example" make -C "$kdir" M="$work/cpp" W=1 KCFLAGS=-Werror

# And a target of somebody else's.
mkdir "$work/target"
cp samples/dm-skeleton/* "$work/target"
sed -n '/^\tKCOPYD := /,/cxx.mk$/s/^\t//p' Documentation/dm-cpp.rst | sed "s|/path/to/kcopyd|$PWD|" \
	>"$work/target/Kbuild"
result "a target in C++ outside the tree" make -C "$kdir" M="$work/target" W=1 KCFLAGS=-Werror

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
