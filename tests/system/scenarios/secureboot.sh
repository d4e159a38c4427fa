# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2015,SC2154 # they share variables with guest.sh
#
# Secure Boot: the kernel takes only modules whose signatures it trusts. With others it says
# so, and what to do. This scenario has boots of its own: by a firmware that has the key of
# /keys/owner, and without one, but with the kernel locked down.

dir=/lib/modules/$(uname -r)/extra

# signed NAME : the modules are, with the key of this name; by nobody they are not
signed() {
	[ -d /keys/nobody ] || { mkdir /keys/nobody && cp "$dir"/*.ko /keys/nobody/; }
	cp "/keys/$1"/*.ko "$dir/"
}

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
	[ "$(wc -l </tmp/said)" = 1 ] && grep -q -- "$text" /tmp/said ||
		fail "make install says: $(cat /tmp/said)"
}

unsigned() {
	signed nobody
	[ -z "$(modinfo -F signer "$dir/kcopyd.ko")" ] || fail 'it is signed'
	refused "$1"
	installed 'only signed modules .*make install KEY='
}

# Here nobody has imported the certificate.
other_key() {
	signed somebody
	[ "$(modinfo -F signer "$dir/kcopyd.ko")" = somebody ] || fail 'it is not signed'
	refused "$1"
	installed 'somebody/cert.der: mokutil --import /keys/somebody/cert.der, and' \
		/keys/somebody/cert.der
	installed '-outform DER -out \(.*\).der, mokutil --import \1.der, and' \
		/keys/somebody/cert.pem
}

trusted_key() {
	local form
	signed owner
	kcopyctl copy --yes /dev/na /dev/nb >/tmp/said 2>&1 || fail "kcopyctl: $(cat /tmp/said)"
	check /dev/nb 1
	[ $(($(cat /proc/sys/kernel/tainted) >> 13 & 1)) = 0 ] || fail 'an unsigned module was loaded'
	rmmod kcopyd_copy kcopyd
	fill /dev/nb 2
	for form in der pem; do
		sh /trusted.sh "/keys/owner/cert.$form" >/tmp/said 2>&1
		[ ! -s /tmp/said ] || fail "make install says: $(cat /tmp/said)"
	done
}

null_blk na
null_blk nb
fill /dev/na 1
fill /dev/nb 2
mount -t securityfs security /sys/kernel/security 2>/dev/null
if [ -d /sys/firmware/efi ]; then
	modprobe efivarfs
	mount -t efivarfs efivarfs /sys/firmware/efi/efivars
	case_ 'not signed' unsigned 'Key was rejected by service'
	case_ 'signed with another key' other_key 'Key was rejected by service'
	case_ 'signed with a key that is trusted' trusted_key
else
	case_ 'locked down, not signed' unsigned 'Operation not permitted'
	case_ 'locked down, signed with another key' other_key 'Operation not permitted'
fi
