#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# initramfs.sh --output FILE [OPTION...] SCRIPT [ARG...] : makes an initramfs
# that runs a shell script as the guest's only job (see guest-init).
#
#   --root DIR --release VERSION  where the kernel's modules are
#   --kmod NAME           a module of the kernel that modprobe can load there,
#                         with all that it depends on (soft dependencies too)
#   --module FILE.ko      the same for a module that is not the kernel's
#   --add HOST[:GUEST]    a file or directory; of an executable, the shared
#                         libraries too
#   --system DIR          a system whose programs go with the kernel, if this one's do
#                         not: what --add names is taken from there if it has that, and
#                         so are busybox and kmod
#   --no-leak-scan        no kmemleak scan at the end
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/qemu/lib.sh
. "$here/lib.sh"

usage() { print_usage >&2; exit 2; }

# add HOST GUEST
add()
{
	local from=$1 file library in=() of=''

	[[ -e $from ]] || die "--add $from: no such file"
	if [[ -n $system && -e $system$from ]]; then
		from=$system$from of=$system in=("$here/in-root.sh" "$system")
	fi
	mkdir -p "$stage/$(dirname "$2")"
	# Not through an applet's link into busybox
	[[ ! -L $stage/$2 ]] || rm "$stage/$2"
	own_commands+=("$2")
	cp -rL --preserve=mode,timestamps "$from" "$stage/$2"
	while IFS= read -r file; do
		# ldd of something else than a dynamic executable fails; a script
		# for one is none of our business.
		while read -r library; do
			[[ -e $stage/$library ]] || install -D "$of$library" "$stage/$library"
		done < <("${in[@]}" ldd "${file#"$of"}" 2>/dev/null | grep -o '/[^ ]*' || true)
	done < <(find -L "$from" -type f -perm /111)
}

# add_kmod FILE : a module's file below $root
add_kmod()
{
	local target=$stage/lib/modules/$release/kernel/${1##*/kernel/}

	case $1 in
	*.xz)	[[ -e ${target%.xz} ]] || {
			mkdir -p "${target%/*}"
			xz -dc "$1" >"${target%.xz}"
		} ;;
	*)	[[ -e $target ]] || install -D -m 644 "$1" "$target" ;;
	esac
}

# add_kmods NAME... : modules of the kernel, with what they depend on
add_kmods()
{
	local name needed how file

	for name; do
		needed=$(modprobe -C /dev/null -d "$root" -S "$release" \
				--show-depends "$name" 2>/dev/null) ||
			die "--kmod $name: kernel $release has no such module"
		while read -r how file _; do
			[[ $how != insmod ]] || add_kmod "$file"
		done <<<"$needed"
	done
}

quote() { (($# == 0)) || printf "'%s' " "${@//\'/\'\\\'\'}"; }

output='' root='' release='' system='' kmods=() modules=() adds=() own_commands=() leak_scan=y
while (($#)); do
	case $1 in
	--output)	output=$2; shift 2 ;;
	--root)		root=$2; shift 2 ;;
	--release)	release=$2; shift 2 ;;
	--system)	system=$2; shift 2 ;;
	--kmod)		kmods+=("$2"); shift 2 ;;
	--module)	modules+=("$2"); shift 2 ;;
	--add)		adds+=("$2"); shift 2 ;;
	--no-leak-scan)	leak_scan=; shift ;;
	--)		shift; break ;;
	-*)		usage ;;
	*)		break ;;
	esac
done
[[ -n $output && $# -gt 0 ]] || usage
[[ -f $1 ]] || die "$1: no such script"
need busybox cpio kmod depmod modprobe modinfo

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage"/{bin,sbin,dev,proc,sys,tmp,test,etc}

busybox=$system$(command -v busybox)
! ldd "$busybox" >/dev/null 2>&1 ||
	die "$busybox needs shared libraries: apt-get install busybox-static"
install "$busybox" "$stage/bin/busybox"
applets=$("$busybox" --list)
for applet in $applets; do
	[[ $applet == busybox ]] || ln -s busybox "$stage/bin/$applet"
done

install "$here/guest-init" "$stage/init"
install "$1" "$stage/test/script"
shift
arguments=$(quote "$@")
[[ -n $leak_scan ]] || : >"$stage/test/no-leak-scan"

for spec in ${adds[@]+"${adds[@]}"}; do
	case $spec in
	*:*)	add "${spec%%:*}" "${spec#*:}" ;;
	*)	add "$spec" "/bin/${spec##*/}" ;;
	esac
done

if [[ -n $root ]]; then
	# kmod's own modprobe: that of busybox ignores soft dependencies.
	add "$(readlink -f "$(command -v kmod)")" /sbin/kmod
	for applet in modprobe insmod rmmod lsmod modinfo; do
		ln -s kmod "$stage/sbin/$applet"
		own_commands+=("/sbin/$applet")
	done
	target=$stage/lib/modules/$release
	mkdir -p "$target/extra"
	cp "$root/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$target/"
	kmods+=(configfs) # guest-init mounts it
	own=' '
	for file in ${modules[@]+"${modules[@]}"}; do
		[[ -f $file ]] || die "--module $file: no such file"
		install -m 644 "$file" "$target/extra/"
		name=${file##*/}
		own+="$(tr - _ <<<"${name%.ko}") "
	done
	for file in ${modules[@]+"${modules[@]}"}; do
		for name in $(modinfo -F depends "$file" | tr ',' ' '); do
			[[ $own == *" ${name//-/_} "* ]] || kmods+=("$name")
		done
	done
	add_kmods "${kmods[@]}"
	depmod -b "$stage" "$release"
fi

{
	# The shell of busybox prefers its applets to what is in PATH.
	for file in ${own_commands[@]+"${own_commands[@]}"}; do
		applet=${file##*/}
		! grep -qx -- "$applet" <<<"$applets" ||
			echo "$applet() { $file \"\$@\"; }"
	done
	echo "set -- $arguments"
	echo '. /test/script'
} >"$stage/test/command"

(cd "$stage" && find . -print0 | cpio -0 -o -H newc -R 0:0 --quiet) >"$output"
