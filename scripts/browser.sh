#!/usr/bin/env bash
# Prints the path of a Chromium or Chrome, or nothing. With "install" it installs Chromium first
# where apt-get can and the machine has none; a machine that cannot goes without.
set -Eeuo pipefail

find_browser() {
	local name
	for name in chromium chromium-browser google-chrome google-chrome-stable; do
		# Ubuntu's chromium-browser may be a script that only names a snap.
		if command -v "$name" >/dev/null && "$name" --version >/dev/null 2>&1; then
			command -v "$name"

			return
		fi
	done

	for name in "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" /Applications/Chromium.app/Contents/MacOS/Chromium; do
		if [ -x "$name" ]; then
			echo "$name"

			return
		fi
	done
}

found=$(find_browser)

if [ -z "$found" ] && [ "${1:-}" = install ]; then
	as_root=()
	[ "$(id -u)" = 0 ] || as_root=(sudo -n)

	if command -v apt-get >/dev/null && ${as_root[@]+"${as_root[@]}"} true 2>/dev/null; then
		apt() {
			${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" >/dev/null 2>&1
		}

		echo "deps: apt-get install chromium" >&2
		# With the package lists as they are first, because a refresh is slow.
		apt install -y --no-install-recommends chromium || { apt update && apt install -y --no-install-recommends chromium; } || true
		found=$(find_browser)
	fi

	[ -n "$found" ] || echo "deps: no Chromium or Chrome here: the tests that look at pages in a browser are left out" >&2
fi

echo "$found"
