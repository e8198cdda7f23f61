// Builds the npm package into dist, and on top of it the page into edgewing/page: what `edgewing web` serves and the
// wheel carries.
//
//   node build.mjs              both
//   node build.mjs --parts OUT  the modules without a browser in one file, for the tests that compare them with Python

import {build} from 'esbuild';
import {execFileSync} from 'node:child_process';
import {cp, mkdir, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

import {png, svg} from './icon.mjs';
import {npz} from './npz.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const edgewing = path.join(here, '../../edgewing');
const common = {absWorkingDir: here, bundle: true, format: 'esm', target: 'es2022', logLevel: 'warning', plugins: [npz]};

if (process.argv[2] === '--parts') {
  await build({...common, entryPoints: ['src/parts.ts'], outfile: path.resolve(process.argv[3]), platform: 'node'});
  process.exit();
}

/** Fills a folder beside its final name, and renames it when it is whole. */
async function whole(final, fill) {
  const part = `${final}.part`;
  await rm(part, {recursive: true, force: true});
  await mkdir(part);
  await fill(part);
  await rm(final, {recursive: true, force: true});
  await rename(part, final);
}

/** All that a page needs but for a model, in one folder: it runs from wherever that is put. */
async function fillPackage(dist) {
  const {version} = JSON.parse(await readFile(path.join(here, 'package.json'), 'utf8'));
  const banner = {js: `/*! edgewing-web ${version}, Apache-2.0; contains LiteRT.js (@litertjs/core), Apache-2.0 */`};
  await build({...common, entryPoints: ['src/edgewing.ts'], outdir: dist, minify: true, banner});
  const tsc = path.join(here, 'node_modules/typescript/bin/tsc');
  const words = ['--noEmit', 'false', '--emitDeclarationOnly', '--declaration', '--outDir', path.join(dist, 'types')];
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.package.json', ...words], {cwd: here, stdio: 'inherit'});
  // with threads, without, and for browsers without relaxed SIMD; the fourth variant is for WebNN
  for (const variant of ['threaded_internal', 'internal', 'compat_internal']) {
    for (const ending of ['js', 'wasm']) {
      const name = `wasm/litert_wasm_${variant}.${ending}`;
      await cp(path.join(here, 'node_modules/@litertjs/core', name), path.join(dist, name));
    }
  }
  await cp(path.join(edgewing, 'detectors/blazeface_short.tflite'), path.join(dist, 'detector.tflite'));
  await cp(path.join(edgewing, 'detectors/blazeface_back.tflite'), path.join(dist, 'stills.tflite'));
  await cp(path.join(here, 'example.html'), path.join(dist, 'example.html'));
  for (const name of ['LICENSE', 'NOTICE']) await cp(path.join(here, '../..', name), path.join(dist, name));
}

/** The camera page, which takes the package as any other page does; `edgewing web` adds model and detectors. */
async function fillPage(page) {
  const beside = {name: 'beside', setup: (plugins) => plugins.onResolve({filter: /^edgewing-web$/}, () => ({path: './edgewing.js', external: true}))};
  await build({...common, entryPoints: ['src/app.ts'], outdir: page, minify: true, plugins: [beside]});
  await cp(path.join(here, 'static'), page, {recursive: true});
  for (const name of ['edgewing.js', 'example.html', 'wasm']) await cp(path.join(here, 'dist', name), path.join(page, name), {recursive: true});
  await writeFile(path.join(page, 'icon.svg'), svg());
  for (const side of [180, 192, 512]) await writeFile(path.join(page, `icon-${side}.png`), png(side));
  // the service worker answers for these files and for no others
  const within = async (folder) => (await readdir(path.join(page, folder))).map((name) => folder + name);
  const built = [...(await within('')), ...(await within('wasm/'))].filter((name) => !['wasm', 'sw.js'].includes(name));
  const worker = path.join(page, 'sw.js');
  await writeFile(worker, (await readFile(worker, 'utf8')).replace('...BUILT', built.map((name) => `'${name}'`).join(', ')));
}

await whole(path.join(here, 'dist'), fillPackage);
await whole(path.join(edgewing, 'page'), fillPage);
