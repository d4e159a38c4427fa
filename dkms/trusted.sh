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

only_signed || exit 0
if [ -z "${1-}" ]; then
	echo "This machine loads only signed modules (Secure Boot), and these are not: make install KEY=<private key> CERT=<certificate>"
elif ! mokutil --test-key "$1" 2>/dev/null | grep -q 'already enrolled'; then
	echo "This machine loads only modules whose key it trusts (Secure Boot), as not yet that of $1: mokutil --import $1, and restart"
fi
