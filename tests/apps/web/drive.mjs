// A person with the page in a real browser, for test_page.py: goes through a plan and prints what was found as JSON.
//
//   node drive.mjs '{"scene": "live", "chromium": FILE, "url": URL, "camera": FILE, ...}'

import {launch} from '../../../apps/web/browser.mjs';

const SIZES = {portrait: [360, 740], landscape: [740, 360], desk: [1280, 800]};
const PATIENCE = 60_000; // ms; other work on the machine must not fail a test

/** The page with a camera: every frame it looked at, then its buttons, pictures from disk, and no network. */
async function live({chromium, url, camera, frames, pictures = [], shots, flags}) {
  const context = await open(chromium, {camera, flags, deviceScaleFactor: 2});
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    const [asked, errors] = [[], []];
    context.on('request', (request) => asked.push(request.url()));
    page.on('pageerror', (error) => errors.push(String(error)));
    await resize(page, 'portrait');
    await page.goto(url);
    await started(page);
    if (shots) await page.screenshot({path: `${shots}/start.png`});

    await page.evaluate((most) => {
      window.frames_ = [];
      document.addEventListener('edgewing:frame', ({detail}) => {
        if (window.frames_.length >= most) return;
        const {picture, ...rest} = detail;
        const tracks = rest.tracks.map(({id, box, landmarks, raw}) => ({id, box, landmarks: [...landmarks], raw: [...raw]}));
        window.frames_.push({...rest, tracks, png: picture.toDataURL('image/png').split(',')[1]});
      });
    }, frames);
    await page.click('#start');
    await page.waitForFunction((most) => window.frames_.length >= most, frames, {timeout: PATIENCE});
    const found = {frames: await page.evaluate(() => window.frames_), asked, errors};
    found.isolated = await page.evaluate(() => crossOriginIsolated);
    await page.waitForFunction(() => /\d/.test(document.getElementById('fps').textContent), null, {timeout: PATIENCE});
    found.texts = await texts(page);
    found.tried = await page.evaluate(() => document.getElementById('runtime').title);
    if (shots) {
      for (const name of Object.keys(SIZES)) {
        await resize(page, name);
        await page.screenshot({path: `${shots}/${name}.png`});
      }
      await page.click('#mesh');
      await page.waitForTimeout(300);
      await page.screenshot({path: `${shots}/mesh.png`});
      await page.click('#mesh');
    }

    found.stills = [];
    for (const picture of pictures) found.stills.push(await still(page, picture));
    if (pictures.length) {
      found.plain = await view(page);
      await page.click('#mirror');
      found.mirrored = await view(page);
      if (shots) await page.screenshot({path: `${shots}/still.png`});
    }
    return found;
  } finally {
    await context.close();
  }
}

/** Pictures from disk alone. */
async function stills({chromium, url, pictures, shots}) {
  const context = await open(chromium, {});
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    await page.goto(url);
    await started(page);
    const found = [];
    for (const [number, picture] of pictures.entries()) {
      found.push(await still(page, picture));
      if (shots) await page.screenshot({path: `${shots}/still-${number}.png`});
    }
    return found;
  } finally {
    await context.close();
  }
}

/** The page's files on a host that sends no headers, and has files of others too. */
async function host({chromium, url, quota, taken}) {
  const {hostname, origin} = new URL(url);
  // stands for https, which needs a certificate that this browser trusts
  const flags = [`--host-resolver-rules=MAP ${hostname} 127.0.0.1`, `--unsafely-treat-insecure-origin-as-secure=${origin}`];
  const context = await open(chromium, {flags});
  const page = context.pages()[0] ?? (await context.newPage());
  const look = async () => {
    await started(page);
    return page.evaluate(async () => ({
      isolated: crossOriginIsolated,
      controlled: Boolean(navigator.serviceWorker.controller),
      model: document.getElementById('model').textContent,
      kept: (await (await caches.open('edgewing')).keys()).map(({url}) => url.slice(origin.length + 1)),
    }));
  };
  const fetched = (path) => page.evaluate((name) => fetch(name).then((r) => r.text(), String), path);
  try {
    if (quota) {
      await page.goto(`${url}style.css`);
      await (await context.newCDPSession(page)).send('Storage.overrideQuotaForOrigin', {origin, quotaSize: quota});
    }
    await page.goto(url);
    await page.waitForFunction(() => crossOriginIsolated, null, {timeout: PATIENCE});
    const found = {first: await look()};
    found.stranger = await fetched('other.json?token=secret');
    await fetched('page.json?token=secret');
    await page.reload();
    found.second = await look();
    if (taken) {
      await fetched('take-over');
      await page.goto(url);
      found.taken = await page.evaluate(async (most) => {
        for (const begun = performance.now(); ; await new Promise((resolve) => setTimeout(resolve, 50))) {
          const [workers, kept] = [(await navigator.serviceWorker.getRegistrations()).length, await caches.keys()];
          const done = workers + kept.length === 0 || performance.now() - begun > most;
          if (done) return {title: document.title, workers, kept};
        }
      }, PATIENCE);
    } else if (!quota) {
      await context.setOffline(true);
      await page.reload();
      found.offline = await look();
      found.gone = await fetched('other.json');
    }
    return found;
  } finally {
    await context.close();
  }
}

/** What is left on this machine's own address, also of a page from before that stayed there. */
async function local({chromium, url}) {
  const context = await open(chromium, {});
  const page = context.pages()[0] ?? (await context.newPage());
  const look = async () => {
    await page.goto(url);
    await started(page);
    return page.evaluate(async () => ({
      workers: (await navigator.serviceWorker.getRegistrations()).length,
      isolated: crossOriginIsolated,
    }));
  };
  try {
    const found = {first: await look()};
    await page.evaluate(async () => {
      await navigator.serviceWorker.register('sw.js');
      await navigator.serviceWorker.ready;
    });
    await look();
    return {...found, again: await look()};
  } finally {
    await context.close();
  }
}

/** A camera that is given and then not played. */
async function unplayed({chromium, url, camera}) {
  const context = await open(chromium, {camera});
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    await page.addInitScript(() => {
      window.tracks_ = [];
      const given = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await given(wanted);
        window.tracks_.push(...stream.getTracks());
        return stream;
      };
      HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('not allowed to play', 'NotAllowedError'));
    });
    await page.goto(url);
    await started(page);
    return {...(await tried(page)), tracks: await page.evaluate(() => window.tracks_.map(({readyState}) => readyState))};
  } finally {
    await context.close();
  }
}

/** What the page says where something is missing. stranger: a URL that is not localhost. */
async function troubles({chromium, url, stranger, model, shots}) {
  const flags = [`--host-resolver-rules=MAP ${new URL(stranger).hostname} 127.0.0.1`];
  const context = await open(chromium, {flags});
  const found = {};
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    await resize(page, 'portrait');
    await page.goto(url);
    await started(page);
    found.missing = await tried(page);
    if (shots) await page.screenshot({path: `${shots}/missing.png`});

    await page.goto(stranger);
    await started(page);
    found.insecure = await tried(page);

    const old = await context.newPage();
    await old.addInitScript(() => (WebAssembly.validate = () => false)); // as a browser without SIMD answers
    await old.goto(url);
    found.old = await problem(old);

    const cut = await context.newPage();
    await context.route(model, (route) => route.fulfill({status: 200, body: 'not a model'}));
    await cut.goto(`${url}?cut`);
    found.cut = await problem(cut);
  } finally {
    await context.close();
  }
  found.refused = await refused(chromium, url);
  return found;
}

/** With a camera that the person does not allow: without the flag that answers for them, nobody does. */
async function refused(chromium, url) {
  const context = await open(chromium, {flags: ['--use-fake-device-for-media-stream']});
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    await page.goto(url);
    await started(page);
    return await tried(page);
  } finally {
    await context.close();
  }
}

async function open(executablePath, options) {
  const context = await launch({executablePath, ...options});
  context.setDefaultTimeout(PATIENCE);
  return context;
}

async function resize(page, name) {
  const [width, height] = SIZES[name];
  await page.setViewportSize({width, height});
  await page.waitForTimeout(400);
}

function started(page) {
  return page.waitForSelector('#start:not([disabled])');
}

async function tried(page) {
  await page.click('#start');
  return problem(page);
}

async function problem(page) {
  await page.waitForSelector('[data-state="problem"]');
  return texts(page);
}

async function still(page, file) {
  const done = page.evaluate(
    () =>
      new Promise((resolve) =>
        document.addEventListener('edgewing:still', ({detail}) => resolve(detail.map(({landmarks}) => [...landmarks])), {once: true}),
      ),
  );
  await page.setInputFiles('#input', file);
  return {faces: await done, texts: await texts(page)};
}

/** What there is to read, and whether all of it fits into the window. */
function texts(page) {
  return page.evaluate(() => {
    const text = (id) => document.getElementById(id).textContent;
    const {scrollWidth, clientWidth, scrollHeight, clientHeight} = document.documentElement;
    return {
      ...Object.fromEntries(['title', 'text', 'hint', 'fps', 'total', 'network', 'model', 'runtime'].map((id) => [id, text(id)])),
      fits: scrollWidth <= clientWidth && scrollHeight <= clientHeight,
      nameless: [...document.querySelectorAll('button')].filter((button) => !button.textContent.trim()).length,
    };
  });
}

/** The picture with its points, as it is on the screen. */
function view(page) {
  return page.evaluate(() => document.getElementById('view').toDataURL('image/png').split(',')[1]);
}

const scenes = {live, stills, host, local, unplayed, troubles};
const plan = JSON.parse(process.argv[2]);
process.stdout.write(`${JSON.stringify(await scenes[plan.scene](plan))}\n`);
