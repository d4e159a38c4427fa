# SPDX-License-Identifier: GPL-2.0-only
#
# For the Kbuild file of a module outside this tree that uses kcopyd:
#
#	KCOPYD := /path/to/kcopyd
#	include $(KCOPYD)/include/client.mk
#
# kcopyd.h and kcopyd.hpp are found then, <linux/dm-kcopyd.h> is the one beside this
# file and not the kernel's, and so are the symbols of kcopyd, if it was built for
# the same kernel before.

KCOPYD_SYMVERS ?= $(KCOPYD)/build/$(KERNELRELEASE)/Module.symvers

ifeq ($(wildcard $(KCOPYD_SYMVERS)),)
$(warning $(KCOPYD_SYMVERS) is missing: first run "make KDIR=<this kernel's build directory>" in $(KCOPYD))
endif

# The kernel's own include path goes ahead of whatever ccflags-y adds.
LINUXINCLUDE := -I$(KCOPYD)/include $(LINUXINCLUDE) -I$(KCOPYD)
KBUILD_EXTRA_SYMBOLS += $(KCOPYD_SYMVERS)
