#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the KUnit suites for a debug kernel, runs them there, and prints a
# line for each test case and the total as the last line. A report of the kernel
# or a suite that did not run to its end is a failure.
#
#	run.sh [--kernel KERNEL] [--no-leak-scan] [SUITE...]
#
# Of the suites that use disks, run only these. The kernel is debug-6.1, debug-7.3, or
# kcsan-6.1, which finds data races. The scan for memory that was lost takes a minute.
#
# KCOPYD_KUNIT_LOG names a file that keeps the kernel's console.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/lib.sh
. tests/lib.sh

leaks=() kernel=debug-6.1
while :; do
	case ${1-} in
	--kernel)	kernel=$2; shift 2 ;;
	--no-leak-scan)	leaks=("$1"); shift ;;
	*)		break ;;
	esac
done

tests/qemu/deps.sh build boot roots lint

# The suites there are
sed -n 's/^\t\.name = "\(kcopyd_[a-z0-9_]*\)",$/\1/p' tests/kunit/*.c | sort >"$work/suites"
for suite; do
	grep -qx -- "$suite" "$work/suites" || { echo "run.sh: there is no suite $suite" >&2; exit 2; }
done

# W=1 as in tests/build.sh, or all would be compiled again.
if ! run tests/qemu/make.sh "$kernel" -j"$(nproc)" modules W=1 >"$work/make" 2>&1; then
	cat "$work/make"
	echo "FAILED  the modules do not build"
	echo "0 passed, 1 failed"
	exit 1
fi
dir=$(tests/qemu/make.sh "$kernel" -s builddir)
cp "$dir"/kcopyd.ko "$dir"/kcopyd_kunit.ko "$work"

# Has the parser of KTAP that the kernel's own tool uses.
source=$(tests/qemu/kernel.sh source 6.1)

boot=0
# Some suites take a minute or two, all of them ten.
# Newer kernels run none unless told.
run tests/qemu/boot.sh --kernel "$kernel" --append kunit.autorun=1 --timeout "$(($# == 0 || $# > 4 ? 4800 : 1000))" --log "$work/console" "${leaks[@]}" \
	--module "$work/kcopyd.ko" --module "$work/kcopyd_kunit.ko" \
	tests/kunit/guest.sh "$@" >"$work/boot" 2>&1 || boot=$?
touch "$work/console"
[ -z "${KCOPYD_KUNIT_LOG-}" ] || cp "$work/console" "$KCOPYD_KUNIT_LOG"

report=0
PYTHONPATH=$source/tools/testing/kunit python3 -B tests/kunit/report.py "$work/console" "$work/suites" "$@" \
	>"$work/report" || report=$?
total=$(tail -n 1 "$work/report")
head -n -1 "$work/report"
if [ "$boot" -ne 0 ]; then
	# Of the guest as a whole: a crash, a time-out, a report that no test declared.
	sed 's/^/        /' "$work/boot"
	echo "FAILED  the guest: boot.sh ended with $boot"
	failed=${total#* passed, }
	failed=${failed%% failed*}
	total=${total/, $failed failed/, $((failed + 1)) failed}
fi
echo "$total"
[ "$boot" -eq 0 ] && [ "$report" -eq 0 ]
