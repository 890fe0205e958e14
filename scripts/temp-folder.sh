#!/usr/bin/env bash
# Prints the folder for what the tests write: in memory where there is plenty, since they wait for the disk as long as
# they compute; else the usual one. `make test-faults` stays on the disk.
set -euo pipefail
NEEDED_KB=4000000
memory=/dev/shm
usual=${TMPDIR:-/tmp}

has_room() {
  [ "$(stat -f -c %T "$memory" 2>/dev/null)" = tmpfs ] && [ -w "$memory" ] &&
    [ "$(df -k --output=avail "$memory" | tail -1)" -ge "$NEEDED_KB" ] &&
    [ "$(awk '/^MemAvailable/ {print $2}' /proc/meminfo)" -ge $((3 * NEEDED_KB)) ]
}

# The tests also build programs and run them.
can_run() {
  local probe
  probe=$(mktemp "$memory/trackway-XXXXXX")
  printf '#!/bin/sh\n' >"$probe"
  chmod +x "$probe"
  if "$probe" 2>/dev/null; then rm "$probe"; else rm "$probe"; return 1; fi
}

if [ -z "${TMPDIR:-}" ] && has_room && can_run; then echo "$memory"; else echo "$usual"; fi
