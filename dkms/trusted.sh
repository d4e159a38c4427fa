#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# trusted.sh [CERT]: a line that says what is to be done, if this machine loads only
# modules that are signed with a key that it trusts and those that were just installed are
# not: they are signed with the key of this certificate, or not at all.
set -u

# Secure Boot, in the end, is one of the first two.
only_signed() {
	[ "$(cat /sys/module/module/parameters/sig_enforce 2>/dev/null)" = Y ] ||
		grep -q '\[[ic]' /sys/kernel/security/lockdown 2>/dev/null ||
		mokutil --sb-state 2>/dev/null | grep -q enabled
}

# known DER : imported, or one that the firmware has; distributions' kernels trust both
known() {
	mokutil --test-key "$1" 2>/dev/null | grep -qE 'already (enrolled|in db)'
}

only_signed || exit 0
unknown="This machine loads only modules whose key it trusts (Secure Boot), as not yet that of ${1-}"
if [ -z "${1-}" ]; then
	echo "This machine loads only signed modules (Secure Boot), and these are not: make install KEY=<private key> CERT=<certificate>"
elif ! grep -q 'BEGIN CERTIFICATE' "$1"; then
	known "$1" || echo "$unknown: mokutil --import $1, and restart"
else
	# What signs takes both, but mokutil only DER.
	der=$(mktemp)
	openssl x509 -in "$1" -outform DER -out "$der" 2>/dev/null && known "$der" ||
		echo "$unknown: openssl x509 -in $1 -outform DER -out $1.der, mokutil --import $1.der, and restart"
	rm -f "$der"
fi
