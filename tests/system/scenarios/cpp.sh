# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# The sample in C++, and what the kernel's tracers see of C++ functions.

tracing=/sys/kernel/tracing

# said TEXT : waits until the sample has said it
said() {
	local end=$(($(seconds) + 300))
	until dmesg | grep -q "kcopyd-cpp-copy: $1"; do
		[ "$(seconds)" -lt $end ] || hangs "it has not said: $1"
		sleep 0.1
	done
}

# cpp_start PARAMETER... : loads the sample, which starts to copy
cpp_start() {
	dmesg -c >/dev/null
	modprobe kcopyd-cpp-copy "$@" || fail "not accepted: $(dmesg | grep kcopyd | tail -n 2)"
}

copies() {
	local lines
	fill /dev/nb 2
	cpp_start src=/dev/na dst=/dev/nb
	said 'copied and compared: 65536 sectors'
	# Every quarter but the last; what is told late says it of the next one, too.
	lines=$(dmesg | grep -c 'kcopyd-cpp-copy: so far: ')
	[ "$lines" -ge 1 ] && [ "$lines" -le 3 ] || fail "progress is told $lines times"
	grep -q '^name=cpp-copy$' /sys/kernel/debug/kcopyd/stats.kv || fail 'no client cpp-copy'
	rmmod kcopyd-cpp-copy || fail 'not unloaded'
	check /dev/nb 1
}

# The destination keeps nothing: only comparing shows it.
differs() {
	no_null_blk nb
	null_blk nb memory_backed=0
	cpp_start src=/dev/na dst=/dev/nb
	said 'failed: '
}

refused() {
	dmesg -c >/dev/null
	! modprobe kcopyd-cpp-copy src=/dev/na 2>/dev/null || fail 'without a destination'
	! modprobe kcopyd-cpp-copy src=/dev/na dst=/dev/na 2>/dev/null || fail 'to its source'
	dmesg | grep -q 'cpp-copy.*destination 0.*overlaps' || fail "the log: $(dmesg | tail -n 2)"
}

# Unloading cancels: at 100 ms for each part, 32 MiB would take long.
unloads() {
	local before
	modprobe dm-delay
	dm slow "0 65536 delay /dev/na 0 1000"
	cpp_start src=/dev/mapper/slow dst=/dev/nb
	before=$(seconds)
	rmmod kcopyd-cpp-copy || fail 'not unloaded'
	[ $(($(seconds) - before)) -lt 10 ] || fail "it took $(($(seconds) - before)) s"
	dmesg | grep -q 'kcopyd-cpp-copy: failed' || fail 'its end was not told'
}

# Function tracing has the C++ functions, and stacks go through them.
traced() {
	[ -e $tracing/set_ftrace_filter ] || skip 'the kernel has no function tracing'
	modprobe dm-delay
	dm slow "0 65536 delay /dev/na 0 300"
	echo kcopyd_client_create_named >$tracing/set_ftrace_filter
	echo 'kcopyd_client_create_named:stacktrace' >>$tracing/set_ftrace_filter
	echo function >$tracing/current_tracer
	cpp_start src=/dev/mapper/slow dst=/dev/nb
	echo '*:mod:kcopyd_cpp_copy' >>$tracing/set_ftrace_filter
	dmesg -c >/dev/null
	said 'so far'
	cat $tracing/trace >/tmp/trace
	echo nop >$tracing/current_tracer
	echo '!kcopyd_client_create_named:stacktrace' >>$tracing/set_ftrace_filter
	echo >$tracing/set_ftrace_filter
	grep -v '^#' /tmp/trace
	# The call in between is inlined, or not.
	grep -q ': _Z[A-Za-z0-9_]*request.*went_on.* <-\(notify_work\|progress_callback\)' /tmp/trace ||
		fail 'the C++ function that is told of progress is not traced'
	grep -A 12 '<stack trace>' /tmp/trace >/tmp/stack
	# It is C++, whatever its name is.
	grep -q '=> cpp_copy_start' /tmp/stack || fail 'no C++ function in the stack'
	grep -q '=> do_one_initcall' /tmp/stack || fail 'the stack ends at the C++ functions'
}

null_blk na
null_blk nb
fill /dev/na 1
case_ 'a copy, with progress, compared' copies
case_ 'a copy that is not what was written' differs
no_null_blk nb
null_blk nb
case_ 'bad input' refused
case_ 'unloading cancels' unloads
no_dm
case_ 'traces go through C++ functions' traced
no_dm
no_null_blks
