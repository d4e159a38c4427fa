#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# System tests: copies between real block drivers, on a stock Debian kernel in
# QEMU. Prints a line for each test case; the last one counts them.
#
#	run.sh [--kernel KERNEL] [SCENARIO...]
#				of scenarios/*.sh, all but kills unless told; those
#				named client-* are of the kernel's own targets,
#				built on kcopyd; kills boots once and again;
#				secureboot boots with Secure Boot. On 6.1
#				unless told; not each of them is for debug-6.1.
#
# KCOPYD_TORTURE_SECONDS	how long the scenario torture lasts (default 90)
# KCOPYD_TORTURE_SEED		its seed (default 1)
# KCOPYD_TORTURE_KERNEL		its kernel, of those that boot.sh knows, if not KERNEL
# KCOPYD_POINTS			to how many points each log of the scenario log-writes
#				is replayed (default 12; all: to each flush, and to 60 others)
# KCOPYD_POINTS_SEED		which ones (drawn, and printed, unless told)
# KCOPYD_KILLS			how often the scenario kills kills the machine (default 20)
# KCOPYD_KILLS_SEED		its seed (drawn, and printed, unless told)
# KCOPYD_KILLS_DIR		where it has its disks, 30 MiB, which stay there (default:
#				a directory that goes away)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
# shellcheck source=tests/lib.sh
. tests/lib.sh

# build KERNEL : sets $modules to the directory with the modules for it
build()
{
	run tests/qemu/make.sh "$1" -s -j"$(nproc)" modules >"$work/build" 2>&1 || {
		cat "$work/build" >&2
		echo 'run.sh: the build failed (see above)' >&2
		exit 1
	}
	modules=$(tests/qemu/make.sh "$1" -s builddir)
}

# guest NAME OPTION... : boots, counts what comes back
guest()
{
	local name=$1 code=0 lines out tee
	shift
	# A firmware, and what a program says on a terminal, would clear the user's.
	exec {out}> >(sed -uE 's/\x1b\[[=?0-9;]*[A-Za-z]//g; /^EFI stub: /d' | tee "$work/$name")
	tee=$!
	run tests/qemu/boot.sh --log "$work/console" "$@" >&"$out" 2>&1 {out}>&- || code=$?
	exec {out}>&-
	wait "$tee" || true
	lines=$(grep -ac '^ok  ' "$work/$name" || true)
	passed=$((passed + lines))
	lines=$(grep -ac '^skipped ' "$work/$name" || true)
	skipped=$((skipped + lines))
	lines=$(grep -ac '^FAILED ' "$work/$name" || true)
	failed=$((failed + lines))
	if ((code == 125 && lines == 0)); then
		return
	elif ((code)); then
		failure "$name: exit code $code of boot.sh: $(exit_code $code)"
	elif ! grep -qa '^all scenarios ran' "$work/$name"; then
		failure "$name: it did not run to its end"
	fi
}

exit_code()
{
	case $1 in
	120)	echo 'the kernel reported something (see above)' ;;
	121)	echo 'an expected kernel report did not come' ;;
	123)	echo 'the kernel died' ;;
	124)	echo 'time-out' ;;
	125)	echo 'killed' ;;
	*)	echo 'see above' ;;
	esac
}

# kills : rounds of work on the same disks, which a kill of the machine ends, but for the
# last one
kills()
{
	local rounds=${KCOPYD_KILLS:-20} seed=${KCOPYD_KILLS_SEED:-$((RANDOM << 15 | RANDOM))}
	local dir=${KCOPYD_KILLS_DIR:-$work} size disks=() options round=0
	echo "kills: $rounds, KCOPYD_KILLS_SEED=$seed"
	RANDOM=$((seed % 32768))
	# The legs and the log of a mirror, an origin, a COW device, the journals.
	for size in 8M 8M 1M 4M 8M 1M; do
		rm -f "$dir/disk${#disks[@]}"
		truncate -s $size "$dir/disk${#disks[@]}"
		disks+=("$dir/disk${#disks[@]}")
	done
	options=(--append loglevel=5 --add "$work/sectors" --add "$work/crash"
		--add "$(command -v dmsetup)" --add "$here/crash.sh:/crash.sh"
		--add "$here/scenarios:/system"
		--kmod null_blk --kmod virtio_pci --kmod virtio_blk)
	for size in "${disks[@]}"; do
		options+=(--qemu -drive --qemu "file=$size,format=raw,if=virtio,cache=unsafe")
	done
	for name in kcopyd kcopyd-dm kcopyd-mirror kcopyd-snapshot; do
		options+=(--module "$modules/$name.ko")
	done
	while ((round <= rounds && failed == 0)); do
		((++round))
		printf 'kills_round=%d kills_last=%d crash_seed=%d\n' $round \
			$((round > rounds)) $RANDOM >"$work/settings"
		guest kills --kernel "$kernel" --mem 512 --timeout 300 "${options[@]}" \
			--kill-after "$((RANDOM % 2)).$((RANDOM % 10))" \
			--add "$work/settings:/settings" tests/system/guest.sh kills
	done
}

# kcopyctl : builds it, and sets $tools to what its scenarios have
kcopyctl()
{
	local name
	((${#tools[@]} == 0)) || return 0
	tests/qemu/deps.sh kcopyctl
	make -s tools || { echo 'run.sh: the build failed (see above)' >&2; exit 1; }
	tools=(--add build/kcopyctl/kcopyctl --kmod ext4)
	for name in script flock bash losetup; do
		tools+=(--add "$(command -v $name)")
	done
}

# secureboot : a machine whose firmware has one key; with modules that are signed with that
# one, with another one, and not at all
secureboot()
{
	local module name keys programs firmware sign ovmf=/usr/share/OVMF
	tests/qemu/deps.sh secureboot
	sign=$(tests/qemu/kernel.sh headers 6.1)/scripts/sign-file
	kcopyctl
	# The keys of the machine's owner, and of somebody else, as what sign-file takes.
	keys=$work/keys
	mkdir "$keys" "$keys"/{owner,somebody}
	cp /usr/share/ovmf/PkKek-1-snakeoil.key "$work/owner.key"
	cp /usr/share/ovmf/PkKek-1-snakeoil.pem "$keys/owner/cert.pem"
	openssl req -new -x509 -newkey rsa:2048 -nodes -days 10 -subj '/CN=somebody/' \
		-keyout "$work/somebody.key" -out "$keys/somebody/cert.pem" 2>/dev/null
	programs=("${tools[@]}" --add "$(command -v mokutil)" --add "$(command -v openssl)")
	for name in owner somebody; do
		openssl x509 -in "$keys/$name/cert.pem" -outform DER -out "$keys/$name/cert.der"
		for module in kcopyd kcopyd-copy; do
			KBUILD_SIGN_PIN=snakeoil "$sign" sha256 "$work/$name.key" \
				"$keys/$name/cert.pem" "$modules/$module.ko" "$keys/$name/$module.ko"
		done
	done
	# The firmware's variables cannot be changed but by itself.
	cp $ovmf/OVMF_VARS_4M.snakeoil.fd "$work/variables"
	firmware=(--qemu -machine --qemu 'q35,smm=on'
		--qemu -global --qemu 'driver=cfi.pflash01,property=secure,value=on'
		--qemu -drive --qemu "if=pflash,unit=0,format=raw,readonly=on,file=$ovmf/OVMF_CODE_4M.secboot.fd"
		--qemu -drive --qemu "if=pflash,unit=1,format=raw,file=$work/variables")
	programs+=(--kmod null_blk --kmod efivarfs --add "$keys:/keys"
		--module "$modules/kcopyd.ko" --module "$modules/kcopyd-copy.ko"
		--add "$work/sectors" --add "$here/scenarios:/system" --add dkms/trusted.sh:/trusted.sh)
	guest secureboot --kernel "$kernel" --cpus 1 --timeout 900 "${programs[@]}" "${firmware[@]}" \
		tests/system/guest.sh secureboot
	guest secureboot --kernel "$kernel" --timeout 900 "${programs[@]}" \
		--append lockdown=integrity tests/system/guest.sh secureboot
}

kernel=6.1 torture='' kills='' secureboot='' scenarios=() clients=() tools=()
if [[ ${1-} == --kernel ]]; then
	kernel=${2:?run.sh: --kernel which}
	shift 2
fi
if ((!$#)); then
	for name in "$here"/scenarios/*.sh; do
		[[ $name == */kills.sh ]] || set -- "$@" "$name"
	done
fi
for name; do
	name=${name##*/}
	name=${name%.sh}
	if [[ $name == torture ]]; then
		torture=y
	elif [[ $name == kills ]]; then
		kills=y
	elif [[ $name == secureboot ]]; then
		secureboot=y
	elif [[ $name == client-* && -f $here/scenarios/$name.sh ]]; then
		clients+=("$name")
	elif [[ -f $here/scenarios/$name.sh ]]; then
		scenarios+=("$name")
	else
		echo "run.sh: there is no scenario $name" >&2
		exit 2
	fi
done

tests/qemu/deps.sh build boot roots tools
PATH=$PATH:/usr/sbin:/sbin
system=$(tests/qemu/kernel.sh image "$kernel" | sed -n 's/^SYSTEM=//p')
cc=(${system:+tests/qemu/in-root.sh "$system"} gcc -D_FILE_OFFSET_BITS=64 -O2 -Wall -Wextra -static)
"${cc[@]}" -o "$work/sectors" tests/system/sectors.c
"${cc[@]}" -pthread -o "$work/crash" tests/system/crash.c

# Without busybox's dd, whose buffers are not aligned: it takes back O_DIRECT, and says nothing.
common=(--add "$work/sectors" --add "$work/crash" --add "$(command -v dmsetup)" --add "$(command -v dd)"
	--add "$here/crash.sh:/crash.sh" --add "$here/scenarios:/system")
((${#clients[@]} == 0)) || tests/qemu/deps.sh clients
for name in null_blk brd loop sd_mod scsi_debug dm-mod dm-delay dm-flakey; do
	common+=(--kmod "$name")
done

if ((${#scenarios[@]})); then
	programs=(--add "$(command -v sfdisk)")
	for name in "${scenarios[@]}"; do
		case $name in
		lvm)	tests/qemu/deps.sh clients
			programs+=(--add "$(command -v lvm)") ;;
		docs)	tests/qemu/deps.sh docs
			tests/docs/check.py guest "$work/docs" ||
				failure 'docs: what the documents say is not there (see above)'
			programs+=(--add "$work/docs:/docs" --add "$(command -v jq)") ;;&
		kcopyctl | docs) kcopyctl ;;
		fio)	tests/qemu/deps.sh fio
			programs+=(--add "$(command -v fio)") ;;
		log-writes) programs+=(--kmod dm-log-writes) ;;
		refused) programs+=(--kmod target_core_iblock --kmod tcm_loop) ;;
		esac
	done
	build "$kernel"
	points=${KCOPYD_POINTS:-12} flushes=0 seconds=7000
	[[ $points != all ]] || points=60 flushes=1 seconds=10000
	printf 'crash_points=%d crash_flushes=%d crash_seed=%d\n' "$points" $flushes \
		"${KCOPYD_POINTS_SEED:-$RANDOM}" >"$work/settings"
	programs+=(--add "$work/settings:/settings")
	guest scenarios --kernel "$kernel" --mem 2048 --timeout $((seconds + 25 * points)) "${common[@]}" --kmod dm-mirror --kmod dm-snapshot \
		"${programs[@]}" "${tools[@]}" --add samples/mainline-names.conf:/mainline-names.conf \
		--module "$modules/kcopyd.ko" --module "$modules/kcopyd-copy.ko" \
		--module "$modules/kcopyd-cpp-copy.ko" --module "$modules/kcopyd_exhaust.ko" \
		--module "$modules/kcopyd_costs.ko" --module "$modules/kcopyd_refuse.ko" \
		--module "$modules/kcopyd-dm.ko" --module "$modules/kcopyd-dm-skeleton.ko" \
		--module "$modules/kcopyd-mirror.ko" --module "$modules/kcopyd-snapshot.ko" \
		tests/system/guest.sh "${scenarios[@]}"
fi

if ((${#clients[@]})); then
	build "$kernel"
	code=0
	run tests/clients/build.sh "$kernel" "$work/targets" >"$work/built" || code=$?
	cat "$work/built"
	passed=$((passed + $(grep -c '^ok  ' "$work/built" || true)))
	failed=$((failed + $(grep -c '^FAILED ' "$work/built" || true)))
	if ((code == 0)); then
		for name in dm-bufio dm-persistent-data dm-bio-prison dm-log dm-region-hash; do
			common+=(--kmod "$name")
		done
		for name in dm-snapshot dm-mirror dm-thin-pool; do
			common+=(--module "$work/targets/$name.ko")
		done
		guest clients --kernel "$kernel" --mem 2048 --timeout 3000 "${common[@]}" \
			--add "$(command -v lvm)" --module "$modules/kcopyd.ko" \
			--module "$modules/kcopyd_exhaust.ko" \
			tests/system/guest.sh "${clients[@]}"
	elif ! grep -q '^FAILED ' "$work/built"; then
		failure 'the kernel'"'"'s targets could not be built'
	fi
fi

if [[ -n $torture ]]; then
	kernel=${KCOPYD_TORTURE_KERNEL:-$kernel}
	seconds=${KCOPYD_TORTURE_SECONDS:-90}
	seed=${KCOPYD_TORTURE_SEED:-1}
	echo "torture: $seconds s on the kernel $kernel, KCOPYD_TORTURE_SEED=$seed"
	printf 'torture_seconds=%d torture_seed=%d\n' "$seconds" "$seed" >"$work/settings"
	build "$kernel"
	guest torture --kernel "$kernel" --mem 1536 --timeout $((seconds * 2 + 900)) \
		"${common[@]}" --add "$work/settings:/settings" \
		--module "$modules/kcopyd.ko" --module "$modules/kcopyd_torture.ko" \
		tests/system/guest.sh torture
fi

if [[ -n $secureboot ]]; then
	build "$kernel"
	secureboot
fi

if [[ -n $kills ]]; then
	build "$kernel"
	kills
fi

total
