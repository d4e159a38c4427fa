#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kernel.sh COMMAND KERNEL : finds or fetches a kernel, keeps it in the cache,
# and prints where it is.  Progress goes to stderr.
#
#   headers KERNEL  the directory to give as KDIR to a module's build: see make.sh
#   image KERNEL    VERSION=, VMLINUZ=, ROOT= (holds lib/modules/VERSION) and,
#                   where there is one, SYSTEM_MAP=; for one that does not run this
#                   machine's programs SYSTEM=, where some are that it runs
#   source KERNEL   a directory with scripts/, drivers/md/ and tools/testing/kunit/ of
#                   its source
#
# KERNEL is one of the table below.  For headers and image there are debug-KERNEL, too,
# built from the kernel's source package with debug.config, and kcsan-KERNEL, with
# kcsan.config on top, which finds data races.
set -euo pipefail
# Or what runs in $() would go on after an error.
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/qemu/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/qemu/debian.sh
. "$here/debian.sh"

# kernel, its suites, and where this system's compiler cannot build for it, one that
# can and the suites that it is taken from; if it is not for amd64, for what, and which
# of Debian's kernels for that it is
table()
{
	cat <<-EOT
	6.1	bookworm bookworm-updates bookworm-security
	6.12	bookworm-backports
	7.3	trixie-backports	g++-14	trixie trixie-updates trixie-security
	i386	bookworm	g++	bookworm	i386	686-pae
	EOT
}

usage() { print_usage >&2; exit 2; }

# select_kernel KERNEL : sets up apt for the kernel's suites, and row, compiler,
# compiler_suites and flavour
select_kernel()
{
	local suites
	row=$(table | grep "^$1"$'\t') ||
		die "no kernel '$1': there are $(table | cut -f1 | tr '\n' ' ')(after debug- or kcsan-, too)"
	IFS=$'\t' read -r _ suites compiler compiler_suites apt_arch flavour <<<"$row"
	apt_arch=${apt_arch:-amd64} flavour=${flavour:-$apt_arch}
	read -ra suites <<<"$suites"
	private_apt "$1" "${suites[@]}"
}

# Bump this when what a function here leaves in the cache changes.
recipe=1

# made_with [TEXT...] : a short name for what makes an entry of the cache, but for the
# version of its packages
made_with() { printf '%s\n' "$recipe" "$row" "$@" | sha256sum | cut -c 1-12; }

# from_packages KIND BUILDER PACKAGE : the entry of the cache that BUILDER makes
# from the current version of PACKAGE
from_packages()
{
	local kind=$1 builder=$2 package=$3 packages key

	key()
	{
		packages=$(closure "$package")
		key=$(head -n 1 <<<"$packages")_$(made_with)
		key=${key/=/_}
	}
	refresh_lists 1440
	key
	if [[ ! -d $cache/$kind/$key ]]; then
		# Before a download: mirrors drop superseded packages.
		refresh_lists 10
		key
	fi
	# shellcheck disable=SC2086 # one word a package
	cached "$kind" "$key" "$builder" $packages
}

build_headers()
{
	local dir=$1 makefile
	shift
	unpack "$dir" "$@"
	for makefile in "$dir"/usr/src/linux-headers-*/Makefile; do
		# shellcheck disable=SC2016 # make's own variables
		sed -i 's|^include /usr/src/|include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../|' \
			"$makefile"
	done
	ln -s "$(cd "$dir" && echo usr/src/linux-headers-*-"$flavour")" "$dir/kdir"
}

# build_root DIR PACKAGE... : a small system with a compiler that can build for the kernel
build_root()
{
	local dir=$1 suite sources=() log=$cache/root.log
	shift
	need mmdebstrap
	for suite in $compiler_suites "${apt_suites[@]}"; do
		sources+=("deb $(suite_uri "$suite") $suite main")
	done
	say "making a system with $compiler and $1 (1 minute, 1 GB)"
	[[ $apt_arch == amd64 ]] || set -- "$@" busybox-static kmod dmsetup fdisk
	mmdebstrap --quiet --variant=minbase --architectures="$apt_arch" \
		--include="make,$compiler,$(IFS=, && echo "$*")" \
		"${compiler_suites%% *}" - "${sources[@]}" 2>"$log" </dev/null |
		tar -xC "$dir" --no-same-owner --exclude='./dev/*' || {
		tail -n 20 "$log" >&2
		die "no system with $compiler can be made (see above)"
	}
	rm -rf "$dir"/var/{cache/apt,lib/apt/lists}/*
}

# Not only the compiler: the tools in the packages are made for the system's libraries.
build_headers_root()
{
	build_root "$@"
	ln -s "$(cd "$1" && echo usr/src/linux-headers-*-"$flavour")" "$1/kdir"
}

headers()
{
	from_packages "headers-$1" "$([[ -n $compiler ]] && echo build_headers_root || echo build_headers)" \
		"linux-headers-$flavour"
	readlink -f "$entry/kdir"
}

build_image()
{
	local dir=$1 version vmlinuz
	shift
	unpack "$dir" "$@"
	[[ -e $dir/lib ]] || ln -s usr/lib "$dir/lib"
	version=$(cd "$dir/lib/modules" && echo *)
	vmlinuz=$dir/boot/vmlinuz-$version
	[[ -f $vmlinuz ]] || vmlinuz=$dir/lib/modules/$version/vmlinuz
	[[ -f $vmlinuz ]] || die "no vmlinuz for $version in $*"
	mv "$vmlinuz" "$dir/vmlinuz"
	depmod -b "$dir" "$version"
	echo "$version" >"$dir/version"
}

image()
{
	local kdir=''
	need depmod
	[[ $apt_arch == amd64 ]] || kdir=$(headers "$1")
	from_packages "image-$1" build_image "linux-image-$flavour"
	print_image
	# The one that it is built in
	[[ -z $kdir ]] || echo "SYSTEM=${kdir%/usr/src/*}"
}

print_image()
{
	echo "VERSION=$(<"$entry/version")"
	echo "VMLINUZ=$entry/vmlinuz"
	echo "ROOT=$entry"
}

# source_tar DIR KERNEL VERSION : prints the tar file of the source package,
# downloaded to DIR unless the host has it
source_tar()
{
	local name=linux-source-$2
	if [[ $(dpkg-query -W -f '${Version}' "$name" 2>/dev/null) != "$3" ]]; then
		unpack "$1" "$name=$3"
		echo "$1/usr/src/$name.tar.xz"
	else
		echo "/usr/src/$name.tar.xz"
	fi
}

# check_config : Kconfig drops what it cannot have without a word
check_config()
{
	awk '
		FNR == NR {
			if (/^CONFIG_/)
				want[$0]
			else if (/^# CONFIG_.* is not set$/)
				off[$2]
			next
		}
		{ have[$0]; split($0, part, "="); on[part[1]] }
		END {
			for (line in want)
				if (!(line in have))
					print line
			for (name in off)
				if (name in on)
					print "# " name " is not set"
		}' "$1" "$2"
}

# config FLAVOUR KERNEL : of what is built here, with a line for each option: those of
# debug.config, but for what FLAVOUR.config and debug-KERNEL.config have instead
config()
{
	local lines part names

	lines=$(<"$here/debug.config")
	for part in "$here/$1.config" "$here/debug-$2.config"; do
		[[ -f $part && $part != "$here/debug.config" ]] || continue
		names=$(grep -o '^\(# \)\?CONFIG_[A-Z0-9_]*' "$part" | sed 's/^# //')
		lines=$(grep -vwF "$names" <<<"$lines" && cat "$part")
	done
	printf '%s\n' "$lines"
}

build_debug()
{
	local dir=$1 flavour=$2 kernel=$3 version=$4 build=$1/build tar gone release log
	local in_root=()

	run_make()
	{
		# If this shell is killed, the build goes with it.
		setpriv --pdeathsig TERM "${in_root[@]}" make -s -C "$build" "$@" \
			>>"$log" 2>&1 </dev/null && return
		tail -n 20 "$log" >&2
		die "the debug kernel does not build: see $log"
	}

	tar=$(source_tar "$dir" "$kernel" "$version")
	say "building the $flavour kernel $version (10 to 30 minutes on two cores, 3 GB)"
	mkdir "$build"
	tar -xf "$tar" -C "$build" --strip-components=1
	rm -rf "${dir:?}/usr"
	if [[ -n $compiler ]]; then
		mkdir "$dir/root"
		build_root "$dir/root" flex bison bc libelf-dev libssl-dev xz-utils kmod cpio perl
		ln -s "gcc-${compiler#g++-}" "$dir/root/usr/bin/gcc"
		ln -s "$compiler" "$dir/root/usr/bin/g++"
		# Where make.sh looks for it
		mv "$build" "$dir/root/usr/src/linux"
		ln -s root/usr/src/linux "$build"
		in_root=("$here/in-root.sh" "$dir/root")
	fi
	log=$cache/$flavour-$kernel/build.log
	: >"$log"
	unset MAKEFLAGS MFLAGS MAKELEVEL KBUILD_OUTPUT ARCH CROSS_COMPILE
	config "$flavour" "$kernel" >"$dir/config"
	run_make KCONFIG_ALLCONFIG="$dir/config" allnoconfig
	gone=$(check_config "$dir/config" "$build/.config")
	[[ -z $gone ]] ||
		die "the $flavour kernel: Kconfig dropped $(tr '\n' ' ' <<<"$gone")"
	# See kcsan.config; modules are instrumented without being told.
	run_make -j"$(nproc)" bzImage modules KCSAN_SANITIZE=n
	run_make modules_install INSTALL_MOD_PATH="$dir" DEPMOD=true
	"${in_root[@]}" make -s -C "$build" kernelrelease >"$dir/version"
	release=$(<"$dir/version")
	cp "$build/arch/x86/boot/bzImage" "$dir/vmlinuz"
	rm -f "$dir/lib/modules/$release"/{build,source}
	depmod -b "$dir" "$release"
	prune "$(readlink -f "$build")"
}

# prune BUILD : leaves what the build of a module needs, the symbols, and
# drivers/md, whose targets are rebuilt on other headers
prune()
{
	local path
	for path in "$1"/*/ "$1"/{arch,drivers,tools}/*/; do
		case ${path#"$1"/} in
		arch/ | arch/x86/ | drivers/ | drivers/md/ | include/ | scripts/ | \
		tools/ | tools/objtool/ | tools/build/ | tools/scripts/ | tools/include/) ;;
		*) rm -rf "$path" ;;
		esac
	done
	find "$1" \( -path "$1/scripts" -o -path "$1/tools" \) -prune -o \
		\( -name '*.o' -o -name '*.a' -o -name '.*.cmd' -o -name '.tmp_vmlinux*' \) \
		-type f -exec rm -f {} +
	find "$1/tools" "$1/scripts" -name '*.o' -type f -exec rm -f {} +
	rm -rf "$1"/arch/x86/boot/compressed "$1"/arch/x86/boot/*.bin "$1"/arch/x86/boot/bzImage
}

# debug FLAVOUR KERNEL
debug()
{
	local flavour=$1 kernel=$2 version gcc='' key

	need gcc make flex bison bc xz depmod setpriv
	refresh_lists 1440
	version=$(closure "linux-source-$kernel")
	version=${version#*=}
	# Where the compiler is not that of the row.
	[[ -n $compiler ]] || gcc=$(gcc --version | sed -n 1p)
	key=$(made_with "$gcc" "$(config "$flavour" "$kernel")")
	cached "$flavour-$kernel" "${version}_$key" build_debug "$flavour" "$kernel" "$version"
}

build_source()
{
	local dir=$1 kernel=$2 version=$3 tar
	tar=$(source_tar "$dir" "$kernel" "$version")
	mkdir "$dir/source"
	tar -xf "$tar" -C "$dir/source" --strip-components=1 \
		"linux-source-$kernel"/{scripts,drivers/md,tools/testing/kunit,.clang-format}
	rm -rf "${dir:?}/usr"
}

source_tree()
{
	local version
	need xz
	refresh_lists 1440
	version=$(closure "linux-source-$1")
	version=${version#*=}
	cached "source-$1" "${version}_$(made_with)" build_source "$1" "$version"
	echo "$entry/source"
}

(($# == 2)) || usage
find_cache
select_kernel "${2##*-}"
case $1:$2 in
headers:debug-* | headers:kcsan-*)
	debug "${2%%-*}" "${2#*-}"; readlink -f "$entry/build" ;;
image:debug-* | image:kcsan-*)
	debug "${2%%-*}" "${2#*-}"; print_image; echo "SYSTEM_MAP=$entry/build/System.map" ;;
headers:*)	headers "$2" ;;
image:*)	image "$2" ;;
source:*)	source_tree "$2" ;;
*)		usage ;;
esac
