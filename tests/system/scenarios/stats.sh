# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# What can be seen of a client: numbers in debugfs, and a copy by its tracepoints.

stats=/sys/kernel/debug/kcopyd/stats
tracing=/sys/kernel/tracing

# is KEY VALUE : of the only client
is() {
	local value
	value=$(sed -n "s/^$1=//p" $stats.kv)
	[ "$value" = "$2" ] || fail "$1 is '$value', not $2"
}

# ended PARAMETER... : copies, and leaves the client there
ended() {
	local end=$(($(seconds) + 300))
	start "$@"
	while grep -q 'state=copying' $status; do
		[ "$(seconds)" -lt $end ] || hangs "$(cat $status)"
		sleep 0.1
	done
}

numbers() {
	[ ! -s $stats.kv ] || fail "clients before there is one: $(cat $stats.kv)"
	ended src=/dev/na dst=/dev/nb,/dev/nc
	is name kcopyd_copy
	is pages 1024
	is pages_used 0
	is queued 0
	is copies 8
	is copies_done 8
	is sectors_read 65536
	is sectors_written 131072
	is sectors_zeroed 0
	is parts 64
	is failed 0
	is latency_small_us -
	[ "$(grep -c = $stats.kv)" = "$(grep -c . $stats.kv)" ] || fail 'other than key=value'
	sed -n 's/^latency_large_us=//p' $stats.kv | tr ' ' '\n' | sed 's/.*://' |
		awk '{ n += $1 } END { exit n != 8 }' || fail 'not every large copy is timed'
	grep -Eq '^ +[0-9]+ kcopyd_copy +1024 +0 .* 32 +64 +0 ' $stats ||
		fail "the table: $(cat $stats)"
	grep -q 'large copies, us: ' $stats || fail 'no latencies in the table'
	rmmod kcopyd-copy
	[ ! -s $stats.kv ] || fail 'the client is still there'
}

errors() {
	bad na 1000 1000
	ended src=/dev/na dst=/dev/nb ignore_error=1
	is failed 1
	is read_errors 1
	is sectors_read 65528
	is sectors_written 65528
	good na 1000 1000
}

# sum EVENT PATTERN : of the sectors in such lines of the trace
sum() {
	grep " $1: .*$2" /tmp/trace | sed 's/.* count=\([0-9]*\).*/\1/' |
		awk '{ n += $1 } END { print n + 0 }'
}

one_copy() {
	local job
	[ -d $tracing/events/kcopyd ] || fail 'there are no tracepoints'
	echo >$tracing/trace
	echo 1 >$tracing/events/kcopyd/enable
	copy_ok src=/dev/na dst=/dev/nb@16,/dev/nc sector=8 count=3000
	echo 0 >$tracing/events/kcopyd/enable
	grep -v '^#' $tracing/trace >/tmp/trace
	cat /tmp/trace
	[ "$(grep -c ' job_queued: ' /tmp/trace)" = 1 ] || fail 'not queued once'
	job=$(sed -n 's/.* job_queued: client=[0-9]* name=kcopyd_copy job=\([0-9]*\) copy .*/\1/p' /tmp/trace)
	[ "$job" = 1 ] || fail "the first copy is job '$job'"
	head -n 1 /tmp/trace | grep -q "@8 to=.*@16 count=3000 dests=2" || fail 'the first line'
	[ "$(grep -c " job=$job " /tmp/trace)" = "$(grep -c . /tmp/trace)" ] ||
		fail 'lines of other jobs'
	[ "$(sum part_read error=0)" = 3000 ] || fail 'what is read'
	[ "$(sum part_written 'dest=0 .*error=0')" = 3000 ] || fail 'what is written to the first'
	[ "$(sum part_written 'dest=1 .*error=0')" = 3000 ] || fail 'what is written to the second'
	tail -n 1 /tmp/trace | grep -q ' job_done: .*count=3000 read_err=0 write_err=0x*0 us=[1-9]' ||
		fail 'the last line'
}

# Of small copies, and with an error.
failing_copy() {
	bad nb 100 100
	echo >$tracing/trace
	echo 1 >$tracing/events/kcopyd/enable
	copy src=/dev/na dst=/dev/nb count=128 chunk_kb=4
	echo 0 >$tracing/events/kcopyd/enable
	expect failed 0 0x1
	good nb 100 100
	grep -v '^#' $tracing/trace >/tmp/trace
	cat /tmp/trace
	# Neighbours that were merged with it fail, too.
	[ "$(sum part_written 'error=-5')" -ge 8 ] || fail 'the error'
	grep -q ' job_done: .*write_err=0x1 ' /tmp/trace || fail 'the end with an error'
	# From here on nobody looks.
	echo >$tracing/trace
	copy_ok src=/dev/na dst=/dev/nb count=128
	! grep -v '^#' $tracing/trace | grep -q . || fail 'traced though it is off'
}

null_blk na
null_blk nb
null_blk nc
fill /dev/na 1
case_ 'numbers' numbers
case_ 'errors are counted' errors
case_ 'one copy is followed' one_copy
case_ 'a copy that fails is followed' failing_copy
