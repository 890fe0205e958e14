#!/usr/bin/env bash
# The browser tests drive Debian's Chromium; a browser named by TRACKWAY_TEST_CHROMIUM is used as it is.
set -euo pipefail
if [ -n "${TRACKWAY_TEST_CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v google-chrome >/dev/null; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing Chromium for the browser tests"
  apt-get update -qq && apt-get install -y -qq chromium >/dev/null
else
  echo "The browser tests need Chromium: run 'sudo apt-get install chromium', or set TRACKWAY_TEST_CHROMIUM to a Chromium or Chrome." >&2
  exit 1
fi
