#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Refuses a C++ object that would not load, or would load and not work:
#
#	check-cxx.sh <object> <nm> <objdump>
#
# The kernel runs no C++ constructors, unwinds no C++ exceptions, has no C++
# runtime library, and does not save vector registers.

set -eu

obj=$1
nm=$2
objdump=$3
bad=0

refuse() {
	echo "$obj: $1" >&2
	bad=1
}

# entries <pattern>: functions that sections of such a name say to call.
entries() {
	"$objdump" -r "$obj" | awk -v section="^RELOCATION RECORDS FOR \\\\[\\\\.($1)" '
		/^RELOCATION RECORDS/ { on = $0 ~ section; next }
		on && / R_/ { n++ }
		END { print n + 0 }'
}

# Under KASAN the compiler registers an object's globals in the same way; these
# functions have names of their own.
kasans() {
	"$nm" "$obj" | grep -cE " ($1)\$" || :
}

kasan_ctor='_sub_I_(00099|65535)_[0-9]+|asan\.module_ctor'
kasan_dtor='_sub_D_(00099|65535)_[0-9]+|asan\.module_dtor'
if [ "$(entries 'init_array|ctors')" -ne "$(kasans "$kasan_ctor")" ]; then
	refuse "has a static object with a constructor, which nobody calls"
fi
if [ "$(entries 'fini_array|dtors')" -ne "$(kasans "$kasan_dtor")" ]; then
	refuse "has a static object with a destructor, which nobody calls"
fi
if "$objdump" -h "$obj" | grep -qE ' \.(eh_frame|gcc_except_table)'; then
	refuse "has tables for exceptions"
fi

# Mangled names, the C++ runtime's, and the compiler's arithmetic helpers.
runtime='_Z|__cxa_|__atomic_|__gxx_|__gcc_|_Unwind_|__dso_handle$|atexit$|__tls_|__emutls'
runtime="$runtime|__[a-z]+[sdtx][fi][0-9]?\$"
symbols=$("$nm" -u "$obj" | awk '{ print $NF }' | grep -E "^($runtime)" || :)
for symbol in $symbols; do
	refuse "needs $symbol, which the kernel does not have"
done

if "$objdump" -d --no-show-raw-insn "$obj" | grep -qE '%[xyz]mm[0-9]|%st\('; then
	refuse "uses vector or floating point registers"
fi

exit $bad
