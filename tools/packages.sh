# shellcheck shell=bash disable=SC2034
# Sourced by tools/check and tools/quickstart: installs Debian packages that are missing.
# Nothing is asked, nothing is started: a server that comes with a package stays off.

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "packages are missing and this user cannot install them: run as root, or install:" >&2
		echo "  $missing" >&2
		exit 1
	fi
}

# Debian asks policy-rc.d before it starts a service; 101 means no. An existing one is respected.
install_packages() {
	missing=
	for package in "$@"; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
		[ "$state" = installed ] || missing="$missing $package"
	done
	if [ -z "$missing" ]; then
		return 0
	fi
	echo "installing:$missing"
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
		as_root chmod 755 "$policy"
		trap 'as_root rm -f "$policy"' EXIT
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		$missing >/dev/null
	if [ "$(trap -p EXIT)" ]; then
		as_root rm -f "$policy"
		trap - EXIT
	fi
}

# ioredis is in no Debian package. Where npm is there and works, the pinned version goes into the
# folder named; without it the tests that use it say so and are skipped.
install_client_libraries() {
	if [ -d "$1/node_modules/ioredis" ]; then
		return 0
	fi
	if ! command -v npm >/dev/null; then
		echo "ioredis is not installed, since npm is not: what needs it is skipped"
		return 0
	fi
	mkdir -p "$1"
	cp tests/e2e/clients/package.json tests/e2e/clients/package-lock.json "$1"
	if ! timeout 120 npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund >"$1/npm.log" 2>&1
	then
		rm -rf "$1/node_modules"
		echo "ioredis is not installed, since npm failed ($1/npm.log): what needs it is skipped"
	fi
}

build_packages="gcc libc6-dev cmake ninja-build pkg-config liblmdb-dev libzstd-dev libevent-dev
	libxxhash-dev libhiredis-dev libssl-dev liblua5.1-0-dev lua-bitop-dev lua-cjson-dev"
test_packages="binutils clang-14 clang-format-14 gcovr libclang-rt-14-dev libcmocka-dev llvm-14 mold
	node-redis nodejs procps python3 python3-redis redis-server redis-tools"
tour_packages="procps redis-tools"
