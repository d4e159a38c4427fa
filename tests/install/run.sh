#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Installs kcopyd the ways that there are, in a clean Debian system of its own, and takes
# it away again: make install, with and without a key; DKMS, and a newer kernel that comes
# later; the Debian packages; modules in C and C++ that are built against what was
# installed. And what it says where it cannot. See inside.sh for the cases.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
unset MAKEFLAGS MFLAGS MAKELEVEL

tests/qemu/deps.sh roots
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

sources=()
for suite in bookworm bookworm-updates bookworm-security bookworm-backports; do
	sources+=("deb $(suite_uri "$suite") $suite main")
done
code=0
packages=(build-essential dkms dh-dkms debhelper fakeroot lintian man-db openssl linux-headers-amd64
	libblkid-dev libcli11-dev libdevmapper-dev libfmt-dev python3-sphinx)
# shellcheck disable=SC2016 # it is the hook's
mmdebstrap --quiet --variant=apt --include="${packages[*]}" \
	--customize-hook="copy-in '$work/kcopyd' '$here/inside.sh' /srv" \
	--customize-hook='chroot "$1" /srv/inside.sh' \
	bookworm /dev/null "${sources[@]}" </dev/null >"$work/log" 2>&1 || code=$?
passed=$(grep -c '^ok  ' "$work/log" || true)
failed=$(grep -c '^FAILED ' "$work/log" || true)
if ((code || failed)) || ! grep -q '^all cases ran' "$work/log"; then
	tail -n 60 "$work/log" >&2
	((failed)) || { echo 'FAILED  install: it did not run to its end (see above)'; failed=1; }
fi
grep -E '^(ok  |FAILED )' "$work/log" || true
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
