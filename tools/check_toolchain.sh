#!/bin/bash
# SPDX-License-Identifier: MIT
# Checks that the programs which build the library are installed: a C compiler, Meson and Ninja.
# Prints each one that is missing and the command that installs it; changes nothing on the system.
missing=()
packages=()
check() {
    command -v "$1" >/dev/null && return
    missing+=("$2")
    packages+=("$3")
}
check "${CC:-cc}" "a C compiler (${CC:-cc})" gcc
check "${MESON:-meson}" "Meson (${MESON:-meson})" meson
check ninja "Ninja (ninja)" ninja-build
[ ${#missing[@]} -eq 0 ] && exit 0
printf 'missing: %s\n' "${missing[@]}" >&2
if command -v apt-get >/dev/null; then
    echo "install: sudo apt-get install ${packages[*]}" >&2
    echo "     or: make dependencies    (these, and what the tests need)" >&2
else
    echo "install the packages that your system has in place of Debian's ${packages[*]}" >&2
fi
exit 1
