#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs the packages that the build, the tests and the benchmark need and that are missing.
# Arguments are further packages. Says nothing when all are there; on a system without dpkg it
# says what to install. `--list FILE` installs those of a file instead: a package a line, and behind
# it the program that makes it needless where it is on the path; those that can be had, if not all.
set -u

list=
[ "${1-}" = --list ] && { list=$2; shift 2; }
packages=(meson ninja-build gcc g++ libc6-dev pkg-config libcmocka-dev libjansson-dev
          libhttp-parser-dev nginx-light libseccomp-dev valgrind gdb python3 "$@")
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
# The lists of a fresh system are empty or old, so a first failure is followed by an update.
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
