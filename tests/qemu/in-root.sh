#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# in-root.sh ROOT COMMAND [ARG...] : runs a command in a system of kernel.sh's, where
# this directory, /tmp, TMPDIR and the cache have the path that they have here.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/qemu/lib.sh
. "$here/lib.sh"

(($# > 1)) || { print_usage >&2; exit 2; }
find_cache
as=()
((UID == 0)) || as=(--map-root-user)
# shellcheck disable=SC2016 # expanded by the shell in there
exec unshare --mount "${as[@]}" -- sh -eu -c '
	root=$1
	for dir in /dev /proc /tmp "${TMPDIR:-/tmp}" "$PWD" "$2"; do
		mkdir -p "$root$dir"
		mount --rbind "$dir" "$root$dir"
	done
	shift 2
	exec chroot "$root" env -C "$PWD" PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' \
	sh "$1" "$cache" "${@:2}"
