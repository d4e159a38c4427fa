# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# The targets ksnapshot, ksnapshot-merge and ksnap-origin. /dev/na is the origin, /dev/nb
# the store.

# wipe DEVICE : there is no store on it
wipe() {
	dd if=/dev/zero of="$1" bs=64k count=1 2>/dev/null
	blockdev --flushbufs "$1"
}

# snapshot TYPE CHUNK [FEATURES] : of what /dev/na holds
snapshot() {
	fill /dev/na 1
	wipe /dev/nb
	dm snap "0 65536 ksnapshot /dev/na /dev/nb $*"
	dm origin '0 65536 ksnap-origin /dev/na'
}

# again TABLE : the snapshot with another table, after it was removed
again() {
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	dm snap "0 65536 $1"
}

# allocated : sectors of the store in use
allocated() { dmsetup status snap | sed 's/.* \([0-9]*\)\/.*/\1/'; }

status_is() {
	[ "$(dmsetup status snap)" = "0 65536 ksnapshot $1" ] ||
		fail "status: $(dmsetup status snap), not $1"
}

# What is in them after changed()
changed_ok() {
	check /dev/mapper/origin 1 0 1000
	check /dev/mapper/origin 2 1000 3000
	check /dev/mapper/origin 1 4000 36001
	check /dev/mapper/origin 2 40001 999
	check /dev/mapper/origin 1 41000 24536
	snap_ok
}

snap_ok() {
	check /dev/mapper/snap 1 0 20000
	check /dev/mapper/snap 3 20000 500
	check /dev/mapper/snap 1 20500 45036
}

# Both change, in whole chunks and in parts of them.
changed() {
	fill /dev/mapper/origin 2 1000 3000
	fill /dev/mapper/origin 2 40001 999
	check /dev/mapper/snap 1
	fill /dev/mapper/snap 3 20000 500
	changed_ok
}

persistent() {
	snapshot P "$1"
	[ "$(dmsetup table snap)" = "0 65536 ksnapshot $(cat /sys/block/na/dev) $(cat /sys/block/nb/dev) P $1" ] ||
		fail "table: $(dmsetup table snap)"
	[ "$(dmsetup table origin)" = "0 65536 ksnap-origin $(cat /sys/block/na/dev)" ] ||
		fail "table: $(dmsetup table origin)"
	changed
	before=$(dmsetup status snap)
	again "ksnapshot /dev/na /dev/nb P 0"
	[ "$(dmsetup status snap)" = "$before" ] || fail "status: $(dmsetup status snap), not $before"
	changed_ok
	# It goes on with the store.
	fill /dev/mapper/origin 2 0 60000
	snap_ok
}

transient() {
	snapshot N 8
	changed
	fill /dev/mapper/origin 2
	snap_ok
	# Without metadata, but for what 500 sectors wrote it is a copy of each chunk.
	status_is '65536/65536 0'
}

# A write of a whole chunk reads nothing of the origin.
whole_chunks() {
	local before
	snapshot P 16
	before=$(awk '{ print $3 }' /sys/block/na/stat)
	dd if=/dev/zero of=/dev/mapper/snap bs=8k count=16 oflag=direct 2>/dev/null || fail 'no write'
	[ "$(awk '{ print $3 }' /sys/block/na/stat)" -eq "$before" ] || fail 'the origin was read'
	[ "$(allocated)" -eq $((18 * 16)) ] || fail "allocated: $(allocated)"
	dd if=/dev/mapper/snap bs=8k count=16 iflag=direct 2>/dev/null | tr -d '\0' | grep -q . &&
		fail 'not what was written'
	check /dev/mapper/snap 1 256 65280
	dd if=/dev/zero of=/dev/mapper/snap bs=4k seek=64 count=1 oflag=direct 2>/dev/null
	# Of the rest of that chunk there must be a copy.
	check /dev/mapper/snap 1 520 1000
}

# Several snapshots of one origin, with chunks of several sizes
several() {
	local i size=32
	snapshot P 16
	for i in 1 2 3; do
		dm store$i "0 12288 linear /dev/nc $((i * 16384))"
		wipe /dev/mapper/store$i
		dm snap$i "0 65536 ksnapshot /dev/na /dev/mapper/store$i P $size"
		size=$((size * 2))
	done
	fill /dev/mapper/snap2 3 9000 100
	fill /dev/mapper/origin 2 8192 4096
	for i in '' 1 3; do
		check /dev/mapper/snap$i 1
	done
	check /dev/mapper/snap2 3 9000 100
	check /dev/mapper/snap2 1 0 9000
	check /dev/mapper/snap2 1 9100 56436
	check /dev/mapper/origin 2 8192 4096
	# Nothing is copied twice.
	[ "$(allocated)" -eq $(((2 + 256) * 16)) ] || fail "allocated: $(allocated)"
}

# A store of mainline's, and one for mainline
with_mainline() {
	snapshot P 16
	changed
	again 'snapshot /dev/na /dev/nb P 16'
	changed_ok
	fill /dev/mapper/snap 4 60000 64
	again 'ksnapshot /dev/na /dev/nb P 16'
	check /dev/mapper/snap 4 60000 64
	check /dev/mapper/snap 3 20000 500
	check /dev/mapper/snap 1 0 20000
	check /dev/mapper/snap 1 20500 39500
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	# And one that mainline begins
	wipe /dev/nb
	dm snap '0 65536 snapshot /dev/na /dev/nb P 64'
	fill /dev/mapper/snap 5 0 6400
	again 'ksnapshot /dev/na /dev/nb P 16'
	check /dev/mapper/snap 5 0 6400
	check /dev/mapper/snap 2 40001 999
	dmsetup table snap | grep -q ' P 64$' || fail "table: $(dmsetup table snap)"
}

small_store() {
	fill /dev/na 1
	dm store '0 2048 linear /dev/nb 0'
	wipe /dev/mapper/store
	dm snap "0 65536 ksnapshot /dev/na /dev/mapper/store $1 16"
	dm origin '0 65536 ksnap-origin /dev/na'
}

# A store that is full makes the snapshot invalid, for good; the origin goes on.
full() {
	small_store P
	fill /dev/mapper/origin 2
	status_is Invalid
	! sectors check /dev/mapper/snap 1 0 8 >/dev/null 2>&1 || fail 'it is still read'
	check /dev/mapper/origin 2
	again 'ksnapshot /dev/na /dev/mapper/store P 16'
	status_is Invalid
	again 'snapshot /dev/na /dev/mapper/store P 16'
	dmsetup status snap | grep -q Invalid || fail 'mainline takes it'
}

# With PO, writes to it fail and what it has stays.
overflow() {
	small_store PO
	! sectors fill /dev/mapper/snap 3 0 4096 >/dev/null 2>&1 || fail 'there was room'
	status_is Overflow
	check /dev/mapper/snap 1 8192 1000
}

# What had room before it was full is written.
overflow_later() {
	local first second
	fill /dev/na 1
	wipe /dev/nb
	dm cow '0 64 delay /dev/nb 0 0 /dev/nb 0 3000'
	dm snap '0 65536 ksnapshot /dev/na /dev/mapper/cow PO 16'
	fill /dev/mapper/snap 3 0 8 &
	first=$!
	fill /dev/mapper/snap 3 1000 8 &
	second=$!
	while [ "$(allocated)" != 64 ]; do
		sleep 0.1
	done
	! sectors fill /dev/mapper/snap 3 2000 8 >/dev/null 2>&1 || fail 'there was room'
	[ -d /proc/$first ] || [ -d /proc/$second ] || fail 'it was too slow'
	status_is Overflow
	wait $first && wait $second || fail 'there was room for them'
	check /dev/mapper/snap 1 --other 3 0+8 --other 3 1000+8
}

# The origin ends within a chunk, and within a block of the COW device.
odd_end() {
	no_null_blk nb
	null_blk nb blocksize=4096
	fill /dev/na 1
	dm odd '0 1001 linear /dev/na 0'
	dm snap '0 1000 ksnapshot /dev/mapper/odd /dev/nb P 16'
	dm origin '0 1001 ksnap-origin /dev/mapper/odd'
	fill /dev/mapper/origin 2 995 6
	dmsetup status snap | grep -q '48/65536 32' || fail "status: $(dmsetup status snap)"
	check /dev/mapper/snap 1 0 1000
	fill /dev/mapper/snap 3 992 8
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	dmsetup suspend origin --noudevsync &&
		echo '0 1000 ksnapshot-merge /dev/mapper/odd /dev/nb P 16' |
		dmsetup reload origin --noudevsync &&
		dmsetup resume origin --noudevsync || fail 'origin takes no other table'
	until_left 0
	check /dev/na 1 0 992
	check /dev/na 3 992 8
	check /dev/na 2 1000 1
	check /dev/na 1 1001 100
}

bad_origin() {
	snapshot P 16
	bad na 5000 5000
	sectors fill /dev/mapper/origin 2 4992 8 >/dev/null
	status_is Invalid
}

discards() {
	no_null_blk na
	no_null_blk nb
	null_blk na discard=1
	null_blk nb discard=1
	snapshot P 16 1 discard_zeroes_cow
	fill /dev/mapper/snap 3 0 64
	blkdiscard -o 0 -l 16384 /dev/mapper/snap || fail 'discards are refused'
	[ -z "$(dd if=/dev/mapper/snap bs=16k count=1 iflag=direct 2>/dev/null | tr -d '\0')" ] ||
		fail 'not zeroes'
	check /dev/mapper/snap 3 32 32
	check /dev/mapper/snap 1 64 65472
}

# They go on to the origin, where nothing is copied for them.
discards_below() {
	no_null_blk na
	no_null_blk nb
	null_blk na discard=1
	null_blk nb discard=1
	snapshot P 16 2 discard_zeroes_cow discard_passdown_origin
	dmsetup table snap | grep -q ' P 16 2 discard_zeroes_cow discard_passdown_origin$' ||
		fail "table: $(dmsetup table snap)"
	fill /dev/mapper/snap 3 0 64
	before=$(allocated)
	# Of one that has been copied, of part of one, and of one that has not been
	blkdiscard -o 0 -l 8192 /dev/mapper/snap || fail 'discards are refused'
	blkdiscard -o 8192 -l 4096 /dev/mapper/snap || fail 'discards are refused'
	blkdiscard -o 81920 -l 8192 /dev/mapper/snap || fail 'discards are refused'
	[ "$(allocated)" = "$before" ] || fail "allocated: $(allocated), not $before"
	check /dev/mapper/snap 0 0 16
	check /dev/mapper/snap 3 24 40
	check /dev/na 1 --other 0 0+16 --other 0 160+16
}

# Another table takes over, with the same store.
# reloads TABLE : the snapshot gets another table while it is there
reloads() {
	dmsetup suspend snap --noudevsync
	echo "0 65536 $*" | dmsetup reload snap --noudevsync &&
		dmsetup resume snap --noudevsync || fail 'not taken over'
}

takes_over() {
	snapshot P 16
	changed
	reloads ksnapshot /dev/na /dev/nb P 16
	changed_ok
	fill /dev/mapper/origin 2 0 60000
	snap_ok
	# Not while it is in use
	! echo '0 65536 ksnapshot /dev/na /dev/nb P 16' |
		dmsetup create other --noudevsync 2>/dev/null || fail 'two have a store'
	snap_ok
}

# What is in memory only goes over too.
transient_takes_over() {
	local before
	snapshot N 8
	changed
	before=$(dmsetup status snap)
	reloads ksnapshot /dev/na /dev/nb N 8
	[ "$(dmsetup status snap)" = "$before" ] || fail "status: $(dmsetup status snap), not $before"
	changed_ok
	fill /dev/mapper/origin 2
	snap_ok
}

# cow_is SECTORS : what the COW device cow is from now on, or all of it fails
cow_is() {
	local table="linear /dev/nb 0"
	[ "$1" != error ] || table=error
	[ "$1" != error ] || set -- 65536
	if [ -b /dev/mapper/cow ]; then
		dmsetup suspend cow --noudevsync --nolockfs
		dmsetup reload cow --noudevsync --table "0 $1 $table" && dmsetup resume cow --noudevsync
	else
		dm cow "0 $1 $table"
	fi
}

# on_store SECTORS : a snapshot whose store is on it
on_store() {
	fill /dev/na 1
	wipe /dev/nb
	cow_is "$1"
	dm snap '0 65536 ksnapshot /dev/na /dev/mapper/cow P 16'
	dm origin '0 65536 ksnap-origin /dev/na'
}

# The device grows between the two moments when a table is loaded and when it is resumed.
takes_over_grown() {
	on_store 8192
	fill /dev/mapper/origin 2 0 4000
	echo '0 65536 ksnapshot /dev/na /dev/mapper/cow P 16' | dmsetup reload snap --noudevsync ||
		fail 'not loaded'
	cow_is 65536
	fill /dev/mapper/origin 2 0 30000
	dmsetup suspend snap --noudevsync
	dmsetup resume snap --noudevsync || fail 'not taken over'
	check /dev/mapper/snap 1
	fill /dev/mapper/origin 2 0 60000
	check /dev/mapper/snap 1
	again 'ksnapshot /dev/na /dev/mapper/cow P 16'
	check /dev/mapper/snap 1
}

# Its store cannot be told that it is invalid, until it has another table.
stays_invalid() {
	on_store 65536
	fill /dev/mapper/origin 2 0 1000
	cow_is error
	fill /dev/mapper/origin 2 1000 1000
	status_is Invalid
	cow_is 65536
	fill /dev/mapper/origin 2 2000 1000
	reloads ksnapshot /dev/na /dev/mapper/cow P 16
	status_is Invalid
	again 'ksnapshot /dev/na /dev/mapper/cow P 16'
	status_is Invalid
}

# A store that is full says that it is invalid before the origin has what does not fit.
full_in_order() {
	local write
	fill /dev/na 1
	wipe /dev/nb
	dm cow '0 48 delay /dev/nb 0 0 /dev/nb 0 3000'
	dm snap '0 65536 ksnapshot /dev/na /dev/mapper/cow P 16'
	dm origin '0 65536 ksnap-origin /dev/na'
	fill /dev/mapper/origin 2 0 8
	fill /dev/mapper/origin 2 1000 8 &
	write=$!
	sleep 1
	check /dev/na 1 1000 8
	[ "$(od -An -tu4 -j 4 -N 4 /dev/nb | tr -d ' ')" = 1 ] || fail 'it was not valid before'
	wait $write
	check /dev/na 2 1000 8
	blockdev --flushbufs /dev/nb
	[ "$(od -An -tu4 -j 4 -N 4 /dev/nb | tr -d ' ')" = 0 ] || fail 'it is valid still'
}

# becomes TARGET ARGUMENTS : what the device origin is from now on
becomes() {
	dmsetup suspend origin --noudevsync &&
		echo "0 65536 $*" | dmsetup reload origin --noudevsync &&
		dmsetup resume origin --noudevsync || fail "origin takes no other table: $*"
}

# left : sectors of the store that are to be merged
left() {
	dmsetup status origin | awk '$4 ~ "/" { split($4, n, "/"); print n[1] - $5; next } { print }'
}

until_left() {
	local end=$(($(seconds) + 120))
	while [ "$(left)" -gt "$1" ]; do
		[ "$(seconds)" -lt $end ] || fail "not merged: $(dmsetup status origin)"
		sleep 0.1
	done
}

until_failed() {
	local i=0
	while [ "$(left)" != '0 65536 ksnapshot-merge Merge failed' ]; do
		i=$((i + 1))
		[ $i -lt 100 ] || fail "status: $(dmsetup status origin)"
		sleep 0.1
	done
}

# The merged device, and what is below it in the end
merged_ok() {
	until_left 0
	check /dev/mapper/origin "$@"
	becomes linear /dev/na 0
	check /dev/na "$@"
}

# Each tenth chunk of the snapshot changes, so that there are 40 runs.
scattered() {
	local i=0
	of_snap=
	while [ $i -lt 40 ]; do
		fill /dev/mapper/snap 3 $((i * 160)) 16
		of_snap="$of_snap --other 3 $((i * 160))+16"
		i=$((i + 1))
	done
}

# slow MS : such a snapshot is gone, and /dev/mapper/slow takes so long to read
slow() {
	snapshot P 16
	scattered
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	dm slow "0 65536 delay /dev/nb 0 $1 /dev/nb 0 0"
	slow='ksnapshot-merge /dev/na /dev/mapper/slow P 16'
}

# delay READ WRITE : and from now on so long
delay() {
	dmsetup suspend slow --noudevsync &&
		echo "0 65536 delay /dev/nb 0 $1 /dev/nb 0 $2" | dmsetup reload slow --noudevsync &&
		dmsetup resume slow --noudevsync || fail 'slow takes no other table'
}

merge() {
	snapshot P 16
	changed
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	becomes ksnapshot-merge /dev/na /dev/nb P 0
	until_left 0
	[ "$(dmsetup status origin)" = '0 65536 ksnapshot-merge 32/65536 32' ] ||
		fail "status: $(dmsetup status origin)"
	[ "$(dmsetup table origin)" = "0 65536 ksnapshot-merge $(cat /sys/block/na/dev) $(cat /sys/block/nb/dev) P 16" ] ||
		fail "table: $(dmsetup table origin)"
	# Now it is as the origin.
	fill /dev/mapper/origin 4 30000 77
	merged_ok 1 --other 3 20000+500 --other 4 30000+77
}

# A table of the snapshot is left behind, which lvm2 removes later.
merge_takes_over() {
	snapshot P 16
	changed
	dmsetup suspend snap --noudevsync
	becomes ksnapshot-merge /dev/na /dev/nb P 16
	dmsetup resume snap --noudevsync || fail 'snap stays suspended'
	! sectors check /dev/mapper/snap 1 0 8 >/dev/null 2>&1 || fail 'two have a store'
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	merged_ok 1 --other 3 20000+500
}

# What is taken over stays until the store has been read, as it may get that back.
merge_takes_over_slowly() {
	local resume remove
	snapshot P 16
	changed
	dm slow '0 65536 delay /dev/nb 0 2000 /dev/nb 0 0'
	again 'ksnapshot /dev/na /dev/mapper/slow P 16'
	dmsetup suspend snap --noudevsync
	dmsetup suspend origin --noudevsync &&
		echo '0 65536 ksnapshot-merge /dev/na /dev/mapper/slow P 16' |
		dmsetup reload origin --noudevsync || fail 'not loaded'
	dmsetup resume origin --noudevsync &
	resume=$!
	until dmsetup status snap | grep -q Invalid; do
		sleep 0.1
	done
	dmsetup remove snap --noudevsync &
	remove=$!
	sleep 1
	[ -d /proc/$resume ] || fail 'it was too fast'
	[ -d /proc/$remove ] || fail 'it is gone before'
	wait $resume && wait $remove || fail 'one of them failed'
	delay 0 0
	merged_ok 1 --other 3 20000+500
}

# One that is used is not taken over, nor can the origin become two of them.
merge_is_alone() {
	snapshot P 16
	changed
	echo '0 65536 ksnapshot-merge /dev/na /dev/nb P 16' | dmsetup reload origin --noudevsync
	! dmsetup resume origin --noudevsync 2>/dev/null || fail 'the snapshot is used'
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	dmsetup resume origin --noudevsync || fail 'the snapshot is free'
	wipe /dev/nc
	! echo '0 65536 ksnapshot-merge /dev/na /dev/nc P 16' |
		dmsetup create second --noudevsync 2>/dev/null || fail 'two are merged'
	merged_ok 1 --other 3 20000+500
}

# It is used meanwhile: chunks that are merged, that are to be, and that have not changed.
merge_while_used() {
	slow 1000
	becomes $slow
	check /dev/mapper/origin 1 $of_snap
	fill /dev/mapper/origin 4 0 3200
	check /dev/mapper/origin 1 $of_snap --other 4 0+3200
	[ "$(left)" -gt 0 ] || fail 'it was too fast'
	delay 0 0
	fill /dev/mapper/origin 5 3210 1000
	merged_ok 1 $of_snap --other 4 0+3200 --other 5 3210+1000
}

# A write to what is merged waits, others do not.
merge_makes_wait() {
	slow 6000
	becomes $slow
	sleep 1
	fill /dev/mapper/origin 4 $((39 * 160)) 16 &
	write=$!
	fill /dev/mapper/origin 4 $((38 * 160)) 16
	[ -d /proc/$write ] && [ "$(left)" = $((40 * 16)) ] || fail 'it did not wait'
	wait $write || fail 'no write'
	[ "$(left)" -lt $((40 * 16)) ] || fail 'it waited for something else'
	delay 0 0
	check /dev/mapper/origin 1 $of_snap --other 4 $((38 * 160))+16 --other 4 $((39 * 160))+16
}

# A chunk is not copied before a write to it has ended: the exceptions of the one before it
# take 6 s to be written, and so does the write, which begins after 3 s.
merge_waits() {
	slow 0
	delay 0 6000
	becomes $slow
	sleep 3
	fill /dev/mapper/origin 4 $((38 * 160)) 16 &
	write=$!
	wait $write || fail 'no write'
	delay 0 0
	merged_ok 1 $of_snap --other 4 $((38 * 160))+16
}

# Other snapshots stay what they are, whatever the size of their chunks.
merge_among_others() {
	local i
	snapshot P 16
	for i in 8 64; do
		dm store$i "0 20480 linear /dev/nc $((i * 512))"
		wipe /dev/mapper/store$i
		dm snap$i "0 65536 ksnapshot /dev/na /dev/mapper/store$i P $i"
	done
	changed
	scattered
	fill /dev/mapper/snap8 6 160 3
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	becomes ksnapshot-merge /dev/na /dev/nb P 16
	fill /dev/mapper/origin 5 50000 300
	until_left 0
	check /dev/mapper/origin 1 --other 3 20000+500 $of_snap --other 5 50000+300
	check /dev/mapper/snap8 1 --other 6 160+3
	check /dev/mapper/snap64 1
	dmsetup suspend origin --noudevsync && dmsetup resume origin --noudevsync
	check /dev/mapper/snap8 1 --other 6 160+3
	check /dev/mapper/snap64 1
}

# One that is made meanwhile is what the origin was then.
merge_and_another() {
	local before
	slow 1000
	wipe /dev/nc
	becomes $slow
	dm new '0 65536 ksnapshot /dev/na /dev/nc P 8'
	before=$(dd if=/dev/mapper/new bs=64k count=50 iflag=direct 2>/dev/null | md5sum)
	[ "$(left)" -gt 0 ] || fail 'it was too fast'
	delay 0 0
	until_left 0
	[ "$(dd if=/dev/mapper/new bs=64k count=50 iflag=direct 2>/dev/null | md5sum)" = "$before" ] ||
		fail 'it has changed'
	check /dev/mapper/origin 1 $of_snap
}

# half_way TARGET OTHER : what one leaves, be it in the middle, the other one ends.
half_way() {
	slow 100
	becomes "$1" /dev/na /dev/mapper/slow P 16
	until_left 400
	dmsetup suspend --noflush origin --noudevsync
	dmsetup remove origin --noudevsync || fail 'origin is busy'
	dm origin "0 65536 $2 /dev/na /dev/nb P 16"
	merged_ok 1 $of_snap
}

# It stops when it is suspended, and goes on later, with another table too.
merge_suspended() {
	local before
	slow 300
	becomes $slow
	until_left 560
	dmsetup suspend origin --noudevsync
	before=$(left)
	[ "$before" -gt 0 ] || fail 'it was too fast'
	sleep 1
	[ "$(left)" = "$before" ] || fail "it goes on: $(left), not $before"
	dmsetup resume origin --noudevsync
	until_left 320
	becomes ksnapshot-merge /dev/na /dev/mapper/slow P 16
	[ "$(left)" -gt 0 ] || fail 'it was too fast'
	delay 0 0
	merged_ok 1 $of_snap
}

# What it stops after is a run, be it large; another snapshot is no mixture.
merge_suspended_in_a_run() {
	local n
	# Chunks that are all on their way at once, and so in order
	snapshot P 128
	fill /dev/mapper/snap 3 0 32768
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	dm slow '0 65536 delay /dev/nb 0 1000 /dev/nb 0 0'
	becomes ksnapshot-merge /dev/na /dev/mapper/slow P 128
	while sectors check /dev/na 1 0 32768 >/dev/null 2>&1; do
		sleep 0.1
	done
	dmsetup suspend origin --noudevsync || fail 'it cannot be suspended'
	wipe /dev/nc
	dm new '0 65536 ksnapshot /dev/na /dev/nc P 16'
	n=$(left)
	[ "$n" = 0 ] || check /dev/mapper/new 1 0 $n
	[ "$n" -lt 32768 ] || fail 'the run was not merged'
	check /dev/mapper/new 3 $n $((32768 - n))
	delay 0 0
	dmsetup resume origin --noudevsync || fail 'it cannot be resumed'
	merged_ok 3 --other 1 32768+32768
}

# A chunk that cannot be written stays on the COW device; it is tried again later.
merge_fails() {
	slow 0
	bad na 1600 1615
	becomes $slow
	until_failed
	check /dev/mapper/origin 1 $of_snap
	fill /dev/mapper/origin 4 1600 16
	good na 1600 1615
	dmsetup suspend origin --noudevsync
	dmsetup resume origin --noudevsync
	merged_ok 1 $of_snap --other 4 1600+16
}

# What may be in the store or not is not written to.
merge_in_doubt() {
	slow 3000
	dmsetup suspend origin --noudevsync
	echo "0 65536 $slow" | dmsetup reload origin --noudevsync
	dmsetup resume origin --noudevsync
	bad nb 16 31
	until_failed
	! sectors fill /dev/mapper/origin 4 $((39 * 160)) 16 >/dev/null || fail 'it is written'
	fill /dev/mapper/origin 4 $((38 * 160)) 16
	delay 0 0
	check /dev/mapper/origin 1 $of_snap --other 4 $((38 * 160))+16
	good nb 16 31
	becomes ksnapshot-merge /dev/na /dev/nb P 16
	merged_ok 1 $of_snap --other 4 $((38 * 160))+16
}

merge_invalid() {
	small_store P
	fill /dev/mapper/origin 2
	dmsetup remove snap --noudevsync || fail 'snap is busy'
	becomes ksnapshot-merge /dev/na /dev/mapper/store P 16
	[ "$(dmsetup status origin)" = '0 65536 ksnapshot-merge Invalid' ] ||
		fail "status: $(dmsetup status origin)"
	fill /dev/mapper/origin 4 100 100
	check /dev/mapper/origin 2 --other 4 100+100
}

# refused TEXT ARGUMENTS [TARGET]
refused() {
	dmesg -c >/dev/null
	! echo "0 65536 ${3:-ksnapshot} $2" | dmsetup create s --noudevsync 2>/dev/null ||
		fail "accepted: $2"
	dmesg | grep -q "${3:-ksnapshot}: .*$1" || fail "for '$2', the log says: $(dmesg | tail -n 2)"
	dmsetup remove s --noudevsync 2>/dev/null || true
}

bad_input() {
	wipe /dev/nb
	refused 'There are fewer than 4 arguments' '/dev/na /dev/nb P'
	refused 'The exception store is none of P, PO and N' '/dev/na /dev/nb X 16'
	refused 'The chunk size is not a number' '/dev/na /dev/nb P x'
	refused 'The chunk size is not a power of two' '/dev/na /dev/nb P 24'
	refused 'The chunk size of a transient store is 0' '/dev/na /dev/nb N 0'
	refused 'A feature is neither' '/dev/na /dev/nb P 16 1 other'
	refused 'discard_passdown_origin needs discard_zeroes_cow' \
		'/dev/na /dev/nb P 16 1 discard_passdown_origin'
	refused 'There are too many arguments' '/dev/na /dev/nb P 16 0 0'
	refused 'The origin cannot be opened' '/dev/none /dev/nb P 16'
	refused 'The COW device cannot be opened' '/dev/na /dev/none P 16'
	refused 'The origin and the COW device are the same' '/dev/na /dev/na P 16'
	refused 'The COW device is too small' '/dev/na /dev/nb P 65536'
	refused 'a transient store cannot be merged' '/dev/na /dev/nb N 16' ksnapshot-merge
}

# store OCTAL OFFSET : this byte there, on /dev/nb
store() {
	printf %b "\\0$1" | dd of=/dev/nb bs=1 seek=$2 conv=notrunc 2>/dev/null
	blockdev --flushbufs /dev/nb
}

# untouched TEXT
untouched() {
	local before
	before=$(md5sum </dev/nb)
	refused "$1" '/dev/na /dev/nb P 16'
	blockdev --flushbufs /dev/nb
	[ "$(md5sum </dev/nb)" = "$before" ] || fail "changed: $1"
}

bad_store() {
	fill /dev/nb 7
	untouched 'something else than a store'
	snapshot P 16
	changed
	dmsetup remove snap --noudevsync
	store 002 8
	untouched 'of a version that is not known'
	store 001 8
	store 003 12
	untouched 'a chunk size that there cannot be'
	store 020 12
	# The first exception says that its data is where the exceptions are.
	store 001 8200
	untouched 'exceptions that there cannot be'
	# Before it is resumed
	dmsetup create s --notable --noudevsync
	! dmsetup load s --table '0 65536 ksnapshot /dev/na /dev/nb P 16' 2>/dev/null ||
		fail 'it is not looked at'
	store 002 8200
	dmsetup load s --table '0 65536 ksnapshot /dev/na /dev/nb P 16' || fail 'a good one'
	store 001 8200
	dmesg -c >/dev/null
	! dmsetup resume s --noudevsync 2>/dev/null || fail 'it is not looked at again'
	dmesg | grep -q 'exceptions that there cannot be' || fail "log: $(dmesg | tail -n 2)"
}

# One that could not be resumed, and then can be, has missed what was written meanwhile, also
# if its table is loaded anew. There is nothing to miss for one that is new, nor where another
# one has copied it. Nothing of it is merged: the merge is the origin.
missed() {
	local how table='0 65536 ksnapshot /dev/na /dev/nb P 16'
	for how in again loaded merged new other; do
		snapshot P 16
		changed
		dmsetup remove snap --noudevsync
		[ $how != new ] || wipe /dev/nb
		dmsetup create snap --notable --noudevsync
		dmsetup load snap --table "$table" || fail 'not loaded'
		bad nb 0 7
		! dmsetup resume snap --noudevsync 2>/dev/null || fail 'resumed without a store'
		[ $how = other ] || fill /dev/mapper/origin 4 30000 8
		good nb 0 7
		if [ $how = other ]; then
			dm other "$table"
			fill /dev/mapper/origin 4 30000 8
			dmsetup remove other --noudevsync
		elif [ $how = loaded ]; then
			dmsetup load snap --table "$table" || fail 'not loaded anew'
		elif [ $how = merged ]; then
			becomes ksnapshot-merge /dev/na /dev/nb P 16
			[ "$(dmsetup status origin)" = '0 65536 ksnapshot-merge Invalid' ] ||
				fail "status: $(dmsetup status origin)"
			fill /dev/mapper/origin 5 1000 8
			check /dev/na 5 1000 8
			becomes ksnap-origin /dev/na
		fi
		dmsetup resume snap --noudevsync || fail 'it cannot be resumed'
		dmsetup mknodes snap
		case $how in
		new)	status_is '32/65536 32' ;;
		other)	snap_ok ;;
		*)	status_is Invalid
			again "${table#* * }"
			status_is Invalid ;;
		esac
		dmsetup remove snap --noudevsync
		dmsetup remove origin --noudevsync
	done
}

# A COW device that hangs is no reason for other snapshots not to come and go.
cow_hangs() {
	local before write remove other i=0
	fill /dev/na 1
	wipe /dev/nb
	wipe /dev/nc
	dm stuck '0 65536 linear /dev/nb 0'
	dm snap '0 65536 ksnapshot /dev/na /dev/mapper/stuck P 16'
	dm origin '0 65536 ksnap-origin /dev/na'
	dmsetup suspend stuck --noudevsync || fail 'it goes on'
	before=$(allocated)
	fill /dev/mapper/origin 2 1000 8 &
	write=$!
	while [ $i -lt 300 ] && [ "$(allocated)" = "$before" ]; do
		i=$((i + 1))
		sleep 0.1
	done
	i=0
	dmsetup remove snap --noudevsync &
	remove=$!
	sleep 1
	[ -d /proc/$write ] && [ -d /proc/$remove ] || fail 'nothing hangs'
	{
		dm other '0 65536 ksnapshot /dev/na /dev/nc P 16'
		dmsetup remove other --noudevsync
	} &
	other=$!
	while [ -d /proc/$other ] && [ $i -lt 300 ]; do
		i=$((i + 1))
		sleep 0.1
	done
	dmsetup resume stuck --noudevsync || fail 'it is stuck'
	[ $i -lt 300 ] || fail 'another one hangs, too'
	wait $other && wait $write && wait $remove || fail 'one of them failed'
	check /dev/mapper/origin 2 1000 8
}

# What cannot be written can have snapshots all the same.
protected() {
	sdebug wp=1
	dm snap "0 65536 ksnapshot $sd /dev/nb P 16"
	check /dev/mapper/snap 0
	fill /dev/mapper/snap 3 20000 500
	check /dev/mapper/snap 3 20000 500
	check $sd 0
	no_dm
	rmmod scsi_debug || fail 'scsi_debug cannot be unloaded'
}

# each NAME FUNCTION ARGUMENTS...
each() {
	no_null_blks
	for name in na nb nc; do
		null_blk $name
	done
	case_ "$@"
	no_dm
}

modprobe kcopyd-snapshot || echo "FAILED  $scenario: the module cannot be loaded"
modprobe dm-snapshot
each 'a persistent snapshot' persistent 16
each 'one with large chunks' persistent 1024
each 'a transient snapshot' transient
each 'writes of whole chunks' whole_chunks
each 'four snapshots of one origin' several
each 'stores of mainline, and for it' with_mainline
each 'a store that is full' full
each 'a store that overflows' overflow
each 'one that overflows, and what had room before' overflow_later
each 'an origin that ends within a block' odd_end
each 'an origin that cannot be read' bad_origin
each 'discards' discards
each 'discards that go to the origin' discards_below
each 'a table that takes over' takes_over
each 'one of a transient snapshot' transient_takes_over
each 'one whose store has grown' takes_over_grown
each 'an invalid one stays so' stays_invalid
each 'one that is full is invalid before the origin changes' full_in_order
each 'one that was resumed too late' missed
each 'a COW device that hangs, and another one' cow_hangs
each 'of an origin that cannot be written' protected
each 'a merge' merge
each 'a merge that takes over' merge_takes_over
each 'a merge that takes over while the snapshot is removed' merge_takes_over_slowly
each 'a merge has its store and its origin alone' merge_is_alone
each 'a merge of what is used' merge_while_used
each 'a merge makes writes wait' merge_makes_wait
each 'a merge waits for writes' merge_waits
each 'a merge among other snapshots' merge_among_others
each 'a merge and a snapshot made meanwhile' merge_and_another
each 'a merge that mainline ends' half_way ksnapshot-merge snapshot-merge
each 'a merge that mainline began' half_way snapshot-merge ksnapshot-merge
each 'a merge that is suspended' merge_suspended
each 'a merge that is suspended in a run' merge_suspended_in_a_run
each 'a merge that fails' merge_fails
each 'a merge whose store fails' merge_in_doubt
each 'a merge of an invalid store' merge_invalid
each 'bad input' bad_input
each 'stores that are refused' bad_store
no_null_blks
# The debug kernel has it built in.
[ ! -f /sys/module/dm_snapshot/refcnt ] || rmmod dm-snapshot
rmmod kcopyd-snapshot || echo "FAILED  $scenario: the module cannot be unloaded"
rmmod kcopyd-dm
