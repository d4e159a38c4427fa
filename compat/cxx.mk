# SPDX-License-Identifier: GPL-2.0-only
#
# C++ objects in a kernel module. A client of kcopyd includes this file in its
# own Kbuild, and then names objects whose sources end in .cpp like any other:
#
#	obj-m += mine.o
#	mine-y := glue.o logic.o		# glue.c, logic.cpp
#	include <where kcopyd is>/compat/cxx.mk
#
# A module has one C++ object. The shim (kcopyd_cpp_shim.cpp) is compiled into
# it; further C++ sources are #included by the one that the object is named
# after. Two C++ objects would share inline functions, and the call sites that
# function tracing records for a shared function stay behind when the linker
# drops all copies but one: the module then does not link.
#
#	cxxflags-y		more flags for the C++ objects of this Kbuild
#	KCOPYD_CXX		the compiler; by default the C++ side of $(CC), which has to
#				be of the version that the kernel was built with

kcopyd-dir := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)

# gcc-12 gives g++-12, clang gives clang++; directories keep their names.
kcopyd-cxx-name = $(subst clang,clang++,$(subst gcc,g++,$(notdir $(1))))
KCOPYD_CXX ?= $(foreach w,$(CC),$(patsubst %$(notdir $(w)),%$(call kcopyd-cxx-name,$(w)),$(w)))

# Code generation must be exactly that of the C objects, and differs from kernel
# to kernel: take each object's own C flags, without what is for C only.
# Kernel headers are not C++. Debugging information goes because the tool that
# makes the module's BTF of it does not understand that of C++.
kcopyd-cxx-c-flags = $(subst --param ,--param=,$(subst -include ,-include=,$(c_flags)))
kcopyd-cxx-c-only = -std=% -W% -g% -include=% -fms-extensions $(LINUXINCLUDE)

kcopyd-cxx-flags = $(filter-out $(kcopyd-cxx-c-only),$(kcopyd-cxx-c-flags)) -g0		\
	-Wp,-MMD,$(depfile)								\
	-std=gnu++20 -nostdinc++ -fno-exceptions -fno-rtti -fno-threadsafe-statics	\
	-fno-use-cxa-atexit -fvisibility=hidden -fvisibility-inlines-hidden		\
	-faligned-new=8									\
	-Wall -Wextra -Wundef -Wvla -Wold-style-cast -Wnon-virtual-dtor	\
	-Woverloaded-virtual $(filter -Werror -Wframe-larger-than=%,$(c_flags))		\
	-I$(kcopyd-dir) $(cxxflags-y) -include $(kcopyd-dir)/kcopyd_cpp_shim.cpp

kcopyd-cxx-check := $(kcopyd-dir)/compat/check-cxx.sh

# As Debian calls it.
kcopyd-cxx-package = $(if $(CONFIG_CC_IS_CLANG),clang-,g++-)$(kcopyd-cc-major)

# Ends the build in one line if a compiler is not there, or not one that will do. What was
# named by hand may be of another version. It looks once.
kcopyd-cc-name = $(lastword $(CC))
kcopyd-cxx-last = $(lastword $(KCOPYD_CXX))
kcopyd-cc-major := $(shell echo $$(($(if $(CONFIG_CC_IS_CLANG),$(CONFIG_CLANG_VERSION),$(or $(CONFIG_GCC_VERSION),0)) / 10000)))
kcopyd-cxx-major = $(if $(filter file,$(origin KCOPYD_CXX)),$(firstword			\
	$(subst ., ,$(shell $(KCOPYD_CXX) -dumpversion 2>/dev/null))),$(kcopyd-cc-major))
kcopyd-found = $(shell command -v $(1))
kcopyd-cxx-there = $(eval kcopyd-cxx-there :=)$(strip					\
	$(if $(call kcopyd-found,$(kcopyd-cc-name)),,$(error				\
		$(kcopyd-cc-name) is not installed, the compiler of this kernel: install it, or say CC=))	\
	$(if $(call kcopyd-found,$(kcopyd-cxx-last)),,$(error				\
		$(kcopyd-cxx-last) is not installed, the C++ compiler that belongs to $(kcopyd-cc-name): install it (Debian's package $(kcopyd-cxx-package)), or say KCOPYD_CXX=))	\
	$(if $(shell $(KCOPYD_CXX) -std=gnu++20 -fsyntax-only -x c++ /dev/null 2>/dev/null && echo yes),,$(error	\
		$(kcopyd-cxx-last) does not know C++20: kcopyd needs a kernel that is built with gcc 10, clang 14 or newer))	\
	$(if $(filter $(kcopyd-cc-major),$(kcopyd-cxx-major)),,$(error			\
		$(kcopyd-cxx-last) is version $(kcopyd-cxx-major), and this kernel was built with version $(kcopyd-cc-major): install that, or say KCOPYD_CXX=$(kcopyd-cxx-last) to take it all the same)))

quiet_cmd_cxx_o_cpp = CXX $(quiet_modtag)  $@
      cmd_cxx_o_cpp = $(kcopyd-cxx-there)$(KCOPYD_CXX) $(kcopyd-cxx-flags) -c -o $@ $<	\
		$(cmd_objtool);						\
		$(kcopyd-cxx-check) $@ $(NM) $(OBJDUMP)

$(obj)/%.o: $(src)/%.cpp $(kcopyd-cxx-check) FORCE
	$(call if_changed_dep,cxx_o_cpp)
