// Builds every file of FILES: under its stable name, under a name that carries version and hash and
// never changes its content, and a line in the manifest that says how to pin it.
// `node build.mjs [FOLDER]`. The same sources and the same lock file give the same bytes everywhere.
//
// Names that end in "_" are private and get short ones (esbuild's mangleProps): use them for
// properties of objects that no page, no server and no disk ever sees.

import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";

/** Built file: its source. `.mjs` is a module for bundlers and `<script type="module">`. */
const FILES = {
  "trackway.js": "src/trackway.js",
  "trackway.core.js": "src/trackway.core.js",
  "trackway.mjs": "src/module.js",
  "stub.js": "src/stub.js",
  "clarm.js": "src/dropins/clarm.js",
  "tracardi.js": "src/dropins/tracardi.js",
  "orbee.js": "src/dropins/orbee.js",
};

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2] ?? join(here, "../../src/trackway/collect/static"));
const { version } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));

mkdirSync(folder, { recursive: true });
// Files of earlier releases stay: pages have pinned them.
for (const name of readdirSync(folder)) {
  if (name.includes(`.${version}.`)) rmSync(join(folder, name));
}

/** @type {Record<string, {file: string, integrity: string, bytes: number}>} */
const manifest = {};
for (const [name, source] of Object.entries(FILES)) {
  const module = name.endsWith(".mjs");
  const { outputFiles } = await build({
    absWorkingDir: here,
    entryPoints: [source],
    bundle: true,
    minify: true,
    mangleProps: /[^_]_$/,
    format: module || name === "stub.js" ? "esm" : "iife",
    target: "es2020",
    charset: "utf8",
    tsconfigRaw: {}, // no "use strict" by reason of the type checker's options
    legalComments: "none",
    define: { VERSION: JSON.stringify(version) },
    write: false,
  });
  // A second pass inlines what is used once. What it is told not to do makes the code longer to pack.
  const { code } = await minify(outputFiles[0].text, {
    ecma: 2020,
    module,
    compress: {
      passes: 5,
      unsafe: true,
      unsafe_arrows: true,
      unsafe_comps: true,
      unsafe_methods: true,
      pure_getters: true,
      keep_fargs: false,
      conditionals: false,
      reduce_funcs: false,
    },
  });
  const bytes = Buffer.from(code ?? "");
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8);
  const file = name.replace(/(\.m?js)$/, `.${version}.${hash}$1`);
  const integrity = `sha384-${createHash("sha384").update(bytes).digest("base64")}`;
  manifest[name] = { file, integrity, bytes: bytes.length };
  writeFileSync(join(folder, name), bytes);
  writeFileSync(join(folder, file), bytes);
  console.log(`${file} ${bytes.length} bytes`);
}
copyFileSync(join(here, "src/types.d.ts"), join(folder, "trackway.d.ts"));
writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");
