# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# What can be changed of a client while it copies, by its directory in sysfs.

clients=/sys/module/kcopyd/clients

# dir : sets dir to the directory of the only client
find_dir() {
	local dirs
	dirs=$(echo $clients/*)
	dir=${dirs%% *}
	[ -f $dir/name ] && [ $dir = "$dirs" ] || fail "not one client: $dirs"
}

# is FILE VALUE
is() { [ "$(cat $dir/$1)" = "$2" ] || fail "$1 is '$(cat $dir/$1)', not '$2'"; }

# set_to FILE VALUE
set_to() {
	echo "$2" >$dir/$1 || fail "$1 cannot be set to $2"
	is $1 $2
}

# refused FILE VALUE : nothing changes, and the log says why
refused() {
	local before
	before=$(cat $dir/$1)
	dmesg -c >/dev/null
	! echo "$2" >$dir/$1 || fail "$1 accepts '$2'"
	dmesg | grep -q 'request rejected' || fail "the log does not say why $1 refuses '$2'"
	is $1 "$before"
}

# ended PARAMETER... : copies, and leaves the client there
ended() {
	local end=$(($(seconds) + 300))
	start "$@"
	while grep -q 'state=copying' $status; do
		[ "$(seconds)" -lt $end ] || hangs "$(cat $status)"
		sleep 0.1
	done
	find_dir
}

# The log takes ten lines in five seconds.
range() {
	ended src=/dev/na dst=/dev/nb count=8
	is name kcopyd_copy
	is pages 1024
	is part_kb 0
	is bytes_per_second 0
	is ios_per_second 0
	is percent 0
	! echo x >$dir/name || fail 'the name can be changed'
	grep -q '^copies_done=1$' $dir/stats || fail "$(cat $dir/stats)"
	[ "$(head -n 30 $dir/stats)" = "$(grep -v '^$' /sys/kernel/debug/kcopyd/stats.kv)" ] ||
		fail 'stats differ from those in debugfs'
	for value in 0 -1 many 4294967296 '12 13' ''; do
		refused pages "$value"
	done
	sleep 6
	for value in 3 4097 -64 x; do
		refused part_kb "$value"
	done
	for value in 101 -1 x; do
		refused percent "$value"
	done
	sleep 6
	refused ios_per_second 4294967296
	refused bytes_per_second 18446744073709551616
	refused pages 4294967295
	for value in 4 4096 64; do
		set_to part_kb $value
	done
	grep -q '^part_kb=64$' $dir/stats || fail 'the size of parts is not there'
	# Another one is not affected, nor is one of its own by the module's.
	echo 128 >/sys/module/kcopyd/parameters/part_kb
	grep -q '^part_kb=64$' $dir/stats || fail 'the size of parts is not its own any more'
	set_to part_kb 0
	grep -q '^part_kb=128$' $dir/stats || fail 'the size of parts is not that of the module'
	echo 512 >/sys/module/kcopyd/parameters/part_kb
	grep -q '^part_kb=512$' $dir/stats || fail 'the size of parts is still another one'
	rmmod kcopyd-copy
	[ "$(ls $clients)" = '' ] || fail "left behind: $(ls $clients)"
}

# A copy goes on, right, whatever is done to its client.
while_it_copies() {
	local turn=0
	fill /dev/nb 2
	start src=/dev/na dst=/dev/nb pages=64 chunk_kb=256
	find_dir
	set_to bytes_per_second 2000000
	for turn in 1 2 3; do
		for pages in 1 7 64 500 16; do
			set_to pages $pages
			cat $dir/stats >/dev/null
			set_to part_kb $((4 << turn))
		done
		set_to ios_per_second 1000
		set_to percent 90
		set_to ios_per_second 0
	done
	grep -q 'state=copying' $status || fail 'it was too fast'
	grep -q '^waits_throttle=[1-9]' $dir/stats || fail 'it was not slowed down'
	set_to percent 0
	set_to bytes_per_second 0
	until_done
	expect 'done' 0 0x0
	check /dev/nb 1
}

# The client goes while others read and write there all the time.
destroyed_meanwhile() {
	local i pids=''
	for i in 1 2 3; do
		while :; do
			for file in "$clients"/*/*; do
				cat "$file"
				echo 20 >"$file"
			done
		done >/dev/null 2>&1 &
		pids="$pids $!"
	done
	for i in 1 2 3 4 5 6 7 8; do
		modprobe kcopyd-copy src=/dev/na dst=/dev/nb pages=64 || break
		sleep 0.2
		rmmod kcopyd-copy || break
	done
	kill $pids
	wait
	[ ! -d /sys/module/kcopyd_copy ] || fail 'not loaded or unloaded'
	[ "$(ls $clients)" = '' ] || fail "left behind: $(ls $clients)"
	dmesg -c >/dev/null
}

# Limits of one that had none, and away again.
limits() {
	local begin
	start src=/dev/na dst=/dev/nb
	find_dir
	set_to bytes_per_second 1000000
	begin=$(seconds)
	sleep 3
	eval "$(cat $status)"
	[ "$state" = copying ] || fail 'the limit does not hold'
	set_to bytes_per_second 0
	until_done
	expect 'done' 0 0x0
	[ $(($(seconds) - begin)) -lt 20 ] || fail 'the limit is still there'
}

# counted KEY : sets n to such a number of the client's, and at to when that was, in
# centiseconds, as exactly as reading it allows
counted() {
	eval "$(awk -v key="$1" -v stats=$dir/stats '
		function now() {
			getline up <"/proc/uptime"
			close("/proc/uptime")
			sub(/ .*/, "", up)
			return up * 100
		}
		BEGIN {
			FS = "="
			do {
				before = now()
				while ((getline <stats) > 0)
					if ($1 == key)
						n = $2
				close(stats)
				at = now()
			} while (at - before > 5 && ++tries < 100)
			printf "n=%d at=%d", n, at
		}')"
}

# goes KEY RATE : so many a second in five seconds, to 5 percent. What is too slow is looked at
# again: a machine that stands still for a moment, as on a busy host, does not catch up. In the
# end it may be a quarter too slow.
goes() {
	local n at first begin rate tries=3
	while [ $tries -gt 0 ]; do
		counted $1
		first=$n begin=$at
		sleep 5
		counted $1
		rate=$(((n - first) * 100 / (at - begin)))
		echo "        ($1: $rate a second of $2)" >>/tmp/rates
		[ $((rate * 20)) -le $(($2 * 21)) ] || break
		[ $((rate * 20)) -lt $(($2 * 19)) ] || return 0
		[ $tries -gt 1 ] || [ $((rate * 4)) -lt $(($2 * 3)) ] || return 0
		tries=$((tries - 1))
	done
	fail "$rate $1 a second, not $2"
}

# rates PARAMETER... : of bytes, of which each destination's do not count, then of others
rates() {
	start src=/dev/na dst=/dev/nb,/dev/nc "$@"
	find_dir
	set_to bytes_per_second 1024000
	sleep 1
	goes sectors_read 2000
	set_to bytes_per_second 3072000
	sleep 0.1
	goes sectors_read 6000
	rmmod kcopyd-copy
}

# A copy of 4 KiB is a read and two writes.
ios() {
	start src=/dev/na dst=/dev/nb,/dev/nc chunk_kb=4
	find_dir
	set_to ios_per_second 300
	sleep 1
	goes copies_done 100
	set_to ios_per_second 900
	sleep 0.1
	goes copies_done 300
	rmmod kcopyd-copy
}

# Who waits for a slow disk's pages can be killed, and nothing has changed.
killed() {
	local pid code=0
	null_blk slow memory_backed=0 irqmode=2 completion_nsec=3000000000
	start src=/dev/slow dst=/dev/nb count=64 pages=64
	find_dir
	(echo 16 >$dir/pages) &
	pid=$!
	sleep 0.5
	kill -9 $pid
	wait $pid || code=$?
	[ $code -eq 137 ] || fail "it did not wait: $code"
	is pages 64
	grep -q '^queued=1$' $dir/stats || fail 'the copy did not take long enough'
	set_to pages 16
	until_done
	expect 'done' 0 0x0
	no_null_blk slow
}

null_blk na irqmode=2 completion_nsec=1000000
null_blk nb
fill /dev/na 1
case_ 'files of a client' range
case_ 'changes while it copies' while_it_copies
case_ 'a limit' limits
# So large that there is something left to copy when it is looked at for the third time.
no_null_blk na nb
null_blk na irqmode=2 completion_nsec=1000000 size=64
null_blk nb size=64
null_blk nc size=64
: >/tmp/rates
case_ 'the rate in bytes, of copies of 4 KiB' rates chunk_kb=4
case_ 'the rate in bytes, of a large copy' rates chunk_kb=32768
case_ 'the rate of reads and writes' ios
cat /tmp/rates
case_ 'a change is given up' killed
case_ 'a client goes while its files are in use' destroyed_meanwhile
