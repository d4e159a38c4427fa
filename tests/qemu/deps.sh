#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# deps.sh GROUP... : makes sure that the host packages of these groups are
# installed.  Silent when they are; root is used for the installation only.
# The exit code is 3 where this system has no such packages.
set -euo pipefail

group()
{
	case $1 in
	build)	echo gcc g++ make flex bison bc libelf-dev libssl-dev libc6-dev \
			cpio kmod dwarves zstd rsync xz-utils perl ;;
	roots)	echo mmdebstrap arch-test uidmap ;;
	boot)	echo qemu-system-x86 busybox-static kmod cpio e2fsprogs xz-utils ;;
	bench)	echo gnuplot-nox python3 qemu-utils ;;
	tools)	echo dmsetup e2fsprogs fdisk openssl patch ;;
	secureboot) echo ovmf mokutil openssl ;;
	clients) echo dmsetup lvm2 ;;
	fio)	echo fio ;;
	docs)	echo python3-sphinx graphviz python3 jq ;;
	kcopyctl) echo g++ make libcli11-dev libdevmapper-dev libblkid-dev libfmt-dev ;;
	model)	echo gcc spin ;;
	unit)	echo g++ clang libclang-rt-dev libfmt-dev libgtest-dev ;;
	unit32)	echo g++-multilib googletest ;;
	# Not g++-s390x-linux-gnu, which does not go with g++-multilib: clang does it.
	unitbe)	echo clang "libstdc++-$(gcc_version)-dev-s390x-cross" binutils-s390x-linux-gnu \
			qemu-user googletest ;;
	lint)	echo sparse shellcheck clang-format clang-tidy python3 perl \
			linux-source-6.1 ;;
	*)	return 1 ;;
	esac
}

# That of the distribution's default compiler.
gcc_version() { gcc -dumpversion 2>/dev/null | cut -d. -f1; }

say() { printf 'deps.sh: %s\n' "$*" >&2; }

missing()
{
	local package installed
	installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" \
			2>/dev/null) || true
	for package; do
		case $'\n'$installed$'\n' in
		*$'\n'"$package installed"$'\n'*) ;;
		*) echo "$package" ;;
		esac
	done
}

if (($# == 0)); then
	say 'usage: deps.sh GROUP...'
	exit 2
fi
packages=()
for name; do
	list=$(group "$name") || { say "no such group: $name"; exit 2; }
	read -ra list <<<"$list"
	packages+=("${list[@]}")
done

if ! command -v dpkg-query >/dev/null; then
	say "this is not a Debian system: install by hand: ${packages[*]}"
	exit 1
fi
mapfile -t absent < <(missing "${packages[@]}" | sort -u)
((${#absent[@]})) || exit 0

root=()
if ((UID != 0)); then
	# A password may be asked for only where somebody can type it; sudo reads
	# the terminal, whatever stdin is.
	if command -v sudo >/dev/null &&
	   { { : </dev/tty; } 2>/dev/null || sudo -n true 2>/dev/null; }; then
		root=(sudo)
	else
		say "run as root: apt-get install --no-install-recommends ${absent[*]}"
		exit 1
	fi
fi

say "installing the host packages: ${absent[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt()
{
	"${root[@]}" env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -q \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >>"$log" 2>&1 </dev/null
}
# An update that fails for one of several sources is no reason to stop. Nothing that is
# there may go: compilers for other machines and g++-multilib exclude each other.
apt update || true
if ! apt install -y --no-remove --no-install-recommends "${absent[@]}"; then
	tail -n 20 "$log" >&2
	say "failed (see above): apt-get install --no-install-recommends ${absent[*]}"
	! grep -qE 'Unable to locate package|has no installation candidate' "$log" || exit 3
	exit 1
fi
