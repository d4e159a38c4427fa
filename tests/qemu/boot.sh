#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# boot.sh [OPTION...] SCRIPT [ARG...] : boots a kernel in QEMU, runs a shell
# script there as root and ends with the script's exit code.
#
#   --kernel NAME         a kernel of kernel.sh (default 6.1), or debug-6.1, debug-7.3,
#                         kcsan-6.1
#   --cpus N              default 2
#   --mem MB              default 1024
#   --append STRING       more kernel arguments
#   --kmod NAME           a module of the kernel that the script may modprobe
#   --module FILE.ko      another module that the script may modprobe
#   --add HOST[:GUEST]    a file or directory for the guest (default /bin/NAME)
#   --qemu ARG            one more argument for QEMU
#   --allow REGEX         a kernel report that the script is going to provoke
#   --timeout SECONDS     default 600
#   --kill-after SECONDS  kill QEMU so long after the script has written
#                         "kill me" to /dev/ttyS3, as a power failure would
#   --log FILE            keep the kernel's console there
#   --out FILE            keep there what the script writes to /dev/out
#   --stream-console      print the kernel's console too, as it comes
#   --no-leak-scan        no kmemleak scan after the script
#   --icount              emulate one CPU whose clock counts instructions, one a
#                         nanosecond: the same run takes the same time anywhere
#
# Printed is what the script prints.  A report of the kernel (WARNING, BUG,
# lockdep, KASAN, ...) fails the run, unless the script declares it by --allow,
# or for a while by lines to /dev/kmsg: "kcopyd-test: expect REGEX", then
# "kcopyd-test: expect-end".  A declared report that does not come fails too.
#
# Exit codes besides the script's own:
#   120 an undeclared kernel report     121 a declared report did not come
#   122 boot.sh could not run a guest   123 the guest died before the script ended
#   124 time-out (where the guest was is told)
#   125 QEMU was killed, as --kill-after wants it
#
# KCOPYD_ACCEL=kvm|tcg overrides the choice of the accelerator.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/qemu/lib.sh
. "$here/lib.sh"

die() { say "$@"; exit 122; }
usage() { print_usage >&2; exit 122; }

kernel=6.1 cpus=2 mem=1024 append='' timeout=600 log='' out='' stream_console='' icount=''
kill_after=''
allow=() guest=() qemu_extra=()
while (($#)); do
	case $1 in
	--kernel | --cpus | --mem | --append | --kmod | --module | --add | \
	--qemu | --allow | --timeout | --kill-after | --log | --out)
		(($# > 1)) || die "$1 needs a value" ;;
	esac
	case $1 in
	--kernel)	kernel=$2; shift 2 ;;
	--cpus)		cpus=$2; shift 2 ;;
	--mem)		mem=$2; shift 2 ;;
	--append)	append+=" $2"; shift 2 ;;
	--kmod | --module | --add) guest+=("$1" "$2"); shift 2 ;;
	--qemu)		qemu_extra+=("$2"); shift 2 ;;
	--allow)	allow+=("$2"); shift 2 ;;
	--timeout)	timeout=$2; shift 2 ;;
	--kill-after)	kill_after=$2; shift 2 ;;
	--log)		log=$2; shift 2 ;;
	--out)		out=$2; shift 2 ;;
	--stream-console) stream_console=y; shift ;;
	--no-leak-scan)	guest+=("$1"); shift ;;
	--icount)	icount=y; shift ;;
	-h | --help)	print_usage; exit 0 ;;
	--)		shift; break ;;
	-*)		say "no such option: $1"; usage ;;
	*)		break ;;
	esac
done
(($#)) || usage
[[ -f $1 ]] || die "$1: no such script"
[[ $cpus$mem$timeout =~ ^[0-9]+$ ]] || die '--cpus, --mem and --timeout take numbers'
[[ $kill_after =~ ^([0-9]+(\.[0-9]+)?)?$ ]] || die '--kill-after takes seconds'
[[ -z $icount ]] || cpus=1
need qemu-system-x86_64 setpriv
find_cache

work=$(mktemp -d)
qemu='' timer='' killer=''
kill_qemu()
{
	[[ -n $qemu ]] || return 0
	kill -KILL "$qemu" 2>/dev/null || true
	wait "$qemu" 2>/dev/null || true
	qemu=''
}

# shellcheck disable=SC2317 # called by the trap
cleanup()
{
	trap '' INT TERM HUP
	kill_qemu
	[[ -z $timer ]] || kill "$timer" 2>/dev/null || true
	[[ -z $killer ]] || kill "$killer" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# start ACCEL INITRAMFS FD_CONSOLE FD_SCRIPT : starts QEMU, sets $qemu
start()
{
	local machine=(-machine "pc,accel=tcg" -cpu max)
	[[ $1 != kvm ]] || machine=(-machine "pc,accel=kvm" -cpu host)
	# Without ERMS and FSRM, or each byte of a rep is an instruction.
	[[ $1 != icount ]] || machine=(-machine pc -accel "tcg,thread=single"
		-icount "shift=0,sleep=off" -cpu "max,-erms,-fsrm")

	rm -f "$work"/{console,script,out,status} "$work"/monitor.{in,out}
	: >"$work/console"; : >"$work/script"; : >"$work/status"
	# QEMU's monitor on a pair of FIFOs: the shell can talk to them by itself.
	mkfifo "$work/monitor.in" "$work/monitor.out"
	# If this shell is killed, QEMU goes with it.
	setpriv --pdeathsig KILL qemu-system-x86_64 \
		-nodefaults -no-user-config -display none -no-reboot \
		"${machine[@]}" -smp "$cpus" -m "$mem" \
		-kernel "$VMLINUZ" -initrd "$2" \
		-append "console=ttyS0 rdinit=/init nokaslr panic=-1 oops=panic reboot=t loglevel=7 printk.devkmsg=on sysrq_always_enabled watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=60 workqueue.watchdog_thresh=60$append" \
		-chardev "file,id=console,path=/dev/fd/$3,append=on,logfile=$work/console" -serial chardev:console \
		-chardev "file,id=script,path=/dev/fd/$4,append=on,logfile=$work/script" -serial chardev:script \
		-chardev "file,id=out,path=$work/out" -serial chardev:out \
		-chardev "file,id=status,path=$work/status" -serial chardev:status \
		-chardev "pipe,id=monitor,path=$work/monitor" -mon chardev=monitor \
		${qemu_extra[@]+"${qemu_extra[@]}"} \
		</dev/null >"$work/qemu" 2>&1 &
	qemu=$!
}

# end_suddenly : starts what ends when it is time to kill QEMU, sets $killer
end_suddenly()
{
	setpriv --pdeathsig KILL sh -c "until grep -q '^kill me' '$work/status'; do
		sleep 0.1
	done
	exec sleep $kill_after" >/dev/null 2>&1 &
	killer=$!
}

# finish SECONDS : waits for QEMU; fails, with QEMU still running, on time-out, or when
# it is time to kill it, and sets $killed then
finish()
{
	local first job
	setpriv --pdeathsig KILL sleep "$1" >/dev/null 2>&1 &
	timer=$!
	wait -n -p first "$qemu" "$timer" ${killer:+"$killer"} || true
	[[ $first != "$killer" ]] || killed=y
	for job in "$timer" ${killer:+"$killer"}; do
		kill "$job" 2>/dev/null || true
		wait "$job" 2>/dev/null || true
	done
	timer='' killer=''
	[[ $first == "$qemu" ]] || return 1
	qemu=''
}

# choose_accel : sets $accel.  A /dev/kvm that can be opened may still hang its
# guests, so it is tried, once a boot of this machine.
choose_accel()
{
	local memory saved=("${qemu_extra[@]}") null code
	memory=$cache/accel-$HOSTNAME-$(</proc/sys/kernel/random/boot_id)

	accel=${KCOPYD_ACCEL:-}
	case $accel in
	kvm | tcg)	return ;;
	?*)		die "KCOPYD_ACCEL=$accel: must be kvm or tcg" ;;
	esac
	accel=tcg
	[[ -r /dev/kvm && -w /dev/kvm ]] || return 0
	if [[ -s $memory ]]; then
		accel=$(<"$memory")
		return
	fi
	echo 'exit 0' >"$work/probe.sh"
	"$here/initramfs.sh" --output "$work/probe" --no-leak-scan \
		${SYSTEM:+--system "$SYSTEM"} "$work/probe.sh"
	exec {null}>/dev/null
	qemu_extra=()
	start kvm "$work/probe" "$null" "$null"
	# Not to be read: the shell says so where QEMU was aborted.
	if finish 15 2>/dev/null && grep -q '^exit 0' "$work/status"; then
		accel=kvm
	fi
	kill_qemu
	exec {null}>&-
	qemu_extra=("${saved[@]}")
	rm -f "$cache/accel-$HOSTNAME"-*
	echo "$accel" >"$memory"
	[[ $accel == kvm ]] || say 'KVM does not work here: emulating (slower)'
}

# run_guest : sets $late and $killed
run_guest()
{
	start "$accel" "$work/initramfs" "$console" "$stream"
	late='' killed=''
	[[ -z $kill_after ]] || end_suddenly
	finish "$timeout" || late=y
}

# emulation_failed : the kernel ran into a breakpoint of its own before its first process.
# It puts them where it is about to change its code, and takes them out again; now and
# then an emulated CPU still sees one.
emulation_failed()
{
	[[ $accel == tcg && -z $late && ! -s $work/status ]] &&
		grep -aqE 'int3: [0-9a-f]+ \[#1\]' "$work/console"
}

monitor() { printf '%s\n' "$1" >"$work/monitor.in"; }

# sysrq KEY : until the guest has answered and is silent again; fails if it does not
sysrq()
{
	local before size last i

	before=$(stat -c %s "$work/console")
	size=$before
	monitor "sendkey alt-sysrq-$1"
	# Emulated on a busy machine it takes its time.
	for ((i = 0; i < 15; i++)); do
		last=$size
		sleep 2
		size=$(stat -c %s "$work/console")
		((size == before || size > last)) || return 0
	done
	((size > before))
}

# where_it_was : what a guest that does not end is doing
where_it_was()
{
	local before rip

	echo "---- last lines of the script's output"
	tail -n 5 "$work/script"
	echo '---- last lines of the console'
	tail -n 15 "$work/console"
	echo '---- instruction pointers'
	monitor 'info registers -a'
	timeout 3 cat "$work/monitor.out" >"$work/registers" || true
	while read -r rip; do
		echo "RIP $rip $(resolve "$rip")"
	done < <(grep -ao 'RIP=[0-9a-f]*' "$work/registers" | cut -d= -f2)
	# The kernel's own view, if it still answers: the CPUs, then blocked tasks.
	before=$(stat -c %s "$work/console")
	if sysrq l; then
		sysrq w || true
		echo '---- backtraces'
		tail -c "+$((before + 1))" "$work/console" | head -n 150
	else
		echo '---- the kernel does not answer to sysrq'
	fi
	# Every task is too much to print, but worth having in a log.
	[[ -z $log ]] || sysrq t || true
}

resolve()
{
	[[ -n ${SYSTEM_MAP:-} ]] || return 0
	awk -v rip="$1" '
		($1 "") > (rip "") { exit }
		$2 ~ /^[tTwW]$/ { name = $3 }
		END { print rip ~ /^ffffffff/ ? name : "(user space or module)" }' "$SYSTEM_MAP"
}

facts=$("$here/kernel.sh" image "$kernel") || exit 122
VERSION='' VMLINUZ='' ROOT='' SYSTEM_MAP='' SYSTEM=''
while IFS='=' read -r name value; do
	declare "$name=$value"
done <<<"$facts"

[[ -z $SYSTEM ]] || guest+=(--system "$SYSTEM")
# Newer kernels keep arrays of free objects, where a pointer to one that was lost may stay
# and hide it from kmemleak; but not while they check them.
[[ $kernel != debug-* ]] || append+=' slab_debug=F'
"$here/initramfs.sh" --output "$work/initramfs" --root "$ROOT" --release "$VERSION" \
	${guest[@]+"${guest[@]}"} -- "$@" || exit 122
if [[ -n $icount ]]; then
	accel=icount
	append+=' tsc=reliable'
else
	choose_accel
fi

# The copy through cat lets QEMU open its own end of whatever stdout is.
exec {stream}> >(cat)
reader=$!
console=$stream
[[ -n $stream_console ]] || exec {console}>/dev/null
run_guest
if emulation_failed; then
	say 'the emulated CPU failed while the kernel changed its own code: once more'
	run_guest
fi
exec {stream}>&-
if [[ -n $killed ]]; then
	late=''
	kill_qemu 2>/dev/null
elif [[ -n $late ]]; then
	say "time-out: the script did not end within $timeout s"
	where_it_was >&2 2>/dev/null || true
	kill_qemu
fi
[[ -z $stream_console ]] || exec {console}>&-
wait "$reader" || true
[[ -z $log ]] || cp "$work/console" "$log"
[[ -z $out ]] || cp "$work/out" "$out"

code=$(tr -d '\r' <"$work/status" | sed -n 's/^exit \([0-9]*\)$/\1/p')
verdict=0
findings=$(ALLOW=$(printf '%s\n' ${allow[@]+"${allow[@]}"}) \
	awk -f "$here/reports.awk" "$work/console") || verdict=$?
if [[ -n $findings ]]; then
	printf '%s\n' "$findings" >&2
fi

if [[ -n $late ]]; then
	exit 124
elif [[ ! -s $work/console && -s $work/qemu ]]; then
	cat "$work/qemu" >&2
	die 'QEMU did not start the guest (see above)'
elif [[ -z $code && -z $killed ]]; then
	((verdict)) || tail -n 30 "$work/console" >&2
	cat "$work/qemu" >&2
	say "the guest died before the script ended${log:+ (console: $log)}"
	exit 123
elif ((verdict == 10)); then
	say "the kernel reported what the test did not declare (script's exit code: ${code:-none})"
	exit 120
elif ((verdict == 11)); then
	say "a declared kernel report did not come (script's exit code: ${code:-none})"
	exit 121
elif ((verdict)); then
	die 'the console could not be searched (is a REGEX wrong?)'
fi
[[ -z $killed ]] || exit 125
exit "$code"
