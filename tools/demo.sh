#!/bin/bash
# SPDX-License-Identifier: MIT
# Shows what the library does: runs the programs of examples/page, then fetches 2,000 pages from a
# local server on the loopback interface that delays each response by 50 ms.
# Usage: tools/demo.sh BUILD
set -euo pipefail
build=${1:-build}
examples=$build/examples
few=20
many=2000

say() {
    printf '\n\033[1m%s\033[0m\n' "$*"
}

for program in slow_operation wait_coroutines wait_futures await_then_task sleep_then_await \
               sleep_zero generator executor exceptions callbacks; do
    say "$program"
    # The head of each source says what the program shows.
    awk 'NR > 1 { text = $0; gsub(/^ *\/?\*+ ?| *\*\/ *$/, "", text); if (text != "") print text }
         NR > 1 && /\*\// { exit }' "examples/page/$program.c"
    "$examples/page/$program" | sed 's/^/    /'
done

if [ ! -x "$examples/fetch" ]; then
    say "fetch was not built: http_parser is missing"
    exit 0
fi

scratch=$(mktemp -d)
server=
clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT

"$examples/http_server" --port 0 --delay 0.05 >"$scratch/server" &
server=$!
port=
for _ in $(seq 100); do
    port=$(grep -oE '[0-9]+$' "$scratch/server") && break
    sleep 0.05
done
seq -f "http://127.0.0.1:$port/page/%g" "$many" >"$scratch/urls"
head -n "$few" "$scratch/urls" >"$scratch/few"
# Each of the many connections takes a descriptor.
ulimit -n "$(ulimit -H -n)" 2>/dev/null || true

say "fetch --sequential: $few pages of 50 ms, one after another"
"$examples/fetch" --sequential --file "$scratch/few" 2>&1 | tail -n 3 | sed 's/^/    /'
say "fetch --concurrency $many: $many pages of 50 ms at once"
"$examples/fetch" --concurrency "$many" --file "$scratch/urls" 2>&1 | tail -n 3 | sed 's/^/    /'

begin=$(date +%s%N)
"$examples/fetch" --concurrency "$many" --file "$scratch/urls" >/dev/null 2>&1
took_ms=$((($(date +%s%N) - begin) / 1000000))
say "One after another, $many pages would wait $((many * 50 / 1000)) s; at once they took" \
    "$((took_ms / 1000)).$(printf %03d $((took_ms % 1000))) s: in one thread, the waiting overlaps."
