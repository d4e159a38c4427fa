# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# The target "kmirror", beside the kernel's own "mirror". A leg has 64 regions of 1024
# sectors, and the log is on /dev/nl.

stats=/sys/kernel/debug/kcopyd/stats.kv
throttle=/sys/module/dm_mirror/parameters/raid1_resync_throttle

# mirror LOG LEGS [FEATURE...] : makes m of these devices
mirror() {
	local log=$1 legs='' leg nr=0
	for leg in $2; do
		legs="$legs $leg 0"
		nr=$((nr + 1))
	done
	shift 2
	dm m "0 65536 ${type:-kmirror} $log $nr$legs${*:+ $# $*}"
}

core='core 1 1024'
disk='disk 2 /dev/nl 1024'

in_sync() { dmsetup status m | sed 's|.* \([0-9]*\)/64 1 .*|\1|'; }
health() { dmsetup status m | sed 's|.*/64 1 \([A-Z]*\) .*|\1|'; }

has_health() { [ "$(health)" = "$1" ]; }

# is HEALTH : of the legs
is() { has_health "$1" || fail "not $1: $(dmsetup status m)"; }

# until_ SECONDS COMMAND... : waits until that is so
until_() {
	local end=$(($(seconds) + $1))
	shift
	until "$@"; do
		[ "$(seconds)" -lt $end ] || fail "not so: $*: $(dmsetup status m)"
		sleep 0.1
	done
}

at_least() { [ "$(in_sync)" -ge $1 ]; }
all_in_sync() { at_least 64; }
until_in_sync() { until_ 60 all_in_sync; }

# copied : how many sectors kcopyd has read
copied() { sed -n 's/^sectors_read=//p' $stats; }

# slow MS : makes a device of /dev/nb that takes so long to write
slow() {
	dm slow "0 65536 delay /dev/nb 0 0 /dev/nb 0 $1"
	slow=$(dmsetup info -c --noheadings --separator : -o major,minor slow)
}

# stuck DEVICE LOG LEGS : a mirror with one called stuck, of DEVICE, that lets nothing through
stuck() {
	dm stuck "0 $(blockdev --getsz $1) linear $1 0"
	mirror "$2" "$3"
	dmsetup suspend stuck --noudevsync || fail 'it goes on'
}

unstuck() { dmsetup resume stuck --noudevsync || fail 'it is stuck'; }

# ended PID
ended() { [ ! -d /proc/$1 ]; }

message() { dmsetup message m 0 "$@"; }

# remove : as if the machine was shut down
remove() { dmsetup remove m --noudevsync || fail "busy: $(dmsetup info m)"; }

two_legs() {
	fill /dev/na 1
	fill /dev/nb 2
	mirror "$core" '/dev/na /dev/nb'
	[ "$(dmsetup table m)" = "0 65536 kmirror core 1 1024 2 $na 0 $nb 0" ] ||
		fail "table: $(dmsetup table m)"
	until_in_sync
	[ "$(dmsetup status m)" = "0 65536 kmirror 2 $na $nb 64/64 1 AA 1 core" ] ||
		fail "state: $(dmsetup status m)"
	[ "$(copied)" = 65536 ] || fail "copied: $(copied)"
	check /dev/nb 1
	fill /dev/mapper/m 3 5000 5000
	check /dev/na 3 5000 5000
	check /dev/nb 3 5000 5000
	check /dev/nb 1 0 5000
	check /dev/mapper/m 3 5000 5000
}

# It is written before, in and after what has been copied.
three_legs() {
	local n last=0
	fill /dev/na 1
	fill /dev/nb 2
	fill /dev/nc 3
	slow 100
	dm m "0 60000 kmirror disk 3 /dev/nl 1024 sync 3 /dev/na 3000 /dev/mapper/slow 0 /dev/nc 8"
	message rate 6000
	while n=$(dmsetup status m | sed 's|.* \([0-9]*\)/59 1 .*|\1|') && [ $n -lt 59 ]; do
		[ $n -ge $last ] || fail "from $last to $n regions"
		last=$n
		fill /dev/mapper/m 4 1000 100
		fill /dev/mapper/m 4 $((n * 1024 + 512)) 1024
		fill /dev/mapper/m 4 59900 100
		[ $n -lt 40 ] || message rate 0
	done
	[ $last -gt 0 ] || fail 'no progress was seen'
	[ "$(dmsetup status m)" = "0 60000 kmirror 3 $na $slow $nc 59/59 1 AAA 3 disk $nl A" ] ||
		fail "state: $(dmsetup status m)"
	remove
	dd if=/dev/na bs=512 skip=3000 count=60000 2>/dev/null | md5sum >/tmp/a
	dd if=/dev/nb bs=512 count=60000 2>/dev/null | md5sum >/tmp/b
	dd if=/dev/nc bs=512 skip=8 count=60000 2>/dev/null | md5sum >/tmp/c
	cmp /tmp/a /tmp/b && cmp /tmp/a /tmp/c || fail 'the legs differ'
	check /dev/nb 4 1000 100
	check /dev/nc 4 59908 100 59900
}

# What is on disk while a write is on its way that has only reached the first leg is
# what a crash leaves behind.
crash() {
	local write
	fill /dev/na 1
	fill /dev/nb 1
	stuck /dev/nb 'disk 3 /dev/nl 1024 nosync' '/dev/na /dev/mapper/stuck'
	all_in_sync || fail 'nosync is not in sync'
	fill /dev/mapper/m 2 10000 8 &
	write=$!
	until_ 60 sectors check /dev/na 2 10000 8 >/dev/null 2>&1
	check /dev/nb 1 10000 8
	# The log first: it is clean again a while after the write.
	for name in l b a; do
		dd if=/dev/n$name of=/tmp/crash-$name bs=1M iflag=direct 2>/dev/null ||
			fail "/dev/n$name cannot be read"
	done
	unstuck
	wait $write || fail 'it cannot be written'
	remove
	for name in a b l; do
		dd if=/tmp/crash-$name of=/dev/n$name bs=1M oflag=direct 2>/dev/null ||
			fail "/dev/n$name cannot be written"
		rm /tmp/crash-$name
	done
	# What is in sync is not copied again.
	fill /dev/nb 9 20000 8
	mirror "$disk" '/dev/na /dev/nb'
	until_in_sync
	[ "$(copied)" = 1024 ] || fail "copied: $(copied)"
	check /dev/nb 2 10000 8
	check /dev/nb 1 0 10000
	check /dev/nb 9 20000 8
	remove
	mirror "$disk" '/dev/na /dev/nb'
	all_in_sync || fail "after a second start: $(dmsetup status m)"
	sleep 2
	[ "$(copied)" = 0 ] || fail "copied without need: $(copied)"
}

# No leg is written as long as the log does not say so.
log_first() {
	local write
	fill /dev/na 1
	fill /dev/nb 1
	stuck /dev/nl 'disk 3 /dev/mapper/stuck 1024 nosync' '/dev/na /dev/nb'
	fill /dev/mapper/m 2 10000 8 &
	write=$!
	sleep 2
	check /dev/na 1 10000 8
	check /dev/nb 1 10000 8
	unstuck
	wait $write || fail 'it cannot be written'
	check /dev/na 2 10000 8
	check /dev/nb 2 10000 8
}

# A region is clean on disk a while after it was written.
clean_again() {
	fill /dev/na 1
	fill /dev/nb 1
	mirror 'disk 3 /dev/nl 1024 nosync' '/dev/na /dev/nb'
	fill /dev/mapper/m 2 0 4096
	until_ 60 all_clean
}

all_clean() {
	dd if=/dev/nl bs=512 skip=2 count=1 iflag=direct 2>/dev/null | head -c 8 | md5sum >/tmp/bits
	printf '\377\377\377\377\377\377\377\377' | md5sum | cmp -s - /tmp/bits
}

from_mainline() {
	local before
	fill /dev/na 1
	fill /dev/nb 2
	echo 1 >$throttle
	type=mirror
	mirror "$disk" '/dev/na /dev/nb'
	until_ 60 at_least 3
	echo 0 >$throttle
	remove
	echo 100 >$throttle
	type=
	mirror "$disk" '/dev/na /dev/nb'
	until_in_sync
	before=$((64 - $(copied) / 1024))
	[ $before -ge 3 ] && [ $before -lt 64 ] || fail "copied: $(copied)"
	check /dev/nb 1
	fill /dev/mapper/m 3 500 1000
	remove
	type=mirror
	mirror "$disk" '/dev/na /dev/nb'
	all_in_sync || fail "mainline says: $(dmsetup status m)"
	remove
}

to_mainline() {
	local before
	fill /dev/na 1
	fill /dev/nb 2
	slow 300
	mirror "$disk" '/dev/na /dev/mapper/slow'
	message rate 2000
	until_ 60 at_least 5
	before=$(in_sync)
	remove
	# It is not copied again.
	fill /dev/nb 9 100 100
	echo 0 >$throttle
	type=mirror
	mirror "$disk" '/dev/na /dev/nb'
	at_least $before && ! all_in_sync || fail "not $before: $(dmsetup status m)"
	echo 100 >$throttle
	until_in_sync
	check /dev/nb 9 100 100
	check /dev/nb 1 200 65336
	is AA
}

# nb loses some sectors, and nobody deals with it.
bad_leg() {
	dmesg -c >/dev/null
	fill /dev/na 1
	fill /dev/nb 1
	mirror 'disk 3 /dev/nl 1024 nosync' '/dev/na /dev/nb'
	bad nb 20000 20007
	fill /dev/mapper/m 2 20000 8
	fill /dev/mapper/m 2 20000 8
	fill /dev/mapper/m 2 30000 8
	is AD
	[ "$(in_sync)" = 63 ] || fail "in sync: $(in_sync)"
	[ "$(dmesg | grep -c 'kmirror: .*leg 1 .* failed')" = 1 ] || fail "log: $(dmesg | tail -n 4)"
	check /dev/mapper/m 2 20000 8
	check /dev/mapper/m 1 0 20000
	check /dev/nb 2 30000 8
	good nb 20000 20007
	dmsetup suspend m --noudevsync && dmsetup resume m --noudevsync || fail 'cannot resume'
	until_in_sync
	is AA
	[ "$(copied)" = 1024 ] || fail "copied: $(copied)"
	check /dev/nb 2 20000 8
}

# What waits for somebody to deal with it goes on when it has been dealt with.
handled() {
	local write wait_
	fill /dev/na 1
	fill /dev/nb 1
	mirror 'disk 3 /dev/nl 1024 nosync' '/dev/na /dev/nb' handle_errors
	[ "$(dmsetup table m)" = "0 65536 kmirror disk 3 $nl 1024 nosync 2 $na 0 $nb 0 1 handle_errors" ] ||
		fail "table: $(dmsetup table m)"
	bad nb 20000 20007
	dmsetup wait m >/dev/null &
	wait_=$!
	sleep 0.5
	fill /dev/mapper/m 2 20000 8 &
	write=$!
	until_ 20 ended $wait_
	is AD
	[ -d /proc/$write ] || fail 'the write was not held'
	echo "0 65536 linear /dev/na 0" | dmsetup load m || fail 'cannot load'
	dmsetup suspend m --noflush --noudevsync && dmsetup resume m --noudevsync ||
		fail 'cannot resume'
	wait $write || fail 'the write failed'
	check /dev/na 2 20000 8
	good nb 20000 20007
}

# What waits while not all is in sync goes on when it is, as nobody suspends that.
handled_by_itself() {
	local write
	fill /dev/na 1
	slow 300
	mirror "$core" '/dev/na /dev/mapper/slow' handle_errors
	message pause
	! all_in_sync || fail 'all was copied before it could be told'
	bad na 65000 65007
	! sectors check /dev/mapper/m 1 65000 8 >/dev/null 2>&1 || fail 'read, from nowhere'
	good na 65000 65007
	is RA
	fill /dev/mapper/m 2 65000 8 &
	write=$!
	sleep 1
	[ -d /proc/$write ] || fail 'the write was not held'
	message resume
	until_in_sync
	is AA
	until_ 20 ended $write
	wait $write || fail 'the write failed'
	check /dev/na 2 65000 8
	check /dev/nb 2 65000 8
}

keep_log() {
	fill /dev/na 1
	fill /dev/nb 1
	mirror 'disk 3 /dev/nl 1024 nosync' '/dev/na /dev/nb' handle_errors keep_log
	bad nb 20000 20007
	fill /dev/mapper/m 2 20000 8
	is AD
	remove
	good nb 20000 20007
	mirror "$disk" '/dev/na /dev/nb'
	until_in_sync
	[ "$(copied)" = 1024 ] || fail "copied: $(copied)"
	check /dev/nb 2 20000 8
	check /dev/nb 1 0 20000
}

# A leg that is not there any more, as a disk that was pulled.
gone() {
	fill /dev/na 1
	fill /dev/nb 1
	fill /dev/nc 1
	dm first '0 65536 linear /dev/na 0'
	mirror 'core 2 1024 nosync' '/dev/mapper/first /dev/nb /dev/nc' handle_errors keep_log
	echo '0 65536 error' | dmsetup load first
	dmsetup suspend first --noudevsync && dmsetup resume first --noudevsync || fail 'not replaced'
	check /dev/mapper/m 1
	is RAA
	fill /dev/mapper/m 2 100 100
	is DAA
	check /dev/mapper/m 2 100 100
	check /dev/nb 2 100 100
	check /dev/nc 2 100 100
}

# nc has no sectors any more, as a disk that was pulled. It is known, and one leg less.
pulled() {
	fill /dev/na 1
	fill /dev/nb 2
	slow 300
	mirror "$disk" '/dev/na /dev/mapper/slow /dev/nc' handle_errors
	message pause
	! all_in_sync || fail 'all was copied before it could be told'
	dmsetup info -c --noheadings -o events m >/tmp/events
	echo 0 >"$configfs/nc/power"
	message resume
	until_ 60 has_health AAS
	until_ 60 sectors check /dev/nb 1 >/dev/null 2>&1
	! all_in_sync || fail "in sync: $(dmsetup status m)"
	[ "$(message state)" = 'running rate 0' ] || fail "state: $(message state)"
	! dmsetup info -c --noheadings -o events m | cmp -s - /tmp/events || fail 'no event'
}

# One cannot be written.
protected() {
	fill /dev/na 1
	fill /dev/nb 2
	slow 300
	mirror "$core" '/dev/na /dev/mapper/slow'
	message pause
	! all_in_sync || fail 'all was copied before it could be told'
	blockdev --setro /dev/mapper/slow
	message resume
	until_ 60 has_health AS
	blockdev --setrw /dev/mapper/slow
	message resume
	until_in_sync
	is AA
	check /dev/nb 1
}

# Sectors that some leg has can be read.
bad_reads() {
	fill /dev/na 1
	fill /dev/nb 1
	mirror 'core 2 1024 nosync' '/dev/na /dev/nb' handle_errors
	bad na 1000 1010
	bad nb 2000 2010
	check /dev/mapper/m 1
	is RR
	bad na 2000 2000
	! sectors check /dev/mapper/m 1 2000 8 >/dev/null 2>&1 || fail 'read, from nowhere'
	check /dev/mapper/m 1 1000 8
}

# A region that cannot be copied is not in sync, then and later.
bad_sync() {
	fill /dev/na 1
	fill /dev/nb 2
	bad nb 20000 20007
	mirror "$disk" '/dev/na /dev/nb'
	until_ 60 at_least 63
	sleep 2
	is AS
	! all_in_sync || fail "in sync: $(dmsetup status m)"
	check /dev/mapper/m 1
	remove
	mirror "$disk" '/dev/na /dev/nb'
	sleep 2
	[ "$(in_sync)" = 63 ] || fail "in sync: $(in_sync)"
	good nb 20000 20007
	message resume
	until_in_sync
	is AA
	check /dev/nb 1
}

# The log's device fails.
bad_log() {
	fill /dev/na 1
	fill /dev/nb 1
	mirror 'disk 3 /dev/nl 1024 nosync' '/dev/na /dev/nb'
	bad nl 0 100
	fill /dev/mapper/m 2 100 100
	dmsetup status m | grep -q " 3 disk $nl D\$" || fail "state: $(dmsetup status m)"
	check /dev/na 2 100 100
	check /dev/nb 2 100 100
	good nl 0 100
	fill /dev/mapper/m 2 5000 100
	dmsetup status m | grep -q " 3 disk $nl A\$" || fail "state: $(dmsetup status m)"
}

# A write that the log holds goes on with the log.
log_holds() {
	local write
	mirror 'disk 3 /dev/nl 1024 nosync' '/dev/na /dev/nb' handle_errors
	bad nl 0 100
	fill /dev/mapper/m 2 100 100 &
	write=$!
	until_ 30 log_failed
	[ -d /proc/$write ] || fail 'the write was not held'
	good nl 0 100
	until_ 30 ended $write
	wait $write || fail 'the write failed'
	dmsetup status m | grep -q " 3 disk $nl A\$" || fail "state: $(dmsetup status m)"
	check /dev/na 2 100 100
	check /dev/nb 2 100 100
}

# It cannot even be read: there is an event for that.
log_is_dead() {
	bad nl 0 2047
	mirror 'disk 3 /dev/nl 1024 nosync' '/dev/na /dev/nb' handle_errors
	until_ 60 events_came
	log_failed || fail "state: $(dmsetup status m)"
}

# What another log says that is still there holds a write to what is not in sync, too.
log_is_stale() {
	local write
	fill /dev/na 1
	mirror 'disk 3 /dev/nl 1024 nosync' '/dev/na /dev/nb' handle_errors
	remove
	bad nl 0 100
	slow 300
	mirror 'disk 3 /dev/nl 1024 sync' '/dev/na /dev/mapper/slow' handle_errors
	message pause
	log_failed || fail "state: $(dmsetup status m)"
	! all_in_sync || fail 'all was copied before it could be told'
	fill /dev/mapper/m 2 65000 8 &
	write=$!
	sleep 2
	[ -d /proc/$write ] || fail 'the write was not held'
	check /dev/na 1 65000 8
	good nl 0 100
	until_ 30 ended $write
	wait $write || fail 'the write failed'
	check /dev/na 2 65000 8
}

# It cannot be read, and then it is written: it is as good as a new one.
log_is_begun() {
	dm bad '0 2048 error'
	dm half '0 2048 delay /dev/mapper/bad 0 0 /dev/nl 0 0'
	mirror 'disk 3 /dev/mapper/half 1024 nosync' '/dev/na /dev/nb' handle_errors keep_log
	dmsetup status m | grep -q ' 3 disk [0-9:]* A$' || fail "state: $(dmsetup status m)"
	# With keep_log it would fail without a log.
	fill /dev/mapper/m 2 100 100
	check /dev/nb 2 100 100
	remove
	mirror "$disk" '/dev/na /dev/nb'
	all_in_sync || fail "what was written is no log: $(dmsetup status m)"
}

log_failed() { dmsetup status m | grep -q " 3 disk $nl D\$"; }

events_came() { [ "$(dmsetup info -c --noheadings -o events m)" -gt 0 ]; }

# The first leg is read and nothing is, until it is told.
messages() {
	local n
	fill /dev/na 1
	fill /dev/nb 2
	slow 300
	mirror "$core" '/dev/na /dev/mapper/slow'
	message rate 1000
	until_ 60 at_least 1
	message pause
	sleep 0.5
	[ "$(message state)" = 'paused rate 1000' ] || fail "state: $(message state)"
	n=$(in_sync)
	message rate 0
	sleep 2
	[ "$(in_sync)" = $n ] || fail "it goes on: $(dmsetup status m)"
	is AA
	check /dev/mapper/m 1
	message resume
	[ "$(message state)" = 'running rate 0' ] || fail "state: $(message state)"
	until_in_sync
	check /dev/nb 1
	for text in '' 'rate' 'rate x' 'rate -1' 'rate 1 2' 'pause now' 'other'; do
		! message $text 2>/dev/null || fail "accepted: $text"
	done
}

limited() {
	local begin n
	slow 300
	mirror "$core" '/dev/na /dev/mapper/slow'
	message pause
	message rate 4096
	n=$(in_sync)
	[ $n -lt 48 ] || fail "$n regions are in sync before it could be told"
	message resume
	begin=$(seconds)
	until_in_sync
	# 8 regions a second, of which the first second's may come at once.
	[ $(($(seconds) - begin)) -ge $(((64 - n) / 8 - 2)) ] ||
		fail "$((64 - n)) regions in $(($(seconds) - begin)) s"
}

copied_at_least() { [ "$(copied)" -ge $1 ]; }

# Of a region that is copied slowly, a write does not wait for that.
limited_write() {
	local begin before n first pid limit
	fill /dev/na 1
	slow 1000
	mirror "$core" '/dev/na /dev/mapper/slow'
	message pause
	sleep 2
	n=$(in_sync) first=$((n * 1024))
	[ $n -lt 48 ] || fail "$n regions are in sync before it could be told"
	message rate 10
	message resume
	sleep 1
	limit=$(echo /sys/module/kcopyd/clients/*/bytes_per_second)
	[ "$(cat $limit)" = 10240 ] || fail "in sysfs the limit is $(cat $limit)"
	begin=$(seconds)
	before=$(copied)
	fill /dev/mapper/m 2 $first 4096 &
	pid=$!
	# In that time the limit would allow 400 sectors.
	until_ 20 copied_at_least $((before + 512))
	# It does not hold. What is set meanwhile does so later, be it none.
	[ "$(cat $limit)" = 10240 ] || fail "in sysfs the limit is $(cat $limit) meanwhile"
	[ "$(message state)" = 'running rate 10' ] || fail "state: $(message state)"
	echo 0 >$limit
	wait $pid || fail 'it was not written'
	# A region alone would take 51 s.
	[ $(($(seconds) - begin)) -lt 30 ] || fail "a write took $(($(seconds) - begin)) s"
	[ "$(message state)" = 'running rate 0' ] || fail "state: $(message state)"
	message rate 10
	sleep 3
	n=$(in_sync)
	sleep 3
	! at_least $((n + 3)) || fail "from $n to $(in_sync) regions, without a limit"
	message rate 0
	until_in_sync
	check /dev/nb 2 $first 4096
}

# Events: that it is in sync, for one.
waits() {
	local number
	fill /dev/na 1
	slow 300
	mirror "$core" '/dev/na /dev/mapper/slow'
	number=$(dmsetup info -c --noheadings -o events m)
	timeout 60 dmsetup wait m $number >/dev/null || fail 'no event'
	all_in_sync || fail "an event before: $(dmsetup status m)"
}

suspended() {
	local begin
	fill /dev/na 1
	fill /dev/nb 2
	mirror "$disk" '/dev/na /dev/nb' handle_errors
	message rate 100
	sleep 1
	begin=$(seconds)
	for _ in 1 2 3; do
		dmsetup suspend m --noudevsync || fail 'cannot be suspended'
		dmsetup resume m --noudevsync || fail 'cannot be resumed'
	done
	[ $(($(seconds) - begin)) -lt 20 ] || fail "suspended after $(($(seconds) - begin)) s"
	is AA
	message rate 0
	until_in_sync
	is AA
	check /dev/nb 1
}

flushes() { awk '{ print $16 }' /sys/block/$1/stat; }

# Flushes and discards are for all legs.
others() {
	local b c
	no_null_blk nb nc
	null_blk nb cache_size=1 discard=1
	null_blk nc cache_size=1 discard=1
	mirror 'core 2 1024 nosync' '/dev/nb /dev/nc'
	fill /dev/mapper/m 1
	b=$(flushes nb) c=$(flushes nc)
	sync /dev/mapper/m
	[ "$(flushes nb)" -gt "$b" ] && [ "$(flushes nc)" -gt "$c" ] || fail 'flushes do not arrive'
	blkdiscard -o 4096 -l 4194304 /dev/mapper/m || fail 'discards are refused'
	for name in nb nc mapper/m; do
		check /dev/$name 1 0 8
		! sectors check /dev/$name 1 8 8 >/dev/null 2>&1 || fail "/dev/$name: not discarded"
		! sectors check /dev/$name 1 8192 8 >/dev/null 2>&1 || fail "/dev/$name: not to the end"
		check /dev/$name 1 8200
	done
}

# What IMA measures of a table
measured() {
	local text
	[ -d /sys/kernel/security/ima ] || mount -t securityfs none /sys/kernel/security
	echo 'measure func=CRITICAL_DATA label=device-mapper' >/sys/kernel/security/ima/policy ||
		skip 'no policy of IMA'
	mirror 'core 2 1024 nosync' '/dev/na /dev/nb'
	text="target_name=kmirror,target_version=1.0.0,table=core 2 1024 nosync 2 $na 0 $nb 0;"
	grep -q "$(printf %s "$text" | od -An -v -tx1 | tr -d ' \n')" \
		/sys/kernel/security/ima/ascii_runtime_measurements || fail 'not measured'
}

# refused TEXT ARGUMENTS
refused() {
	dmesg -c >/dev/null
	! echo "0 65536 kmirror $2" | dmsetup create m --noudevsync 2>/dev/null ||
		fail "accepted: $2"
	dmesg | grep -q "kmirror: $1" || fail "for '$2', the log says: $(dmesg | tail -n 2)"
	dmsetup remove m --noudevsync 2>/dev/null || true
}

bad_input() {
	refused 'The log is neither core nor disk' ''
	refused 'The log is neither core nor disk' 'userspace 1 1024 2 /dev/na 0 /dev/nb 0'
	refused "The number of the log's arguments is not" 'core x 1024 2 /dev/na 0 /dev/nb 0'
	refused 'The log has too few or too many' 'disk 1 1024 2 /dev/na 0 /dev/nb 0'
	refused "The log's last argument is neither" 'core 2 1024 block 2 /dev/na 0 /dev/nb 0'
	refused 'The region size is not a power' 'core 1 1000 2 /dev/na 0 /dev/nb 0'
	refused 'The region size is larger' 'core 1 131072 2 /dev/na 0 /dev/nb 0'
	refused 'The number of legs is not' 'core 1 1024 1 /dev/na 0'
	refused 'The number of legs is not' 'core 1 1024 10 /dev/na 0 /dev/nb 0'
	refused 'There are fewer legs' 'core 1 1024 3 /dev/na 0 /dev/nb 0'
	refused 'The offset of a leg is not a number' 'core 1 1024 2 /dev/na x /dev/nb 0'
	refused 'A leg cannot be opened' 'core 1 1024 2 /dev/none 0 /dev/nb 0'
	refused 'A leg is too small' 'core 1 1024 2 /dev/na 0 /dev/nb 8'
	no_null_blk nc
	null_blk nc blocksize=4096
	refused 'The region size is not a multiple' 'core 1 4 2 /dev/na 0 /dev/nc 0'
	refused "The log's device cannot be opened" 'disk 2 /dev/none 1024 2 /dev/na 0 /dev/nb 0'
	refused 'A feature is neither' 'core 1 1024 2 /dev/na 0 /dev/nb 0 1 fast'
	refused 'keep_log needs handle_errors' 'core 1 1024 2 /dev/na 0 /dev/nb 0 1 keep_log'
	refused 'There are too many arguments' 'core 1 1024 2 /dev/na 0 /dev/nb 0 0 0'
	# Something else is not overwritten.
	fill /dev/nl 5
	refused '.*something else than a log' "$disk 2 /dev/na 0 /dev/nb 0"
	check /dev/nl 5
}

# each NAME FUNCTION
each() {
	no_null_blks
	for name in na nb nc; do
		null_blk $name
	done
	null_blk nl size=1
	na=$(cat /sys/block/na/dev) nb=$(cat /sys/block/nb/dev)
	nc=$(cat /sys/block/nc/dev) nl=$(cat /sys/block/nl/dev)
	type=
	case_ "$@"
	no_dm
}

modprobe dm-mirror
modprobe kcopyd-mirror || echo "FAILED  $scenario: the module cannot be loaded"
each 'two legs' two_legs
each 'three legs, written while they are brought in sync' three_legs
each 'after a crash, what was dirty is copied' crash
each 'the log is written before the legs' log_first
each 'what was written is clean later' clean_again
each "a log of mainline's" from_mainline
each 'a log for mainline' to_mainline
each 'a leg fails, and nobody cares' bad_leg
each 'a leg fails, and somebody deals with it' handled
each 'a leg failed for a moment, and a write waits' handled_by_itself
each 'a leg fails, and the log remembers' keep_log
each 'a leg is gone' gone
each 'a leg is pulled while it is copied' pulled
each 'a leg is read-only for a while' protected
each 'bad sectors are read from other legs' bad_reads
each 'what cannot be copied is not in sync' bad_sync
each 'the log fails' bad_log
each 'the log fails for a while, and a write waits' log_holds
each 'the log is dead from the beginning' log_is_dead
each 'the log is that of another time, and a write waits' log_is_stale
each 'a log that cannot be read is begun anew' log_is_begun
each 'messages' messages
each 'a rate' limited
each 'a rate, and a write' limited_write
each 'an event when it is in sync' waits
each 'suspended while it copies' suspended
each 'flushes and discards' others
each 'what IMA measures' measured
each 'bad input' bad_input
# The debug kernel has it built in.
[ ! -f /sys/module/dm_mirror/refcnt ] || rmmod dm-mirror
rmmod kcopyd-mirror kcopyd-dm ||
	echo "FAILED  $scenario: the modules cannot be unloaded"
no_null_blks
