# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Packages of a Debian suite without root and without touching the system's
# own apt: each kernel has a private apt state below the cache.
# Needs lib.sh and its $cache, and $apt_arch.
# shellcheck disable=SC2154

# suite_uri SUITE : the mirror that holds SUITE, as this machine's own apt
# configuration has it
suite_uri()
{
	local suite=$1 codename
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --no-release-info \
		--format '$(CREATED_BY) $(RELEASE) $(REPO_URI)' |
	awk -v suite="$suite" -v codename="$codename" '
		$1 != "Packages" || $3 ~ /^cdrom:/ { next }
		$2 == suite && !exact { exact = $3 }
		$2 ~ /-security$/ { if (!security) security = $3; next }
		$2 == codename && !base { base = $3 }
		$2 ~ /^(old)*stable$/ && !alias { alias = $3 }
		END {
			if (!exact && suite ~ /-security$/)
				exact = security
			else if (!exact)
				exact = base ? base : alias
			if (!exact)
				exit 1
			print exact
		}'
}

# private_apt NAME SUITE... : sets $apt_dir, $apt_conf and $apt_suites
private_apt()
{
	apt_dir=$cache/apt/$1
	apt_conf=$apt_dir/apt.conf
	apt_suites=("${@:2}")
	mkdir -p "$apt_dir/state/lists/partial" "$apt_dir/cache/archives/partial"
}

write_apt_conf()
{
	local suite uri options='' keyring=/usr/share/keyrings/debian-archive-keyring.gpg

	[[ ! -f $keyring ]] || options="[signed-by=$keyring] "
	for suite in "${apt_suites[@]}"; do
		uri=$(suite_uri "$suite") ||
			die "apt on this machine names no Debian mirror for $suite: add one below /etc/apt"
		echo "deb $options$uri $suite main"
	done >"$apt_dir/sources.list"
	: >"$apt_dir/status"
	# The hooks of the system's configuration are for the system's state.
	cat >"$apt_conf" <<-EOT
	#clear APT::Update::Pre-Invoke;
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
	#clear DPkg::Pre-Invoke;
	#clear DPkg::Post-Invoke;
	APT::Architecture "$apt_arch";
	APT::Architectures { "$apt_arch"; };
	APT::Default-Release "";
	APT::Sandbox::User "root";
	Acquire::Languages { "none"; };
	Acquire::Retries "3";
	Dir::State "$apt_dir/state";
	Dir::State::lists "$apt_dir/state/lists";
	Dir::State::status "$apt_dir/status";
	Dir::Cache "$apt_dir/cache";
	Dir::Cache::pkgcache "pkgcache.bin";
	Dir::Cache::srcpkgcache "srcpkgcache.bin";
	Dir::Etc::SourceList "$apt_dir/sources.list";
	Dir::Etc::SourceParts "/dev/null";
	Dir::Etc::Preferences "/dev/null";
	Dir::Etc::PreferencesParts "/dev/null";
	EOT
}

# refresh_lists MINUTES : apt-get update unless that was done since, for the same suites.
# Without a network the lists of the last time do.
refresh_lists()
{
	local stamp=$apt_dir/stamp log=$apt_dir/update.log lock

	fresh()
	{
		[[ -n $(find "$stamp" -mmin "-$1" 2>/dev/null) && $(<"$stamp") == "${apt_suites[*]}" ]]
	}
	fresh "$1" && return
	exec {lock}>"$apt_dir/.lock"
	flock "$lock"
	if ! fresh "$1"; then
		say "reading the package lists for ${apt_dir##*/}"
		write_apt_conf
		if apt-get -c "$apt_conf" -q update >"$log" 2>&1 </dev/null {lock}>&- &&
		   ! grep -q '^W: Failed\|^E:' "$log"; then
			rm -f "$apt_dir"/closure-*
			echo "${apt_suites[*]}" >"$stamp"
		elif [[ -f $stamp ]]; then
			say "apt-get update failed, going on with the lists of $(date -r "$stamp" +%F)"
		else
			grep '^[EW]:' "$log" >&2 || true
			die "cannot read the package lists of ${apt_suites[*]} (see above): check the network and /etc/apt"
		fi
	fi
	exec {lock}>&-
}

field() { apt-cache -c "$apt_conf" show --no-all-versions "$1" 2>/dev/null | sed -n "s/^$2: //p"; }

# closure PACKAGE : "name=version" of the package and of the kernel's own
# packages that it depends on
closure()
{
	local memory=$apt_dir/closure-$1 todo=("$1") seen=' ' package version
	local own='linux-(image|binary|modules|base)-[0-9]'

	[[ $1 != linux-headers-* ]] || own='linux-(headers|kbuild|base)-[0-9]'
	if [[ ! -s $memory ]]; then
		while ((${#todo[@]})); do
			package=${todo[0]}
			todo=("${todo[@]:1}")
			[[ $seen == *" $package "* ]] && continue
			seen+="$package "
			version=$(field "$package" Version) || true
			[[ -n $version ]] ||
				die "no package '$package' in ${apt_suites[*]}"
			echo "$package=$version"
			mapfile -t -O "${#todo[@]}" todo < <(field "$package" Depends |
				tr ',' '\n' | sed 's/^ *//; s/[ :(|].*//' |
				grep -E "^$own" || true)
		done >"$memory.$$"
		mv "$memory.$$" "$memory"
	fi
	cat "$memory"
}

# unpack DIR NAME=VERSION... : downloads packages and unpacks them below DIR
unpack()
{
	local dir=$1 deb
	shift
	say "downloading $*"
	mkdir "$dir/.debs"
	(cd "$dir/.debs" && apt-get -c "$apt_conf" -qq download "$@" >&2 </dev/null) ||
		die "cannot download $* (see above): check the network and try again"
	for deb in "$dir"/.debs/*.deb; do
		dpkg -x "$deb" "$dir"
	done
	rm -rf "$dir/.debs"
}
