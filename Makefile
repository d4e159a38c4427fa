# SPDX-License-Identifier: GPL-2.0-only
#
# make help says what there is.
#
# Objects are kept apart by kernel, in build/<kernel release>/, so that modules
# for several kernels can be built in turn from one checkout and none is ever
# linked from another kernel's objects. Kbuild writes its output beside the
# sources; each of these directories therefore holds links to the sources.

goals-in = $(filter $(1),$(MAKECMDGOALS))
kernel-goals := $(filter modules builddir install uninstall,$(or $(MAKECMDGOALS),modules))

# A directory with a space would be two, here and in the shell; a colon ends a rule's targets.
$(foreach var,$(if $(kernel-goals),KDIR CURDIR)						\
	$(if $(call goals-in,install% uninstall%),DESTDIR PREFIX KDIR RELEASE CURDIR),	\
	$(if $(filter 1,$(words x$($(var))x)),,						\
	$(error $(var) must have no spaces: $(var)=$($(var)))))
$(foreach var,$(if $(kernel-goals),KDIR CURDIR),$(if $(findstring :,$($(var))),		\
	$(error $(var) must have no colons: $(var)=$($(var)))))

# KDIR: the build directory of the kernel to build for.
ifeq ($(kernel-goals)$(if $(RELEASE),,$(KDIR)),uninstall)
# Needs none: the headers of what was installed may be gone.
release := $(or $(RELEASE),$(shell uname -r))
else ifneq ($(kernel-goals),)
running := $(shell uname -r)
KDIR ?= $(patsubst %/Makefile,%,$(wildcard /lib/modules/$(running)/build/Makefile))
ifneq ($(filter install,$(MAKECMDGOALS)),)
# Another kernel's modules would not be what is wanted.
ifeq ($(strip $(KDIR)),)
$(error No headers of the running kernel (/lib/modules/$(running)/build): install linux-headers-$(running), or say KDIR=<kernel build directory>)
endif
else ifneq ($(filter modules builddir,$(kernel-goals)),)
ifeq ($(strip $(KDIR)),)
# Before a download that takes a while; stdout is for builddir.
$(shell echo "No headers of the running kernel (/lib/modules/$(running)/build): taking Debian's 6.1 instead; say KDIR=<kernel build directory> for another." >&2)
override KDIR := $(shell $(CURDIR)/tests/qemu/kernel.sh headers 6.1)
endif
ifeq ($(strip $(KDIR)),)
$(error No kernel headers found: say KDIR=<kernel build directory>)
endif
endif
override KDIR := $(abspath $(KDIR))
# What a build needs; packages of headers are several, and sources have to be prepared.
absent := $(firstword $(foreach f,include/generated/utsrelease.h include/config/auto.conf	\
	scripts/mod/modpost Makefile,$(if $(wildcard $(KDIR)/$(f)),,$(f))))
ifneq ($(absent),)
$(if $(filter uninstall,$(kernel-goals)),$(error $(KDIR) has no $(absent): say RELEASE=<release> instead of KDIR=))
$(error $(KDIR) is no kernel to build for, it has no $(absent): say KDIR=/lib/modules/<release>/build with all of the package linux-headers-<release>, or a kernel's sources after make modules_prepare)
endif
# What uname -r says there; include/config/kernel.release may differ.
release := $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
endif

build := build/$(release)

# What decides whether objects of an earlier build can be used: in a copy of a checkout the
# links are to the original's sources.
build-id = $(shell cd $(KDIR) && echo $(CURDIR) && pwd && cat include/config/auto.conf		\
	include/generated/utsrelease.h Module.symvers 2>/dev/null | cksum)

# sources-in FILE...: what is compiled, and what helps with that; not what Kbuild or an editor
# has left there.
sources-in = $(shell find $(1) -type f \( -name '*.[ch]' -o -name '*.[ch]pp'		\
	-o -name '*.mk' -o -name '*.sh' -o -name Kbuild -o -name VERSION \)		\
	! -name '.*' ! -name '*.mod.c' ! -path compat/features.h 2>/dev/null)
sources = $(filter-out tests/qemu/%,$(call sources-in,Kbuild VERSION kcopyd* core compat	\
	include samples targets tests bench))

# locked DIR: a second make that builds there waits, and does not interfere. What root, by sudo
# say, builds in the checkout of somebody else is theirs in the end.
locked = set -e; mkdir -p build; exec 9>$(1).lock; flock 9;				\
	[ "$$(id -u)" != 0 ] || [ -O . ] || {						\
		trap 'chown -Rh --reference=. build 2>/dev/null || :' EXIT; trap 'exit 1' INT TERM HUP; };

.PHONY: modules
modules:
	@$(call locked,$(build))						\
	if [ "$$(cat $(build)/.kernel 2>/dev/null)" != "$(build-id)" ]; then	\
		rm -rf $(build);						\
		mkdir $(build);							\
		echo "$(build-id)" >$(build)/.kernel;				\
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

installed-modules := $(shell sed -n 's/^BUILT_MODULE_NAME=(\(.*\))/\1/p' dkms.conf)
modules-in = $(DESTDIR)/lib/modules/$(1)/updates/kcopyd
module-dir := $(call modules-in,$(release))
# The kernels that have them.
releases = $(patsubst $(call modules-in,%),%,$(wildcard $(call modules-in,*)))

# What administrators may want in /etc/modprobe.d/.
doc-dir := $(DESTDIR)/usr/share/doc/kcopyd
example-dir := $(doc-dir)/examples

# What modules outside the tree are built against; like a checkout, for client.mk.
include-dir := $(DESTDIR)/usr/src/kcopyd
installed-headers := kcopyd.h kcopyd.hpp kcopyd_cpp_shim.cpp VERSION			\
	compat/check-cxx.sh compat/cpp.h compat/cxx.mk compat/divide.hpp include/client.mk	\
	include/linux/dm-kcopyd.h targets/dm/dm.h targets/dm/dm.hpp targets/dm/le.hpp	\
	targets/dm/module.h targets/dm/text.hpp

# What DKMS builds from.
version := $(shell cat VERSION)
dkms-dir := $(DESTDIR)/usr/src/kcopyd-$(version)
dkms-sources = COPYING dkms.conf $(call sources-in,Kbuild VERSION dkms kcopyd* core compat	\
	include samples/copy targets)

# Of all versions.
dkms-confs = $(DESTDIR)/usr/src/kcopyd-*/dkms.conf

# Before anything is built.
written := $(if $(call goals-in,install uninstall),$(module-dir))			\
	$(if $(call goals-in,install uninstall install-dkms uninstall-dkms),$(example-dir))	\
	$(if $(call goals-in,install install-headers install-dkms uninstall uninstall-dkms),$(include-dir))	\
	$(if $(call goals-in,install-dkms install-dkms-sources uninstall-dkms),$(dkms-dir))	\
	$(if $(call goals-in,install-tools uninstall-tools),$(DESTDIR)$(PREFIX))
$(foreach dir,$(written),$(if $(shell d=$(dir); while [ ! -e $$d ]; do d=$$(dirname $$d); done;	\
	[ -d $$d ] && [ -w $$d ] && echo yes),,						\
	$(error You may not write $(dir): run it as root, as sudo make $(MAKECMDGOALS), or say DESTDIR=<directory>)))
# Such as what root has built and not given back.
ifneq ($(if $(MAKECMDGOALS),$(call goals-in,modules install tools install-tools),modules),)
others := $(shell [ -d build ] || [ -w . ] || echo build;				\
	find build ! -type l ! -user "$$(id -u)" ! -writable -print -quit 2>/dev/null)
$(if $(others),$(error You may not write $(others): sudo chown -R $$USER build, or build in a checkout of your own))
endif
# Not over a checkout, nor over a package: what is in one's place would go with the other.
$(foreach dir,$(filter $(include-dir) $(dkms-dir),$(written)),$(if			\
	$(wildcard $(dir)/Makefile),							\
	$(error $(dir) is a checkout, and make $(MAKECMDGOALS) has files of its own there: move the checkout)))
packaged = $(shell dpkg -S $(abspath $(1)) 2>/dev/null | sed -n 's/: .*//p')
unpackaged := $(if $(call goals-in,install% uninstall-dkms),$(dkms-dir))			\
	$(if $(call goals-in,install%),$(include-dir))
$(foreach dir,$(filter $(unpackaged),$(written)),					\
	$(foreach package,$(call packaged,$(dir)),					\
	$(error $(dir) belongs to the package $(package): first apt-get remove $(package))))
other-sources = $(foreach dir,$(filter-out $(dkms-dir),$(patsubst %/dkms.conf,%,$(wildcard $(dkms-confs)))),	\
	$(if $(call packaged,$(dir)),,$(dir)))
ifneq ($(and $(RELEASE),$(call goals-in,uninstall)),)
ifeq ($(filter $(RELEASE),$(releases) $(notdir $(wildcard $(include-dir)/build/*))),)
$(error No modules of kcopyd for $(RELEASE) in $(call modules-in,$(RELEASE)); there are for: $(or $(releases),no kernel))
endif
endif
ifneq ($(and $(call goals-in,install),$(wildcard $(DESTDIR)/lib/modules/$(release)/updates/dkms/kcopyd.ko*)),)
$(error DKMS has installed kcopyd for $(release), and modprobe would find it twice: first dkms uninstall kcopyd/$(version) -k $(release), or apt-get remove kcopyd-dkms)
endif
ifneq ($(and $(call goals-in,install-dkms),$(releases)),)
$(error make install has installed kcopyd for $(releases), and modprobe would find it twice: first make uninstall RELEASE=<release>)
endif
ifneq ($(and $(call goals-in,install),$(KEY)$(CERT)),)
$(foreach var,KEY CERT,$(if $(wildcard $($(var))),,					\
	$(error $(var)=$($(var)) is no file: to sign the modules needs KEY=<private key> and CERT=<certificate>)))
$(if $(wildcard $(KDIR)/scripts/sign-file),,$(error $(KDIR) has no scripts/sign-file, which signs the modules))
endif

# KEY and CERT: with what to sign. Without DESTDIR modprobe finds the modules at once.
to-install := $(if $(KEY),signed,modules)
.PHONY: install
install: $(to-install) install-headers install-example
	@install -d $(module-dir)
	@install -m 644 -t $(module-dir) $(installed-modules:%=$(build)/$(if $(KEY),signed/)%.ko)
	@dkms/symbols.sh keep $(release) $(build)/Module.symvers $(include-dir)
	@[ -n "$(DESTDIR)" ] || { umask 022; depmod $(release); }
	@echo "The modules are in $(module-dir), what others are built against in $(include-dir)"
	@[ -n "$(DESTDIR)" ] || dkms/trusted.sh "$(CERT)" >&2

# Nothing is installed before all is there.
$(if $(call goals-in,install),install-headers install-example): | $(to-install)

.PHONY: signed
signed: modules
	@$(call locked,$(build)) rm -rf $(build)/signed; mkdir $(build)/signed;		\
	for name in $(installed-modules); do						\
		$(KDIR)/scripts/sign-file sha256 "$(KEY)" "$(CERT)" $(build)/$$name.ko	\
			$(build)/signed/$$name.ko 2>$(build)/signed/log || {		\
			why=$$(sed -n 's/.*SSL error:.*:\([^:]*\):[^:]*:[0-9]*$$/\1/p' $(build)/signed/log | tail -n 1);	\
			echo "Cannot sign with KEY=$(KEY) and CERT=$(CERT) ($$why), and nothing was installed: they must be a private key and its certificate, and KBUILD_SIGN_PIN the key's passphrase if it has one" >&2;	\
			exit 1;								\
		};									\
	done

# copy-to DIR,FILES: for all users, whatever the umask and who has checked them out how.
copy-to = for file in $(2); do install -D -m "$$([ -x $$file ] && echo 755 || echo 644)"	\
	$$file $(1)/$$file || exit; done

.PHONY: install-headers install-example
install-headers:
	@$(call copy-to,$(include-dir),$(installed-headers))

install-example:
	@install -D -m 644 -t $(example-dir) samples/mainline-names.conf

# remove DIR,FILES: these files of a directory, and what is empty then.
remove = if [ -d $(1) ]; then (cd $(1) && rm -f $(2)) &&				\
	{ (cd $(1) && rmdir -p $(sort $(dir $(2)))) 2>/dev/null;			\
	rmdir $(1) 2>/dev/null || echo "$(1) stays: it has files that are not from here"; }; fi

# As long as any kernel has symbols, or DKMS the sources, there is a use for these.
remove-shared = [ -d $(include-dir)/build ] || ls $(dkms-confs) >/dev/null 2>&1 || {	\
	$(call remove,$(doc-dir),examples/mainline-names.conf);				\
	$(if $(call packaged,$(include-dir)),:,$(call remove,$(include-dir),$(installed-headers))); }

# The symbols of a kernel for which DKMS has modules are these.
.PHONY: uninstall
uninstall:
	@rm -f $(addprefix $(module-dir)/,$(addsuffix .ko,$(installed-modules)))
	@cd $(DESTDIR)/lib/modules 2>/dev/null && rmdir -p $(release)/updates/kcopyd 2>/dev/null || :
	@ls $(DESTDIR)/lib/modules/$(release)/updates/dkms/kcopyd.ko* >/dev/null 2>&1 ||	\
		dkms/symbols.sh drop $(release) $(include-dir)
	@$(remove-shared)
	@[ -n "$(DESTDIR)" ] || [ ! -e /lib/modules/$(release)/modules.dep ] || { umask 022; depmod $(release); }
	@left="$(filter-out $(release),$(releases))"; [ -z "$$left" ] ||		\
		echo "There are modules still for: $$left (make uninstall RELEASE=<release>)"

.PHONY: install-dkms install-dkms-sources uninstall-dkms
install-dkms: install-dkms-sources install-headers install-example
	@echo "For each kernel: dkms install kcopyd/$(version)"

# Probes that are no more would be found in there and fail.
install-dkms-sources:
	@rm -rf $(dkms-dir)
	@$(call copy-to,$(dkms-dir),$(dkms-sources))
	@sed -i "s/#MODULE_VERSION#/$(version)/" $(dkms-dir)/dkms.conf

uninstall-dkms:
	@[ -n "$(DESTDIR)" ] || [ ! -e /var/lib/dkms/kcopyd/$(version) ] || dkms remove kcopyd/$(version) --all
	@rm -rf $(dkms-dir)
	@$(remove-shared)
	@left="$(strip $(other-sources))"; [ -z "$$left" ] ||				\
		echo "There are other versions still: $$left (dkms remove kcopyd/<version> --all, then rm -r)"

# ---------------------------------------------------------------------------
# kcopyctl, for the machine that it is built on

CXXFLAGS ?= -O2 -g
STRIP ?= -s
kcopyctl := build/kcopyctl/kcopyctl
kcopyctl-objs := $(patsubst tools/kcopyctl/%.cpp,build/kcopyctl/%.o,$(wildcard tools/kcopyctl/*.cpp))

.PHONY: tools install-tools uninstall-tools
tools:
	@$(call locked,build/kcopyctl) $(MAKE) --no-print-directory $(kcopyctl)

$(kcopyctl): $(kcopyctl-objs)
	$(CXX) $(CXXFLAGS) $(LDFLAGS) -o $@ $^ -ldevmapper -lblkid -lfmt

# One line instead of the compiler's many.
.PHONY: kcopyctl-libraries
kcopyctl-libraries:
	@echo | $(CXX) -std=c++20 -fsyntax-only -x c++ - 2>/dev/null || {			\
		echo "no C++20 compiler: install g++ 10 or newer, or say CXX=<compiler>" >&2; exit 1; }
	@absent=$$(printf '#if !__has_include(<%s>)\n%s\n#endif\n' CLI/CLI.hpp libcli11-dev	\
		libdevmapper.h libdevmapper-dev blkid/blkid.h libblkid-dev fmt/core.h libfmt-dev |	\
		$(CXX) $(CPPFLAGS) $(CXXFLAGS) -E -P -x c++ - | xargs);				\
	[ -z "$$absent" ] || { echo "libraries of kcopyctl are missing: install $$absent" >&2; exit 1; }

build/kcopyctl/%.o: tools/kcopyctl/%.cpp | kcopyctl-libraries
	@mkdir -p $(@D)
	$(CXX) -std=c++20 -Wall -Wextra -D_FILE_OFFSET_BITS=64 -DKCOPYD_VERSION='"$(shell cat VERSION)"' $(CPPFLAGS)	\
		$(CXXFLAGS) -MMD -MP -c -o $@ $<

build/kcopyctl/main.o: VERSION

-include $(kcopyctl-objs:.o=.d)

build/kcopyctl.8: Documentation/kcopyctl.rst Documentation/build.sh
	Documentation/build.sh man

completion := $(DESTDIR)$(PREFIX)/share/bash-completion/completions/kcopyctl
manual-page := $(DESTDIR)$(PREFIX)/share/man/man8/kcopyctl.8

install-tools:
	@$(call locked,build/kcopyctl) $(MAKE) --no-print-directory build/kcopyctl.8 $(kcopyctl)
	install -D $(STRIP) -m 755 $(kcopyctl) $(DESTDIR)$(PREFIX)/sbin/kcopyctl
	install -D -m 644 build/kcopyctl.8 $(manual-page)
	install -d $(dir $(completion))
	umask 022; $(kcopyctl) completion bash >$(completion)

uninstall-tools:
	rm -f $(DESTDIR)$(PREFIX)/sbin/kcopyctl $(manual-page) $(completion)

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
	@echo 'make uninstall      for this kernel, or KDIR=<dir>, or RELEASE=<its uname -r>'
	@echo 'make install-dkms   the sources to where DKMS takes them from, and what others'
	@echo '                    are built against'
	@echo 'make uninstall-dkms remove it from all kernels, and its sources'
	@echo 'make builddir       print where the modules are (KDIR as for make)'
	@echo 'make tools          build the command kcopyctl'
	@echo 'make install-tools  ... and install it with its manual page, below PREFIX'
	@echo 'make uninstall-tools'
	@echo '                    remove what that has installed'
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
