#!/usr/bin/env bash
# Makes .venv from requirements.lock: needs python3 (3.11 or later) and a PyPI index, nothing else.
set -euo pipefail
python3 - <<'PY' || { echo "Trackway needs Python 3.11 or later: apt-get install python3" >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
PY
if ! [ -x .venv/bin/pip ] && ! python3 -m venv .venv >/dev/null 2>&1; then
  # Debian ships the venv module without the pip that it unpacks.
  rm -rf .venv
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
  else
    echo "python3 cannot make a virtual environment; run: sudo apt-get install python3-venv" >&2
    exit 1
  fi
  python3 -m venv .venv
fi
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r scripts/uv.lock
.venv/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes requirements.lock scripts/uv.lock
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
