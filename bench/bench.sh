#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make bench: measures kcopyd beside the kernel's own dm-kcopyd, and beside what
# dm-io and bare bios would take, in virtual machines whose clock counts
# instructions: the figures are the same on any machine. Prints a table, and at
# the end how many of the rows reach what they must.
#
#	bench.sh [--quick | --check] [--boots N] [--save]
#
# --quick	only the rows that have something to reach, no pictures
# --check	the same as a test: one boot, and rows may be 3 % below what they must
# --boots	how often those rows are repeated, to show the spread (default 3)
# --save	keep table, data and pictures in bench/results/, or in a directory of it if
#		the kernel is not 6.1
#
# KCOPYD_BENCH_KERNEL	the kernel, of those that boot.sh knows (default 6.1)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset MAKEFLAGS MFLAGS MAKELEVEL

quick='' save='' boots=3
while (($#)); do
	case $1 in
	--quick)	quick=--quick; shift ;;
	--check)	quick=--check boots=1; shift ;;
	--save)		save=y; shift ;;
	--boots)	boots=${2:?--boots needs a number}; shift 2 ;;
	*)		echo "bench.sh: no such option: $1" >&2; exit 2 ;;
	esac
done
[[ $boots =~ ^[1-9]$ ]] || { echo 'bench.sh: --boots takes a number from 1 to 9' >&2; exit 2; }

work=$(mktemp -d)
children=()
cleanup()
{
	trap '' INT TERM HUP
	((${#children[@]} == 0)) || kill -- "${children[@]/#/-}" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

tests/qemu/deps.sh build boot bench
kernel=${KCOPYD_BENCH_KERNEL:-6.1}
tests/qemu/make.sh "$kernel" -s -j"$(nproc)" modules >"$work/build" 2>&1 </dev/null || {
	cat "$work/build" >&2
	echo 'bench.sh: the build failed (see above)' >&2
	exit 1
}
modules=$(tests/qemu/make.sh "$kernel" -s builddir)
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
gcc -O2 -Wall -Wextra -shared -fPIC -fvisibility=hidden -o "$work/insns.so" bench/insns.c

# boot NAME OPTION... : what comes back is in $work/NAME
boot()
{
	local name=$1
	shift
	tests/qemu/boot.sh --kernel "$kernel" --mem 2048 --timeout 3600 --out "$work/$name" \
		--kmod null_blk --kmod brd --kmod dm-mod --add "$work/$name.runs:/bench/runs" \
		--add /bin/cp --add /bin/dd --add /usr/bin/qemu-img \
		--module "$modules/kcopyd.ko" --module "$modules/kcopyd_bench.ko" \
		"$@" bench/guest.sh </dev/null >"$work/$name.log" 2>&1 || {
		sed "s/^/$name: /" "$work/$name.log" >&2
		echo "$name: the guest failed" >&2
		return 1
	}
	sed "s/^/$name: /" "$work/$name.log" >&2
}

# As many at a time as there are CPUs: none of them sees the others.
begin=$SECONDS
jobs_max=$(nproc)
for ((i = 1; i <= boots; i++)); do
	bench/report.py runs --quick >"$work/boot$i.runs"
done
# What is only for the pictures needs no repetition.
[[ -n $quick ]] || bench/report.py runs >"$work/boot1.runs"
bench/report.py runs --cpus >"$work/cpus.runs"
names=()
for ((i = 1; i <= boots; i++)); do
	names+=("boot$i")
done
for name in "${names[@]}" cpus; do
	while (($(jobs -rp | wc -l) >= jobs_max)); do
		wait -n || exit 1
	done
	# Each in a process group of its own, so that all of it can be ended.
	set -m
	if [[ $name == cpus ]]; then
		# Instructions of both CPUs together: there, time would be noise.
		boot cpus --cpus 2 --qemu -plugin --qemu "$work/insns.so,out=$work/insns" &
	else
		boot "$name" --icount &
	fi
	children+=($!)
	set +m
done
for child in "${children[@]}"; do
	wait "$child" || { wait; exit 1; }
done
children=()

mkdir "$work/results"
code=0
bench/report.py report $quick "$kernel" "$work/results" "$commit" \
	"$work/cpus" "$work/insns" "${names[@]/#/$work/}" || code=$?
if [[ -z $quick ]]; then
	gnuplot "$work/results/pictures.gp"
fi
echo "measured in $((SECONDS - begin)) s" >&2
if [[ -n $save ]]; then
	saved=bench/results
	[[ $kernel == 6.1 ]] || saved+=/$kernel
	mkdir -p "$saved"
	rm -f "$work"/results/pictures.gp "$work"/results/*.dat
	cp "$work"/results/* "$saved/"
	echo "saved in $saved/" >&2
fi
tail -n 1 "$work/results/table.txt"
((code == 0))
