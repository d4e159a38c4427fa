# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# lvm2 on the targets of kcopyd, by mainline's names. The volume group vg has an extent of
# 1 MiB, and the devices $na, $nb, $nc and /dev/mapper/pd; each case has a new one.

lv=/dev/mapper/vg-lv
conf='devices { dir="/dev" scan=["/dev"] obtain_device_list_from_udev=0
	external_device_info_source="none" use_devicesfile=0 types=["nullb",16] }
activation { udev_sync=0 udev_rules=0 verify_udev_operations=1 monitoring=0
	reserved_stack=64 reserved_memory=0 }
global { use_lvmpolld=0 use_lvmlockd=0 locking_dir="/tmp/lock" }
backup { backup=0 archive=0 }'

# lvm_ COMMAND... : without udev and daemons
lvm_() { lvm "$@" </dev/null >/tmp/lvm.out 2>&1 || fail "lvm $1: $(tail -n 2 /tmp/lvm.out)"; }

# volume NAME EXTENTS ARGUMENT... : nothing of it is wiped, so that all of it is the test's
volume() {
	local name=$1 extents=$2
	shift 2
	lvm_ lvcreate -y -Wn -Zn -n $name -l $extents vg "$@"
}

# snapshot NAME EXTENTS [ARGUMENT...] : of vg/lv
snapshot() {
	local name=$1 extents=$2
	shift 2
	lvm_ lvcreate -y -s -n $name -l $extents vg/lv "$@"
}

# lvs_ FIELD LV : that, without spaces
lvs_() { lvm lvs --noheadings -a -o "$1" vg/$2 2>/dev/null | tr -d ' '; }

# lvs_is FIELD LV VALUE
lvs_is() { [ "$(lvs_ $1 $2)" = "$3" ] || fail "$2: $1 is '$(lvs_ $1 $2)', not '$3'"; }

# ours_alone : mainline's modules are not there
ours_alone() {
	[ ! -d /sys/module/dm_mirror ] && [ ! -d /sys/module/dm_snapshot ] ||
		fail "mainline's was loaded"
}

# ours CLIENT : it is kcopyd that copies, for that target
ours() {
	ours_alone
	[ "$(copied $1)" -gt 0 ] || fail "kcopyd has copied nothing for $1"
}

# copied CLIENT : so many sectors were read for clients of this name
copied() {
	local dir key value n=0
	for dir in /sys/module/kcopyd/clients/*/; do
		[ "$(cat $dir/name)" = $1 ] || continue
		while IFS='=' read -r key value; do
			[ $key != sectors_read ] || n=$((n + value))
		done <$dir/stats
	done 2>/dev/null
	echo $n
}

# until_ SECONDS COMMAND... : waits until that is so
until_() {
	local end=$(($(seconds) + $1))
	shift
	until "$@"; do
		[ "$(seconds)" -lt $end ] || fail "not so: $*: $(dmsetup status)"
		sleep 0.2
	done
}

# percent LV VALUE
percent() { [ "$(lvs_ data_percent $1)" = $2 ]; }

# fill_is LV : lvs shows what the target says
fill_is() {
	local used size
	used=$(dmsetup status vg-$1 | sed 's/.* \([0-9]*\)\/.*/\1/')
	size=$(dmsetup status vg-$1 | sed 's/.*\/\([0-9]*\) .*/\1/')
	[ "$used" -gt 0 ] || fail "status: $(dmsetup status vg-$1)"
	lvs_is data_percent $1 "$(awk "BEGIN { printf \"%.2f\", $used * 100 / $size }")"
}

snapshots() {
	volume lv 16
	fill $lv 1
	snapshot one 10
	fill $lv 2 1000 3000
	check /dev/mapper/vg-one 1
	snapshot two 10 -c 64k
	fill $lv 3 2000 4000
	fill /dev/mapper/vg-one 4 30000 100
	several_ok
	ours ksnapshot
	fill_is one
	fill_is two
	lvs_is origin one lv
	# Chunks of 4 KiB, with 16 sectors of metadata
	dmsetup status vg-one | grep -q '/20480 ' || fail "status: $(dmsetup status vg-one)"
	# The stores are kept.
	lvm_ vgchange -an vg
	lvm_ vgchange -ay vg
	several_ok
	lvm_ lvremove -y vg/one
	fill $lv 5 0 9000
	holds vg-two 1 1000 3000 2
	lvm_ lvremove -y vg/two
	[ "$(dmsetup table vg-lv | cut -d' ' -f3)" = linear ] || fail "table: $(dmsetup table vg-lv)"
	holds vg-lv 1 0 9000 5
}

several_ok() {
	holds vg-lv 1 1000 1000 2 2000 4000 3
	holds vg-one 1 30000 100 4
	holds vg-two 1 1000 3000 2
}

# holds NAME SEED [FIRST COUNT SEED]... : all 32768 sectors, but those of other seeds
holds() {
	local device=/dev/mapper/$1 seed=$2 at=0
	shift 2
	while [ $# -gt 0 ]; do
		[ $1 -eq $at ] || check $device $seed $at $(($1 - at))
		check $device $3 $1 $2
		at=$(($1 + $2))
		shift 3
	done
	check $device $seed $at $((32768 - at))
}

extended() {
	local before
	volume lv 16
	fill $lv 1
	snapshot snap 6
	fill $lv 2 0 10000
	before=$(lvs_ data_percent snap)
	lvm_ lvextend -l +10 vg/snap
	fill_is snap
	[ "$(lvs_ data_percent snap | cut -d. -f1)" -lt $((${before%.*} / 2)) ] ||
		fail "no more room: $before and $(lvs_ data_percent snap)"
	fill $lv 2 10000 15000
	check /dev/mapper/vg-snap 1
	holds vg-lv 1 0 25000 2
	ours ksnapshot
}

full() {
	volume lv 16
	fill $lv 1
	snapshot snap 4
	fill $lv 2 0 10000
	[ "$(lvs_ lv_attr snap | cut -c 5)" = I ] || fail "attributes: $(lvs_ lv_attr snap)"
	lvs_is data_percent snap 100.00
	! sectors check /dev/mapper/vg-snap 1 0 8 >/dev/null 2>&1 || fail 'it is still read'
	ours ksnapshot
	lvm_ lvremove -y vg/snap
	holds vg-lv 1 0 10000 2
}

# mirror LOG : vg/lv, of two legs, which differ at first
mirror() {
	volume lv 16 $na
	fill $lv 1
	lvm_ lvremove -y vg/lv
	volume lv 16 --type mirror -m1 --mirrorlog $1 -R 512k $na $nb $nc
}

# synced : lvs shows how it comes in sync, and then the legs are the same
synced() {
	local is last=0 changes=0 end
	end=$(($(seconds) + 60))
	while is=$(lvs_ copy_percent lv) && [ "$is" != 100.00 ]; do
		[ "${is%.*}" -ge $last ] || fail "from $last to $is %"
		[ "${is%.*}" -eq $last ] || changes=$((changes + 1))
		last=${is%.*}
		[ "$(seconds)" -lt $end ] || fail "at $last %: $(dmsetup status vg-lv)"
	done
	[ $changes -gt 0 ] || fail 'no progress was seen'
	ours kmirror
	dmsetup status vg-lv | grep -q "^0 32768 mirror 2 .* 32/32 1 AA $1" ||
		fail "status: $(dmsetup status vg-lv)"
	fill $lv 2 10000 5000
	for is in 0 1; do
		holds vg-lv_mimage_$is 1 10000 5000 2
	done
}

core_log() {
	mirror core
	synced '1 core'
}

disk_log() {
	mirror disk
	synced '3 disk'
	sleep 3
	lvm_ vgchange -an vg
	lvm_ vgchange -ay vg
	lvs_is copy_percent lv 100.00
	[ "$(copied kmirror)" = 0 ] || fail 'it was copied again'
	holds vg-lv 1 10000 5000 2
}

# written : begins to write a part of vg/lv again and again, until written_ok
written() {
	rm -f /tmp/stop
	: >/tmp/seen
	(
		seed=10
		while [ ! -e /tmp/stop ]; do
			seed=$((seed + 1))
			fill $lv $seed 20000 3001
			echo $seed >/tmp/seed
			watch_
		done
	) &
	writer=$!
}

# watch_ : what is there while a command runs
watch_() {
	dmsetup table | cut -d' ' -f4 >>/tmp/seen
	[ "$(copied kmirror)" = 0 ] || echo kmirror-copies >>/tmp/seen
	[ "$(copied ksnapshot-merge)" = 0 ] || echo ksnapshot-merge-copies >>/tmp/seen
}

# saw WORD : then
saw() { grep -q "^$1\$" /tmp/seen || fail "no $1: $(sort /tmp/seen | uniq -c | xargs)"; }

# written_ok SEED : the rest is of that
written_ok() {
	: >/tmp/stop
	wait $writer || fail 'it could not be written'
	[ "$(cat /tmp/seed)" -gt 12 ] || fail 'it was hardly written'
	holds vg-lv $1 20000 3001 "$(cat /tmp/seed)"
}

converted() {
	volume lv 16 $na
	fill $lv 1
	written
	lvm_ lvconvert -y -i 1 --type mirror -m1 --mirrorlog core vg/lv $nb
	lvs_is copy_percent lv 100.00
	lvm_ lvconvert -y -i 1 -m+1 vg/lv $nc
	dmsetup table vg-lv | grep -q ' mirror core .* 3 ' || fail "table: $(dmsetup table vg-lv)"
	written_ok 1
	saw kmirror-copies
	leg=0
	for name in $na $nb $nc; do
		lvs_is devices lv_mimage_$leg "$name(0)"
		holds vg-lv_mimage_$leg 1 20000 3001 "$(cat /tmp/seed)"
		leg=$((leg + 1))
	done
	lvm_ lvconvert -y -m0 vg/lv $na
	[ "$(dmsetup table vg-lv | cut -d' ' -f3)" = linear ] || fail "table: $(dmsetup table vg-lv)"
	holds vg-lv 1 20000 3001 "$(cat /tmp/seed)"
	ours_alone
}

is_known() { dmsetup status vg-lv | grep -q ' [A-Z]*D[A-Z]* '; }

# A write waits for the leg that has failed until lvm2 has taken that away.
repaired() {
	local write leg nr=0
	volume lv 16 --type mirror -m1 --mirrorlog $1 /dev/mapper/pd $na $nb
	until_ 60 percent_ 100.00
	fill $lv 1
	dmsetup table vg-lv | grep -q handle_errors || fail "table: $(dmsetup table vg-lv)"
	dmsetup suspend pd --noudevsync
	dmsetup reload pd --table '0 122880 error' && dmsetup resume pd --noudevsync ||
		fail 'pd cannot be made to fail'
	fill $lv 2 20000 3000 &
	write=$!
	until_ 60 is_known
	[ -d /proc/$write ] || fail 'it does not wait'
	lvm_ lvconvert -y --repair vg/lv
	wait $write || fail 'it could not be written'
	holds vg-lv 1 20000 3000 2
	# It has a new leg in its place.
	until_ 60 percent_ 100.00
	lvm_ vgreduce --removemissing vg
	[ "$(lvm vgs --noheadings -o pv_count,vg_missing_pv_count vg 2>/dev/null | xargs)" = '3 0' ] ||
		fail "PVs: $(lvm vgs --noheadings -o pv_count,vg_missing_pv_count vg 2>&1)"
	fill $lv 3 0 100
	for leg in $(dmsetup ls | sed -n 's/^\(vg-lv_mimage_[0-9]*\).*/\1/p'); do
		holds $leg 1 0 100 3 20000 3000 2
		nr=$((nr + 1))
	done
	[ $nr = 2 ] || fail "$nr legs"
	ours kmirror
}

percent_() { [ "$(lvs_ copy_percent lv)" = $1 ]; }

moved() {
	volume lv 16 $na
	fill $lv 1
	written
	lvm_ pvmove -i 1 $na $nb
	written_ok 1
	saw mirror
	saw kmirror-copies
	ours_alone
	[ "$(lvs_ devices lv)" = "$nb(0)" ] || fail "it is on $(lvs_ devices lv)"
}

# vg/snap is merged, of which another snapshot knows nothing
merged() {
	local merge
	volume lv 16 $na
	fill $lv 1
	snapshot snap 12 $nb
	fill $lv 2 0 15000
	snapshot other 20 $nb $nc
	fill /dev/mapper/vg-snap 3 25000 500
	lvm lvconvert -i 1 --merge vg/snap </dev/null >/tmp/merge 2>&1 &
	merge=$!
	until_ 20 merges
	written
	wait $merge || fail "lvconvert: $(tail -n 2 /tmp/merge)"
	! merges || fail "table: $(dmsetup table vg-lv)"
	holds vg-other 1 0 15000 2
	: >/tmp/stop
	wait $writer || fail 'it could not be written'
	saw ksnapshot-merge-copies
	[ -z "$(lvs_ lv_name snap)" ] || fail 'the snapshot is still there'
	holds vg-lv 1 20000 3001 "$(cat /tmp/seed)" 25000 500 3
	lvm_ lvremove -y vg/other
	holds vg-lv 1 20000 3001 "$(cat /tmp/seed)" 25000 500 3
	ours_alone
}

merges() { dmsetup table vg-lv | grep -q ' snapshot-merge '; }

# each NAME FUNCTION
each() {
	local name
	for name in na nb nc nd; do
		null_blk $name size=64
	done
	na=/dev/na nb=/dev/nb nc=/dev/nc
	# Where it has data, writes take a while; lvm2's own are in front of that.
	if [ -n "$slow" ]; then
		dm slow "0 2048 linear /dev/$slow 8192;2048 120832 delay /dev/$slow 10240 0 /dev/$slow 10240 500"
		eval "$slow=/dev/mapper/slow"
	fi
	dm pd '0 122880 linear /dev/nd 8192'
	lvm vgcreate -y -s 1M vg $na $nb $nc /dev/mapper/pd >/tmp/lvm.out 2>&1 ||
		echo "FAILED  $scenario: no volume group: $(tail -n 2 /tmp/lvm.out)"
	case_ "$@"
	: >/tmp/stop
	no_dm
	no_null_blks
	rm -rf /dev/vg
}

export LVM_SYSTEM_DIR=/tmp/lvm LVM_SUPPRESS_FD_WARNINGS=1
mkdir -p /tmp/lvm /tmp/lock /run/lvm /etc/modprobe.d
echo "$conf" >/tmp/lvm/lvm.conf
cp /mainline-names.conf /etc/modprobe.d/
slow=
each 'snapshots' snapshots
each 'a snapshot that is extended' extended
each 'a snapshot that is full' full
# That it comes in sync is to be seen.
slow=nb
each 'a mirror whose log is in memory' core_log
each 'a mirror whose log is on disk' disk_log
each 'lvconvert, written meanwhile' converted
each 'pvmove, written meanwhile' moved
slow=na
each 'a snapshot that is merged, written meanwhile' merged
slow=
each 'a leg that fails, with a log in memory' repaired core
each 'a leg that fails, with a log on disk' repaired disk
rm /etc/modprobe.d/mainline-names.conf
rmmod kcopyd-mirror kcopyd-snapshot kcopyd-dm ||
	echo "FAILED  $scenario: the modules cannot be unloaded"
