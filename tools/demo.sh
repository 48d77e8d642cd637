#!/bin/bash
# SPDX-License-Identifier: MIT
# Shows what the library does, in a minute: the programs of the page, then twenty pages fetched one
# after another and two thousand fetched at once, from a server that takes 50 ms for each.
# usage: tools/demo.sh BUILD_FOLDER
set -u

examples=${1:-build}/examples
scratch=$(mktemp -d) || exit 1
server=

clean_up() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null
        wait "$server" 2>/dev/null
    fi
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

title() {
    printf '\n== %s ==\n' "$1"
}

# Runs fetch on the first so many URLs, shows its summary, and leaves the seconds in `seconds`.
fetch() {
    local count=$1
    shift
    head -n "$count" "$scratch/urls" | timeout 60 "$examples/fetch" --file - "$@" >"$scratch/report"
    local status=$?
    grep -v '^200 ' "$scratch/report" | sed 's/^/  /'
    if [ "$status" -ne 0 ]; then
        echo "demo: fetch failed with status $status" >&2
        exit 1
    fi
    seconds=$(sed -n 's/.* in \([0-9.]*\) s: .*/\1/p' "$scratch/report")
}

failed=0
for program in slow_operation wait_coroutines wait_futures await_then_task sleep_then_await \
               sleep_zero generator executor exceptions callbacks; do
    [ -x "$examples/page/$program" ] || continue
    title "$program"
    timeout 60 "$examples/page/$program" || { echo "demo: $program failed" >&2; failed=1; }
done

if [ ! -x "$examples/fetch" ]; then
    echo "demo: fetch was not built: libhttp-parser is missing" >&2
    exit 1
fi

"$examples/http_server" --port 0 --delay 0.05 >"$scratch/server" &
server=$!
for _ in $(seq 100); do
    grep -q '^listening on ' "$scratch/server" && break
    sleep 0.05
done
port=$(sed -n 's/^listening on //p' "$scratch/server")
if [ -z "$port" ]; then
    echo "demo: http_server did not start" >&2
    exit 1
fi
for number in $(seq 2000); do
    echo "http://127.0.0.1:$port/page/$number"
done >"$scratch/urls"

title "20 pages, one after another"
fetch 20 --sequential
one_by_one=$seconds
title "2000 pages, all at once"
fetch 2000 --concurrency 2000
at_once=$seconds

title "what it shows"
awk -v a="$one_by_one" -v b="$at_once" 'BEGIN {
    printf "  Each page takes the server 0.05 s.\n"
    printf "  Awaited one after another, 20 pages took    %6.2f s: %5.1f ms a page.\n", a, a * 50
    printf "  Awaited together, 2000 pages took           %6.2f s: %5.2f ms a page.\n", b, b / 2
    if (b > 0)
        printf "  While one task waits the others go on: %.0f times as many pages a second,\n" \
               "  in one thread.\n", (2000 / b) / (20 / a)
}'
exit "$failed"
