#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make docs: the documents, with the figures of the bench, and the reference of all public
# calls, from their kernel-doc, as HTML in build/docs. A warning is an error.
#
#	build.sh [man]	or only the manual page of kcopyctl, build/kcopyctl.8
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "${1-}" = man ]; then
	command -v sphinx-build >/dev/null ||
		{ echo "sphinx-build is not installed, which makes the manual page: install python3-sphinx" >&2; exit 1; }
	cp Documentation/kcopyctl.rst "$work/"
	cat >"$work/conf.py" <<-'EOF'
	project = "kcopyd"
	root_doc = "kcopyctl"
	man_pages = [("kcopyctl", "kcopyctl", "copy block devices by kcopyd", [], 8)]
	EOF
	mkdir -p build
	sphinx-build -q -W -b man "$work" "$work/man"
	cp "$work/man/kcopyctl.8" build/
	exit
fi

tests/qemu/deps.sh docs lint
kernel_doc=$(tests/qemu/kernel.sh source 6.1)/scripts/kernel-doc

# reference ARG... : kernel-doc of these files as reStructuredText
reference() { perl "$kernel_doc" -rst -Werror -sphinx-version 3.1 "$@"; }

# table FILE : a table of Markdown as one of reStructuredText
table() {
	printf '.. list-table::\n   :header-rows: 1\n\n'
	awk -F '|' '!/^[|] ---/ { for (i = 2; i < NF; i++) print (i == 2 ? "   * -" : "     -") $i }' "$1"
}

cp Documentation/*.rst Documentation/*.dot "$work/"
table bench/results/table.md >"$work/table.inc"
table bench/results/copies.md >"$work/copies.inc"
{
	printf '.. SPDX-License-Identifier: GPL-2.0-only\n\n'
	printf '=========\nReference\n=========\n\n'
	printf 'Structures and types\n====================\n\n'
	reference kcopyd.h targets/dm/dm.h
	printf '\nCalls\n=====\n\n'
	mapfile -t exported < <(git grep -lE '^EXPORT_SYMBOL_GPL' -- '*.c' ':!tests' ':!bench')
	# One by one: with several it may take a file for one without comments.
	for file in "${exported[@]}"; do
		reference -export "$file"
	done
} >"$work/reference.rst"
cat >"$work/conf.py" <<'EOF'
project = "kcopyd"
html_show_copyright = False
extensions = ["sphinx.ext.graphviz"]
graphviz_output_format = "svg"
EOF
rm -rf build/docs
mkdir -p build
sphinx-build -q -W --keep-going -b html "$work" build/docs
echo "build/docs/index.html"
