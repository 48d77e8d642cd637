#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs the missing packages that the build, the examples and the tests need.
#
#   install_dependencies.sh [PACKAGE ...]              those, and the named packages
#   install_dependencies.sh --list FILE [PACKAGE ...]  the packages of a file instead, one a line;
#       a second word names a program that makes the package unnecessary if it is on the path.
#       A package of a list that cannot be installed is reported and skipped.
#
# Prints nothing when nothing is missing. On a system without dpkg it prints what to install.
# After an installation it configures existing build folders again, so that they find the packages.
set -u

list=
[ "${1-}" = --list ] && { list=$2; shift 2; }
packages=(meson ninja-build gcc g++ libc6-dev pkg-config libcmocka-dev libjansson-dev
          libhttp-parser-dev libssl-dev zlib1g-dev nginx-light libseccomp-dev libdw-dev
          libglib2.0-dev libpq-dev valgrind gdb cmake python3 socat ncat dnsmasq-base curl openssl
          gnutls-bin redis-server postgresql testssl.sh "$@")
if [ -n "$list" ]; then
    packages=("$@")
    while read -r package program; do
        [[ "$package" = "" || "$package" = "#"* ]] && continue
        [ -n "$program" ] && command -v "$program" >/dev/null && continue
        packages+=("$package")
    done <"$list"
fi

if ! command -v dpkg-query >/dev/null; then
    for program in meson ninja cc pkg-config python3; do
        command -v "$program" >/dev/null && continue
        echo "$program is missing; these packages of Debian are needed, by your system's names:" >&2
        echo "    ${packages[*]}" >&2
        exit 1
    done
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=absent
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "missing, and there is neither root nor sudo to install them: ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "installing ${missing[*]}" >&2
install_missing() {
    # RUNLEVEL=1 keeps the packages from starting services.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >>"$log" 2>&1
}
# On a new system the package lists are empty or old: update them after a first failure.
if ! install_missing; then
    "${as_root[@]}" apt-get update -qq >>"$log" 2>&1
    if ! install_missing; then
        [ -n "$list" ] || { cat "$log" >&2; exit 1; }
        status=0
        for package in "${missing[@]}"; do
            missing=("$package")
            install_missing || { echo "$package cannot be installed" >&2; status=1; }
        done
        exit $status
    fi
fi

for folder in build*/; do
    [ -f "$folder/build.ninja" ] && meson setup --reconfigure "$folder" >/dev/null
done
exit 0
