# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2154 # they share variables with guest.sh
#
# A kernel that takes only modules whose signatures it trusts, as with Secure Boot: it says
# so, and what to do. This scenario has a boot of its own, locked down; here kcopyd cannot
# be loaded.

dir=/lib/modules/$(uname -r)/extra

# refused TEXT : so insmod and modprobe say, and kcopyctl says in one line what to do
refused() {
	local code=0
	! insmod "$dir/kcopyd.ko" 2>/tmp/insmod || fail 'insmod loads it'
	grep -q "$1" /tmp/insmod || fail "insmod says: $(cat /tmp/insmod)"
	! modprobe kcopyd-copy 2>/tmp/modprobe || fail 'modprobe loads it'
	grep -q "$1" /tmp/modprobe || fail "modprobe says: $(cat /tmp/modprobe)"
	kcopyctl copy --yes /dev/na /dev/nb </dev/null >/tmp/said 2>/tmp/wrong || code=$?
	[ $code = 1 ] && [ ! -s /tmp/said ] && [ "$(wc -l </tmp/wrong)" = 1 ] ||
		fail "kcopyctl: exit code $code: $(cat /tmp/said /tmp/wrong)"
	grep -q 'signed with a key that it trusts.*make install KEY=.*mokutil --import' /tmp/wrong ||
		fail "kcopyctl says: $(cat /tmp/wrong)"
	[ ! -d /sys/module/kcopyd ] && [ ! -d /sys/module/kcopyd_copy ] || fail 'it was loaded'
	check /dev/nb 2
}

# installed TEXT [CERT] : what make install says, in one line
installed() {
	local text=$1
	shift
	sh /trusted.sh "$@" >/tmp/said
	[ "$(wc -l </tmp/said)" = 1 ] && grep -q "$text" /tmp/said ||
		fail "make install says: $(cat /tmp/said)"
}

unsigned() {
	[ -z "$(modinfo -F signer "$dir/kcopyd.ko")" ] || fail 'it is signed'
	refused "$1"
	installed 'only signed modules .*make install KEY='
}

# Here nobody has imported the certificate.
other_key() {
	mkdir /unsigned
	cp "$dir"/*.ko /unsigned/
	cp /signed/*.ko "$dir/"
	[ "$(modinfo -F signer "$dir/kcopyd.ko")" = somebody ] || fail 'it is not signed'
	refused "$1"
	installed 'mokutil --import /signed/cert' /signed/cert
	cp /unsigned/*.ko "$dir/"
	rm -r /unsigned
}

null_blk na
null_blk nb
fill /dev/na 1
fill /dev/nb 2
mount -t securityfs security /sys/kernel/security 2>/dev/null
case_ 'locked down, not signed' unsigned 'Operation not permitted'
case_ 'locked down, signed with another key' other_key 'Operation not permitted'
# What module.sig_enforce=1 sets, too, and nobody can take back.
echo 1 >/sys/module/module/parameters/sig_enforce
case_ 'module.sig_enforce=1, not signed' unsigned 'Key was rejected by service'
case_ 'module.sig_enforce=1, signed with another key' other_key 'Key was rejected by service'
