#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make check: every test there is, from the cheapest up, and one line at the end
# that adds them up. A stage ends its output in "N passed, N failed" (and
# ", N skipped"); one that ends otherwise counts as a failure. A guest is seldom busy with
# all CPUs: some stages run beside the others, and what they say comes at the end.
#
#	check.sh [--full] [STAGE...]
#
# --full runs the same tests for longer: KCOPYD_TORTURE_SECONDS is 1800 unless
# it is set, as KCOPYD_KILLS is 500 and KCOPYD_POINTS all, and KCOPYD_TORTURE_SEED is drawn
# unless it is set. And there is more: the suites about things that happen at the same
# moment on a kernel that finds data races; the KUnit suites on a debug kernel from 7.3's
# source; instead of a little of everything on the kernels besides 6.1 all system tests, on
# those of KERNELS ("6.1 6.12 7.3 i386" unless it is set), and the rows of the bench on 7.3; what
# installs it, in a clean system; and a deliberate bug, to see that make mutate works.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/lib.sh
. tests/lib.sh

kernels='6.12 7.3 i386' scenarios='smoke refused'
full='' stages=(build unit model runner system) beside=(kunit clients kills demo kernels bench)
longer=(install races kunit-7.3 bench-7.3 mutate)
there=("${stages[@]}" "${beside[@]}" "${longer[@]}")
if [ "${1-}" = --full ]; then
	shift
	full=--full
	beside+=("${longer[@]}")
	kernels=${KERNELS:-6.1 6.12 7.3 i386} scenarios=
	export KCOPYD_TORTURE_SECONDS="${KCOPYD_TORTURE_SECONDS:-1800}"
	export KCOPYD_POINTS="${KCOPYD_POINTS:-all}"
	export KCOPYD_KILLS="${KCOPYD_KILLS:-500}"
	export KCOPYD_TORTURE_SEED="${KCOPYD_TORTURE_SEED:-$((RANDOM << 15 | RANDOM))}"
fi

other=''
bad=()

# count NAME CODE : the result of what ended with CODE and wrote $work/NAME
count() {
	local name=$1 rc=$2 last
	last=$(grep -aE '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$work/$name" | tail -n 1 || true)
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		skipped=$((skipped + ${BASH_REMATCH[4]:-0}))
		if [ "$rc" -ne 0 ] && [ "${BASH_REMATCH[2]}" -eq 0 ]; then
			failed=$((failed + 1))
			bad+=("$name: exit code $rc with no failed test")
		elif [ "${BASH_REMATCH[2]}" -ne 0 ]; then
			bad+=("$name: $last")
		fi
	else
		failed=$((failed + 1))
		bad+=("$name: ended with exit code $rc and no result")
	fi
}

# stage NAME COMMAND...
stage() {
	local name=$1 rc=0 start=$SECONDS out tee
	shift
	echo
	echo "== $name"
	exec {out}> >(tee "$work/$name")
	tee=$!
	run "$@" >&"$out" 2>&1 {out}>&- || rc=$?
	exec {out}>&-
	wait "$tee" || true
	count "$name" "$rc"
	echo "== $name: $((SECONDS - start)) s"
}

# Here and not only in the stages: they run in the background, where sudo cannot
# ask for a password.
tests/qemu/deps.sh build boot roots tools secureboot kcopyctl clients fio lint model unit bench docs
# Where there are no such packages the unit tests do without.
for group in unit32 unitbe; do
	tests/qemu/deps.sh "$group" || [ $? -eq 3 ]
done

whole=
if [ $# -eq 0 ]; then
	whole="make check${full:+-full}"
	set -- "${stages[@]}"
else
	beside=()
fi
for name; do
	case $name in
	build)
		stage build tests/build.sh ${full:+debug-7.3 kcsan-6.1}
		# Not before: it builds all anew.
		if [ ${#beside[@]} -gt 0 ]; then
			start tests/check.sh $full "${beside[@]}" >"$work/beside" 2>&1
			other=$child
		fi ;;
	unit)	stage unit tests/unit/run.sh ;;
	model)	stage model tests/model/run.sh ;;
	runner)	stage runner tests/qemu/selftest.sh ;;
	demo)	stage demo tests/demo.sh ;;
	kunit)	stage kunit tests/kunit/run.sh ;;
	bench-7.3) KCOPYD_BENCH_KERNEL=7.3 stage bench-7.3 bench/bench.sh --check ;;
	kunit-7.3)
		stage 'reports of debug-7.3' tests/qemu/selftest.sh debug-7.3
		stage kunit-7.3 tests/kunit/run.sh --kernel debug-7.3 ;;
	# Without those that have a stage of their own.
	system)	mapfile -t names < <(basename -as .sh tests/system/scenarios/*.sh |
			grep -vE '^(client-.*|torture|kills)$')
		stage system tests/system/run.sh "${names[@]}" ;;
	clients) stage clients tests/system/run.sh client-{mirror,snapshot,stack,thin} torture ;;
	kills)	stage kills tests/system/run.sh kills ;;
	kernels)
		for kernel in $kernels; do
			# It has had them in the stage system.
			[ "$kernel" != 6.1 ] || continue
			read -ra names <<<"$scenarios"
			# The programs of the others are there for amd64 only.
			[ "$full$kernel" != --fulli386 ] || mapfile -t names < <(
				basename -as .sh tests/system/scenarios/*.sh |
				grep -vE '^(client-.*|docs|fio|kcopyctl|kills|lvm|secureboot)$')
			stage "kernel $kernel" tests/system/run.sh --kernel "$kernel" "${names[@]}"
		done ;;
	bench)	stage bench bench/bench.sh --check ;;
	install) stage install tests/install/run.sh ;;
	races)
		stage 'reports of kcsan-6.1' tests/qemu/selftest.sh kcsan-6.1
		stage races tests/kunit/run.sh --kernel kcsan-6.1 --no-leak-scan \
			kcopyd_block kcopyd_callback kcopyd_cancel kcopyd_fairness \
			kcopyd_lifetime kcopyd_request kcopyd_stress kcopyd_tune ;;
	# One of them, to see that make mutate works.
	mutate)	stage mutate tests/mutate.sh args-cut-number ;;
	*)	echo "check.sh: no stage '$name'; there are: ${there[*]}" >&2
		exit 2 ;;
	esac
done

if [ -n "$other" ]; then
	rc=0
	wait "$other" || rc=$?
	cat "$work/beside"
	count beside "$rc"
fi

echo
[ -z "$whole" ] || echo "$whole took $(((SECONDS + 30) / 60)) min"
for line in "${bad[@]}"; do
	echo "FAILED $line"
done
total
