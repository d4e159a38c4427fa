#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of run.sh that runs in the clean system of a suite, which has the headers of its
# own kernel and the sources in /srv/kcopyd. Prints a line for each case; those about what
# it says where it cannot are in bookworm's only.
set -uo pipefail
cd /srv/kcopyd || exit
export DEBIAN_FRONTEND=noninteractive

suite=$1
version=$(cat VERSION)
old=$(basename /lib/modules/6.*)
names=$(bash -c '. ./dkms.conf && echo "${BUILT_MODULE_NAME[*]}"')

case_()
{
	local code
	(set -e; "$2") >/tmp/case 2>&1
	code=$?
	if ((code == 0)); then
		echo "ok      install: $suite: $1"
	else
		echo "FAILED  install: $suite: $1"
		tail -n 20 /tmp/case | sed 's/^/        /'
	fi
}

fail() { echo "$*"; exit 1; }

# there KERNEL DIR : all modules are, and depmod knows how they depend on each other
there()
{
	local name
	for name in $names; do
		[ "$(modinfo -k "$1" -F version "$name")" = "$version" ] || fail "$name is not version $version"
		grep -q "^/lib/modules/$1/$2/$name.ko" <<<"$(modinfo -k "$1" -n "$name")" ||
			fail "$name is not in $2: $(modinfo -k "$1" -n "$name")"
	done
	grep -q "/kcopyd.ko" <<<"$(modprobe -S "$1" --show-depends kcopyd-snapshot)" || fail 'depmod has not run'
}

# gone KERNEL : nothing is left
gone()
{
	[ -z "$(find "/lib/modules/$1" -name 'kcopyd*')" ] || fail "left: $(find "/lib/modules/$1" -name 'kcopyd*')"
	! grep -q kcopyd "/lib/modules/$1/modules.dep" || fail 'depmod still knows it'
	[ ! -e /usr/src/kcopyd ] || fail "left: $(find /usr/src/kcopyd)"
	[ -z "$(find /usr/share/doc -name 'kcopyd*')" ] || fail "left: $(find /usr/share/doc -name 'kcopyd*')"
}

# for_all PATH... : all users may read it
for_all()
{
	[ -z "$(find "$@" ! -type l ! -perm -444)" ] || fail "not for all: $(find "$@" ! -type l ! -perm -444)"
}

# example FILE : in /etc/modprobe.d/ it would do what it says
example()
{
	local modules
	modules=$(modprobe -C "$1" -S "$old" --show-depends dm-snapshot-origin) || fail "no example $1"
	grep -q '/kcopyd-snapshot\.ko\(\.xz\)\? mainline_names=1' <<<"$modules" || fail "the example loads: $modules"
}

# one_line TEXT COMMAND... : it fails, and says that, and make only that it has failed
one_line()
{
	local text=$1
	shift
	! "$@" >/tmp/said 2>&1 || fail "it does it: $*"
	sed -i -E '/^make(\[[0-9]+\])?: \*\*\* (\[.*\] Error|Waiting for)/d' /tmp/said
	grep -q "$text" /tmp/said || fail "$*: it says: $(head -n 5 /tmp/said)"
	[ "$(wc -l </tmp/said)" = 1 ] || fail "$*: not one line: $(head -n 5 /tmp/said)"
}

# instead NAME : a program of that name, from stdin, in front of all others
instead()
{
	mkdir -p /tmp/instead
	{ echo '#!/bin/sh'; cat; } >"/tmp/instead/$1"
	chmod +x "/tmp/instead/$1"
}

# consumers KERNEL : modules of somebody else's, from the README and the documents
consumers()
{
	local name
	rm -rf /tmp/modules
	tests/docs/modules.sh /usr/src/kcopyd /tmp/modules
	for name in c cpp target; do
		make -C "/lib/modules/$1/build" M="/tmp/modules/$name" modules
	done
	grep -q kcopyd <<<"$(modinfo -F depends /tmp/modules/c/client.ko)" || fail 'the one in C does not need kcopyd'
	grep -q kcopyd <<<"$(modinfo -F depends /tmp/modules/cpp/mine.ko)" || fail 'the one in C++ does not need kcopyd'
	grep -q kcopyd-dm <<<"$(modinfo -F depends /tmp/modules/target/kcopyd-dm-skeleton.ko)" ||
		fail 'the target does not need kcopyd-dm'
}

# keep KERNEL DIR WAY : these modules and those of consumers(), for run.sh to load them
keep()
{
	local to=/srv/kept/$1/$3
	# Trixie's own kernel is none that the tests boot.
	[ "$suite $1" != "trixie $old" ] || return 0
	mkdir -p "$to"
	cp "/lib/modules/$1/$2"/kcopyd*.ko* /tmp/modules/*/*.ko "$to/"
	[ -e "$to/kcopyd.ko" ] || xz -d "$to"/*.xz
}

kdir=/lib/modules/$old/build

by_make()
{
	(umask 077 && make -s install KDIR="$kdir")
	for_all "/lib/modules/$old" /usr/src/kcopyd /usr/share/doc/kcopyd
	depmod "$old"
	there "$old" updates/kcopyd
	[ -z "$(modinfo -k "$old" -F signer kcopyd)" ] || fail 'signed without a key'
	one_line "make install has installed kcopyd for $old, " make -s install-dkms
	example /usr/share/doc/kcopyd/examples/mainline-names.conf
	consumers "$old"
	keep "$old" updates/kcopyd 'make install'
}

# From its release, as if its headers were gone; of two kernels, and with a file that is not
# from kcopyd.
by_make_gone()
{
	one_line "No modules of kcopyd for 1.2.3 .* there are for: $old" make -s uninstall RELEASE=1.2.3
	one_line 'say RELEASE=<release> instead of KDIR=' make -s uninstall KDIR=/nonexistent
	mkdir -p /lib/modules/1.2.3/updates/kcopyd
	make -s uninstall RELEASE=1.2.3 >/tmp/said
	grep -q "^There are modules still for: $old " /tmp/said || fail "it says: $(cat /tmp/said)"
	[ ! -e /lib/modules/1.2.3 ] || fail "left: $(find /lib/modules/1.2.3)"
	there "$old" updates/kcopyd
	touch /usr/src/kcopyd/other
	make -s uninstall RELEASE="$old" KDIR=/nonexistent >/tmp/said
	grep -q '^/usr/src/kcopyd stays' /tmp/said || fail "it says: $(cat /tmp/said)"
	[ "$(find /usr/src/kcopyd ! -type d)" = /usr/src/kcopyd/other ] || fail "there is $(find /usr/src/kcopyd)"
	rm -r /usr/src/kcopyd
	gone "$old"
}

# What must not go by installing or uninstalling.
spared()
{
	local goal root='/tmp/my root'
	mkdir -p "$root" /tmp/my/usr/src
	for goal in install uninstall install-dkms uninstall-dkms; do
		one_line 'DESTDIR must have no spaces' make -s $goal KDIR="$kdir" DESTDIR="$root"
		one_line 'DESTDIR must have no spaces' make -s $goal KDIR="$kdir" DESTDIR='/tmp/my '
	done
	one_line 'PREFIX must have no spaces' make -s uninstall-tools PREFIX="$root"
	rmdir "$root"
	cp -r . /tmp/my/usr/src/kcopyd
	for goal in install uninstall install-headers install-dkms uninstall-dkms; do
		one_line '/usr/src/kcopyd is a checkout' make -s $goal KDIR="$kdir" DESTDIR=/tmp/my
		one_line '/usr/src/kcopyd is a checkout' make -s -C /tmp/my/usr/src/kcopyd $goal \
			KDIR="$kdir" DESTDIR=/tmp/my
	done
	diff -r . /tmp/my/usr/src/kcopyd
	rm -r /tmp/my
}

signed()
{
	openssl req -new -x509 -newkey rsa:2048 -nodes -days 10 -subj '/CN=somebody/' \
		-keyout /tmp/key -out /tmp/cert
	make -s install KDIR="$kdir" KEY=/tmp/key CERT=/tmp/cert
	[ "$(modinfo -k "$old" -F signer kcopyd)" = somebody ] || fail "signed by '$(modinfo -k "$old" -F signer kcopyd)'"
	[ "$(modinfo -k "$old" -F signer kcopyd-snapshot)" = somebody ] || fail 'not all are signed'
	make -s uninstall KDIR="$kdir"
	gone "$old"
	one_line 'CERT= is no file' make -s install KDIR="$kdir" KEY=/tmp/key
	one_line 'KEY=/nowhere is no file' make -s install KDIR="$kdir" KEY=/nowhere CERT=/tmp/cert
	openssl rsa -aes128 -passout pass:word -in /tmp/key -out /tmp/secret
	one_line '^Cannot sign .*no start line' make -s install KDIR="$kdir" KEY=/tmp/key CERT=/tmp/key
	one_line '^Cannot sign ' make -s install KDIR="$kdir" KEY=/tmp/cert CERT=/tmp/key
	one_line '^Cannot sign .*KBUILD_SIGN_PIN' make -s -j3 install KDIR="$kdir" KEY=/tmp/secret CERT=/tmp/cert
	[ ! -e "/lib/modules/$old/updates" ] || fail 'modules were installed'
	[ ! -e /usr/src/kcopyd ] || fail 'a part was installed'
	# There they may be somebody else's.
	KEY=/nowhere CERT=somebody make -s help >/dev/null
}

# What it says where only signed modules are loaded; see also the system tests.
secure_boot()
{
	local PATH=/tmp/instead:$PATH
	instead mokutil <<-'END'
		case $1 in --sb-state) echo 'SecureBoot enabled' ;; *) echo "$2 is $TEST_KEY" ;; esac
	END
	make -s install KDIR="$kdir" >/tmp/said 2>&1
	grep -q '^This machine loads only signed modules (Secure Boot), and these are not: make install KEY=' /tmp/said ||
		fail "not signed: $(cat /tmp/said)"
	TEST_KEY='not enrolled' make -s install KDIR="$kdir" KEY=/tmp/key CERT=/tmp/cert >/tmp/said 2>&1
	grep -q '^This machine .*mokutil --import /tmp/cert' /tmp/said || fail "not enrolled: $(cat /tmp/said)"
	TEST_KEY='already enrolled' make -s install KDIR="$kdir" KEY=/tmp/key CERT=/tmp/cert >/tmp/said 2>&1
	! grep '^This machine' /tmp/said || fail 'it complains of a key that is trusted'
	make -s uninstall KDIR="$kdir"
	rm -r /tmp/instead
}

packages()
{
	mkdir -p /tmp/deb
	cp -r /srv/kcopyd /tmp/deb/
	# Source and binaries, of a checkout that was used.
	[ -d /tmp/deb/kcopyd/build ] || fail 'nothing was built'
	(cd /tmp/deb/kcopyd && dpkg-buildpackage -us -uc)
	! tar -tf /tmp/deb/kcopyd_"$version".tar.xz | grep '^[^/]*/build/' || fail 'in the source package'
	# What root should not do is done here all the same.
	lintian --fail-on error,warning /tmp/deb/*.changes
	mkdir -p /lib/modules/1.2.3/updates/kcopyd
	apt-get install -y --no-install-recommends /tmp/deb/kcopyd-{dkms,dev,tools}_*.deb 2>&1 | tee /tmp/said
	rm -r /lib/modules/1.2.3
	grep -q '^kcopyd-dkms: make install has installed kcopyd for 1.2.3, ' /tmp/said ||
		fail 'it does not say that modprobe will find it twice'
	grep -q "$old.*installed" <<<"$(dkms status kcopyd/"$version")" || fail "DKMS: $(dkms status)"
	there "$old" updates/dkms
	consumers "$old"
	keep "$old" updates/dkms package
	example /usr/share/doc/kcopyd-dkms/examples/mainline-names.conf
	one_line 'belongs to the package kcopyd-dev: ' make -s install KDIR="$kdir"
	one_line 'belongs to the package kcopyd-dkms: ' make -s install-dkms-sources
	one_line 'belongs to the package kcopyd-d' make -s uninstall-dkms
	make -s uninstall RELEASE="$old"
	there "$old" updates/dkms
	[ -s "/usr/src/kcopyd/build/$old/Module.symvers" ] || fail 'make uninstall took the symbols from DKMS'
	dpkg --verify kcopyd-dev kcopyd-dkms >/tmp/said
	[ ! -s /tmp/said ] || fail "not as packaged: $(cat /tmp/said)"
}

tools()
{
	[ "$(kcopyctl --version)" = "kcopyctl $version" ] || fail "it is $(kcopyctl --version)"
	kcopyctl --help >/tmp/said
	grep -q 'Copy a block device' /tmp/said || fail 'no help'
	[ "$(type -P kcopyctl)" = /usr/sbin/kcopyctl ] || fail "it is $(type -P kcopyctl)"
	[ "$(man -w kcopyctl)" = /usr/share/man/man8/kcopyctl.8.gz ] || fail "its manual page: $(man -w kcopyctl)"
	man kcopyctl >/tmp/said
	grep -q 'kcopyctl rate NAME' /tmp/said || fail "the manual page: $(head -n 5 /tmp/said)"
	bash -c '. /usr/share/bash-completion/completions/kcopyctl && complete -p kcopyctl' ||
		fail 'nothing completes its words'
}

newer_kernel()
{
	apt-get install -y --no-install-recommends -t "$suite-backports" linux-headers-amd64
	new=$(basename "$(find /lib/modules -mindepth 1 -maxdepth 1 ! -name "$old")")
	grep -q "$new.*installed" <<<"$(dkms status kcopyd/"$version")" || fail "DKMS: $(dkms status)"
	# The package of the kernel itself does that; newer DKMS does not without it.
	depmod "$new"
	there "$new" updates/dkms
	there "$old" updates/dkms
	consumers "$new"
	keep "$new" updates/dkms package
}

packages_gone()
{
	apt-get purge -y kcopyd-dkms
	make -s uninstall
	dpkg --verify kcopyd-dev >/tmp/said
	[ ! -s /tmp/said ] || fail "make uninstall took from a package: $(cat /tmp/said)"
	apt-get purge -y kcopyd-dev kcopyd-tools
	[ -z "$(find /usr -name '*kcopyctl*')" ] || fail "left: $(find /usr -name '*kcopyctl*')"
	for kernel in /lib/modules/*; do
		gone "${kernel##*/}"
	done
	[ ! -e "/usr/src/kcopyd-$version" ] || fail 'the sources are left'
	[ ! -e /var/lib/dkms/kcopyd ] || fail 'DKMS still knows it'
}

by_dkms()
{
	local left sources=/usr/src/kcopyd-$version
	# Of an earlier one, and of what Kbuild and editors do in a checkout.
	mkdir -p "$sources/compat/probes"
	touch "$sources/compat/probes/shrinker.former.c"
	touch kcopyd.ko kcopyd.mod.c core/copy.c.orig core/copy.c~
	(umask 077 && make -s install-dkms)
	for_all "$sources"
	rm kcopyd.ko kcopyd.mod.c core/copy.c.orig core/copy.c~
	left=$(find "$sources" -name '*former*' -o -name '*.ko' -o -name '*.mod.c' -o -name '*.orig' -o -name '*~')
	[ -z "$left" ] || fail "in the sources: $left"
	dkms add "kcopyd/$version"
	dkms build "kcopyd/$version" -k "$old"
	[ ! -e /usr/src/kcopyd/build ] || fail 'symbols of what is not installed'
	dkms install "kcopyd/$version" -k "$old"
	there "$old" updates/dkms
	[ -s "/usr/src/kcopyd/build/$old/Module.symvers" ] || fail 'no symbols for others'
	one_line "DKMS has installed kcopyd for $old, " make -s install KDIR="$kdir"
	example /usr/share/doc/kcopyd/examples/mainline-names.conf
	consumers "$old"
	keep "$old" updates/dkms DKMS
	dkms uninstall "kcopyd/$version" -k "$old"
	[ ! -e /usr/src/kcopyd/build ] || fail 'the symbols stay'
	dkms install "kcopyd/$version" -k "$old"
	cp -r "$sources" /usr/src/kcopyd-0.9
	make -s uninstall-dkms >/tmp/said
	grep -q '^There are other versions still: /usr/src/kcopyd-0.9 ' /tmp/said || fail "it says: $(cat /tmp/said)"
	[ -e /usr/src/kcopyd/kcopyd.h ] || fail 'what another version needs is gone'
	rm -r /usr/src/kcopyd-0.9
	make -s uninstall-dkms
	gone "$old"
	[ ! -e "$sources" ] || fail 'the sources are left'
	[ ! -e /var/lib/dkms/kcopyd ] || fail 'DKMS still knows it'
}

# skipped KERNEL : DKMS does not try to build it, and calls that no error of the build
skipped()
{
	local code=0
	dkms build "kcopyd/$version" -k "$1" || code=$?
	rm -r "/lib/modules/$1"
	((code == 77)) || fail "$1: dkms build says $code"
}

by_dkms_not()
{
	local kernel option
	for kernel in 6.1.0-49-amd64 6.4.16 6.9.0 6.12.95+deb12-amd64 7.3.4 10.0.1; do
		[[ $kernel =~ $(bash -c '. ./dkms.conf; echo "$BUILD_EXCLUSIVE_KERNEL"') ]] || fail "not $kernel"
	done
	make -s install-dkms
	dkms add "kcopyd/$version"
	for kernel in 5.10.0-30-amd64 6.0.0 6.5.0-14-generic 6.6.13 6.7.1 6.8.0-31-generic; do
		mkdir "/lib/modules/$kernel"
		ln -s "$kdir" "/lib/modules/$kernel/build"
		skipped "$kernel"
	done
	for option in CONFIG_BLK_DEV_DM CONFIG_64BIT; do
		mkdir -p /lib/modules/6.12.0-small/build/include
		sed "/$option=/d" "$kdir/.config" >/lib/modules/6.12.0-small/build/.config
		skipped 6.12.0-small
	done
	make -s uninstall-dkms
	gone "$old"
}

# From here on: one line that says what to do.
no_headers()
{
	rm -rf /tmp/half
	cp -rL "$kdir" /tmp/half
	one_line 'No headers of the running kernel .*install linux-headers-' make -s install
	one_line '/nonexistent is no kernel to build for.*say KDIR=' make -s KDIR=/nonexistent
	rm -r /tmp/half/scripts
	one_line '/tmp/half .*has no scripts/mod/modpost.*linux-headers-' make -s KDIR=/tmp/half
	one_line '/tmp/half .*make modules_prepare' make -s install KDIR=/tmp/half
	rm -r /tmp/half
}

# Not even a build works in them.
directories()
{
	local dir goal
	for dir in '/tmp/my tree' /tmp/my:tree; do
		mkdir "$dir"
		cp -r Makefile VERSION "$dir"
		for goal in modules builddir install uninstall; do
			one_line 'CURDIR must have no ' make -s -C "$dir" $goal KDIR="$kdir"
			one_line 'KDIR must have no ' make -s $goal KDIR="$dir"
		done
		rm -r "$dir"
	done
}

# hidden PROGRAM COMMAND... : as if it were not installed
hidden()
(
	program=/usr/bin/$1
	mv "$program" /tmp/hidden
	trap 'mv /tmp/hidden "$program"' EXIT
	"${@:2}"
)

compilers()
{
	local PATH=/tmp/instead:$PATH
	rm -rf build
	one_line 'g++-12 is not installed, .*install it (Debian.s package g++-12)' hidden g++-12 make -s KDIR="$kdir"
	one_line 'gcc-12 is not installed, .*install it' hidden gcc-12 make -s KDIR="$kdir"
	instead g++-12 <<-'END'
		case $1 in -dumpversion) echo 11 ;; *) exec /usr/bin/g++-12 "$@" ;; esac
	END
	one_line 'g++-12 is version 11, .* built with version 12: install that' make -s KDIR="$kdir"
	instead g++-12 <<-'END'
		case $* in *gnu++20*) exit 1 ;; *) exec /usr/bin/g++-12 "$@" ;; esac
	END
	one_line 'does not know C++20: kcopyd needs' make -s KDIR="$kdir"
	rm -r /tmp/instead
	[ -z "$(find build -name '*.o')" ] || fail 'something was compiled before'
}

probes()
{
	rm -rf build /tmp/tree /tmp/half
	cp -r . /tmp/tree
	rm /tmp/tree/compat/probes/shrinker.embedded.c
	one_line '^kcopyd: probe shrinker: none of alloc compiles: .*error:' make -s -C /tmp/tree KDIR="$kdir"
	cp compat/probes/shrinker.embedded.c /tmp/tree/compat/probes/
	echo '#error not this kernel' >>/tmp/tree/compat/probes/baseline.c
	one_line '^kcopyd: cannot compile .*not this kernel' make -s -C /tmp/tree KDIR="$kdir"
	rm -r /tmp/tree
	cp -rL "$kdir" /tmp/half
	sed -i '/CONFIG_64BIT[= ]/d' /tmp/half/include/{config/auto.conf,generated/autoconf.h}
	one_line '^kcopyd: cannot compile .*machines of 32 bits' make -s KDIR=/tmp/half
	rm -r /tmp/half
}

# Of a checkout that was used before.
copied()
{
	rm -rf /tmp/copied
	make -s KDIR="$kdir"
	cp -r . /tmp/copied
	echo '#error this is the copy' >>/tmp/copied/kcopyd.c
	! make -s -C /tmp/copied KDIR="$kdir" >/tmp/said 2>&1 || fail 'it builds the sources of the original'
	grep -q '/tmp/copied/.*this is the copy' /tmp/said || fail "it says: $(head -n 5 /tmp/said)"
	rm -r /tmp/copied
}

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

nobody()
{
	local goal
	rm -rf build
	for goal in install uninstall install-headers install-dkms uninstall-dkms install-tools \
			uninstall-tools; do
		one_line "You may not write .*as root, as sudo make $goal" as_nobody make -s $goal KDIR="$kdir"
	done
	[ ! -e build ] || fail 'something was built before'
}

# sudo make install in it, and then make
checkout()
{
	local goal
	make -s KDIR="$kdir"
	chown -R 65534:65534 .
	touch kcopyd.c
	make -s install KDIR="$kdir"
	[ -z "$(find . -user root)" ] || fail "root's now: $(find . -user root)"
	touch kcopyd.c
	as_nobody make -s KDIR="$kdir"
	chown root build/*/Module.symvers
	for goal in modules tools; do
		one_line 'You may not write build/.*/Module.symvers: sudo chown -R ' as_nobody make -s $goal KDIR="$kdir"
	done
	chown -R root:root .
	make -s uninstall KDIR="$kdir"
}

# As the README says
tools_by_make()
{
	apt-get install -y --no-install-recommends libcli11-dev libdevmapper-dev libblkid-dev libfmt-dev python3-sphinx
	rm -rf build
	one_line '^sphinx-build is not installed.*install python3-sphinx' hidden sphinx-build make -s install-tools
	[ ! -e build/kcopyctl ] || fail 'something was built before'
	instead old-g++ <<-'END'
		case $* in *-std=c++20*) exit 1 ;; esac
	END
	one_line '^no C++20 compiler: install g++ 10 or newer, or say CXX=' make -s tools CXX=/tmp/instead/old-g++
	one_line '^no C++20 compiler: install g++ 10 or newer, or say CXX=' hidden g++ make -s tools
	one_line '^libraries of kcopyctl are missing: install libfmt-dev$' \
		hidden ../include/fmt/core.h make -s tools
	# Two at a time, of which the second finds that all is there.
	instead g++ <<-'END'
		case " $* " in *" -c "*) echo "$*" >>/tmp/compiled ;; esac
		exec /usr/bin/g++ "$@"
	END
	rm -f /tmp/compiled
	PATH=/tmp/instead:$PATH make -s tools & PATH=/tmp/instead:$PATH make -s tools
	wait $!
	rm -r /tmp/instead
	[ "$(sort -u /tmp/compiled)" = "$(sort /tmp/compiled)" ] || fail 'they compile the same twice'
	(umask 077 && make -s tools && make -s install-tools)
	for_all /usr/local
	/usr/local/sbin/kcopyctl copy --help >/tmp/said
	grep -q -- --salvage /tmp/said || fail 'kcopyctl does not say what it can do'
	[ -s /usr/local/share/man/man8/kcopyctl.8 ] || fail 'no manual page'
	[ -s /usr/local/share/bash-completion/completions/kcopyctl ] || fail 'no completion'
	make -s uninstall-tools
	[ -z "$(find /usr/local -name 'kcopyctl*')" ] || fail "left: $(find /usr/local -name 'kcopyctl*')"
}

case_ 'make install, and what others build against it' by_make
case_ 'make uninstall leaves nothing' by_make_gone
case_ 'signed with a key' signed
case_ 'DKMS by hand' by_dkms
case_ 'Debian packages' packages
case_ 'kcopyctl of the package' tools
case_ 'a kernel that comes later' newer_kernel
case_ 'the packages are purged' packages_gone
case_ 'make tools and make install-tools' tools_by_make
if [ "$suite" = bookworm ]; then
	case_ 'what must not go' spared
	case_ 'Secure Boot' secure_boot
	case_ 'kernels that DKMS skips' by_dkms_not
	case_ 'no headers' no_headers
	case_ 'directories that make cannot have' directories
	case_ 'no compiler, or another one' compilers
	case_ 'a kernel that fails a probe' probes
	case_ 'a copy of a checkout' copied
	case_ 'who is not root' nobody
	case_ 'a checkout of somebody else' checkout
fi
echo 'all cases ran'
