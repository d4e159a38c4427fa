# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2034,SC2086,SC2154 # they share variables with guest.sh
#
# Pools of any size do the same, only not as fast.

# pool PAGES [PARAMETER...]
pool() {
	local pages=$1
	shift
	fill /dev/nb 2
	fill /dev/nc 2
	copy_ok src=/dev/na dst=/dev/nb,/dev/nc "pages=$pages" "$@"
	check /dev/nb 1
	check /dev/nc 1
}

# With a bad sector in it
pool_bad() {
	bad na 10000 10001
	fill /dev/nb 2
	copy src=/dev/na dst=/dev/nb "pages=$1" ignore_error=1
	good na 10000 10001
	expect done-with-errors -5 0x0
	check /dev/nb 1 --other 2 10000+8
}

part_size() {
	local old kb
	old=$(cat /sys/module/kcopyd/parameters/part_kb)
	for kb in 4 20 4096; do
		echo $kb >/sys/module/kcopyd/parameters/part_kb || fail "$kb is refused"
		pool 1024
		pool_bad 1024
	done
	echo "$old" >/sys/module/kcopyd/parameters/part_kb
}

# total : the memory that the kernel can use itself, in pages. With 32 bits the rest is for users.
total() { awk '/^(Mem|Low)Total:/ { pages = $2 / 4 } END { printf "%d", pages }' /proc/meminfo; }

# stalls : how often somebody had to free some before there was any
stalls() { awk '/^allocstall/ { n += $2 } END { print n + 0 }' /proc/vmstat; }

# Before any of it is taken: others would be killed for it.
too_large() {
	local before
	before=$(stalls)
	rejected 'no memory' src=/dev/na dst=/dev/nb "pages=$(total)"
	[ "$(stalls)" = "$before" ] || fail "$(($(stalls) - before)) times there was no memory left"
}

no_null_blks
null_blk na size=8
null_blk nb size=8
null_blk nc size=8
fill /dev/na 1
for pages in 1 2 7 64 1024 20000; do
	case_ "$pages pages" pool $pages
	case_ "$pages pages, a bad sector" pool_bad $pages
done
case_ '1 page, in sequence' pool 1 write_seq=1
case_ '1 page, one copy for all' pool 1 chunk_kb=65536
case_ 'other part sizes' part_size
case_ 'a pool as large as the memory' too_large
case_ 'a pool of a quarter of the memory' pool $(($(total) / 4))
