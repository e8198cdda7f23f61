// Headless Chromium with a fake camera that plays an MJPEG file over and over.

import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';

import {chromium} from 'playwright-core';

/** A browser context; `close` it. camera: an .mjpeg file, or none. flags: more of Chromium's. options: playwright's. */
export async function launch({executablePath, camera, flags = [], ...options}) {
  const profile = await mkdtemp(path.join(tmpdir(), 'edgewing-chromium-'));
  const fake = camera
    ? ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${camera}`]
    : [];
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', ...fake, ...flags];
  const context = await chromium.launchPersistentContext(profile, {executablePath, headless: true, args, ...options});
  context.once('close', () => rm(profile, {recursive: true, force: true, maxRetries: 5}));
  return context;
}
