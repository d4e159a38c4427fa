#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# modules.sh KCOPYD DIR : modules of somebody else's, as the documents show them, for a kcopyd
# that is there, each with the Kbuild file that the document has
#
#	DIR/c		the README's
#	DIR/cpp		that of the contract's section on C++
#	DIR/target	a device-mapper target
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
kcopyd=$1 dir=$2
mkdir -p "$dir"/{c,cpp,target}

# kbuild INDENT LAST NAME : the Kbuild file in what comes from stdin
kbuild()
{
	sed -n "/^$1KCOPYD := /,/$2/s/^$1//p" | sed "s|/path/to/kcopyd|$kcopyd|" >"$dir/$3/Kbuild"
}

{
	awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md
	cat <<-'END'
		int (*const example)(struct block_device *, struct block_device *) = copy_first_mib;
		MODULE_DESCRIPTION("example");
		MODULE_LICENSE("GPL");
	END
} >"$dir/c/client.c"
kbuild '    ' '^    obj-m' c <README.md

{
	awk '/^\t#include "kcopyd.hpp"$/ { on = 1 } /^[^\t]/ { on = 0 } on' Documentation/kcopyd.rst | sed 's/^\t//'
	cat <<-'END'
		extern "C" int example(block_device *src, block_device *a, block_device *b);
		int example(block_device *src, block_device *a, block_device *b) { return copy_first_mib(src, a, b); }
	END
} >"$dir/cpp/logic.cpp"
cat >"$dir/cpp/glue.c" <<-'END'
	#include <linux/module.h>
	struct block_device;
	int example(struct block_device *src, struct block_device *a, struct block_device *b);
	int (*const call)(struct block_device *, struct block_device *, struct block_device *) = example;
	MODULE_DESCRIPTION("example");
	MODULE_LICENSE("GPL");
END
sed -n '/^C++$/,/^Durability$/p' Documentation/kcopyd.rst | kbuild '\t' 'cxx.mk$' cpp

cp samples/dm-skeleton/* "$dir/target"
kbuild '\t' 'cxx.mk$' target <Documentation/dm-cpp.rst
