#!/usr/bin/env bash
# The browser tests drive Debian's Chromium through Playwright, whose Node.js needs libatomic.
# A browser named by TRACKWAY_TEST_CHROMIUM is used as it is.
set -euo pipefail
missing=()
if [ -z "${TRACKWAY_TEST_CHROMIUM:-}" ] && ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then
  missing+=(chromium)
fi
.venv/bin/python -c 'import ctypes; ctypes.CDLL("libatomic.so.1")' 2>/dev/null || missing+=(libatomic1)
if [ ${#missing[@]} = 0 ]; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing for the browser tests: ${missing[*]}"
  apt-get update -qq && apt-get install -y -qq "${missing[@]}" >/dev/null
else
  echo "The browser tests need: sudo apt-get install ${missing[*]}" >&2
  echo "(or set TRACKWAY_TEST_CHROMIUM to a Chromium or Chrome of yours)" >&2
  exit 1
fi
