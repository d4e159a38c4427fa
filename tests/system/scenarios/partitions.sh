# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Partitions: copies know where on the disk they are.

# Partitions of 8, 8 and 15 MiB
partition() {
	null_blk np
	printf '2048,16384\n18432,16384\n34816,30720\n' | sfdisk -q --label dos /dev/np ||
		fail 'no partitions'
	blockdev --rereadpt /dev/np
	[ -b /dev/np3 ] || fail 'the kernel has not seen the partitions'
}

between() {
	fill /dev/np1 1
	fill /dev/np2 2
	fill /dev/np3 3
	copy_ok src=/dev/np1 dst=/dev/np2,/dev/np3@100
	check /dev/np2 1
	check /dev/np3 1 100 16384 0
	check /dev/np3 3 0 100
	check /dev/np3 3 16484 0
	# Where that is on the disk
	check /dev/np 1 18432 16384 0
}

# The partition ends where the disk goes on.
end_of_partition() {
	fill /dev/np3 3
	rejected 'np2 has 16384 sectors' src=/dev/na dst=/dev/np2 count=16385
	check /dev/np3 3
}

disk_and_partition() {
	copy_ok src=/dev/np dst=/dev/np3 sector=2048 count=2000
	rejected 'overlaps the source' src=/dev/np dst=/dev/np3@0 sector=34816 count=8
	errno_is 'Invalid'
	rejected 'overlaps the source' src=/dev/np dst=/dev/np3@100 sector=34917 count=100
	rejected 'overlaps the source' src=/dev/np dst=/dev/np3@0 sector=34809 count=8
	copy_ok src=/dev/np dst=/dev/np3@0 sector=34808 count=8
	copy_ok src=/dev/np dst=/dev/np3@100 sector=35016 count=100
}

one_partition() {
	rejected 'overlaps the source' src=/dev/np1 dst=/dev/np1@99 count=100
	rejected 'overlap on the disk' src=/dev/na dst=/dev/np1@0,/dev/np1@99 count=100
	errno_is 'Invalid'
	copy_ok src=/dev/np1 dst=/dev/np1@100,/dev/np1@200 count=100
}

two_partitions() {
	copy_ok src=/dev/na dst=/dev/np1@16284,/dev/np2@0 count=100
	check /dev/np1 1 16284 100 0
	check /dev/np2 1 0 100 0
}

one_disk() {
	rejected 'overlaps the source' src=/dev/na dst=/dev/na
	rejected 'overlaps the source' src=/dev/na dst=/dev/na@1 count=2
	rejected 'overlap on the disk' src=/dev/np dst=/dev/na@1,/dev/na@2 count=2
}

no_null_blks
null_blk na
fill /dev/na 1
partition
case_ 'between partitions of a disk' between
case_ 'not past the end of a partition' end_of_partition
case_ 'a disk and its partition overlap' disk_and_partition
case_ 'overlaps within a partition' one_partition
case_ 'side by side in two partitions' two_partitions
case_ 'overlaps on a disk' one_disk
