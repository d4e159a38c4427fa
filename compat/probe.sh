#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Finds out what the kernel headers offer, by compiling a small file for each
# variant of each feature, and writes the answers as a header.
#
#	probe.sh <output> <probes directory> <compiler> <flags>...
#
# The probe <feature>.<variant>.c yields KCOPYD_HAVE_<FEATURE>_<VARIANT>.
# Exactly one variant of each feature must compile. A feature that may simply
# be absent thus needs a probe for its absence too: a probe that fails for some
# other reason must not pass for a missing feature. For that same reason
# baseline.c has to compile before anything else is tried.

set -u

out=$1
probes=$2
shift 2

log=$(mktemp) || exit 1
trap 'rm -f "$log" "$log.o" "$out.tmp"' EXIT
# Not every sh runs that when a signal ends it.
trap 'exit 1' INT TERM HUP

first_error() {
	grep -m1 -E '(error|fatal):? ' "$log" || head -n1 "$log"
}

die() {
	echo "kcopyd: $*" >&2
	exit 1
}

"$@" -c -o "$log.o" "$probes/baseline.c" 2>"$log" ||
	die "cannot compile against this kernel's headers: $(first_error)"

# Only the baseline's dependencies are recorded: they are those of all probes.
for arg; do
	shift
	case $arg in
	-Wp,-MMD,*) ;;
	*) set -- "$@" "$arg" ;;
	esac
done

{
	echo "/* SPDX-License-Identifier: GPL-2.0-only */"
	echo "/* What this kernel offers; written by compat/probe.sh. */"
} >"$out.tmp" || exit 1

done_before=
for path in "$probes"/*.*.c; do
	feature=${path##*/}
	feature=${feature%%.*}
	[ "$feature" != "$done_before" ] || continue
	done_before=$feature

	found=
	variants=
	error=
	for probe in "$probes/$feature".*.c; do
		variant=${probe%.c}
		variant=${variant##*.}
		variants="$variants $variant"
		if "$@" -fsyntax-only "$probe" 2>"$log"; then
			[ -z "$found" ] ||
				die "probe $feature: both $found and $variant compile"
			found=$variant
		else
			error=${error:-$(first_error)}
		fi
	done
	[ -n "$found" ] || die "probe $feature: none of$variants compiles: $error"

	macro=$(echo "KCOPYD_HAVE_${feature}_$found" | tr '[:lower:]' '[:upper:]')
	echo "#define $macro 1" >>"$out.tmp"
done

mv -f "$out.tmp" "$out"
