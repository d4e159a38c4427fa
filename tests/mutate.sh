#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make mutate: breaks the code on purpose, with each patch of tests/mutants/ in
# turn, and shows the test that notices. A mutant that no test notices is a test
# that is missing.
#
#	mutate.sh [MUTANT...]	a name, or a patch that is elsewhere
#
# The patch's line "Caught-by:" says which tests to run: "kunit" or "kunit
# SUITE...", "system SCENARIO...", "unit FILTER...", or "model". They must pass
# without the mutant.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/lib.sh
. tests/lib.sh

tests/qemu/deps.sh build boot tools unit lint

# The mutants are bred in a copy, which keeps its objects from one to the next.
tree=$work/tree
mkdir "$tree"
git ls-files -z | xargs -0 cp --parents -t "$tree"
dry=$work/dry

# run_tests KIND [NAME...] : sets code, leaves what they print in the log
run_tests()
{
	code=0
	run "$tree/tests/$1/run.sh" "${@:2}" >"$work/log" 2>&1 || code=$?
}

(($#)) || set -- tests/mutants/*.patch
declare -A sound	# by tests: the exit code without a mutant
for mutant; do
	patch=$mutant
	[[ $patch == */* ]] || patch=tests/mutants/${mutant%.patch}.patch
	[[ -f $patch ]] || { echo "mutate.sh: there is no mutant $mutant" >&2; exit 2; }
	mutant=$(basename "$mutant" .patch)
	read -ra tests < <(sed -n 's/^Caught-by: //p' "$patch")

	case ${tests[0]-} in
	kunit | system | unit | model) ;;
	*)	echo "FAILED  $mutant: its line Caught-by names none of kunit, system, unit and model"
		failed=$((failed + 1))
		continue ;;
	esac
	if ! patch -d "$tree" -p1 --dry-run --quiet <"$patch" >"$dry" 2>&1; then
		echo "FAILED  $mutant: the patch does not apply any more"
		failed=$((failed + 1))
		continue
	fi
	if [[ -z ${sound[${tests[*]}]-} ]]; then
		run_tests "${tests[@]}"
		sound[${tests[*]}]=$code
		((code == 0)) || tail -n 20 "$work/log"
	fi
	if [[ ${sound[${tests[*]}]} != 0 ]]; then
		echo "FAILED  $mutant: ${tests[*]} fails without it, too"
		failed=$((failed + 1))
		continue
	fi
	patch -d "$tree" -p1 --quiet --no-backup-if-mismatch <"$patch"
	# Few lose memory: the scan for it is worth its minute for these alone.
	[[ ${tests[0]} != kunit ]] || run_tests kunit --no-leak-scan "${tests[@]:1}"
	[[ ${tests[0]} == kunit && $code != 0 ]] || run_tests "${tests[@]}"
	patch -d "$tree" -p1 --quiet --no-backup-if-mismatch -R <"$patch"

	if grep -aqE 'do(es)? not build|the build failed' "$work/log"; then
		# What does not compile is not caught by a test.
		echo "FAILED  $mutant: does not build"
		grep -aE -m 3 'rror:' "$work/log" | sed 's/^/        /' || true
		failed=$((failed + 1))
	elif grep -aqE 'boot.sh ended with 122|exit code 122 of boot.sh' "$work/log"; then
		echo "FAILED  $mutant: no guest could be run"
		tail -n 3 "$work/log" | sed 's/^/        /'
		failed=$((failed + 1))
	elif by=$(grep -aE '^FAILED ' "$work/log" | sed 's/^FAILED *//') && ((code)); then
		echo "caught  $mutant: $(head -n 1 <<<"$by")"
		passed=$((passed + 1))
	else
		echo "FAILED  $mutant: not caught by ${tests[*]} (exit code $code)"
		tail -n 3 "$work/log" | sed 's/^/        /'
		failed=$((failed + 1))
	fi
done

total
