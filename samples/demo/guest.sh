#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of the demo that runs in the virtual machine.
#
#	guest.sh <bad sector> <sectors> <file with the bad sector> <old> <tty>
# shellcheck disable=SC3043,SC2154,SC2034,SC1010,SC2015
bad=$1 sectors=$2 bad_file=$3 old=$4 tty=$5
status=/sys/module/kcopyd_copy/parameters/status

say() { echo "$*"; }
die() { echo "demo: $*" >&2; exit 1; }

# Hundredths of a second
now() {
	local up
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}"
}

# seconds HUNDREDTHS
seconds() { echo "$(($1 / 100)).$(($1 / 10 % 10))"; }

mib() { echo $(($1 >> 11)); }

# disk SERIAL : the name of the disk that has it
disk() {
	local file
	for file in /sys/block/*/serial /sys/block/*/device/serial; do
		[ "$(tr -d ' ' <"$file" 2>/dev/null)" != "$1" ] || {
			file=${file#/sys/block/}
			echo "/dev/${file%%/*}"
			return
		}
	done
	die "there is no disk $1"
}

# progress STATE DONE TOTAL START : percent, MB/s, and the time left or used
progress() {
	local used rate time
	used=$(($(now) - $4 + 1))
	rate=$(($2 * 512 / used / 10000))
	case $1 in
	starting | copying | syncing | merging)
		time="$((($3 - $2) * used / ($2 + 1) / 100)) s left" ;;
	done*)	time="in $(seconds $used) s" ;;
	*)	time="$1 after $(seconds $used) s" ;;
	esac
	echo "$(($2 * 100 / $3)) %, $rate MB/s, $(mib "$2") of $(mib "$3") MiB, $time"
}

# show STATE DONE TOTAL START : the progress, on a terminal always, or now and then;
# $last is when that was
show() {
	local line
	line="  $(progress "$@")"
	case $1 in
	starting | copying | syncing | merging)
		if [ -n "$tty" ]; then
			printf '\r%-60s' "$line"
		elif [ $(($(now) - last)) -ge 200 ]; then
			say "$line"
			last=$(now)
		fi ;;
	*)	[ -z "$tty" ] || printf '\r%-60s\r' ''
		say "$line" ;;
	esac
}

# copy PARAMETER... : copies and shows how far it is; sets what $status says
copy() {
	local start last
	say "  modprobe kcopyd-copy $*"
	start=$(now)
	last=$start
	modprobe kcopyd-copy "$@" || {
		dmesg | grep kcopyd | tail -n 2
		die 'the copy did not start (see above)'
	}
	while :; do
		# state, done, total, read_err, write_err and submit_err
		eval "$(cat $status)"
		show "$state" "$done" "$total" "$start"
		[ "$state" = starting ] || [ "$state" = copying ] || break
		sleep 0.1
	done
	used=$(($(now) - start))
	rmmod kcopyd-copy
}

# The kernel's cache of a disk does not know what kcopyd has written there.
drop_cache() { blockdev --flushbufs "$1"; }

# is_ext DISK : does an ext2, 3 or 4 file system begin with the disk?
is_ext() {
	[ "$(dd if="$1" bs=1 skip=1080 count=2 2>/dev/null | od -An -tx1 | tr -d ' ')" = 53ef ]
}

# fsck DISK
fsck() { e2fsck -fn "$1" >/tmp/fsck 2>&1; }

# check_files DISK : the files against the manifest; sets differ to those that do
check_files() {
	local code=0
	differ=
	mount -t ext4 -o ro,noload "$1" /mnt || die "$1: cannot be mounted"
	[ "$files" -eq 0 ] ||
		differ=$(cd /mnt && sha256sum -c --quiet /demo/manifest 2>/tmp/sha256sum) ||
		code=$?
	umount /mnt
	[ "$code" -eq 0 ] || [ -n "$differ" ] ||
		die "sha256sum failed: $(tail -n 1 /tmp/sha256sum)"
}

# check DISK : is it a copy of the source in every respect?
check() {
	local differ code=0

	drop_cache "$1"
	cmp "$source" "$1" || die "$1 is not a copy of $source"
	line="every sector is the source's"
	if is_ext "$source"; then
		fsck "$1" || code=$?
		[ "$code" -eq "$fsck_source" ] || {
			cat /tmp/fsck
			die "$1: e2fsck finds other things than on the source"
		}
		if [ "$code" -eq 0 ]; then
			line="$line; e2fsck: clean"
		else
			line="$line; e2fsck: as on the source (exit code $code)"
		fi
		check_files "$1"
		[ -z "$differ" ] || die "$1: these files differ: $differ"
		line="$line; mounted"
		[ "$files" -eq 0 ] || line="$line, all $files files have the right checksum"
	fi
	say "  $1: $line"
}

for module in virtio_pci virtio_blk nvme virtio_scsi sd_mod ext4; do
	modprobe $module || die "no module $module"
done
mkdir -p /mnt
modprobe kcopyd || die 'kcopyd.ko cannot be loaded'
# Disks are found in the background.
for i in $(seq 60); do
	[ ! -b /dev/sda ] || [ ! -b /dev/nvme0n1 ] || [ ! -b /dev/vde ] || break
	sleep 0.5
done

source=$(disk source) || exit
bad_source=$(disk bad) || exit
virtio=$(disk virtio) || exit
nvme=$(disk nvme) || exit
stop=$(disk stop) || exit
go_on=$(disk go-on) || exit
scsi=/dev/sda
[ -b $scsi ] || die "there is no SCSI disk"
files=$(wc -l </demo/manifest)
fsck_source=0
if is_ext "$source"; then
	fsck "$source" || fsck_source=$?
fi
drop_cache "$source"

say
say "== One copy to three disks: $source to $virtio (virtio-blk), $nvme (NVMe), $scsi (SCSI)"
copy "src=$source" "dst=$virtio,$nvme,$scsi"
[ "$state" = done ] || die "the copy failed: read error $read_err, destinations $write_err, rejected $submit_err"
say "  read once, written three times in $(seconds $used) s (an emulated machine: not a benchmark)"
say
say '== Is it all there?'
start=$(now)
check "$virtio"
check "$nvme"
check "$scsi"
say "  checked in $((($(now) - start) / 100)) s"

say
say "== The same source with a sector that cannot be read: $bad_source, sector $bad"
[ -z "$bad_file" ] || say "  (it belongs to the file ${bad_file#.})"
say
say "   As it is normally: the copy stops."
dmesg -c >/dev/null
# Four slices are in flight: of a small disk they must not be all there is.
chunk_kb=$((sectors / 32))
[ "$chunk_kb" -le 4096 ] || chunk_kb=4096
copy "src=$bad_source" "dst=$stop" "count=$sectors" "chunk_kb=$chunk_kb"
say "  the kernel's log (a request that failed is named by its first sector):"
dmesg | grep -E 'I/O error|kcopyd' | sed 's/^\[[^]]*\] */    /' | head -n 4
[ "$state" = failed ] && [ "$read_err" -eq -5 ] || die "a read error was expected: $state, read error $read_err"
[ "$done" -lt "$total" ] || die 'the copy did not stop'
say "  stopped: $(mib "$done") of $(mib "$total") MiB were tried, the rest of $stop was left alone"

say
say "   With ignore_error=1: it goes on."
dmesg -c >/dev/null
copy "src=$bad_source" "dst=$go_on" "count=$sectors" ignore_error=1
say "  the kernel's log:"
dmesg | grep kcopyd | sed 's/^\[[^]]*\] */    /' | head -n 4
[ "$state" = done-with-errors ] && [ "$read_err" -eq -5 ] ||
	die "a read error was expected: $state, read error $read_err"
[ "$done" -eq "$total" ] || die 'the copy did not go to the end'

# What differs from the good source must be the old content, around the sector.
drop_cache "$go_on"
cmp -l -n $((sectors * 512)) "$source" "$go_on" >/tmp/differ && die 'the bad sector was read?'
first=$(($(head -n 1 /tmp/differ | awk '{ print $1 }') - 1))
last=$(($(tail -n 1 /tmp/differ | awk '{ print $1 }') - 1))
block=$((bad / 8 * 8))
[ $((first / 4096)) -eq $((bad / 8)) ] && [ $((last / 4096)) -eq $((bad / 8)) ] ||
	die "bytes $first to $last differ, that is more than the 4 KiB around sector $bad"
# One line all over the disk
phase=$((block * 512 % (${#old} + 1)))
yes "$old" 2>/dev/null | tail -c +$((phase + 1)) | head -c 4096 >/tmp/old
dd if="$go_on" bs=512 skip=$block count=8 of=/tmp/kept 2>/dev/null
cmp /tmp/old /tmp/kept || die 'the destination lost its old content around the bad sector'
say "  sectors $block to $((block + 7)) of $go_on, the 4 KiB around the bad one, were not written:"
say "  there it has what it had before, \"$(dd if=/tmp/kept bs=1 skip=$((block * 512 % 25 ? 25 - block * 512 % 25 : 0)) count=24 2>/dev/null)\", and not stale memory or zeroes"
say "  all other $((sectors - 8)) sectors are the source's"
if [ "$files" -gt 0 ]; then
	fsck "$go_on" || die "e2fsck finds errors on $go_on"
	check_files "$go_on"
	[ "$differ" = "$bad_file: FAILED" ] ||
		die "other files than $bad_file differ: $differ"
	say "  e2fsck: clean; $((files - 1)) of $files files are intact, only ${bad_file#.} is damaged"
fi

# shellcheck source=samples/demo/targets.sh
. /demo/targets.sh
