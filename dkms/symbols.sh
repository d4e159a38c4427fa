#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# symbols.sh keep|drop KERNEL [DIR] : what kcopyd's modules export on this kernel, of
# the Module.symvers here, goes to where include/client.mk looks for it, or is removed.
# DIR is /usr/src/kcopyd unless told.
set -eu
dir=${3:-/usr/src/kcopyd}/build/$2
case $1 in
keep)
	mkdir -p "$dir"
	# Paths of the build mean nothing any more.
	awk -F '\t' -v OFS='\t' '{ sub(".*/", "", $3) } $3 ~ /^kcopyd(-dm)?$/' \
		Module.symvers >"$dir/Module.symvers"
	;;
drop)
	rm -rf "$dir"
	rmdir "${dir%/*}" "${dir%/build/*}" 2>/dev/null || true
	;;
esac
