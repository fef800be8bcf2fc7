// Builds ../static from the sources: one script, one style sheet, the page itself and its icon.
import { build } from "esbuild";
import { copyFile, mkdir, rm } from "node:fs/promises";

const into = process.argv[2] ?? "../static";

await rm(into, { recursive: true, force: true });
await mkdir(into, { recursive: true });
await build({
  entryPoints: { app: "main.tsx" },
  bundle: true,
  minify: true,
  outdir: into,
  format: "esm",
  target: ["es2022"],
  charset: "utf8",
  legalComments: "eof",
  logLevel: "warning",
});
await copyFile("index.html", `${into}/index.html`);
await copyFile("icon.svg", `${into}/icon.svg`);
