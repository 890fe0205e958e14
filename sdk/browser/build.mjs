// Builds src/trackway.js into one file and writes it under its stable name, under a name that
// carries its hash, and a manifest that says how to pin it. `node build.mjs [FOLDER]`.
// The same sources and the same lock file give the same bytes on every machine.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2] ?? join(here, "../../src/trackway/collect/static"));

const { outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: ["src/trackway.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2020",
  charset: "utf8",
  legalComments: "none",
  banner: { js: "/* Trackway 0.1.0 | Apache-2.0 */" },
  write: false,
});
const bytes = outputFiles[0].contents;
const hashed = `trackway.${createHash("sha256").update(bytes).digest("hex").slice(0, 8)}.js`;
const integrity = `sha384-${createHash("sha384").update(bytes).digest("base64")}`;
const manifest = { "trackway.js": { file: hashed, integrity, bytes: bytes.length } };

mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) {
  if (/^trackway\.[0-9a-f]{8}\.js$/.test(name)) rmSync(join(folder, name));
}
writeFileSync(join(folder, "trackway.js"), bytes);
writeFileSync(join(folder, hashed), bytes);
writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");
console.log(`${hashed} ${bytes.length} bytes`);
