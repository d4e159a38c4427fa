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

# There, all else has the path that it has here.
as=()
((UID == 0)) || as=(--map-root-user)
# shellcheck disable=SC2016 # expanded by the shell in there
exec unshare --mount "${as[@]}" -- sh -eu -c '
	root=$1
	shift
	for dir in /dev /proc /tmp "$PWD" "$1"; do
		mkdir -p "$root$dir"
		mount --rbind "$dir" "$root$dir"
	done
	shift
	exec chroot "$root" env -C "$PWD" PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' \
	sh "$root" "$cache" make KDIR="${kdir#"$root"}" "$@"
