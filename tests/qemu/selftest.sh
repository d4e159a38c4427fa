#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# selftest.sh [PART...] : tests what is beside it; by default scripts, stock and debug-6.1
#
#   scripts        what needs no kernel, and mutate.sh
#   stock          boot.sh itself, on a stock kernel
#   debug-KERNEL   that the debug kernel finds what it is there to find
#   kcsan-KERNEL   the same of the kernel that finds data races
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/qemu/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
"$here/deps.sh" build boot unit model lint
export TMPDIR=$work/tmp
mkdir "$TMPDIR"

# verdict CODE NAME
verdict()
{
	if [[ $1 == 0 ]]; then
		pass "$2"
	else
		failure "$2"
		sed 's/^/       | /' "$work"/{out,err} 2>/dev/null | tail -n 40
	fi
}

# check NAME CODE REGEX OPTION... <SCRIPT : boots, and compares the exit code;
# REGEX must be in what was printed
check()
{
	local name=$1 want=$2 regex=$3 code=0
	shift 3
	cat >"$work/script"
	"$here/boot.sh" "$@" "$work/script" one "t'wo" >"$work/out" 2>"$work/err" </dev/null || code=$?
	[[ $code == "$want" ]] || echo "exit code $code instead of $want" >>"$work/err"
	[[ $code == "$want" ]] &&
		{ [[ -z $regex ]] || grep -Eq -- "$regex" "$work/out" "$work/err"; }
	verdict $? "$name"
}

# ended PID : the process is gone, also when somebody was slow to reap it
ended()
{
	local i
	for ((i = 0; i < 50; i++)); do
		[[ -d /proc/$1 && $(awk '{ print $3 }' "/proc/$1/stat" 2>/dev/null) != Z ]] || return 0
		sleep 0.1
	done
	return 1
}

# broken_qemu TIMES : a QEMU that fails so often as an emulated CPU does now and then
broken_qemu()
{
	mkdir -p "$work/bin"
	printf '%s' "$1" >"$work/times"
	cat >"$work/bin/qemu-system-x86_64" <<-EOT
		#!/bin/bash
		times=\$(<$work/times)
		((times)) || exec $(command -v qemu-system-x86_64) "\$@"
		echo -n \$((times - 1)) >$work/times
		for arg; do
			[[ \$arg != file,id=console,* ]] ||
				echo 'Oops: int3: 0000 [#1] SMP NOPTI' >"\${arg##*logfile=}"
		done
	EOT
	chmod +x "$work/bin/qemu-system-x86_64"
}

# interrupted SIGNAL CODE : neither QEMU nor (unless killed) a file is left
interrupted()
{
	local boot qemu code=0 i bad=0
	printf 'echo up\nsleep 1000\n' >"$work/script"
	"$here/boot.sh" "$work/script" >"$work/out" 2>"$work/err" </dev/null &
	boot=$!
	for ((i = 0; i < 600; i++)); do
		! grep -q up "$work/out" || break
		sleep 0.1
	done
	# The kernel's list may lack a child while another one comes or goes.
	for ((i = 0; i < 50; i++)); do
		qemu=$(tr ' ' '\n' <"/proc/$boot/task/$boot/children" |
			while read -r pid; do
				! grep -qz qemu-system "/proc/$pid/cmdline" || echo "$pid"
			done)
		[[ -z $qemu ]] || break
		sleep 0.1
	done
	[[ -n $qemu ]] || { echo 'no QEMU was seen' >>"$work/err"; bad=1; }
	kill -"$1" "$boot"
	wait "$boot" 2>/dev/null || code=$?
	[[ $code == "$2" ]] || { echo "exit code $code" >>"$work/err"; bad=1; }
	[[ -z $qemu ]] || ended "$qemu" || { echo 'QEMU is left' >>"$work/err"; bad=1; }
	if [[ $1 == KILL ]]; then
		rm -rf "${TMPDIR:?}"/*
	elif [[ -n $(ls "$TMPDIR") ]]; then
		echo "left behind: $(ls "$TMPDIR")" >>"$work/err"
		bad=1
	fi
	verdict $bad "SIG$1 leaves no QEMU"
}

# ended_script : of a script that is interrupted nothing is left, nor of what it has started
ended_script()
{
	local script code=0 i

	cat >"$work/script" <<-EOT
		. "$here/../lib.sh"
		echo "\$work" >"$work/dir"
		run sh -c 'sleep 1000 & echo \$\$ >"$work/group"; sleep 1000'
	EOT
	bash "$work/script" >"$work/out" 2>"$work/err" </dev/null &
	script=$!
	for ((i = 0; i < 100; i++)); do
		[[ ! -s $work/group ]] || break
		sleep 0.1
	done
	kill "$script"
	wait "$script" || code=$?
	[[ $code == 143 && ! -e $(<"$work/dir") ]] || return
	for ((i = 0; i < 50; i++)); do
		kill -0 -- "-$(<"$work/group")" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}

# mutant NAME FILE SED TESTS : a patch of a small tree
mutant()
{
	echo "Caught-by: $4" >"tests/mutants/$1.patch"
	sed "$3" "$2" | diff -u --label "a/$2" --label "b/$2" "$2" - >>"tests/mutants/$1.patch"
}

# mutants : what mutate.sh says of each, in a tree of a function, its test and its fuzzer
mutants()
{
	local tests=$here/..

	mkdir -p "$work/tree"/{core,tests/{unit,model,mutants,qemu}}
	cd "$work/tree" || return
	cp "$tests"/{lib,mutate}.sh tests
	cp "$tests/unit/run.sh" tests/unit
	cp "$tests/model"/{run.sh,job.pml} tests/model
	cp "$tests/../core/states.h" core
	cp "$here/deps.sh" tests/qemu
	echo 'inline int twice(int n) { return n * 2; }' >tests/unit/twice.hpp
	cat >tests/unit/twice_test.cpp <<-'EOT'
		#include "tests/unit/twice.hpp"
		#include <gtest/gtest.h>
		TEST(twice, doubles) { EXPECT_EQ(twice(3), 6); }
	EOT
	cat >tests/unit/twice_fuzz.cpp <<-'EOT'
		#include <cstddef>
		extern "C" int LLVMFuzzerTestOneInput(const unsigned char *, std::size_t) { return 0; }
	EOT
	mutant caught tests/unit/twice.hpp 's/n \* 2/n + 2/' 'unit twice'
	mutant not-caught tests/unit/twice.hpp 's/n \* 2/2 * n/' 'unit twice'
	mutant test tests/unit/twice.hpp 's/n \* 2/m * 2/' 'unit twice'
	mutant fuzzer tests/unit/twice_fuzz.cpp 's/return/retrun/' 'unit twice'
	mutant model tests/model/job.pml 's/^init/inti/' 'model empty'
	git init -q . && git add . || return
	KCOPYD_FUZZ_SECONDS=1 tests/mutate.sh >"$work/out" 2>"$work/err" </dev/null
	diff - <(sed 's/^\([^:]*: [^:(]*\).*/\1/; s/ *$//' "$work/out" | grep -v '^ ') >>"$work/err" <<-'EOT'
		caught  caught: twice.doubles
		FAILED  fuzzer: does not build
		FAILED  model: does not build
		FAILED  not-caught: not caught by unit twice
		FAILED  test: does not build
		1 passed, 4 failed
	EOT
}

# packages : those that this system has not are skipped, but not those that cannot be installed
packages()
{
	local code

	mkdir "$work/fake"
	printf '#!/bin/sh\nexit 1\n' >"$work/fake/dpkg-query"
	cat >"$work/fake/sudo" <<-'EOT'
		#!/bin/sh
		[ "$1" != -n ] || shift
		exec "$@"
	EOT
	printf '#!/bin/sh\ncat "%s"\nexit 100\n' "$work/said" >"$work/fake/apt-get"
	chmod +x "$work"/fake/*
	echo 'E: Unable to locate package g++-multilib' >"$work/said"
	for code in 3 1; do
		PATH=$work/fake:$PATH "$here/deps.sh" unit32 >"$work/out" 2>"$work/err" </dev/null
		[[ $? == "$code" ]] || return
		echo 'E: Failed to fetch it' >"$work/said"
	done

	cd "$work/tree" || return
	cat >tests/qemu/deps.sh <<-'EOT'
		case $1 in
		unit32) exit 3 ;;
		unitbe) exit 1 ;;
		esac
	EOT
	KCOPYD_FUZZ_SECONDS=1 tests/unit/run.sh >"$work/out" 2>"$work/err" </dev/null
	[[ $(tail -n 1 "$work/out") == '2 passed, 1 failed, 1 skipped' ]]
}

# suites : what becomes of suites that are asked for, but not there or only skipped
suites()
{
	local line source

	"$here/../kunit/run.sh" kcopyd_chek >"$work/out" 2>&1 && return 1
	grep -q 'no suite kcopyd_chek' "$work/out" || return
	source=$("$here/kernel.sh" source 6.1) || return
	printf 'kcopyd_%s\n' check seq zero >"$work/suites"
	for line in 'KTAP version 1' '1..3' \
		'    # Subtest: kcopyd_check' '    1..1' '    ok 1 ranges # SKIP not asked for' 'ok 1 kcopyd_check # SKIP' \
		'    # Subtest: kcopyd_seq' '    1..1' '    ok 1 order # SKIP no disk' 'ok 2 kcopyd_seq # SKIP' \
		'    # Subtest: kcopyd_zero' '    1..1' '    ok 1 writes' 'ok 3 kcopyd_zero'; do
		echo "[    1.000000] $line"
	done >"$work/console"
	PYTHONPATH=$source/tools/testing/kunit python3 -B "$here/../kunit/report.py" "$work/console" "$work/suites" \
		kcopyd_seq kcopyd_zero >"$work/out" 2>"$work/err"
	diff "$work/out" - >>"$work/err" <<-'EOT'
		ok      kcopyd_zero.writes
		FAILED  kcopyd_seq: asked for, but no case of it was run
		1 passed, 1 failed
	EOT
}

# kept : a key of the cache goes away when it was not used for a week.  Without a home in
# the environment the cache is in that of the system's.
kept()
{
	mkdir "$work/home"
	(
		unset HOME XDG_CACHE_HOME
		# shellcheck disable=SC2317 # by find_cache
		getent() { echo "me:x:0:0::$work/home:/bin/sh"; }
		find_cache
		for key in fresh old other; do
			cached kind $key touch
		done
		touch -d '8 days ago' "$cache"/kind/{old,other}
		cached kind other touch
		cached kind new touch
	) >"$work/out" 2>"$work/err" </dev/null
	ls "$work/home/.cache/kcopyd/kind" >>"$work/out"
	[[ $(tr '\n' ' ' <"$work/out") == 'fresh new other ' ]]
}

# elsewhere : TMPDIR need not be below /tmp for what is run in a root
elsewhere()
{
	local dir root code=0

	root=$("$here/kernel.sh" headers 7.3) && dir=$(mktemp -dp /var/tmp) || return
	root=${root%/usr/src/*}
	echo there >"$dir/file"
	TMPDIR=$dir "$here/in-root.sh" "$root" sh -c "mktemp && cat '$dir/file'" \
		>"$work/out" 2>"$work/err" </dev/null || code=1
	grep -qx there "$work/out" || code=1
	rm -rf "$dir" "${root:?}$dir"
	return $code
}

scripts()
{
	ended_script
	verdict $? 'an interrupted script leaves nothing'
	(mutants)
	verdict $? 'mutants that are caught, that are not, and that do not build'
	(packages)
	verdict $? 'packages that there are not, and that cannot be installed'
	suites
	verdict $? 'suites that are not there, and that are skipped, though asked for'
	kept
	verdict $? 'the cache: where it is, and what stays there'
	elsewhere
	verdict $? 'TMPDIR in a root'
}

stock()
{
	local sum

	check 'exit code 0, arguments, output' 0 "^hello one t'wo$" <<<'echo "hello $*"'
	check 'exit code 7' 7 . <<<'echo x; exit 7'
	check 'a killed script fails' 137 . <<<'echo x; kill -9 $$'
	check 'an undeclared WARNING fails, and is shown' 120 'WARNING: fake' \
		<<<'echo "WARNING: fake" >/dev/kmsg'
	check 'report wins over exit code, both told' 120 'exit code: 3' \
		<<<'echo "BUG: fake" >/dev/kmsg; exit 3'
	check 'declared by --allow' 0 '' --allow 'WARNING: fa.e' \
		<<<'echo "WARNING: fake" >/dev/kmsg'
	check 'another one is not covered by --allow' 120 'BUG: other' --allow 'WARNING: fake' \
		<<<'echo "WARNING: fake" >/dev/kmsg; echo "BUG: other" >/dev/kmsg'
	check 'declared by --allow, but absent' 121 'did not report: WARNING: never' \
		--allow 'WARNING: never' <<<:
	check 'declared by marks' 0 '' <<-'EOT'
		echo "kcopyd-test: expect WARNING: fake" >/dev/kmsg
		echo "WARNING: fake" >/dev/kmsg
		echo "kcopyd-test: expect-end" >/dev/kmsg
	EOT
	check 'declared by marks, but after them' 120 'WARNING: fake' <<-'EOT'
		echo "kcopyd-test: expect WARNING: fake" >/dev/kmsg
		echo "WARNING: fake" >/dev/kmsg
		echo "kcopyd-test: expect-end" >/dev/kmsg
		echo "WARNING: fake" >/dev/kmsg
	EOT
	check 'declared by marks, but absent' 121 'did not report: WARNING: fake' <<-'EOT'
		echo "kcopyd-test: expect WARNING: fake" >/dev/kmsg
		echo "kcopyd-test: expect-end" >/dev/kmsg
		echo "kcopyd-test: expect-end" >/dev/kmsg
	EOT
	check 'a wrong REGEX is told' 122 'is a REGEX wrong' --allow '(' \
		<<<'echo "WARNING: fake" >/dev/kmsg'
	check 'the kernel panics' 123 'Kernel panic' \
		<<<'echo c >/proc/sysrq-trigger; sleep 100; exit 0'
	check 'a panic that was declared is one all the same' 123 'guest died' \
		--allow 'panic|Oops|BUG|crash' <<<'echo c >/proc/sysrq-trigger; sleep 100'
	check 'a time-out tells where the guest was' 124 'RIP [0-9a-f]+' --timeout 90 \
		<<<'echo going to sleep; sleep 1000'
	[[ $(<"$work/err") == *'going to sleep'*'Show backtrace of all active CPUs'* ]]
	verdict $? '... with its last output line and backtraces'
	check 'a dynamic executable, also in place of an applet' 0 'GNU coreutils' \
		--add "$(command -v sort)" <<<'sort --version && echo b | sed s/b/a/ | grep a'
	check 'a kernel module with its dependencies' 0 dm_snapshot --kmod dm-snapshot \
		<<<'modprobe dm-snapshot && lsmod'
	check 'a module that does not exist' 122 'no_such_module' --kmod no_such_module <<<:
	check '--out is exact' 0 '^[0-9a-f]{64}' --out "$work/binary" \
		<<<'head -c 100000 /dev/urandom >x; cat x >/dev/out; sha256sum <x'
	sum=$(sha256sum <"$work/binary")
	[[ ${sum%% *} == "$(cut -d ' ' -f 1 "$work/out")" ]]
	verdict $? '... byte by byte'
	check 'the console is streamed' 0 'Linux version' --stream-console <<<'echo x'
	check 'a drive' 0 '^1048576$' --kmod virtio_pci --kmod virtio_blk \
		--qemu -blockdev --qemu driver=null-co,node-name=disk,size=1048576 \
		--qemu -device --qemu virtio-blk-pci,drive=disk \
		<<<'modprobe -a virtio_pci virtio_blk; blockdev --getsize64 /dev/vda'
	check 'killed, as it wants it' 125 '^up$' --kill-after 0.5 \
		<<<'echo up; echo kill me >/dev/ttyS3; sleep 100; echo not killed'
	check 'what was reported before the kill is told' 120 'WARNING: fake' --kill-after 2 \
		<<<'echo "WARNING: fake" >/dev/kmsg; echo kill me >/dev/ttyS3; sleep 100'
	check 'not killed before it wants it' 3 . --kill-after 0 <<<'echo x; sleep 1; exit 3'
	broken_qemu 1
	KCOPYD_ACCEL=tcg PATH=$work/bin:$PATH check 'an emulated CPU fails: once more' 0 '^up$' \
		<<<'echo up'
	broken_qemu 2
	KCOPYD_ACCEL=tcg PATH=$work/bin:$PATH check '... but not again and again' 123 'int3' \
		<<<'echo up'
	interrupted TERM 143
	interrupted HUP 129
	interrupted KILL 137
}

# debug KERNEL : a debug kernel, or one that finds data races
debug()
{
	local kernel=$1

	rm -rf "$work/provoke"
	cp -r "$here/provoke" "$work/provoke"
	(cd "$work/provoke" && "$here/make.sh" "$kernel" -s) >"$work/out" 2>&1 </dev/null ||
		{ verdict 1 "$kernel: a module for it"; return; }
	set -- --kernel "$kernel" --module "$work/provoke/provoke.ko"

	if [[ $kernel == kcsan-* ]]; then
		check "$kernel: a data race is reported" 0 '' --allow 'KCSAN: data-race in .*provoke' \
			"$@" --no-leak-scan <<<'modprobe provoke mistake=race'
		return
	fi
	# Any report switches lockdep off, so it comes first.
	check "$kernel: mistakes are reported" 0 '' "$@" --no-leak-scan <<-'EOT'
		while read -r mistake report; do
			echo "kcopyd-test: expect $report" >/dev/kmsg
			modprobe provoke mistake=$mistake
			rmmod provoke
			echo "kcopyd-test: expect-end" >/dev/kmsg
		done <<-EOM
			deadlock possible circular locking
			warn WARNING: .*provoke_init
			use-after-free KASAN: .*use-after-free
			free-work ODEBUG: free active|WARNING: .*debug_print_object
			list list_add (double add|corruption)|kernel BUG at|WARNING: .*list_debug
			atomic-sleep BUG: scheduling while atomic|BUG: sleeping function|WARNING:
		EOM
	EOT
	check "$kernel: fault injection, KUnit, block drivers" 0 '^all there' "$@" \
		--kmod null_blk --kmod scsi_debug --kmod brd --no-leak-scan <<-'EOT'
		set -e
		modprobe -a null_blk scsi_debug brd
		cd /sys/kernel/debug
		ls failslab fail_page_alloc fail_make_request kunit kmemleak >/dev/null
		ls /proc/self/fail-nth /sys/kernel/tracing/events >/dev/null
		ls /dev/nullb0 /dev/ram0 /dev/sda
		echo all there
	EOT
	check "$kernel: a leak is found" 120 'kstrdup' "$@" \
		<<<'modprobe provoke mistake=leak'
	check "$kernel: kmemleak that gave up is told" 120 'BUG: kmemleak is off' "$@" \
		<<<'echo off >/sys/kernel/debug/kmemleak'
}

(($#)) || set -- scripts stock debug-6.1
for part; do
	case $part in
	scripts | stock | debug-* | kcsan-*) ;;
	*) echo "selftest.sh: no part '$part': scripts, stock, debug-KERNEL, kcsan-KERNEL" >&2; exit 2 ;;
	esac
done
# A failing check must not end the run.
set +e
for part; do
	case $part in
	scripts | stock) "$part" ;;
	*) debug "$part" ;;
	esac
done
total
