// What the page's own reports say while a fake camera plays: called by `python -m bench web`, which has the words.
//
//   node measure.mjs '{"chromium": FILE, "url": URL, "camera": FILE, "warmup": s, "seconds": s}'   one line of JSON
//
// "film": DIR in place of the figures: pictures of the page as PNG, called by the ms at which they were taken.

import path from 'node:path';

import {launch} from './browser.mjs';

const {chromium, url, camera, warmup, seconds, film} = JSON.parse(process.argv[2]);
const context = await launch({executablePath: chromium, camera, viewport: {width: 360, height: 740}});
try {
  context.setDefaultTimeout(60_000);
  const page = context.pages()[0] ?? (await context.newPage());
  await page.goto(url);
  await page.click('#start:not([disabled])');
  await page.waitForSelector('[data-state="live"]');
  await page.waitForTimeout(1000 * warmup);
  for (const begin = performance.now(); film && performance.now() - begin < 1000 * seconds; ) {
    const at = Math.round(performance.now() - begin);
    await page.screenshot({path: path.join(film, `${String(at).padStart(6, '0')}.png`)});
  }
  const frames = film ? [] : await page.evaluate(
    (span) =>
      new Promise((resolve) => {
        const reports = [];
        const keep = ({detail: {time, total, network, searched, tracks}}) =>
          reports.push({time, total, network, searched, faces: tracks.length});
        document.addEventListener('edgewing:frame', keep);
        setTimeout(() => resolve(reports), span);
      }),
    1000 * seconds,
  );
  const about = await page.evaluate(() => {
    const runtime = document.getElementById('runtime');
    return {place: runtime.textContent, tried: runtime.title, isolated: crossOriginIsolated};
  });
  console.log(JSON.stringify({...about, browser: context.browser()?.version() ?? '', frames}));
} finally {
  await context.close();
}
