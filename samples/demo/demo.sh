#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make demo: copies a real file system from one disk to three others, behind
# three different drivers, in a virtual machine with Debian's kernel, and checks
# every copy. Then the same with a sector that cannot be read. Then these three disks
# become a mirror, of which a snapshot is taken, and merged when it was needed.
#
#	KCOPYD_DEMO_DISK=<image>	copy this disk image (raw or qcow2), which is
#					only read
#	TMPDIR=<directory>		where there is room for the disks
set -Eeuo pipefail
trap 'echo "demo: \"$BASH_COMMAND\" failed" >&2' ERR
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# The flags of an outer make, like -j, are not for the builds here.
unset MAKEFLAGS MFLAGS MAKELEVEL
# Not every one of these directories is in everybody's PATH.
PATH=$PATH:/usr/sbin:/sbin

image=${KCOPYD_DEMO_DISK:-}
fs_mib=288		# the file system
files_mib=170		# and the files in it
bad_mib=256		# of an own image, how much is copied with a bad sector

say() { printf '%s\n' "$*"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

work='' child='' started=$SECONDS
cleanup()
{
	trap '' INT TERM HUP
	if [[ -n $child ]]; then
		kill -- "-$child" 2>/dev/null || true
		wait "$child" 2>/dev/null || true
	fi
	[[ -z $work ]] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# run COMMAND... : in the background, as a trap does not wait for that, and in a
# process group of its own, so that all of it can be ended
run()
{
	local code=0
	set -m
	"$@" </dev/null &
	child=$!
	set +m
	wait "$child" || code=$?
	child=
	return "$code"
}

# size_of IMAGE : sets $format and $size, in bytes, of the disk in an image
size_of()
{
	format=raw
	size=$(stat -L -c %s "$1")
	if [[ -b $1 ]]; then
		size=$(blockdev --getsize64 "$1")
	elif [[ $(head -c 4 "$1" | od -An -tx1 | tr -d ' \n') == 514649fb ]]; then
		format=qcow2
		size=$((0x$(od -An -tx1 -j 24 -N 8 "$1" | tr -d ' \n')))
	fi
	((size >= 1 << 20)) || die "$1: a disk image of at least 1 MiB is needed"
	((size % 512 == 0)) || die "$1: its size is not a multiple of 512 bytes"
}

# need_room MIB
need_room()
{
	local free
	free=$(df -BM --output=avail "$work" | tr -dc '0-9')
	((free > $1)) ||
		die "the disks need up to $1 MiB, but ${TMPDIR:-/tmp} has $free MiB: set TMPDIR to a directory with more room"
}

# old_disk FILE BYTES : a disk that is not empty, to see what stays as it was
old_disk()
{
	# yes ends by SIGPIPE
	{ yes "$old" || true; } 2>/dev/null | head -c "$2" >"$1"
}

# Real files of this machine, and a manifest of them.
make_files()
{
	mkdir "$work/files"
	find /usr/include /usr/share /usr/lib -xdev -type f -readable -size -16M \
		! -name '*[[:cntrl:]\\]*' -printf '%s %p\n' 2>/dev/null | sort -k 2 |
		awk -v max=$((files_mib << 20)) '
			/\/usr\/include\// && kept > max / 8 { next }
			kept < max { kept += $1; print substr($0, index($0, " ") + 2) }
		' >"$work/list"
	tar -C / -cf - --files-from "$work/list" | tar -C "$work/files" -xf -
	(cd "$work/files" && find . -type f -print0 | sort -z | xargs -0 sha256sum) \
		>"$work/manifest"
}

# make_source : sets $image to an ext4 file system, $bad to a sector of a file
make_source()
{
	local file

	run make_files || die 'no files for the file system'
	image=$work/source
	truncate -s "${fs_mib}M" "$image"
	mke2fs -q -F -t ext4 -b 4096 -L kcopyd-demo -d "$work/files" "$image"
	# A sector in the middle of the largest file
	file=$(cd "$work/files" && find . -type f -printf '%s %P\n' | sort -n | tail -n 1)
	file=${file#* }
	bad=$(debugfs -R "bmap \"/$file\" $(($(stat -c %s "$work/files/$file") / 8192))" \
		"$image" 2>/dev/null)
	[[ $bad =~ ^[0-9]+$ && $bad -gt 0 ]] || die 'debugfs did not find the blocks of a file'
	bad=$((bad * 8 + 3))
	bad_file=./$file
	say "An ext4 file system of $fs_mib MiB with $(wc -l <"$work/manifest") files, $(du -sm "$work/files" | cut -f 1) MiB, from /usr."
	rm -rf "$work/files"
}

# shellcheck disable=SC2001 # not every bash knows & in a replacement
json() { sed 's/[\\"]/\\&/g' <<<"$1"; }

# disk NAME FILE DEVICE : a raw disk for QEMU
disk()
{
	qemu+=(--qemu -blockdev --qemu "driver=file,node-name=$1-file,filename=$2,discard=unmap,detect-zeroes=unmap"
		--qemu -blockdev --qemu "driver=raw,node-name=$1,file=$1-file,discard=unmap,detect-zeroes=unmap"
		--qemu -device --qemu "$3,drive=$1")
}

# source_disk NAME SECTOR : the image, read-only; SECTOR cannot be read
source_disk()
{
	local top=$1-image type=file
	[[ ! -b $image ]] || type=host_device
	qemu+=(--qemu -blockdev --qemu "{\"driver\":\"$format\",\"node-name\":\"$top\",\"read-only\":true,
		\"file\":{\"driver\":\"$type\",\"filename\":\"$(json "$image")\",\"read-only\":true}}")
	if [[ -n $2 ]]; then
		qemu+=(--qemu -blockdev --qemu "{\"driver\":\"raw\",\"node-name\":\"$1\",\"read-only\":true,
			\"file\":{\"driver\":\"blkdebug\",\"image\":\"$top\",\"read-only\":true,
			\"inject-error\":[{\"event\":\"read_aio\",\"errno\":5,\"sector\":$2,\"once\":false}]}}")
		top=$1
	fi
	qemu+=(--qemu -device --qemu "virtio-blk-pci,drive=$top,serial=$1")
}

[[ -d ${TMPDIR:-/tmp} ]] || die "TMPDIR=$TMPDIR is not a directory"
work=$(mktemp -d "${TMPDIR:-/tmp}/kcopyd-demo.XXXXXX")
[[ $work != *,* ]] || die 'the path of TMPDIR must not contain a comma'
old='old content of this disk'

own=
if [[ -n $image ]]; then
	own=y
	[[ -f $image || -b $image ]] || die "$image: no such disk image"
	[[ -r $image ]] || die "$image: cannot be read by this user"
	image=$(realpath "$image")
	size_of "$image"
	((bad_mib <<= 20))
	((bad_mib < size)) || bad_mib=$size
	need_room $((200 + (3 * size + 2 * bad_mib) / 1048576))
else
	need_room $((200 + files_mib + 6 * fs_mib))
fi

say "Ctrl-C ends it at any time: the virtual machine and its disks (in ${TMPDIR:-/tmp})"
say 'go away then, and only what was installed, downloaded or compiled stays.'
say
say '== What the demo needs'
# In the foreground, where sudo may ask for a password.
tests/qemu/deps.sh build boot tools
facts=$(tests/qemu/kernel.sh image 6.1)
kdir=$(tests/qemu/kernel.sh headers 6.1)
say "Debian's kernel $(sed -n 's/^VERSION=//p' <<<"$facts"), kcopyd, a client of it, samples/copy/copy.c, and the targets, built for it:"
run make -s -j"$(nproc)" modules KDIR="$kdir" >"$work/build" 2>&1 || {
	cat "$work/build" >&2
	die 'the build failed (see above)'
}
modules=$(make -s builddir KDIR="$kdir")
built=$SECONDS
say "  kcopyd.ko, kcopyd-copy.ko, kcopyd-mirror.ko and kcopyd-snapshot.ko ($((built - started)) s)"

say
say '== The disks'
bad='' bad_file=''
if [[ -z $own ]]; then
	make_source
	size_of "$image"
	bad_mib=$size
else
	: >"$work/manifest"
	bad=$((bad_mib / 1024 + 3))
	say "$image: $format, $((size >> 20)) MiB; it is only read."
fi
qemu=()
source_disk source ''
source_disk bad "$bad"
for name in virtio nvme scsi; do
	truncate -s "$size" "$work/$name"
done
disk virtio "$work/virtio" virtio-blk-pci,serial=virtio
disk nvme "$work/nvme" nvme,serial=nvme
qemu+=(--qemu -device --qemu virtio-scsi-pci)
disk scsi "$work/scsi" scsi-hd
for name in stop go-on; do
	old_disk "$work/$name" "$bad_mib"
	disk "$name" "$work/$name" "virtio-blk-pci,serial=$name"
done
prepared=$SECONDS
say "  ready ($((prepared - built)) s); booting the virtual machine"

tty=
[[ ! -t 1 ]] || tty=y
code=0
run tests/qemu/boot.sh --kernel 6.1 --timeout 3600 "${qemu[@]}" \
	--kmod virtio_pci --kmod virtio_blk --kmod nvme --kmod virtio_scsi \
	--kmod sd_mod --kmod ext4 --kmod dm-mod \
	--module "$modules/kcopyd.ko" --module "$modules/kcopyd-copy.ko" \
	--module "$modules/kcopyd-dm.ko" --module "$modules/kcopyd-mirror.ko" \
	--module "$modules/kcopyd-snapshot.ko" --add "$(command -v dmsetup)" \
	--add "$(command -v cmp)" --add "$(command -v e2fsck)" \
	--add "$(command -v sha256sum)" --add "$work/manifest:/demo/manifest" \
	--add samples/demo/targets.sh:/demo/targets.sh samples/demo/guest.sh "$bad" "$((bad_mib / 512))" "$bad_file" "$old" "$tty" ||
	code=$?
((code == 0)) || die "failed (exit code $code, see above)"
say
say "== Done: preparing $((prepared - started)) s, virtual machine $((SECONDS - prepared)) s"
