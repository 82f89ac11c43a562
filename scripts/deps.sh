#!/usr/bin/env bash
# Makes this machine ready for `make demo` and `make test`: Postgres >= 15, Redis >= 7,
# Node >= 20, ExifTool (of the tests), the S3 server and the packages of the auth service. It says what it does, one line
# a step, and says nothing when all is there.
#
# What is missing is installed by apt-get or brew. Without root and without sudo it fetches the
# Debian packages as an ordinary user into .imagerun/pkg and changes nothing else.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
root=$PWD
bin=$root/.imagerun/bin
pkg=$root/.imagerun/pkg

say() { echo "deps: $*" >&2; }
die() {
	say "$*"
	exit 1
}
trap 'say "this did not work: $BASH_COMMAND"' ERR

# Everything that is built, fetched or kept goes into .imagerun.
mkdir -p .imagerun 2>/dev/null || true
for folder in .imagerun .imagerun/bin .imagerun/state auth internal/simulators/*/sdktest internal/httpapi/contracttest; do
	if [ "$folder" = .imagerun ] || [ -e "$folder" ]; then
		[ -w "$folder" ] || die "$root/$folder is not writable for $(id -un): use a clone of your own, or chown -R it to yourself"
	fi
done

# major PROGRAM...: prints the first number in its --version.
major() { "$@" --version 2>/dev/null | grep -oE '[0-9]+' | head -n 1; }

# newest OLDEST PATH...: succeeds when one of the programs is at least that version.
newest() {
	local oldest=$1 path version
	shift
	for path in "$@"; do
		[ -x "$path" ] || continue
		version=$(major "$path") || continue
		if [ "${version:-0}" -ge "$oldest" ]; then return 0; fi
	done

	return 1
}

have_postgres() {
	newest 15 "$bin/postgres" "$(command -v postgres || true)" /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres \
		/opt/homebrew/opt/postgresql@*/bin/postgres /usr/local/opt/postgresql@*/bin/postgres
}
have_redis() { newest 7 "$bin/redis-server" "$(command -v redis-server || true)" /opt/homebrew/opt/redis/bin/redis-server; }
have_exiftool() { "$bin/exiftool" -ver >/dev/null 2>&1 || command -v exiftool >/dev/null; }
have_node() { newest 20 "$(command -v node || true)" && command -v npm >/dev/null; }

apt() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" >&2; }

# apt_install PACKAGE...: with the package lists as they are first, because a refresh is slow.
apt_install() {
	say "apt-get install $*"
	apt install -y --no-install-recommends "$@" && return 0
	say "apt-get update"
	apt update || say "some package lists could not be refreshed"
	apt install -y --no-install-recommends "$@"
}

# apt_fetch PACKAGE...: as an ordinary user, those packages and what they need that this machine
# lacks, unpacked into .imagerun/pkg. Only the lists and the files fetched live in there; what is
# installed is read from the machine.
apt_fetch() {
	local private=(-o "Dir::State=$pkg/apt" -o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$pkg/apt/cache" -o Debug::NoLocking=1)
	local need deb

	say "fetching $* into .imagerun/pkg (no root and no sudo here)"
	mkdir -p "$pkg/apt/lists/partial" "$pkg/apt/cache/archives/partial" "$pkg/deb"
	apt-get -qq "${private[@]}" -o Acquire::Retries=3 update 2>/dev/null || say "some package lists could not be refreshed"

	need=$(apt-get -s -qq "${private[@]}" --no-install-recommends install "$@" | awk '$1 == "Inst" { print $2 }')
	[ -n "$need" ] || need=$*

	# shellcheck disable=SC2086 # a list of words
	(cd "$pkg/deb" && apt-get -qq "${private[@]}" -o Acquire::Retries=3 download $need >&2)

	for deb in "$pkg"/deb/*.deb; do dpkg -x "$deb" "$pkg"; done
	rm -rf "$pkg/deb" "$pkg/apt"
}

# wrap PATH: a program of .imagerun/pkg in .imagerun/bin, with the libraries beside it.
wrap() {
	local libs
	libs=$(find "$pkg/usr/lib" "$pkg/lib" -maxdepth 1 -type d \( -name '*-linux-gnu*' -o -name lib \) 2>/dev/null | paste -sd: - || true)
	mkdir -p "$bin"
	cat >"$bin/${1##*/}" <<-WRAPPER
		#!/bin/sh
		LD_LIBRARY_PATH="$libs\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" exec "$1" "\$@"
	WRAPPER
	chmod +x "$bin/${1##*/}"
}

# Who installs: root, sudo that asks nothing, or the ordinary user.
as_root=()
installer=none
if command -v apt-get >/dev/null; then
	installer=fetch
	if [ "$(id -u)" = 0 ]; then
		installer=apt
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		installer=apt
		as_root=(sudo -n)
	fi
elif command -v brew >/dev/null; then
	installer=brew
fi

if ! have_postgres; then
	case $installer in
	apt) apt_install postgresql ;;
	brew) say "brew install postgresql@17" && brew install --quiet postgresql@17 >&2 ;;
	fetch)
		apt_fetch postgresql
		for program in "$pkg"/usr/lib/postgresql/*/bin/{postgres,initdb,pg_dump}; do wrap "$program"; done
		;;
	esac
	have_postgres || die "Postgres 15 or newer is needed and could not be installed here: see https://www.postgresql.org/download"
fi

if ! have_redis; then
	case $installer in
	apt) apt_install redis-server ;;
	brew) say "brew install redis" && brew install --quiet redis >&2 ;;
	fetch)
		apt_fetch redis-server
		wrap "$pkg/usr/bin/redis-server"
		;;
	esac
	have_redis || die "Redis 7 or newer is needed and could not be installed here: see https://redis.io/docs/latest/operate/oss_and_stack/install"
fi

if ! have_node; then
	case $installer in
	apt)
		# Not where apt has an older one: Debian 12 does.
		offered=$(apt-cache policy nodejs 2>/dev/null | awk '$1 == "Candidate:" { sub(/^[0-9]+:/, "", $2); print int($2) }')
		if [ "${offered:-0}" -ge 20 ]; then
			apt_install nodejs
			command -v npm >/dev/null || apt_install npm
		fi
		;;
	brew) say "brew install node" && brew install --quiet node >&2 ;;
	esac
	have_node || die "Node 20 or newer with npm is needed; found: node $(node --version 2>/dev/null || echo none), npm $(npm --version 2>/dev/null || echo none). Install it: see https://nodejs.org/en/download"
fi

# The tests read with it what marks the stored pictures bear. It is a Perl program, and runs nothing else.
if ! have_exiftool; then
	case $installer in
	apt) apt_install libimage-exiftool-perl ;;
	brew) say "brew install exiftool" && brew install --quiet exiftool >&2 ;;
	fetch)
		apt_fetch libimage-exiftool-perl
		printf '#!/bin/sh\nPERL5LIB="%s" exec perl "%s" "$@"\n' "$pkg/usr/share/perl5" "$pkg/usr/bin/exiftool" >"$bin/exiftool"
		chmod +x "$bin/exiftool"
		;;
	esac
	have_exiftool || say "ExifTool could not be installed here, and some tests need it: see https://exiftool.org"
fi

command -v go >/dev/null || die "Go 1.26 or newer is needed: see https://go.dev/dl"

scripts/tool.sh versitygw

# npm's packages, again when the lock file has changed: of the auth service, and of the tests that
# run the vendors' own clients, and ours as TypeScript has it.
for folder in auth internal/simulators/*/sdktest internal/httpapi/contracttest; do
	if [ -f "$folder/package-lock.json" ] && ! cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed-lock.json"; then
		say "npm ci in $folder/"
		(cd "$folder" && npm ci --no-audit --no-fund --loglevel=error >&2)
		mkdir -p "$folder/node_modules" # which npm does not make for no packages
		cp "$folder/package-lock.json" "$folder/node_modules/.installed-lock.json"
	fi
done
