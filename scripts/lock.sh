#!/usr/bin/env bash
# Renews the lock files. They hold versions and hashes and no address, so any package index serves.
set -euo pipefail
uv=.venv/bin/uv
$uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev --no-annotate --no-header pyproject.toml scripts/build.in -o requirements.lock "$@"
$uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header scripts/uv.in -o scripts/uv.lock "$@"
