#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What kcopyd's modules export on a kernel, for modules of others. A build leaves it in a
# Module.symvers; while the modules are installed it is where include/client.mk looks for it,
# in DIR/build/KERNEL. DIR is /usr/src/kcopyd unless told.
#
#	symbols.sh save TO			the file here to that directory
#	symbols.sh keep KERNEL FILE [DIR]	that file to where it is looked for
#	symbols.sh drop KERNEL [DIR]
set -eu
umask 022

# Where somebody has a checkout, it has what it was built with.
place() {
	dir=${2:-/usr/src/kcopyd}/build/$1
	[ ! -e "$dir/.kernel" ] || exit 0
}

case $1 in
save)
	cp Module.symvers "$2/"
	;;
keep)
	place "$2" "${4-}"
	[ -s "$3" ] || { echo "symbols.sh: there is no $3" >&2; exit 1; }
	mkdir -p "$dir"
	# Paths of the build mean nothing any more.
	awk -F '\t' -v OFS='\t' '{ sub(".*/", "", $3) } $3 ~ /^kcopyd(-dm)?$/' \
		"$3" >"$dir/Module.symvers"
	;;
drop)
	place "$2" "${3-}"
	rm -f "$dir/Module.symvers"
	rmdir "$dir" "${dir%/*}" "${dir%/build/*}" 2>/dev/null || true
	;;
esac
