# SPDX-License-Identifier: GPL-2.0-only
#
# make help says what there is.
#
# Objects are kept apart by kernel, in build/<kernel release>/, so that modules
# for several kernels can be built in turn from one checkout and none is ever
# linked from another kernel's objects. Kbuild writes its output beside the
# sources; each of these directories therefore holds links to the sources.

# KDIR: the build directory of the kernel to build for.
ifneq ($(filter modules builddir,$(or $(MAKECMDGOALS),modules)),)
KDIR ?= $(patsubst %/Makefile,%,$(wildcard /lib/modules/$(shell uname -r)/build/Makefile))
ifeq ($(strip $(KDIR)),)
# Before a download that takes a while; stdout is for builddir.
$(shell echo "No headers of the running kernel (/lib/modules/$$(uname -r)/build): taking Debian's 6.1 instead; say KDIR=<kernel build directory> for another." >&2)
override KDIR := $(shell $(CURDIR)/tests/qemu/kernel.sh headers 6.1)
endif
ifeq ($(strip $(KDIR)),)
$(error No kernel headers found: say KDIR=<kernel build directory>)
endif
override KDIR := $(abspath $(KDIR))
# What uname -r says there; include/config/kernel.release may differ.
release := $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
ifeq ($(release),)
$(error $(KDIR) is not a prepared kernel build directory: it has no include/generated/utsrelease.h)
endif
endif

build := build/$(release)

# What decides whether objects of an earlier build can be used.
kernel-id = $(shell cd $(KDIR) && pwd && cat include/config/auto.conf		\
	include/generated/utsrelease.h Module.symvers 2>/dev/null | cksum)

sources = $(shell find Kbuild kcopyd* core compat include samples targets tests bench	\
	\( -name '*.[ch]' -o -name '*.[ch]pp' -o -name '*.mk' -o -name '*.sh'	\
	-o -name Kbuild \) ! -name '*.mod.c' ! -path compat/features.h		\
	! -path 'tests/qemu/*' 2>/dev/null)

# The lock lets a second make for the same kernel wait, not interfere.
.PHONY: modules
modules:
	@mkdir -p build
	@set -e; exec 9>$(build).lock; flock 9;					\
	if [ "$$(cat $(build)/.kernel 2>/dev/null)" != "$(kernel-id)" ]; then	\
		rm -rf $(build);						\
		mkdir $(build);							\
		echo "$(kernel-id)" >$(build)/.kernel;				\
	fi;									\
	find $(build) -xtype l -delete;						\
	for f in $(sources); do							\
		[ -e $(build)/$$f ] || {					\
			mkdir -p $$(dirname $(build)/$$f);			\
			ln -s $(CURDIR)/$$f $(build)/$$f;			\
		}								\
	done;									\
	$(MAKE) -C $(KDIR) M=$(CURDIR)/$(build) modules

# Where the modules are, for scripts: $$(make -s builddir KDIR=...)
.PHONY: builddir
builddir:
	@echo $(CURDIR)/$(build)

.PHONY: clean
clean:
	rm -rf build

.PHONY: demo check check-full check-clients lint mutate bench docs
demo:
	@samples/copy/demo.sh
check:
	@tests/check.sh
check-full:
	@tests/check.sh --full
check-clients:
	@tests/system/run.sh client-snapshot client-mirror client-thin client-stack
lint:
	@tests/lint.sh
mutate:
	@tests/mutate.sh
bench:
	@bench/bench.sh $(if $(QUICK),--quick)
docs:
	@Documentation/build.sh

.PHONY: help
help:
	@echo 'make                build the modules into build/<kernel release>/, for the'
	@echo '                    running kernel, or for Debian'"'"'s 6.1 if it has no headers'
	@echo 'make KDIR=<dir>     ... for the kernel whose build directory this is'
	@echo 'make W=1 C=1        ... with more warnings, and with sparse'
	@echo 'make builddir       print where the modules are (KDIR as for make)'
	@echo 'make clean          remove build/'
	@echo 'make demo           copy a file system to three disks in a virtual machine'
	@echo 'make check          build and test everything, and search the model'
	@echo 'make check-full     ... the same for longer'
	@echo 'make check-clients  run the kernel'"'"'s own dm targets on kcopyd'
	@echo 'make lint           check style, and the code with static analysers'
	@echo 'make bench          measure kcopyd beside the kernel'"'"'s own dm-kcopyd'
	@echo 'make bench QUICK=1  ... only what has something to reach, without pictures'
	@echo 'make docs           the documents and the reference of all calls, as HTML'
	@echo 'make mutate         show that the tests catch deliberate bugs'
