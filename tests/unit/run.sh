#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The logic of the targets on the host: GoogleTest with the address and undefined
# behaviour sanitizers, once more for a machine of 32 bits where that can be built, what
# is of formats on disk also for a big-endian machine, which is emulated, then each fuzzer
# for a while. Prints a line for each test; the last one counts them.
#
#	run.sh [FILTER...]	only tests and fuzzers whose names have it in them, and
#				nothing for other machines
#
# KCOPYD_FUZZ_SECONDS	how long each fuzzer runs (default 10)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/lib.sh
. tests/lib.sh

tests/qemu/deps.sh unit

# wanted NAME
wanted() {
	local filter
	((${#filters[@]})) || return 0
	for filter in "${filters[@]}"; do
		[[ $1 != *"$filter"* ]] || return 0
	done
	return 1
}

# logged COMMAND... : what it prints is in the log
logged() { run "$@" >"$work/log" 2>&1; }

filters=("$@")
flags=(-std=c++20 -I. -g -O1 -fno-exceptions -fno-rtti -Wall -Wextra -Werror
	-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all)

pattern='*'
((${#filters[@]} == 0)) || pattern=$(printf '*%s*:' "${filters[@]}")

# gtests MARK SOURCE... : all tests of these, whose names are printed with the mark.
# Compiled by $compiler with $libraries, and run by $emulator
gtests() {
	local mark=$1 source name code n
	shift
	for source; do
		name=$(basename "$source" .cpp)
		if ! logged "${compiler[@]}" -o "$work/$name" "$source" "${libraries[@]}" -pthread; then
			failure "$name$mark: does not build" "$work/log"
			continue
		fi
		code=0
		logged "${emulator[@]}" "$work/$name" --gtest_color=no "--gtest_filter=$pattern" || code=$?
		sed -n "s/^\[       OK \] \([^ ]*\).*/ok     \1$mark/p" "$work/log"
		n=$(grep -c '^\[       OK \]' "$work/log" || true)
		passed=$((passed + n))
		((code)) || continue
		n=$(grep -cE '^\[  FAILED  \] [^ ]+ \([0-9]+ ms\)$' "$work/log" || true)
		# A sanitizer ends it all.
		failed=$((failed + (n ? n : 1)))
		sed -nE "s/^\[  FAILED  \] ([^ ]+) \([0-9]+ ms\)$/FAILED \1$mark/p" "$work/log"
		((n)) || echo "FAILED $name$mark: exit code $code"
		sed -E '/^\[( +OK +|-+| RUN +|=+)\]/d; s/^/       /' "$work/log" | sed -n '1,30p'
	done
}

# library COMPILER... : sets $libraries. Debian has none for other machines, but the source
library() {
	local from=/usr/src/googletest/googletest
	libraries=("$work/gtest.o" "$work/main.o")
	logged "$@" -std=c++20 -I"$from" -I"$from/include" -c -o "$work/gtest.o" \
		"$from/src/gtest-all.cc" &&
		logged "$@" -std=c++20 -I"$from/include" -c -o "$work/main.o" \
			"$from/src/gtest_main.cc"
}

# elsewhere GROUP MACHINE COMPILER... : may tests be built for it? Sets $libraries
elsewhere() {
	local group=$1 machine=$2 code=0
	shift 2
	((${#filters[@]} == 0)) || return
	tests/qemu/deps.sh "$group" >"$work/log" 2>&1 || code=$?
	if ((code == 3)); then
		echo "skipped all tests for $machine: there are no packages for it"
		skipped=$((skipped + 1))
	elif ((code)); then
		failure "all tests for $machine: packages cannot be installed" "$work/log"
	elif library "$@"; then
		return 0
	else
		failure "the library for $machine: does not build" "$work/log"
	fi
	return 1
}

# The library is compiled with exceptions and RTTI.
compiler=(g++ "${flags[@]}" -frtti -fexceptions) libraries=(-lgtest -lgtest_main) emulator=()
gtests '' tests/unit/*_test.cpp
if elsewhere unit32 '32 bits' g++ -m32; then
	compiler+=(-m32)
	gtests ' (32 bits)' tests/unit/*_test.cpp
fi
# By clang, as Debian's gcc for other machines does not go with the one for 32 bits.
compiler=(clang++ --target=s390x-linux-gnu -static)
if elsewhere unitbe 'a big-endian machine' "${compiler[@]}"; then
	compiler+=(-std=c++20 -I. -O1 -Wall -Wextra)
	emulator=(qemu-s390x)
	gtests ' (big-endian)' tests/unit/{le,log,store,exceptions}_test.cpp
fi

for source in tests/unit/*_fuzz.cpp; do
	name=$(basename "$source" .cpp)
	wanted "$name" || continue
	if ! logged clang++ "${flags[@]}" -fsanitize=fuzzer -o "$work/$name" "$source"; then
		failure "$name: does not build" "$work/log"
		continue
	fi
	# Found inputs stay out of the tree.
	mkdir "$work/$name.corpus"
	[[ ! -d tests/unit/corpus/$name ]] || cp "tests/unit/corpus/$name"/* "$work/$name.corpus"
	if ! logged "$work/$name" -seed=1 -max_len=32768 -artifact_prefix="$work/" \
		-max_total_time="${KCOPYD_FUZZ_SECONDS:-10}" "$work/$name.corpus"; then
		failure "$name" "$work/log"
	else
		pass "$name ($(sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) .*/\1 inputs in \2 s/p' "$work/log"))"
	fi
done

total
