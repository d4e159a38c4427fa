#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make.sh KERNEL [ARG...] : make for a kernel of kernel.sh's, with KDIR=, and where
# this system's compiler cannot build for it, in a system that has one that can.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/qemu/lib.sh
. "$here/lib.sh"

(($#)) || { print_usage >&2; exit 2; }
find_cache
kdir=$("$here/kernel.sh" headers "$1")
shift
root=${kdir%/usr/src/*}
[[ -x $root/usr/bin/make ]] || exec make KDIR="$kdir" "$@"
exec "$here/in-root.sh" "$root" make KDIR="${kdir#"$root"}" "$@"
