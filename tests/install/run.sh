#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Installs kcopyd the ways that there are, in clean systems of Debian 12 and 13, and takes
# it away again: make install, with and without a key; DKMS, and a newer kernel that comes
# later; the Debian packages; modules in C and C++ that are built against what was
# installed. And what it says where it cannot. See inside.sh for the cases. At last all of
# these modules are loaded, on those of their kernels that the tests boot.
#
#	run.sh [SUITE...]	only these systems, of bookworm and trixie
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
unset MAKEFLAGS MFLAGS MAKELEVEL

tests/qemu/deps.sh boot roots
here=$PWD/tests/install
# shellcheck source=tests/qemu/lib.sh
. tests/qemu/lib.sh
# shellcheck source=tests/qemu/debian.sh
. tests/qemu/debian.sh
find_cache

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir "$work/kcopyd"
git ls-files -z | xargs -0 cp --parents -t "$work/kcopyd"

packages=(build-essential dkms dh-dkms debhelper fakeroot lintian man-db openssl linux-headers-amd64
	libblkid-dev libcli11-dev libdevmapper-dev libfmt-dev python3-sphinx)
version=$(<VERSION)
passed=0 failed=0 skipped=0

# boot SUITE : loads what was kept of it
boot()
{
	local kept release kernel ways module options
	for kept in "$work/$1.kept/kept"/*; do
		release=${kept##*/}
		kernel=$(cut -d . -f 1,2 <<<"$release")
		tests/qemu/kernel.sh image "$kernel" >"$work/image" || return
		grep -qx "VERSION=$release" "$work/image" || {
			echo "skipped install: $1: they load: the tests boot another $kernel than $release"
			continue
		}
		ways=("$kept"/*) options=(--kmod brd)
		for module in "${ways[0]}"/*.ko; do
			options+=(--module "$module")
		done
		tests/qemu/boot.sh --kernel "$kernel" "${options[@]}" --add "$kept:/installed" \
			tests/install/guest.sh "$1" "$version" || return
	done
}

# inside SUITE : runs the cases in a system of it
inside()
{
	local suite=$1 part sources=() code=0 bad log=$work/$1
	for part in "$suite" "$suite"-{updates,security,backports}; do
		sources+=("deb $(suite_uri "$part") $part main")
	done
	mkdir "$work/$suite.kept"
	mmdebstrap --quiet --variant=apt --include="${packages[*]}" \
		--customize-hook="copy-in '$work/kcopyd' '$here/inside.sh' /srv" \
		--customize-hook="chroot \"\$1\" /srv/inside.sh $suite" \
		--customize-hook="copy-out /srv/kept '$work/$suite.kept'" \
		"$suite" /dev/null "${sources[@]}" </dev/null >"$log" 2>&1 || code=$?
	((code)) || boot "$suite" >>"$log" 2>&1 || code=$?
	grep -E '^(ok  |FAILED |skipped )' "$log" || true
	skipped=$((skipped + $(grep -c '^skipped ' "$log" || true)))
	passed=$((passed + $(grep -c '^ok  ' "$log" || true)))
	bad=$(grep -c '^FAILED ' "$log" || true)
	if ((code || bad)) || ! grep -q '^all cases ran' "$log"; then
		tail -n 60 "$log" >&2
		((bad)) || { echo "FAILED  install: $suite: it did not run to its end (see above)"; bad=1; }
	fi
	failed=$((failed + bad))
}

(($#)) || set -- bookworm trixie
for suite; do
	inside "$suite"
done
line="$passed passed, $failed failed"
((skipped == 0)) || line+=", $skipped skipped"
echo "$line"
((failed == 0 && passed > 0))
