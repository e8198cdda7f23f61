// Builds the page into edgewing/page: what `edgewing web` serves and the wheel carries.
//
//   node build.mjs              the page
//   node build.mjs --parts OUT  the modules without a browser in one file, for the tests that compare them with Python

import {build} from 'esbuild';
import {cp, mkdir, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

import {png, svg} from './icon.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const final = path.join(here, '../../edgewing/page');
const page = `${final}.part`; // renamed when it is whole
const common = {absWorkingDir: here, bundle: true, format: 'esm', target: 'es2022', logLevel: 'warning'};

if (process.argv[2] === '--parts') {
  await build({...common, entryPoints: ['src/parts.ts'], outfile: path.resolve(process.argv[3]), platform: 'node'});
  process.exit();
}

await rm(page, {recursive: true, force: true});
await mkdir(path.join(page, 'wasm'), {recursive: true});
await cp(path.join(here, 'static'), page, {recursive: true});
await build({...common, entryPoints: ['src/app.ts'], outdir: page, minify: true});
// with threads, without, and for browsers without relaxed SIMD; the fourth variant is for WebNN
for (const variant of ['threaded_internal', 'internal', 'compat_internal']) {
  for (const ending of ['js', 'wasm']) {
    const name = `litert_wasm_${variant}.${ending}`;
    await cp(path.join(here, 'node_modules/@litertjs/core/wasm', name), path.join(page, 'wasm', name));
  }
}
await writeFile(path.join(page, 'icon.svg'), svg());
for (const side of [180, 192, 512]) await writeFile(path.join(page, `icon-${side}.png`), png(side));
// the service worker answers for these files and for no others
const within = async (folder) => (await readdir(path.join(page, folder))).map((name) => folder + name);
const built = [...(await within('')), ...(await within('wasm/'))].filter((name) => !['wasm', 'sw.js'].includes(name));
const worker = path.join(page, 'sw.js');
await writeFile(worker, (await readFile(worker, 'utf8')).replace('...BUILT', built.map((name) => `'${name}'`).join(', ')));
await rm(final, {recursive: true, force: true});
await rename(page, final);
