# SPDX-License-Identifier: GPL-2.0-only
#
# make help says what there is.
#
# Objects are kept apart by kernel, in build/<kernel release>/, so that modules
# for several kernels can be built in turn from one checkout and none is ever
# linked from another kernel's objects. Kbuild writes its output beside the
# sources; each of these directories therefore holds links to the sources.

# KDIR: the build directory of the kernel to build for.
ifneq ($(filter modules builddir install uninstall,$(or $(MAKECMDGOALS),modules)),)
running := $(shell uname -r)
KDIR ?= $(patsubst %/Makefile,%,$(wildcard /lib/modules/$(running)/build/Makefile))
ifneq ($(filter install,$(MAKECMDGOALS)),)
# Another kernel's modules would not be what is wanted.
ifeq ($(strip $(KDIR)),)
$(error No headers of the running kernel (/lib/modules/$(running)/build): install linux-headers-$(running), or say KDIR=<kernel build directory>)
endif
else ifneq ($(filter modules builddir,$(or $(MAKECMDGOALS),modules)),)
ifeq ($(strip $(KDIR)),)
# Before a download that takes a while; stdout is for builddir.
$(shell echo "No headers of the running kernel (/lib/modules/$(running)/build): taking Debian's 6.1 instead; say KDIR=<kernel build directory> for another." >&2)
override KDIR := $(shell $(CURDIR)/tests/qemu/kernel.sh headers 6.1)
endif
ifeq ($(strip $(KDIR)),)
$(error No kernel headers found: say KDIR=<kernel build directory>)
endif
endif
ifeq ($(strip $(KDIR)),)
# To uninstall needs none.
release := $(running)
else
override KDIR := $(abspath $(KDIR))
# What a build needs; packages of headers are several, and sources have to be prepared.
absent := $(firstword $(foreach f,include/generated/utsrelease.h include/config/auto.conf	\
	scripts/mod/modpost Makefile,$(if $(wildcard $(KDIR)/$(f)),,$(f))))
ifneq ($(absent),)
$(error $(KDIR) is no kernel to build for, it has no $(absent): say KDIR=/lib/modules/<release>/build with all of the package linux-headers-<release>, or a kernel's sources after make modules_prepare)
endif
# What uname -r says there; include/config/kernel.release may differ.
release := $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
endif
endif

build := build/$(release)

# What decides whether objects of an earlier build can be used.
kernel-id = $(shell cd $(KDIR) && pwd && cat include/config/auto.conf		\
	include/generated/utsrelease.h Module.symvers 2>/dev/null | cksum)

sources = $(shell find Kbuild VERSION kcopyd* core compat include samples targets tests bench	\
	\( -name '*.[ch]' -o -name '*.[ch]pp' -o -name '*.mk' -o -name '*.sh'	\
	-o -name Kbuild -o -name VERSION \) ! -name '*.mod.c' ! -path compat/features.h		\
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

# ---------------------------------------------------------------------------
# Installing

# Of kcopyctl.
PREFIX ?= /usr/local

# What is of use on a machine; the rest is samples and tests.
installed-modules := kcopyd kcopyd-copy kcopyd-dm kcopyd-mirror kcopyd-snapshot
module-dir := $(DESTDIR)/lib/modules/$(release)/updates/kcopyd

# What administrators may want in /etc/modprobe.d/.
example-dir := $(DESTDIR)/usr/share/doc/kcopyd/examples

# What modules outside the tree are built against; like a checkout, for client.mk.
include-dir := $(DESTDIR)/usr/src/kcopyd
installed-headers := kcopyd.h kcopyd.hpp kcopyd_cpp_shim.cpp VERSION			\
	compat/check-cxx.sh compat/cpp.h compat/cxx.mk include/client.mk		\
	include/linux/dm-kcopyd.h targets/dm/dm.h targets/dm/dm.hpp targets/dm/le.hpp	\
	targets/dm/module.h targets/dm/text.hpp

# What DKMS builds from.
dkms-dir = $(DESTDIR)/usr/src/kcopyd-$(shell cat VERSION)
dkms-sources = $(shell find Kbuild VERSION COPYING dkms.conf dkms kcopyd* core compat	\
	include samples/copy targets -type f ! -path compat/features.h ! -name '.*' ! -name '*.o')

# Before anything is built.
goals-in = $(filter $(1),$(MAKECMDGOALS))
written := $(if $(call goals-in,install uninstall),$(module-dir) $(example-dir))	\
	$(if $(call goals-in,install uninstall install-headers),$(include-dir))		\
	$(if $(call goals-in,install-dkms),$(dkms-dir))					\
	$(if $(call goals-in,install-tools),$(DESTDIR)$(PREFIX))
$(foreach dir,$(written),$(if $(shell d=$(dir); while [ ! -e $$d ]; do d=$$(dirname $$d); done;	\
	[ -d $$d ] && [ -w $$d ] && echo yes),,						\
	$(error You may not write $(dir): run it as root, as sudo make $(MAKECMDGOALS), or say DESTDIR=<directory>)))
ifneq ($(KEY)$(CERT),)
$(foreach var,KEY CERT,$(if $(wildcard $($(var))),,					\
	$(error $(var)=$($(var)) is no file: to sign the modules needs KEY=<private key> and CERT=<certificate>)))
endif

# KEY and CERT: with what to sign. Without DESTDIR modprobe finds the modules at once.
.PHONY: install
install: modules install-headers
	@install -d $(module-dir) $(example-dir)
	@install -m 644 samples/mainline-names.conf $(example-dir)/
	@set -e; for name in $(installed-modules); do					\
		install -m 644 $(build)/$$name.ko $(module-dir)/;			\
		[ -z "$(KEY)" ] || $(KDIR)/scripts/sign-file sha256 "$(KEY)" "$(CERT)"	\
			$(module-dir)/$$name.ko;					\
	done
	@cd $(build) && $(CURDIR)/dkms/symbols.sh keep $(release) $(abspath $(include-dir))
	@[ -n "$(DESTDIR)" ] || depmod $(release)
	@echo "The modules are in $(module-dir), what others are built against in $(include-dir)"
	@[ -n "$(DESTDIR)" ] || dkms/trusted.sh "$(CERT)" >&2

.PHONY: install-headers
install-headers:
	@install -d $(include-dir)
	@cp --parents -t $(include-dir) $(installed-headers)

# The headers and the example stay as long as another kernel has modules.
.PHONY: uninstall
uninstall:
	@rm -rf $(module-dir)
	@dkms/symbols.sh drop $(release) $(include-dir)
	@[ -d $(include-dir)/build ] || rm -rf $(include-dir) $(dir $(example-dir))
	@[ -n "$(DESTDIR)" ] || depmod $(release)

.PHONY: install-dkms
install-dkms:
	@install -d $(dkms-dir)
	@cp --parents -t $(dkms-dir) $(dkms-sources)
	@sed -i "s/#MODULE_VERSION#/$$(cat VERSION)/" $(dkms-dir)/dkms.conf
	@echo "For each kernel: dkms install kcopyd/$$(cat VERSION)"

# ---------------------------------------------------------------------------
# kcopyctl, for the machine that it is built on

CXXFLAGS ?= -O2 -g
STRIP ?= -s
kcopyctl := build/kcopyctl/kcopyctl
kcopyctl-objs := $(patsubst tools/kcopyctl/%.cpp,build/kcopyctl/%.o,$(wildcard tools/kcopyctl/*.cpp))

.PHONY: tools install-tools
tools: $(kcopyctl)

$(kcopyctl): $(kcopyctl-objs)
	$(CXX) $(CXXFLAGS) $(LDFLAGS) -o $@ $^ -ldevmapper -lblkid -lfmt

build/kcopyctl/%.o: tools/kcopyctl/%.cpp
	@mkdir -p $(@D)
	$(CXX) -std=c++20 -Wall -Wextra -D_FILE_OFFSET_BITS=64 -DKCOPYD_VERSION='"$(shell cat VERSION)"' $(CPPFLAGS)	\
		$(CXXFLAGS) -MMD -MP -c -o $@ $<

build/kcopyctl/main.o: VERSION

-include $(kcopyctl-objs:.o=.d)

install-tools: $(kcopyctl)
	Documentation/build.sh man
	install -D $(STRIP) -m 755 $(kcopyctl) $(DESTDIR)$(PREFIX)/sbin/kcopyctl
	install -D -m 644 build/kcopyctl.8 $(DESTDIR)$(PREFIX)/share/man/man8/kcopyctl.8
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(kcopyctl) completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/kcopyctl

.PHONY: clean
clean:
	rm -rf build

.PHONY: demo check check-full check-clients lint mutate bench docs
demo:
	@samples/demo/demo.sh
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
	@echo 'make install        ... and install the modules, what others are built against,'
	@echo '                    and an example for /etc/modprobe.d;'
	@echo '                    KEY=<private key> CERT=<certificate> to sign them, DESTDIR=<root>'
	@echo 'make uninstall      for this kernel; KDIR and DESTDIR as for make install'
	@echo 'make install-dkms   the sources to where DKMS takes them from'
	@echo 'make builddir       print where the modules are (KDIR as for make)'
	@echo 'make tools          build the command kcopyctl'
	@echo 'make install-tools  ... and install it with its manual page, below PREFIX'
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
