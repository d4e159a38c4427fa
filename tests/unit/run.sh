#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The logic of the targets on the host: GoogleTest with the address and undefined
# behaviour sanitizers, once more for a machine of 32 bits where that can be built, then
# each fuzzer for a while. Prints a line for each test; the last one counts them.
#
#	run.sh [FILTER...]	only tests and fuzzers whose names have it in them, and
#				nothing for 32 bits
#
# KCOPYD_FUZZ_SECONDS	how long each fuzzer runs (default 10)
set -euo pipefail
cd "$(dirname "$0")/../.."

tests/qemu/deps.sh unit

work=$(mktemp -d)
child=
finish() {
	[[ -z $child ]] || kill "$child" 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
passed=0 failed=0

# wanted NAME
wanted() {
	local filter
	((${#filters[@]})) || return 0
	for filter in "${filters[@]}"; do
		[[ $1 != *"$filter"* ]] || return 0
	done
	return 1
}

# run COMMAND... : what it prints is in the log
run() {
	local code=0
	"$@" >"$work/log" 2>&1 </dev/null &
	child=$!
	wait "$child" || code=$?
	child=
	return "$code"
}

filters=("$@")
flags=(-std=c++20 -I. -g -O1 -fno-exceptions -fno-rtti -Wall -Wextra -Werror
	-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all)

pattern='*'
((${#filters[@]} == 0)) || pattern=$(printf '*%s*:' "${filters[@]}")
# gtests MARK LIBRARY... : all tests, whose names are printed with the mark
gtests() {
	local mark=$1 source name code n
	shift
	for source in tests/unit/*_test.cpp; do
		name=$(basename "$source" .cpp)
		# The library is compiled with exceptions and RTTI.
		if ! run g++ "${flags[@]}" -frtti -fexceptions -o "$work/$name" "$source" \
			"$@" -pthread; then
			echo "FAILED $name$mark: does not build"
			sed 's/^/       /' "$work/log" | head -n 20
			failed=$((failed + 1))
			continue
		fi
		code=0
		run "$work/$name" --gtest_color=no "--gtest_filter=$pattern" || code=$?
		sed -n "s/^\[       OK \] \([^ ]*\).*/ok     \1$mark/p" "$work/log"
		n=$(grep -c '^\[       OK \]' "$work/log" || true)
		passed=$((passed + n))
		((code)) || continue
		n=$(grep -cE '^\[  FAILED  \] [^ ]+ \([0-9]+ ms\)$' "$work/log" || true)
		# A sanitizer ends it all.
		failed=$((failed + (n ? n : 1)))
		sed -nE "s/^\[  FAILED  \] ([^ ]+) \([0-9]+ ms\)$/FAILED \1$mark/p" "$work/log"
		((n)) || echo "FAILED $name$mark: exit code $code"
		grep -vE '^\[( +OK +|-+| RUN +|=+)\]' "$work/log" | head -n 30 | sed 's/^/       /'
	done
}

gtests '' -lgtest -lgtest_main

# Debian has no library for 32 bits, but its source.
library() {
	local from=/usr/src/googletest/googletest
	run g++ -m32 -std=c++20 -O1 -I"$from" -I"$from/include" -c -o "$work/gtest32.o" \
		"$from/src/gtest-all.cc" &&
		run g++ -m32 -std=c++20 -O1 -I"$from/include" -c -o "$work/main32.o" \
			"$from/src/gtest_main.cc"
}
if ((${#filters[@]} == 0)); then
	if ! tests/qemu/deps.sh unit32; then
		echo "run.sh: nothing is built for 32 bits"
	elif library; then
		flags+=(-m32)
		gtests ' (32 bits)' "$work/gtest32.o" "$work/main32.o"
		unset 'flags[-1]'
	else
		echo "FAILED the library for 32 bits: does not build"
		tail -n 20 "$work/log" | sed 's/^/       /'
		failed=$((failed + 1))
	fi
fi

for source in tests/unit/*_fuzz.cpp; do
	name=$(basename "$source" .cpp)
	wanted "$name" || continue
	code=0
	run clang++ "${flags[@]}" -fsanitize=fuzzer -o "$work/$name" "$source" || code=$?
	if ((code == 0)); then
		# Found inputs stay out of the tree.
		mkdir "$work/$name.corpus"
		[[ ! -d tests/unit/corpus/$name ]] || cp "tests/unit/corpus/$name"/* "$work/$name.corpus"
		run "$work/$name" -seed=1 -max_len=32768 -artifact_prefix="$work/" \
			-max_total_time="${KCOPYD_FUZZ_SECONDS:-10}" "$work/$name.corpus" || code=$?
	fi
	if ((code)); then
		echo "FAILED $name"
		tail -n 30 "$work/log" | sed 's/^/       /'
		failed=$((failed + 1))
	else
		echo "ok     $name ($(sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) .*/\1 inputs in \2 s/p' "$work/log"))"
		passed=$((passed + 1))
	fi
done

echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
