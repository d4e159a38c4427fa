# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2034,SC2086,SC2154 # what is not here is in guest.sh
#
# The last part of the demo: the device-mapper targets, on the disks of the first one. The
# length of all is that of the old disks, which is less than an own image may be.

# dm NAME TABLE : makes or changes a device
dm() {
	say "  dmsetup ... $1: $2"
	if [ -b "/dev/mapper/$1" ]; then
		dmsetup suspend "$1" --noudevsync && dmsetup reload "$1" --noudevsync --table "$2" &&
			dmsetup resume "$1" --noudevsync
	else
		dmsetup create "$1" --noudevsync --table "$2" && dmsetup mknodes "$1"
	fi || die "no device $1: $(dmesg | tail -n 2)"
}

# are_as_source DISK... : sector by sector
are_as_source() {
	local disk
	for disk; do
		drop_cache "$disk"
		cmp -n $((sectors * 512)) "$source" "$disk" || die "$disk is not as $source"
	done
}

# Sectors in sync
in_sync() { dmsetup status mirror | sed 's|.* \([0-9]*\)/[0-9]* 1 .*|\1|'; }

# Sectors of the store that are in use for data
in_store() { dmsetup status "$1" | awk '{ split($4, n, "/"); print n[1] - $5 }'; }

modprobe kcopyd-mirror || die 'kcopyd-mirror.ko cannot be loaded'
modprobe kcopyd-snapshot || die 'kcopyd-snapshot.ko cannot be loaded'
whole=$((sectors % 1024 ? sectors / 1024 + 1 : sectors / 1024))

say
say "== The same three disks as a mirror, of which two are wiped before"
for disk in $nvme $scsi; do
	head -c $((sectors * 512)) /dev/zero >$disk
	drop_cache "$disk"
done
dm mirror "0 $sectors kmirror core 1 1024 3 $virtio 0 $nvme 0 $scsi 0"
start=$(now) last=$start
while n=$(in_sync) && [ "$n" -lt $whole ]; do
	show syncing $((n * 1024)) "$sectors" "$start"
	sleep 0.1
done
show 'done' "$sectors" "$sectors" "$start"
are_as_source "$virtio" "$nvme" "$scsi"
say '  in sync: all three are the same again, sector by sector'

say
say '== A snapshot of the mirror, and what happens after'
dd if=/dev/zero of="$stop" bs=64k count=1 conv=notrunc 2>/dev/null
drop_cache "$stop"
dm snap "0 $sectors ksnapshot /dev/mapper/mirror $stop P 16"
dm volume "0 $sectors ksnap-origin /dev/mapper/mirror"
if [ "$files" -gt 0 ]; then
	mount -t ext4 /dev/mapper/volume /mnt || die 'the volume cannot be mounted'
	removed=$(find /mnt -type f | awk 'NR % 3 == 0' | tee /tmp/removed | wc -l)
	tr '\n' '\0' </tmp/removed | xargs -0 rm
	dd if=/dev/urandom of=/mnt/new bs=1M count=16 2>/dev/null
	umount /mnt
	fsck /dev/mapper/volume || die 'e2fsck finds errors on the volume'
	check_files /dev/mapper/volume 2>/dev/null
	[ -n "$differ" ] || die 'nothing has changed on the volume'
	say "  $removed of $files files of the volume are removed, and 16 MiB are new"
else
	dd if=/dev/urandom of=/dev/mapper/volume bs=4k count=$((sectors / 32)) seek=$((sectors / 64)) \
		conv=notrunc,fsync 2>/dev/null
	say "  a quarter of the volume is overwritten"
fi
are_as_source /dev/mapper/snap
[ "$files" -eq 0 ] || check_files /dev/mapper/snap
[ "$files" -eq 0 ] || [ -z "$differ" ] || die "on the snapshot these files differ: $differ"
used=$(in_store snap)
say "  the snapshot is what the mirror was, sector by sector; it took $(mib "$used") MiB"

say
say '== It was a mistake: the snapshot is merged'
dmsetup remove snap --noudevsync || die 'the snapshot is in use'
dm volume "0 $sectors ksnapshot-merge /dev/mapper/mirror $stop P 16"
are_as_source /dev/mapper/volume
say '  the volume is as it was from now on, and merged in the background'
start=$(now) last=$start
while n=$(in_store volume) && [ "$n" -gt 0 ]; do
	show merging $((used - n)) "$used" "$start"
	sleep 0.1
done
show 'done' "$used" "$used" "$start"
dmsetup remove volume --noudevsync
dmsetup remove mirror --noudevsync
are_as_source "$virtio" "$nvme" "$scsi"
say "  $virtio, $nvme and $scsi are $source again, sector by sector"
