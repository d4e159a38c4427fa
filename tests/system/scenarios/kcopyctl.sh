# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# The command kcopyctl, in pipes and on terminals, which script makes.

pty=/tmp/pty

# ctl CODE ARGUMENT... : runs it without a terminal; what it prints is in /tmp/said, with
# stderr in /tmp/wrong
ctl() {
	local code=0 expected=$1
	shift
	timeout 120 kcopyctl "$@" </dev/null >/tmp/said 2>/tmp/wrong || code=$?
	[ $code = "$expected" ] ||
		fail "kcopyctl $*: exit code $code, not $expected: $(tail -n 2 /tmp/said /tmp/wrong)"
}

# says FILE TEXT
says() { grep -q -- "$2" $1 || fail "no '$2': $(tail -n 3 $1)"; }

# refuses CODE TEXT ARGUMENT... : in one line on stderr
refuses() {
	local code=$1 text=$2
	shift 2
	ctl $code "$@"
	says /tmp/wrong "$text"
	[ "$(wc -l </tmp/wrong)" = 1 ] || fail "not one line: $(cat /tmp/wrong)"
	[ ! -s /tmp/said ] || fail "said, too: $(cat /tmp/said)"
}

# Looks for what should not be left.
nothing_left() {
	[ ! -d /sys/module/kcopyd_copy ] || fail 'the module is still loaded'
	dmsetup ls | grep -q 'No devices' || fail "a device is left: $(dmsetup ls)"
	[ -z "$(ls /sys/module/kcopyd/clients)" ] || fail 'a client is left'
}

# until_copying : until something of it is done
until_copying() {
	local end=$(($(seconds) + 60))
	until grep -q 'state=copying done=[1-9]' $status 2>/dev/null; do
		[ "$(seconds)" -lt $end ] || fail "it does not copy: $(cat $status)"
		sleep 0.1
	done
}

# json FILE : are these values of JSON, one on each line?
json() { for_json <$1 || fail "no JSON: $(head -n 3 $1)"; }

# A recogniser, as the guest has nothing that parses JSON. Whitespace is not written.
for_json() {
	awk '
	function literal(text) {
		if (substr(s, at, length(text)) != text)
			return 0
		at += length(text)
		return 1
	}
	function matches(what) {
		if (!match(substr(s, at), what) || RLENGTH < 1)
			return 0
		at += RLENGTH
		return 1
	}
	function text() { return matches("^\"([^\"\\\\]|\\\\[\"\\\\/bfnrtu])*\"") }
	function members(end, keys) {
		if (literal(end))
			return 1
		do {
			if (keys && !(text() && literal(":")))
				return 0
			if (!value())
				return 0
		} while (literal(","))
		return literal(end)
	}
	function value() {
		if (literal("{"))
			return members("}", 1)
		if (literal("["))
			return members("]", 0)
		return text() || literal("true") || literal("false") || literal("null") ||
			matches("^-?(0|[1-9][0-9]*)")
	}
	{
		s = $0
		at = 1
		if (!value() || at != length(s) + 1)
			exit 1
		lines++
	}
	END { exit !lines }'
}

copies() {
	fill /dev/na 1
	fill /dev/nb 2
	fill /dev/nc 3
	ctl 0 copy --yes --interval 0.1 /dev/na /dev/nb /dev/nc
	says /tmp/said '^32 MiB copied from /dev/na to /dev/nb, /dev/nc in '
	check /dev/nb 1
	check /dev/nc 1
	nothing_left
	fill /dev/nb 2
	ctl 0 copy --yes --quiet /dev/na /dev/nb
	[ ! -s /tmp/said ] && [ ! -s /tmp/wrong ] || fail "not quiet: $(cat /tmp/said /tmp/wrong)"
	check /dev/nb 1
}

# A device that nobody can write to is enough to be read, and the rest of a larger one stays.
read_only_source() {
	no_null_blks
	null_blk na
	null_blk nb size=40
	fill /dev/na 1
	fill /dev/nb 2
	blockdev --setro /dev/na
	ctl 0 copy --yes /dev/na /dev/nb
	blockdev --setrw /dev/na
	check /dev/nb 1 0 65536
	check /dev/nb 2 65536 16384
}

# What is in the page cache of either, and not on it yet.
page_cache() {
	fill /dev/na 1
	fill /dev/nb 2
	# As long as they are open it is kept.
	exec 7</dev/na 8</dev/nb
	yes new 2>/dev/null | dd of=/dev/na bs=4k count=16 iflag=fullblock conv=notrunc 2>/dev/null
	dd if=/dev/nb of=/dev/null bs=1M count=4 2>/dev/null
	ctl 0 copy --yes /dev/na /dev/nb
	cmp /dev/na /dev/nb || fail 'they differ'
	[ "$(head -c 3 /dev/nb)" = new ] || fail 'what was dirty is missing'
}

# Lines for a file, at a rate that is kept, and changed meanwhile.
limited() {
	local begin pid
	fill /dev/na 1
	begin=$(seconds)
	ctl 0 copy --yes --interval 0.5 --rate 8M /dev/na /dev/nb
	[ $(($(seconds) - begin)) -ge 3 ] || fail "in $(($(seconds) - begin)) s"
	says /tmp/said '^ *[1-9][0-9]* %  [0-9.]* [KM]iB of 32 MiB  [0-9.]* [KM]iB/s  0:0[0-9] left$'
	! grep -q "$(printf '\r')" /tmp/said || fail 'a bar for a file'
	kcopyctl copy --yes --rate 64K /dev/na /dev/nb </dev/null >/tmp/slow 2>&1 &
	pid=$!
	until_copying
	ctl 0 rate kcopyd_copy
	says /tmp/said '^64 KiB/s$'
	ctl 0 rate --json kcopyd_copy none
	json /tmp/said
	wait $pid || fail "$(cat /tmp/slow)"
	check /dev/nb 1
}

# on_terminal SECONDS|copying KEYS ARGUMENT... : types the keys, with \n and so on, then;
# what is shown is in $pty, and code is set. Of $columns and $rows, if they are
on_terminal() {
	local wait_=$1 keys=$2
	shift 2
	code=0
	rm -f /tmp/keys && mkfifo /tmp/keys || fail 'no FIFO'
	# Open for both, it has no end until it is closed here.
	exec 9<>/tmp/keys
	# In the background it would have Ctrl-C ignored.
	(
		if [ $wait_ = copying ]; then (until_copying); else sleep $wait_; fi
		printf '%b' "$keys" >&9
	) &
	script -q -e -f -E never -c "stty cols ${columns:-100} rows ${rows:-24}; exec kcopyctl $*" $pty </tmp/keys >/dev/null 2>&1 9>&- ||
		code=$?
	exec 9>&-
}

asks() {
	fill /dev/na 1
	mkswap /dev/nb >/dev/null || fail 'no swap space'
	on_terminal 2 'n\n' copy /dev/na /dev/nb
	[ $code = 1 ] || fail "exit code $code: $(cat $pty)"
	tr -d '\r' <$pty | grep -A 4 '^To be copied:$' >/tmp/said
	[ "$(cat /tmp/said)" = "$(printf '%s\n' 'To be copied:' '  /dev/na: 32 MiB' 'To be overwritten:' \
		'  /dev/nb: 32 MiB, swap' \
		'All that is on it is lost. Go on? [y/N] kcopyctl: nothing was written')" ] ||
		fail "asked: $(cat $pty)"
	# Who does not see the question cannot answer it.
	on_terminal 2 'y\n' copy /dev/na /dev/nb '2>/tmp/wrong'
	[ $code = 1 ] || fail "exit code $code: $(cat $pty)"
	says /tmp/wrong 'no terminal to ask on: say --yes'
	on_terminal 2 'y\n' copy /dev/na /dev/nb
	[ $code = 0 ] || fail "exit code $code: $(cat $pty)"
	says $pty '32 MiB copied from /dev/na to /dev/nb'
	check /dev/nb 1
}

# A signal is an answer, too.
asks_in_vain() {
	fill /dev/nb 2
	rm -f $pty
	(
		until grep -q 'Go on?' $pty 2>/dev/null; do sleep 0.1; done
		kill -TERM "$(pidof kcopyctl)"
	) &
	on_terminal 0 '' copy /dev/na /dev/nb
	[ $code = 143 ] || fail "exit code $code: $(cat $pty)"
	says $pty 'kcopyctl: nothing was written'
	check /dev/nb 2
}

# What is known of a disk and its partitions
describes() {
	sdebug
	printf 'start=2048, size=8192\nstart=10240, size=8192\n' |
		sfdisk -q --no-reread --no-tell-kernel $sd 2>/dev/null
	blockdev --rereadpt $sd
	mkswap ${sd}1 >/dev/null || fail 'no swap space'
	on_terminal 2 'n\n' copy /dev/na $sd
	rmmod scsi_debug
	# Newer kernels tell a serial number.
	says $pty "^  $sd: 32 MiB, scsi_debug[^,]*, a partition table (dos), ${sd#/dev/}1 swap, ${sd#/dev/}2"
	dm err '0 65536 error'
	on_terminal 2 'n\n' copy /dev/na /dev/mapper/err
	says $pty '^  /dev/mapper/err: 32 MiB, contents that cannot be looked at'
}

# The path that was shown leads to another device when there is an answer.
another_device() {
	local pid
	fill /dev/na 1
	fill /dev/nb 2
	fill /dev/nc 3
	ln -sfn /dev/nb /tmp/dest
	rm -f $pty
	(
		until grep -q 'Go on?' $pty 2>/dev/null; do sleep 0.1; done
		ln -sfn /dev/nc /tmp/dest
		printf 'y\n' >/tmp/keys
	) &
	pid=$!
	on_terminal 0 '' copy /dev/na /tmp/dest
	kill $pid 2>/dev/null
	[ $code = 1 ] || fail "exit code $code: $(cat $pty)"
	says $pty '/tmp/dest is another device by now: nothing was written'
	check /dev/nb 2
	check /dev/nc 3
}

# The links of udev follow what is on a device: the destination's leads to the source, which
# compares well with itself.
moved_links() {
	local pid code=0
	fill /dev/na 1
	fill /dev/nb 2
	modprobe dm-flakey
	dm flaky '0 65536 flakey /dev/nb 0 0 60 1 drop_writes'
	ln -sfn /dev/na /tmp/source
	ln -sfn /dev/mapper/flaky /tmp/dest
	kcopyctl copy --yes --verify --rate 8M /tmp/source /tmp/dest </dev/null >/tmp/said 2>&1 &
	pid=$!
	until_copying
	ln -sfn /dev/na /tmp/dest
	wait $pid || code=$?
	[ $code = 4 ] || fail "exit code $code: $(cat /tmp/said)"
	says /tmp/said '/tmp/dest differs from /tmp/source at byte [0-9]*$'
}

bar() {
	fill /dev/na 1
	on_terminal 0 '' copy --yes --rate 8M /dev/na /dev/nb
	[ $code = 0 ] || fail "exit code $code: $(cat $pty)"
	says $pty "$(printf '\r')\\[##*\\.*\\]  *[1-9][0-9]* %"
	check /dev/nb 1
}

# The terminal is the shell's.
no_bar() {
	fill /dev/na 1
	script -q -E never -c 'set -m; kcopyctl copy --yes --rate 16M /dev/na /dev/nb & wait' \
		$pty </dev/null >/dev/null 2>&1
	says $pty '32 MiB copied from /dev/na to /dev/nb'
	! grep -q '\[#*\.*\]' $pty || fail "a bar: $(cat $pty)"
}

# Ctrl-C goes to all of the terminal's process group.
ctrl_c() {
	fill /dev/na 1
	on_terminal copying '\003' copy --yes --rate 256K /dev/na /dev/nb
	[ $code = 130 ] || fail "exit code $code: $(cat $pty)"
	says $pty 'cancelled: '
	nothing_left
	check /dev/na 1
	# There is nothing that holds the destination.
	ctl 0 copy --yes --quiet /dev/na /dev/nb
	check /dev/nb 1
	on_terminal copying '\034' copy --yes --rate 256K /dev/na /dev/nb
	[ $code = 131 ] || fail "exit code $code: $(cat $pty)"
	says $pty 'cancelled: '
}

# ends_by NAME CODE
ends_by() {
	local pid code=0
	kcopyctl copy --yes --rate 256K /dev/na /dev/nb </dev/null >/tmp/ended 2>&1 &
	pid=$!
	until_copying
	refuses 1 'there is a copy already' copy --yes /dev/na /dev/nc
	kill -$1 $pid
	wait $pid || code=$?
	[ $code = $2 ] || fail "$1: exit code $code: $(cat /tmp/ended)"
	says /tmp/ended 'cancelled: .* of 32 MiB were copied, and /dev/nb is no copy'
	nothing_left
}

terminated() {
	fill /dev/na 1
	ends_by TERM 143
	ends_by HUP 129
}

# Who begins it in the background has the keys' signals ignored.
ignored_signals() {
	local pid
	fill /dev/na 1
	kcopyctl copy --yes --rate 8M /dev/na /dev/nb </dev/null >/tmp/ended 2>&1 &
	pid=$!
	until_copying
	kill -INT $pid
	kill -QUIT $pid
	wait $pid || fail "it ended: $(cat /tmp/ended)"
	check /dev/nb 1
}

# What could not be read is known as far as it came.
interrupted_map() {
	local pid code=0
	fill /dev/na 1
	bad na 100 102
	kcopyctl copy --yes --salvage --verify --map /tmp/map --rate 256K /dev/na /dev/nb \
		</dev/null >/tmp/ended 2>&1 &
	pid=$!
	until_copying
	kill -TERM $pid
	wait $pid || code=$?
	[ $code = 143 ] || fail "exit code $code: $(cat /tmp/ended)"
	says /tmp/ended '/dev/nb is no copy; not compared$'
	head -n 1 /tmp/map | grep -q '^# incomplete: [1-9][0-9]* of 65536 sectors were tried$' ||
		fail "map: $(cat /tmp/map)"
	says /tmp/map '^100 3$'
	nothing_left
}

# When nothing is written yet: it is told to end while it waits for what is on the destination.
ended_early() {
	local pid code=0 end
	fill /dev/na 1
	fill /dev/nb 2
	dm late '0 65536 linear /dev/nb 0'
	# It has something to write, as long as somebody has it open.
	exec 7</dev/mapper/late
	dd if=/dev/nb of=/dev/mapper/late bs=4k count=1 conv=notrunc 2>/dev/null
	dmsetup suspend late --nolockfs --noudevsync || fail 'not suspended'
	kcopyctl copy --yes /dev/na /dev/mapper/late </dev/null >/tmp/ended 2>&1 &
	pid=$!
	end=$(($(seconds) + 60))
	until grep -q '^State:.D' /proc/$pid/status; do
		[ "$(seconds)" -lt $end ] || fail "it does not wait: $(cat /tmp/ended)"
		sleep 0.1
	done
	kill -TERM $pid
	dmsetup resume late --noudevsync
	wait $pid || code=$?
	[ $code = 143 ] || fail "exit code $code: $(cat /tmp/ended)"
	says /tmp/ended 'kcopyctl: nothing was written$'
	exec 7<&-
	no_dm
	check /dev/nb 2
	nothing_left
}

# What is loaded in the place of its copy is not its copy, and goes on.
not_its_own() {
	local pid code=0
	kcopyctl copy --yes --rate 256K /dev/na /dev/nb </dev/null >/tmp/ended 2>&1 &
	pid=$!
	until_copying
	kill -STOP $pid
	rmmod kcopyd-copy || fail 'not unloaded'
	modprobe kcopyd-copy src=/dev/na dst=/dev/nc rate=262144 || fail 'not loaded'
	kill -CONT $pid
	wait $pid || code=$?
	[ $code = 1 ] || fail "exit code $code: $(cat /tmp/ended)"
	says /tmp/ended 'somebody else has unloaded kcopyd-copy'
	grep -q '^state=copying' $status || fail 'the other copy is ended'
	rmmod kcopyd-copy || fail 'not unloaded'
}

# What is set for all who load the module is not what is copied.
other_options() {
	local pid name
	fill /dev/na 1
	fill /dev/nb 2
	mkdir -p /etc/modprobe.d
	trap 'rm /etc/modprobe.d/copy.conf' EXIT
	echo 'options kcopyd-copy count=8 sector=8 ignore_error=1 write_seq=1 verify=1 flush=1 pages=7' \
		>/etc/modprobe.d/copy.conf
	kcopyctl copy --yes --rate 8M /dev/na /dev/nb </dev/null >/tmp/said 2>&1 &
	pid=$!
	until_copying
	for name in write_seq verify flush pages; do
		cat ${status%/*}/$name
	done >/tmp/options
	wait $pid || fail "$(cat /tmp/said)"
	[ "$(tr '\n' ' ' </tmp/options)" = 'N N N 1024 ' ] || fail "options: $(cat /tmp/options)"
	check /dev/nb 1
	bad na 1000 1000
	ctl 1 copy --yes /dev/na /dev/nb
	good na 1000 1000
	echo 'install kcopyd-copy /bin/true' >/etc/modprobe.d/copy.conf
	refuses 1 'modprobe did not load kcopyd-copy, .*: look into /etc/modprobe.d$' \
		copy --yes /dev/na /dev/nb
}

# What the module is told leads there whatever the names are, and what it says has them.
odd_names() {
	local name='/tmp/a, "b"@8'
	fill /dev/na 1
	rm -f "$name"
	mknod "$name" b $(($(stat -c 0x%t /dev/nb))) $(($(stat -c 0x%T /dev/nb))) || fail 'no node'
	ctl 0 copy --yes --verify /dev/na "$name"
	check /dev/nb 1
	rm "$name"
	# Held only while it asks.
	rm -f $pty
	(
		until grep -q 'Go on?' $pty 2>/dev/null; do sleep 0.1; done
		dmsetup create held --table '0 65536 linear /dev/nb 0' --noudevsync
		printf 'y\n' >/tmp/keys
	) &
	on_terminal 0 '' copy /dev/na /dev/nb
	[ $code = 1 ] || fail "exit code $code: $(cat $pty)"
	says $pty 'kcopyd-copy: cannot open /dev/nb (Device or resource busy)'
}

# printing COMMAND... : for a pipe; the exit code is in /tmp/code
printing() {
	local code=0
	"$@" </dev/null 2>/tmp/wrong || code=$?
	echo $code >/tmp/code
}

# not_all : it failed as it could not print
not_all() {
	[ "$(cat /tmp/code)" = 1 ] || fail "exit code $(cat /tmp/code)"
	says /tmp/wrong 'stdout could not be written'
}

# Who reads it goes away, or nobody does.
not_printed() {
	local code=0
	fill /dev/na 1
	fill /dev/nb 2
	printing kcopyctl copy --yes --interval 0.05 --rate 16M /dev/na /dev/nb >&-
	not_all
	check /dev/na 1
	check /dev/nb 1
	fill /dev/nb 2
	printing kcopyctl copy --yes --interval 0.05 --rate 16M /dev/na /dev/nb | head -n 1 >/tmp/said
	not_all
	check /dev/nb 1
	printing timeout 60 kcopyctl top --json --interval 0.05 | head -n 1 >/tmp/said
	not_all
	json /tmp/said
	printing kcopyctl completion bash >/dev/full
	not_all
	printing kcopyctl --help >/dev/full
	not_all
	kcopyctl copy --yes /dev/none /dev/nb </dev/null 2>/dev/full || code=$?
	[ $code = 1 ] || fail "exit code $code"
}

# failed_in_json CODE TEXT ARGUMENT... : its last line on stdout says so
failed_in_json() {
	local code=$1 text=$2
	shift 2
	ctl $code "$@"
	json /tmp/said
	tail -n 1 /tmp/said | grep -q "^{\"exit_code\":$code,\"error\":\"$text" ||
		fail "$*: no '$text': $(tail -n 1 /tmp/said)"
	[ "$(wc -l </tmp/wrong)" = 1 ] || fail "not one line: $(cat /tmp/wrong)"
}

errors_as_json() {
	failed_in_json 1 '/dev/none: No such file or directory"}$' copy --yes --json /dev/none /dev/nb
	failed_in_json 1 'there is no client and no kmirror \\"x\\": ' rate x --json
	failed_in_json 2 'SRC is required: ' copy --json
	failed_in_json 2 '.* is not a rate: ' rate --json 1 fast
	failed_in_json 2 'The following argument was not expected: --count' status --json --count
	failed_in_json 2 '.* not in range' top --json --interval 0
	failed_in_json 2 'there is no command ' cpoy --json
	rmmod kcopyd || fail 'kcopyd cannot be unloaded'
	failed_in_json 1 'kcopyd is not loaded: ' status --json
	failed_in_json 1 'kcopyd is not loaded: ' top --json
	modprobe kcopyd
}

# Nothing that is used is written, and nothing is that nobody agreed to.
refused() {
	local mnt=/tmp/mnt
	fill /dev/nb 2
	refuses 1 'no terminal to ask on: say --yes' copy /dev/na /dev/nb
	refuses 1 "/dev/none: No such file" copy --yes /dev/none /dev/nb
	refuses 1 'is not a block device' copy --yes /dev/null /dev/nb
	refuses 1 '/dev/nb and /dev/nb are the same device' copy --yes /dev/nb /dev/nb
	refuses 1 'are the same device' copy --yes /dev/na /dev/nb /dev/nb
	refuses 1 'is too small' copy --yes /dev/na /dev/nl
	refuses 1 'the copy cannot begin: .*Invalid module format$' \
		copy --yes --module /test/script /dev/na /dev/nb
	refuses 2 'is not a rate' copy --yes --rate fast /dev/na /dev/nb
	refuses 2 'there is no command "cpoy"' cpoy /dev/na /dev/nb
	refuses 2 'requires --salvage' copy --yes --map /tmp/map /dev/na /dev/nb
	refuses 2 'stdout is no terminal: say --count' top
	refuses 1 'there is no client and no kmirror "x"' rate x 5M
	refuses 1 '/none/map cannot be written: No such file' copy --yes --salvage --map /none/map \
		/dev/na /dev/nb
	refuses 1 '/dev/nb is a block device, which a map would overwrite' copy --yes --salvage \
		--map /dev/nb /dev/na /dev/nc
	blockdev --setro /dev/nb
	refuses 1 '/dev/nb is read-only' copy --yes --force /dev/na /dev/nb
	blockdev --setrw /dev/nb
	check /dev/nb 2
	dm held '0 65536 linear /dev/nb 0'
	refuses 1 '/dev/nb is in use (held by held)' copy --yes /dev/na /dev/nb
	dm upper '0 65536 linear /dev/mapper/held 0'
	refuses 1 '/dev/mapper/upper is made of /dev/nb' copy --yes --force /dev/nb /dev/mapper/upper
	no_dm
	check /dev/nb 2
	mkdir -p $mnt
	mke2fs -q -F /dev/nb || fail 'no file system'
	modprobe ext4 && mount -t ext4 /dev/nb $mnt || fail 'not mounted'
	refuses 1 "/dev/nb is in use (mounted on $mnt)" copy --yes /dev/na /dev/nb
	umount $mnt || fail 'not unmounted'
	mkswap /dev/nb >/dev/null && swapon /dev/nb || fail 'no swap space'
	refuses 1 '/dev/nb is in use (swap space)' copy --yes /dev/na /dev/nb
	swapoff /dev/nb
	nothing_left
}

# A partition that is in use is a part of what is overwritten.
partition() {
	local disk
	no_null_blks
	null_blk na size=16
	sdebug
	disk=$sd
	printf 'start=2048, size=8192\n' | sfdisk -q --no-reread --no-tell-kernel $disk 2>/dev/null
	blockdev --rereadpt $disk
	[ -b ${disk}1 ] || fail 'no partition'
	mkswap ${disk}1 >/dev/null && swapon ${disk}1 || fail 'no swap space'
	refuses 1 "$disk is in use (${disk#/dev/}1 swap space)" copy --yes /dev/na $disk
	swapoff ${disk}1
	refuses 1 "${disk}1 is made of $disk, which would be overwritten" \
		copy --yes --force ${disk}1 $disk
	# By all of the disk there is another way to it.
	modprobe loop
	loop=$(losetup -f)
	losetup $loop $disk || fail 'no loop device'
	refuses 1 "${disk}1 and $loop are both on ${disk#/dev/}: one would overwrite the other" \
		copy --yes --force ${disk}1 $loop
	null_blk nm size=2
	refuses 1 "${disk}1 is in use (${disk#/dev/} held by ${loop#/dev/})" copy --yes /dev/nm ${disk}1
	losetup -d $loop
	dm whole "0 65536 linear $disk 0"
	refuses 1 "${disk}1 and /dev/mapper/whole are both on ${disk#/dev/}:" \
		copy --yes --force ${disk}1 /dev/mapper/whole
	no_dm
	ctl 0 copy --yes /dev/na $disk
	rmmod scsi_debug
}

# Nor does a loop device claim what it is on.
loop_device() {
	modprobe loop
	loop=$(losetup -f)
	losetup $loop /dev/nb || fail 'no loop device'
	trap 'losetup -d $loop' EXIT
	fill /dev/nb 2
	refuses 1 "/dev/nb is in use (held by ${loop#/dev/})" copy --yes /dev/na /dev/nb
	refuses 1 "$loop is made of /dev/nb, which would be overwritten" \
		copy --yes --force /dev/nb $loop
	refuses 1 "$loop is made of /dev/nb, which would be overwritten" \
		copy --yes --force $loop /dev/nb
	refuses 1 "$loop is made of /dev/nb, which would be overwritten" \
		copy --yes --force /dev/na $loop /dev/nb
	# Whatever it was called.
	losetup -d $loop
	cp -a /dev/nb /tmp/node && losetup $loop /tmp/node && rm /tmp/node || fail 'no loop device'
	refuses 1 "/dev/nb is in use (held by ${loop#/dev/})" copy --yes /dev/na /dev/nb
	refuses 1 "$loop is made of /dev/nb, which would be overwritten" \
		copy --yes --force /dev/nb $loop
	check /dev/nb 2
}

# As it is advised.
file_as_device() {
	local loop
	modprobe loop
	fill /dev/na 1
	dd if=/dev/zero of=/tmp/file bs=1M count=32 2>/dev/null
	refuses 1 '/tmp/file is not a block device: losetup --find --show makes one of a file' \
		copy --yes /dev/na /tmp/file
	loop=$(losetup --find --show /tmp/file) || fail 'no loop device'
	blockdev --setro $loop
	refuses 1 "$loop is read-only: blockdev --setrw $loop may change that" \
		copy --yes /dev/na $loop
	blockdev --setrw $loop
	ctl 0 copy --yes /dev/na $loop
	check $loop 1
	losetup -d $loop
	rm /tmp/file
}

# What is copied is in the file system that would be overwritten.
loop_on_file() {
	local mnt=/tmp/mnt
	modprobe loop
	modprobe ext4
	mkdir -p $mnt
	loop='' loop2=''
	mke2fs -q -F /dev/nb && mount -t ext4 /dev/nb $mnt || fail 'not mounted'
	trap 'losetup -d $loop; losetup -d $loop2; umount /tmp/mnt' EXIT
	dd if=/dev/zero of=$mnt/a bs=1M count=4 2>/dev/null
	cp $mnt/a $mnt/b
	loop=$(losetup -f)
	losetup $loop $mnt/a || fail 'no loop device'
	refuses 1 "$loop is made of /dev/nb, which would be overwritten" \
		copy --yes --force $loop /dev/nb
	# Two files are no more the same than two disks.
	loop2=$(losetup -f)
	losetup $loop2 $mnt/b || fail 'no loop device'
	fill $loop 1
	ctl 0 copy --yes $loop $loop2
	check $loop2 1
}

# One line, however often it is mounted.
source_in_use() {
	local mnt=/tmp/mnt
	mkdir -p $mnt /tmp/again
	modprobe ext4
	mke2fs -q -F /dev/na && mount -t ext4 /dev/na $mnt && mount --bind $mnt /tmp/again ||
		fail 'not mounted'
	trap 'umount /tmp/again; umount /tmp/mnt' EXIT
	ctl 0 copy --yes /dev/na /dev/nb
	[ "$(cat /tmp/wrong)" = "kcopyctl: /dev/na is in use (mounted on $mnt, mounted on /tmp/again): the copy may not be consistent; copy a snapshot of it instead" ] ||
		fail "said: $(cat /tmp/wrong)"
	dm held '0 65536 linear /dev/nc 0'
	ctl 0 copy --yes /dev/nc /dev/nb
	says /tmp/wrong '^kcopyctl: /dev/nc is in use (held by held): the copy may not be consistent'
}

# Of what is mounted nothing but its own number is known.
not_in_sysfs() {
	local mnt=/tmp/mnt
	mkdir -p $mnt
	modprobe ext4
	mke2fs -q -F /dev/na && mount -t ext4 /dev/na $mnt || fail 'not mounted'
	mount -t tmpfs none /sys/dev/block || fail 'nothing hides it'
	trap 'umount /sys/dev/block; umount /tmp/mnt' EXIT
	ctl 0 copy --yes /dev/na /dev/nb
	says /tmp/wrong "^kcopyctl: /dev/na is in use (mounted on $mnt): "
}

# It is enough that it can be read.
source_cannot_flush() {
	no_null_blk na
	null_blk na cache_size=1
	fill /dev/na 1
	modprobe dm-flakey
	dm flaky '0 65536 flakey /dev/na 0 0 60 1 error_writes'
	ctl 0 copy --yes /dev/mapper/flaky /dev/nb
	says /tmp/wrong '^kcopyctl: /dev/mapper/flaky does not write what is in its cache: '
	check /dev/nb 1
}

# What somebody has written through the page cache, and cannot be on the disk.
destination_cannot_flush() {
	local pid code=0
	fill /dev/na 1
	kcopyctl copy --yes --rate 8M /dev/na /dev/nb </dev/null >/tmp/said 2>/tmp/wrong &
	pid=$!
	until_copying
	dd if=/dev/nc of=/dev/nb bs=4k count=1 conv=notrunc 2>/dev/null
	bad nb 0 0
	wait $pid || code=$?
	[ $code = 1 ] || fail "exit code $code: $(cat /tmp/wrong)"
	says /tmp/wrong '^kcopyctl: what was written to /dev/nb may not last: Input/output error$'
}

# Of those who keep to the protocol of systemd
locked() {
	local pid
	fill /dev/nb 2
	flock -o /dev/nb sleep 60 &
	pid=$!
	while flock -n /dev/nb true; do
		[ -d /proc/$pid ] || fail 'it cannot be locked'
		sleep 0.1
	done
	refuses 1 '/dev/nb is locked by a program that changes it, .*: nothing was written' \
		copy --yes /dev/na /dev/nb
	check /dev/nb 2
	kill $pid
	kcopyctl copy --yes --rate 8M /dev/na /dev/nb </dev/null >/tmp/said 2>&1 &
	pid=$!
	until_copying
	! flock -n /dev/nb true || fail 'it is not locked'
	wait $pid || fail "$(cat /tmp/said)"
	flock -n /dev/nb true || fail 'it is still locked'
}

# The disk of a partition has no node, as in a container.
not_locked() {
	sdebug
	trap 'rmmod scsi_debug' EXIT
	printf 'start=2048, size=8192\n' | sfdisk -q --no-reread --no-tell-kernel $sd 2>/dev/null
	blockdev --rereadpt $sd
	[ -b ${sd}1 ] || fail 'no partition'
	rm $sd
	null_blk nm size=2
	fill /dev/nm 1
	ctl 0 copy --yes /dev/nm ${sd}1
	[ "$(cat /tmp/wrong)" = "kcopyctl: ${sd}1 cannot be locked (No such file or directory): udev and others may look at it meanwhile, or change it" ] ||
		fail "said: $(cat /tmp/wrong)"
	check ${sd}1 1 0 4096
}

# Nobody gets it before all is over.
held_while_compared() {
	local pid end
	fill /dev/na 1
	kcopyctl copy --yes --verify --interval 0.05 --rate 16M /dev/na /dev/nb </dev/null >/tmp/said 2>&1 &
	pid=$!
	end=$(($(seconds) + 60))
	until grep -q '^comparing' /tmp/said; do
		[ "$(seconds)" -lt $end ] || fail "it does not compare: $(cat /tmp/said)"
		sleep 0.1
	done
	! dmsetup create held --table '0 8 linear /dev/nb 0' --noudevsync 2>/dev/null || fail 'held'
	wait $pid || fail "$(cat /tmp/said)"
	says /tmp/said ', and compared$'
	dm held '0 8 linear /dev/nb 0'
}

forced() {
	local pid
	fill /dev/na 1
	fill /dev/nb 2
	dm held '0 65536 linear /dev/nb 0'
	ctl 0 copy --yes --force /dev/na /dev/nb
	check /dev/mapper/held 1
	# Nobody gets the other one meanwhile.
	kcopyctl copy --yes --force --rate 8M /dev/na /dev/nb /dev/nc </dev/null >/tmp/said 2>&1 &
	pid=$!
	until_copying
	! dmsetup create other --table '0 8 linear /dev/nc 0' --noudevsync 2>/dev/null || fail 'held'
	wait $pid || fail "$(cat /tmp/said)"
	no_dm
}

salvages() {
	fill /dev/na 1
	bad na 1000 1007
	bad na 1008 1010
	bad na 40000 40000
	fill /dev/nb 2
	ctl 1 copy --yes /dev/na /dev/nb
	says /tmp/wrong '/dev/na cannot be read (Input/output error): --salvage copies what can be'
	ctl 3 copy --yes --salvage --verify --map /tmp/map /dev/na /dev/nb
	says /tmp/wrong '12 sectors of /dev/na cannot be read, and are left out'
	says /tmp/said ', and compared$'
	[ "$(grep -v '^#' /tmp/map)" = "$(printf '1000 11\n40000 1')" ] || fail "map: $(cat /tmp/map)"
	check /dev/nb 1 0 65536 --other 2 1000+11 --other 2 40000+1
	ctl 3 copy --yes --salvage --json --interval 0.1 --map /tmp/map /dev/na /dev/nb
	json /tmp/map
	json /tmp/said
	says /tmp/map '"bad":\[{"first":1000,"count":11},{"first":40000,"count":1}\]'
	says /tmp/said '"skipped_sectors":12,.*"exit_code":3'
	# It is compared all the same.
	ctl 1 copy --yes --salvage --verify --json --quiet --map /dev/full /dev/na /dev/nb
	says /tmp/wrong '12 sectors of /dev/na .*; /dev/full cannot be written: No space'
	says /tmp/said '"compared":true,"exit_code":1'
	nothing_left
}

# More ranges than one look at the module's list has.
many_ranges() {
	local i=0
	while [ $i -lt 510 ]; do
		bad na $((10000 + i * 100)) $((10000 + i * 100))
		i=$((i + 1))
	done
	fill /dev/nb 2
	ctl 3 copy --yes --salvage --map /tmp/map /dev/na /dev/nb
	[ "$(grep -c '^[0-9]* 1$' /tmp/map)" = 510 ] || fail "ranges: $(wc -l </tmp/map)"
	says /tmp/map '^60900 1$'
}

# The others are copies, and compared; what could not be read is told, too.
cannot_write() {
	local failed='kcopyctl: writing failed on /dev/nc: what is there is not a copy'
	fill /dev/na 1
	fill /dev/nb 2
	fill /dev/nd 2
	bad nc 5000 5000
	ctl 1 copy --yes --verify --json --quiet /dev/na /dev/nb /dev/nc /dev/nd
	says /tmp/wrong "^$failed$"
	says /tmp/said '"failed":\["/dev/nc"\],.*"compared":false,"exit_code":1'
	check /dev/nb 1
	check /dev/nd 1
	modprobe dm-flakey
	fill /dev/nb 2
	dm flaky '0 65536 flakey /dev/nb 0 0 60 1 drop_writes'
	bad na 40000 40000
	ctl 1 copy --yes --verify --salvage /dev/na /dev/mapper/flaky /dev/nc
	says /tmp/wrong "^$failed; 1 sectors of /dev/na cannot be read, and are left out; /dev/mapper/flaky differs from /dev/na at byte [0-9]*$"
	! grep -q copied /tmp/said || fail "said: $(cat /tmp/said)"
	no_dm
	good na 40000 40000
	nothing_left
}

# What is left out gets nothing more, and what could not be read is still told.
cannot_write_salvaged() {
	local failed='kcopyctl: writing failed on /dev/nc'
	local unread='1 sectors of /dev/na cannot be read, and are left out'
	fill /dev/na 1
	fill /dev/nb 2
	fill /dev/nc 2
	bad na 1000 1000
	bad nc 5000 5000
	ctl 1 copy --yes --salvage --rate 16M --map /tmp/map /dev/na /dev/nb /dev/nc
	says /tmp/wrong "^$failed: what is there is not a copy; $unread$"
	[ "$(grep -v '^#' /tmp/map)" = '1000 1' ] || fail "map: $(cat /tmp/map)"
	check /dev/nb 1 0 65536 --other 2 1000+1
	check /dev/nc 2 60000 5536
	# Nor is there any sense in going on without one that is left.
	ctl 1 copy --yes --salvage --rate 16M --map /tmp/map /dev/na /dev/nc
	says /tmp/wrong "^$failed: the copy was stopped, and /dev/nc is no copy; $unread$"
	head -n 1 /tmp/map | grep -q '^# incomplete: [1-9][0-9]* of 65536 sectors were tried$' ||
		fail "map: $(cat /tmp/map)"
	[ "$(grep -v '^#' /tmp/map)" = '1000 1' ] || fail "map: $(cat /tmp/map)"
	good na 1000 1000
	good nc 5000 5000
	nothing_left
}

# stays_behind OPTION... : one destination becomes read-only and another one is pulled out,
# which is no reason for the third one to be no copy
stays_behind() {
	local pid code=0
	fill /dev/na 1
	fill /dev/nb 2
	kcopyctl copy --yes --verify --json --quiet --rate 8M "$@" /dev/na /dev/nc /dev/nb /dev/nd \
		</dev/null >/tmp/said 2>/tmp/wrong &
	pid=$!
	until_copying
	blockdev --setro /dev/nc
	echo 0 >$configfs/nd/power
	wait $pid || code=$?
	[ $code = 1 ] || fail "exit code $code: $(cat /tmp/wrong)"
	says /tmp/wrong '^kcopyctl: writing failed on /dev/nc, /dev/nd: what is there is not a copy$'
	says /tmp/said '"failed":\["/dev/nc","/dev/nd"\]'
	check /dev/nb 1
	blockdev --setrw /dev/nc
	nothing_left
}

left_behind() {
	stays_behind
	echo 1 >$configfs/nd/power
	stays_behind --salvage
}

# Without one that is left, and where all are written in sequence
cannot_go_on() {
	fill /dev/na 1
	bad nb 5000 5000
	bad nc 5000 5000
	ctl 1 copy --yes --verify /dev/na /dev/nb /dev/nc
	says /tmp/wrong 'writing failed on /dev/nb, /dev/nc: the copy was stopped, and none of /dev/nb, /dev/nc is a copy; not compared$'
	null_blk nz zoned=1 zone_size=4 zone_nr_conv=0
	ctl 1 copy --yes --json --quiet /dev/na /dev/nb /dev/nz
	says /tmp/wrong 'writing failed on /dev/nb: the copy was stopped, and none of /dev/nb, /dev/nz is a copy$'
	says /tmp/said '"failed":\["/dev/nb","/dev/nz"\]'
	good nb 5000 5000
	good nc 5000 5000
	nothing_left
}

# A device that says it has written, and has not.
verifies() {
	fill /dev/na 1
	ctl 0 copy --yes --verify /dev/na /dev/nb
	says /tmp/said ', and compared$'
	modprobe dm-flakey
	fill /dev/nb 2
	dm flaky '0 65536 flakey /dev/nb 0 0 60 1 drop_writes'
	ctl 4 copy --yes --verify /dev/na /dev/mapper/flaky
	says /tmp/wrong '/dev/mapper/flaky differs from /dev/na at byte '
	no_dm
}

# What was found before is not lost by a sector that goes bad before it is compared, and the
# other destination is compared all the same.
compares_the_rest() {
	local pid code=0
	fill /dev/na 1
	fill /dev/nc 2
	bad na 40000 40000
	modprobe dm-flakey
	dm flaky '0 65536 flakey /dev/nc 0 0 60 1 drop_writes'
	kcopyctl copy --yes --salvage --verify --json --quiet --rate 8M /dev/na /dev/nb \
		/dev/mapper/flaky </dev/null >/tmp/said 2>/tmp/wrong &
	pid=$!
	until_copying
	until grep -q 'done=[2-6][0-9][0-9][0-9][0-9] ' $status; do
		[ -d /proc/$pid ] || fail 'it was too fast'
		sleep 0.1
	done
	bad nb 100 100
	wait $pid || code=$?
	[ $code = 1 ] || fail "exit code $code: $(cat /tmp/wrong)"
	json /tmp/said
	says /tmp/said '"skipped_sectors":1,"bad":\[{"first":40000,"count":1}\],.*"compared":false,"exit_code":1'
	says /tmp/wrong '^kcopyctl: 1 sectors of /dev/na cannot be read, .*; /dev/nb cannot be compared: /dev/nb cannot be read at byte 0: .*; /dev/mapper/flaky differs from /dev/na at byte [0-9]*$'
}

# A loop device on a file: what is zeroed there has no memory.
sparse() {
	local loop kb
	modprobe loop
	no_null_blks
	null_blk na size=16
	fill /dev/na 1 0 8192
	dd if=/dev/zero of=/dev/na bs=1M seek=4 count=12 conv=notrunc 2>/dev/null
	yes 2>/dev/null | dd of=/tmp/loop bs=1M count=16 iflag=fullblock 2>/dev/null
	loop=$(losetup -f)
	losetup $loop /tmp/loop || fail 'no loop device'
	ctl 0 copy --yes --sparse --verify /dev/na $loop
	check $loop 1 0 8192
	cmp /dev/na $loop || fail 'they differ'
	kb=$(du -k /tmp/loop | cut -f 1)
	losetup -d $loop
	rm /tmp/loop
	[ $kb -lt 6000 ] || fail "$kb KiB are allocated"
}

shows() {
	modprobe kcopyd-mirror
	fill /dev/na 1
	dm m '0 65536 kmirror core 2 1024 nosync 2 /dev/na 0 /dev/nb 0'
	ctl 0 status
	says /tmp/said '^ *[0-9]* kmirror  *0/512 '
	says /tmp/said '^m  *kmirror  *32 MiB  *100 % in sync, legs AA$'
	ctl 0 status --json
	json /tmp/said
	says /tmp/said '"mirror":{"legs":\["[0-9]*:[0-9]*","[0-9]*:[0-9]*"\],"in_sync":64,"regions":64,"health":"AA"'
	ctl 0 rate m 1500
	ctl 0 rate m
	says /tmp/said '^2.0 KiB/s$'
	[ "$(dmsetup message m 0 state)" = 'running rate 2' ] || fail "$(dmsetup message m 0 state)"
	ctl 0 rate kmirror 1M
	ctl 0 rate m
	says /tmp/said '^1.0 MiB/s$'
	ctl 0 rate kmirror
	says /tmp/said '^1.0 MiB/s$'
	dm n '0 65536 kmirror core 2 1024 nosync 2 /dev/nc 0 /dev/nd 0'
	refuses 2 'more than one "kmirror": say which client: [0-9]*, [0-9]*' rate kmirror 1M
	ctl 0 rate n none
	no_dm
	dm m '0 32768 kmirror core 2 1024 nosync 2 /dev/na 0 /dev/nb 0; 32768 32768 kmirror core 2 1024 nosync 2 /dev/na 32768 /dev/nb 32768'
	ctl 0 rate m 1M
	dmsetup message m 0 rate 512
	ctl 0 rate m
	[ "$(cat /tmp/said)" = "$(printf 'from sector 0: 512 KiB/s\nfrom sector 32768: 1.0 MiB/s')" ] ||
		fail "rates: $(cat /tmp/said)"
	ctl 0 rate --json m
	json /tmp/said
	says /tmp/said '^{"name":"m","start":32768,"bytes_per_second":1048576}$'
	no_dm
	rmmod kcopyd-mirror kcopyd-dm
}

# Mainline's names are kcopyd's where its modules have them, and only there.
mainline_names() {
	modprobe kcopyd-snapshot mainline_names=1
	modprobe dm-mirror
	dm m '0 65536 mirror core 2 1024 nosync 2 /dev/na 0 /dev/nb 0'
	dm o '0 65536 snapshot-origin /dev/nc'
	dm s '0 65536 snapshot /dev/nc /dev/nd N 16'
	ctl 0 status
	says /tmp/said '^o  *snapshot-origin  *32 MiB'
	says /tmp/said '^s  *snapshot  *32 MiB  *0 % of 32 MiB used$'
	! grep -q '^m ' /tmp/said || fail "dm-mirror's, too: $(grep '^m ' /tmp/said)"
	no_dm
	rmmod dm-mirror
	modprobe kcopyd-mirror mainline_names=1
	dm m '0 65536 mirror core 2 1024 nosync 2 /dev/na 0 /dev/nb 0'
	ctl 0 status --json
	json /tmp/said
	says /tmp/said '"target":"mirror",.*"mirror":{"legs":'
	ctl 0 rate m 2M
	ctl 0 rate m
	says /tmp/said '^2.0 MiB/s$'
	no_dm
	rmmod kcopyd-mirror kcopyd-snapshot kcopyd-dm
}

shows_rates() {
	local pid
	fill /dev/na 1
	kcopyctl copy --yes --rate 1536K /dev/na /dev/nb </dev/null >/tmp/slow 2>&1 &
	pid=$!
	until_copying
	ctl 0 top --count 2 --interval 2
	says /tmp/said '^ *[0-9]* kcopyd_copy  *1\.[0-9] MiB/s  *1\.[0-9] MiB/s'
	[ "$(grep -c '^ *CLIENT' /tmp/said)" = 2 ] || fail "samples: $(cat /tmp/said)"
	ctl 0 top --count 2 --interval 0.5 --json
	json /tmp/said
	[ "$(wc -l </tmp/said)" = 2 ] || fail "samples: $(cat /tmp/said)"
	ctl 0 status
	says /tmp/said '^kcopyd-copy: copying, [0-9]* % of 32 MiB$'
	on_terminal 3 'q' top --interval 0.5
	[ $code = 0 ] || fail "exit code $code: $(cat $pty)"
	says $pty 'kcopyd_copy'
	kill $pid
	wait $pid
	nothing_left
}

# What does not fit on a terminal is cut, not wrapped, and does not scroll.
fits() {
	local columns=80 rows=5
	modprobe kcopyd-mirror
	dm m '0 65536 kmirror core 2 1024 nosync 2 /dev/na 0 /dev/nb 0'
	dm n '0 65536 kmirror core 2 1024 nosync 2 /dev/nc 0 /dev/nd 0'
	on_terminal 3 'q' top --interval 0.5
	[ $code = 0 ] || fail "exit code $code: $(cat $pty)"
	# Of its four lines one is empty.
	tr -d '\r' <$pty | awk '
		/^Script/ || /^$/ { next }
		sub(/^.*\[2J/, "") { screens++; lines = 0 }
		length() > 80 || ++lines > 3 { wrong = 1 }
		END { exit wrong || !screens }' || fail "$(cat $pty)"
	columns=40
	on_terminal 0 '' status
	tr -d '\r' <$pty | awk '!/^Script/ && length() > 40 { exit 1 }' || fail "$(cat $pty)"
	says $pty '^m  *kmirror  *32 MiB '
	no_dm
	rmmod kcopyd-mirror kcopyd-dm
}

# An interactive shell stops what sets its terminal in the background.
in_background() {
	script -q -E never -c 'set -m; kcopyctl top --count 2 --interval 0.2 >/tmp/said & sleep 15; kill -KILL %1' \
		$pty </dev/null >/dev/null 2>&1
	[ "$(grep -c '^ *CLIENT' /tmp/said)" = 2 ] || fail "samples: $(cat /tmp/said $pty)"
}

# Who is not root sees what there is to be seen for all, and is told.
not_root() {
	printf 'nobody:x:65534:65534::/:/bin/sh\n' >/etc/passwd
	printf 'nogroup:x:65534:\n' >/etc/group
	chmod 755 /
	for command in 'copy /dev/na /dev/nb' 'rate 1 5M' 'top --count 1 --interval 0.1' status; do
		! su -s /bin/sh nobody -c "/bin/kcopyctl $command" </dev/null >/tmp/said 2>/tmp/wrong ||
			fail "accepted: $command"
		says /tmp/wrong 'needs root: try sudo'
		[ "$(wc -l </tmp/wrong)" = 1 ] || fail "not one line: $(cat /tmp/wrong)"
	done
	says /tmp/said 'CLIENT'
}

# completed WORD... : what bash makes of the last one is in /tmp/said
completed() {
	# shellcheck disable=SC2016 # it is bash's
	bash -c '. /tmp/completion; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_kcopyctl; printf "%s\n" "${COMPREPLY[@]}"' bash "$@" >/tmp/said 2>/tmp/wrong ||
		fail "$*: $(cat /tmp/wrong)"
	[ ! -s /tmp/wrong ] || fail "$*: $(cat /tmp/wrong)"
}

# completes TO WORD... : to nothing else
completes() {
	local to=$1
	shift
	completed "$@"
	[ "$(cat /tmp/said)" = "$to" ] || fail "$* is completed to: $(cat /tmp/said)"
}

completion() {
	local command
	[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
	ctl 0 completion bash
	mv /tmp/said /tmp/completion
	for command in copy status top rate completion; do
		completes $command kcopyctl ${command%?}
		ctl 0 $command --help
		grep -o -- '--[a-z]*' /tmp/said | sort -u >/tmp/options
		completed kcopyctl $command --
		sort /tmp/said | cmp -s - /tmp/options || fail "options of $command: $(cat /tmp/said)"
	done
	completes bash kcopyctl completion b
	mkdir -p /dev/disk/by-id && ln -sf ../../na /dev/disk/by-id/na || fail 'no links'
	dm m '0 65536 linear /dev/nb 0'
	completed kcopyctl copy ''
	says /tmp/said '^/dev/na$'
	says /tmp/said '^/dev/mapper/m$'
	! grep -q control /tmp/said || fail "no block device: $(cat /tmp/said)"
	completes /dev/mapper/m kcopyctl copy /dev/mapper/
	completes /dev/disk/by-id kcopyctl copy /dev/na /dev/disk/
	completes /dev/disk/by-id/na kcopyctl copy /dev/disk/by-id/n
	completes /tmp/completion kcopyctl copy --map = /tmp/comple
	completes /tmp/completion kcopyctl copy --map /tmp/comple
	completed kcopyctl rate ''
	says /tmp/said '^m$'
	! grep -q control /tmp/said || fail "no device: $(cat /tmp/said)"
	rm -r /dev/disk
	ctl 0 --version
	says /tmp/said "^kcopyctl $(cat /sys/module/kcopyd/version)$"
	completes --version kcopyctl --v
	refuses 2 'only for bash' completion zsh
}

without_module() {
	rmmod kcopyd || fail 'kcopyd cannot be unloaded'
	refuses 1 'kcopyd is not loaded: modprobe kcopyd' status
	refuses 1 'kcopyd is not loaded: modprobe kcopyd' top --count 1
	ctl 0 copy --yes /dev/na /dev/nb
	modprobe kcopyd
}

# each NAME FUNCTION
each() {
	no_null_blks
	for name in na nb nc nd; do
		null_blk $name
	done
	null_blk nl size=1
	case_ "$@"
	no_dm
}

mkdir -p /dev/pts
mount -t devpts devpts /dev/pts 2>/dev/null
each 'copies to several, and says so' copies
each 'the source is only read, the rest of a destination stays' read_only_source
each 'what is in the page cache is copied, and not stale' page_cache
each 'a rate, which is changed' limited
each 'asks on a terminal' asks
each 'asks, and is told to end' asks_in_vain
each 'tells what is known of a disk' describes
each 'a path that leads to another device meanwhile' another_device
each 'a path that leads to another device during the copy' moved_links
each 'a bar on a terminal' bar
each 'no bar in the background' no_bar
each 'Ctrl-C leaves nothing' ctrl_c
each 'signals leave nothing, and one copy at a time' terminated
each 'signals that were ignored before' ignored_signals
each 'a map as far as it came' interrupted_map
each 'a signal before it begins' ended_early
each 'a copy that is not its own' not_its_own
each 'options of modprobe.d' other_options
each 'names that are no words to the module' odd_names
each 'what cannot be printed' not_printed
each 'errors as JSON' errors_as_json
each 'refuses what is in use or makes no sense' refused
each 'refuses a disk of which a partition is in use' partition
each 'refuses what a loop device is on' loop_device
each 'a file, by way of a loop device' file_as_device
each 'refuses what a file that is copied is on' loop_on_file
each 'warns of a source that is in use' source_in_use
each 'a source that sysfs does not have' not_in_sysfs
each 'a source that cannot be flushed' source_cannot_flush
each 'a destination that cannot be flushed' destination_cannot_flush
each 'a lock on a destination' locked
each 'a destination that cannot be locked' not_locked
each 'a destination is held while it is compared' held_while_compared
each 'overwrites what is in use when it is told' forced
each 'salvages, with a map' salvages
each 'a map of many ranges' many_ranges
each 'a destination that cannot be written' cannot_write
each 'a destination that cannot be written, while it salvages' cannot_write_salvaged
each 'destinations that become read-only, or go away' left_behind
each 'destinations none of which is left' cannot_go_on
each 'compares' verifies
each 'compares what can be, and tells what was found before' compares_the_rest
each 'zeroes' sparse
each 'shows clients and mirrors, and sets their limits' shows
each "shows targets by mainline's names" mainline_names
each 'shows rates' shows_rates
each 'shows what fits on a terminal' fits
each 'shows rates in the background' in_background
each 'who is not root' not_root
each 'completes words' completion
each 'without the module' without_module
umount /dev/pts
