#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of run.sh that runs in the clean system, which has the headers of Debian's 6.1
# and the sources in /srv/kcopyd. Prints a line for each case.
set -uo pipefail
cd /srv/kcopyd || exit
export DEBIAN_FRONTEND=noninteractive

version=$(cat VERSION)
old=$(basename /lib/modules/6.1.*)
names='kcopyd kcopyd-dm kcopyd-mirror kcopyd-snapshot'

case_()
{
	local code
	(set -e; "$2") >/tmp/case 2>&1
	code=$?
	if ((code == 0)); then
		echo "ok      install: $1"
	else
		echo "FAILED  install: $1"
		tail -n 20 /tmp/case | sed 's/^/        /'
	fi
}

fail() { echo "$*"; exit 1; }

# there KERNEL DIR : all modules are, and depmod knows how they depend on each other
there()
{
	local name
	for name in $names; do
		[ "$(modinfo -k "$1" -F version kcopyd)" = "$version" ] || fail "another version than $version"
		modinfo -k "$1" -n "$name" | grep -q "^/lib/modules/$1/$2/$name.ko" ||
			fail "$name is not in $2: $(modinfo -k "$1" -n "$name")"
	done
	modprobe -S "$1" --show-depends kcopyd-snapshot | grep -q "/kcopyd.ko" || fail 'depmod has not run'
}

# gone KERNEL : nothing is left
gone()
{
	[ -z "$(find "/lib/modules/$1" -name 'kcopyd*')" ] || fail "left: $(find "/lib/modules/$1" -name 'kcopyd*')"
	! grep -q kcopyd "/lib/modules/$1/modules.dep" || fail 'depmod still knows it'
	[ ! -e /usr/src/kcopyd ] || fail "left: $(find /usr/src/kcopyd)"
}

# consumers KERNEL : modules of somebody else's, from the README and the documents
consumers()
{
	rm -rf /tmp/c /tmp/cpp
	mkdir /tmp/c /tmp/cpp
	awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md >/tmp/c/client.c
	cat >>/tmp/c/client.c <<-'END'
		int (*const example)(struct block_device *, struct block_device *) = copy_first_mib;
		MODULE_DESCRIPTION("example");
		MODULE_LICENSE("GPL");
	END
	sed -n '/^    KCOPYD := /,/^    obj-m/s/^    //p' README.md |
		sed 's|/path/to/kcopyd|/usr/src/kcopyd|' >/tmp/c/Kbuild
	make -C "/lib/modules/$1/build" M=/tmp/c modules
	modinfo -F depends /tmp/c/client.ko | grep -q kcopyd || fail 'the one in C does not need kcopyd'
	cp samples/dm-skeleton/* /tmp/cpp
	sed -n '/^\tKCOPYD := /,/cxx.mk$/s/^\t//p' Documentation/dm-cpp.rst |
		sed 's|/path/to/kcopyd|/usr/src/kcopyd|' >/tmp/cpp/Kbuild
	make -C "/lib/modules/$1/build" M=/tmp/cpp modules
	modinfo -F depends /tmp/cpp/kcopyd-dm-skeleton.ko | grep -q kcopyd-dm || fail 'the one in C++ does not need kcopyd-dm'
}

kdir=/lib/modules/$old/build

by_make()
{
	make -s install KDIR="$kdir"
	depmod "$old"
	there "$old" updates/kcopyd
	[ -z "$(modinfo -k "$old" -F signer kcopyd)" ] || fail 'signed without a key'
	consumers "$old"
}

by_make_gone()
{
	make -s uninstall KDIR="$kdir"
	gone "$old"
}

signed()
{
	openssl req -new -x509 -newkey rsa:2048 -nodes -days 10 -subj '/CN=somebody/' \
		-keyout /tmp/key -out /tmp/cert
	make -s install KDIR="$kdir" KEY=/tmp/key CERT=/tmp/cert
	[ "$(modinfo -k "$old" -F signer kcopyd)" = somebody ] || fail "signed by '$(modinfo -k "$old" -F signer kcopyd)'"
	[ "$(modinfo -k "$old" -F signer kcopyd-snapshot)" = somebody ] || fail 'not all are signed'
	make -s uninstall KDIR="$kdir"
}

packages()
{
	mkdir -p /tmp/deb
	cp -r /srv/kcopyd /tmp/deb/
	(cd /tmp/deb/kcopyd && dpkg-buildpackage -us -uc -b)
	# What root should not do is done here all the same.
	lintian --fail-on error,warning /tmp/deb/*.changes
	apt-get install -y --no-install-recommends /tmp/deb/kcopyd-dkms_*.deb /tmp/deb/kcopyd-dev_*.deb
	dkms status kcopyd/"$version" | grep -q "$old.*installed" || fail "DKMS: $(dkms status)"
	there "$old" updates/dkms
	consumers "$old"
}

newer_kernel()
{
	apt-get install -y --no-install-recommends -t bookworm-backports linux-headers-amd64
	new=$(basename /lib/modules/6.12.*)
	dkms status kcopyd/"$version" | grep -q "$new.*installed" || fail "DKMS: $(dkms status)"
	there "$new" updates/dkms
	there "$old" updates/dkms
	consumers "$new"
}

packages_gone()
{
	apt-get purge -y kcopyd-dkms kcopyd-dev
	for kernel in /lib/modules/*; do
		gone "${kernel##*/}"
	done
	[ ! -e "/usr/src/kcopyd-$version" ] || fail 'the sources are left'
	[ ! -e /var/lib/dkms/kcopyd ] || fail 'DKMS still knows it'
}

by_dkms()
{
	make -s install-dkms install-headers
	dkms add "kcopyd/$version"
	dkms build "kcopyd/$version" -k "$old"
	dkms install "kcopyd/$version" -k "$old"
	there "$old" updates/dkms
	[ -s "/usr/src/kcopyd/build/$old/Module.symvers" ] || fail 'no symbols for others'
	dkms remove "kcopyd/$version" --all
	[ ! -e "/usr/src/kcopyd/build/$old" ] || fail 'the symbols stay'
	rm -rf "/usr/src/kcopyd-$version" /usr/src/kcopyd
	gone "$old"
}

# One line that says what to do.
no_compiler()
{
	mkdir /tmp/bin
	mv /usr/bin/g++-12 /tmp/bin/
	! make -s KDIR="$kdir" >/tmp/said 2>&1 || fail 'it builds without a compiler'
	mv /tmp/bin/g++-12 /usr/bin/
	grep -q 'g++-12 is not installed' /tmp/said || fail "it says: $(head -n 5 /tmp/said)"
}

# As the README says
tools()
{
	apt-get install -y --no-install-recommends libcli11-dev libdevmapper-dev libblkid-dev libfmt-dev
	make -s tools && make -s install-tools
	kcopyctl copy --help | grep -q -- --salvage || fail 'kcopyctl does not say what it can do'
	[ -s /usr/local/share/man/man8/kcopyctl.8 ] || fail 'no manual page'
	[ -s /usr/local/share/bash-completion/completions/kcopyctl ] || fail 'no completion'
}

case_ 'make install, and what others build against it' by_make
case_ 'make uninstall leaves nothing' by_make_gone
case_ 'signed with a key' signed
case_ 'DKMS by hand' by_dkms
case_ 'Debian packages' packages
case_ 'a kernel that comes later' newer_kernel
case_ 'the packages are purged' packages_gone
case_ 'make tools and make install-tools' tools
case_ 'no C++ compiler' no_compiler
echo 'all cases ran'
