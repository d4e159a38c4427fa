#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make lint: the style of the code, and what static analysers say of it. Prints
# what is wrong and ends in "N passed, N failed", a check each.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/lib.sh
. tests/lib.sh

tests/qemu/deps.sh build lint unit kcopyctl tools

silent() {
	"$@" 2>&1 | tee "$work/silent"
	[ "${PIPESTATUS[0]}" -eq 0 ] && [ ! -s "$work/silent" ]
}

mapfile -t c_files < <(git ls-files '*.c' '*.h')
mapfile -t kernel_files < <(printf '%s\n' "${c_files[@]}" | grep -v -e '^include/linux/dm-kcopyd.h$' -e '^core/trace.h$' -e '^tests/system/sectors.c$' -e '^tests/system/crash.c$' -e '^tests/system/tool.h$' -e '^kcopyd\.h$' -e '^tests/qemu/' -e '^bench/insns.c$')
mapfile -t cpp_files < <(git ls-files '*.cpp' '*.hpp')
mapfile -t shell_files < <({ git ls-files '*.sh'
	git grep -lIE '^#!(/usr/bin/env |/bin/)(ba)?sh'; } | sort -u)

# checkpatch and kernel-doc come from the kernel's source package.
scripts=$(tests/qemu/kernel.sh source 6.1)/scripts

checkpatch() {
	silent perl "$scripts/checkpatch.pl" --no-tree --strict --quiet \
		--show-types --no-summary "$@"
}

# FILE_PATH_CHANGES and the like are about mail; there is no maintainers' file.
result "checkpatch --strict" checkpatch -f "${kernel_files[@]}"
# kcopyd.h is C++ too, and then has neither the kernel's types nor its macros.
result "checkpatch --strict kcopyd.h" \
	checkpatch --ignore NEW_TYPEDEFS,BIT_MACRO -f kcopyd.h

# The kernel's macros for tracepoints want a form of their own.
result "checkpatch --strict core/trace.h" \
	checkpatch --ignore OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT -f core/trace.h

# A macro of the kernel's, whose argument is used twice there, too.
result "checkpatch --strict dm-kcopyd.h" \
	checkpatch --ignore MACRO_ARG_REUSE -f include/linux/dm-kcopyd.h

kernel_doc() {
	silent perl "$scripts/kernel-doc" -none -Werror "$@"
}
result "documentation" Documentation/build.sh
result "what the documents say is there" tests/docs/check.py
result "kernel-doc" kernel_doc kcopyd.h kcopyd.c core/*.[ch] compat/*.h include/linux/*.h targets/dm/*.[ch]

# In a tree of its own: sparse only looks at what is compiled.
sparse_build() {
	local kdir
	kdir=$(tests/qemu/kernel.sh headers 6.1)
	git ls-files -z | xargs -0 cp --parents -t "$work/tree"
	make -C "$work/tree" -j"$(nproc)" modules KDIR="$kdir" W=1 C=2 \
		>"$work/build" 2>&1 || { cat "$work/build"; return 1; }
	! grep -E 'warning|error:' "$work/build"
}
mkdir "$work/tree"
result "sparse and W=1" sparse_build

result "shellcheck" shellcheck -x "${shell_files[@]}"
result "clang-format" clang-format --dry-run -Werror "${cpp_files[@]}"
mapfile -t host_files < <(git ls-files 'tests/unit/*.cpp' 'tools/*.cpp')
mapfile -t tidy_files < <(git ls-files '*.cpp' ':!tests/unit' ':!tools')
# tidy FLAG... : the files whose names come from stdin
tidy() {
	xargs -0 -I{} -P "$(nproc)" clang-tidy --quiet --warnings-as-errors='*' {} \
		-- -std=c++20 -I. "$@" 2>/dev/null
}
clang_tidy() {
	printf '%s\0' "${tidy_files[@]}" | tidy -ffreestanding -fno-exceptions -fno-rtti &&
		printf '%s\0' "${host_files[@]}" | tidy -DKCOPYD_VERSION='"0"'
}
result "clang-tidy" clang_tidy

mutants() {
	local patch rc=0
	for patch in tests/mutants/*.patch; do
		patch -p1 --dry-run -s <"$patch" || { echo "$patch does not apply"; rc=1; }
	done
	return $rc
}
result "the mutants apply" mutants

# One machine's paths and kernel version comparisons have no place in the tree.
no_match() {
	! git grep -nIE "$@"
}
result "no version comparison" no_match 'LINUX_VERSION_CODE|KERNEL_VERSION\(' \
	-- '*.c' '*.h' '*.cpp' '*.hpp'
# grep -q ends at its first match: who still writes to it then fails, and the whole line with it.
mapfile -t pipefail_files < <(git grep -lE '^set -[a-zA-Z]*o pipefail')
result "no grep -q behind a pipe that may fail" \
	no_match '[^|]\|[[:space:]]*grep -[a-zA-Z]*q' -- "${pipefail_files[@]}"
result "SPDX line in every source" bash -c \
	'! git ls-files "*.c" "*.h" "*.cpp" "*.hpp" "*.sh" "*.mk" Kbuild Makefile | xargs grep -L "SPDX-License-Identifier: GPL-2.0-only" | grep .'

total
