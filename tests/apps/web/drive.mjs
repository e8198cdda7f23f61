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

    const found = {frames: await watched(page, frames, () => page.click('#start')), asked, errors};
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

/** The first frames that the page looks at after something was done. */
async function watched(page, most, act) {
  await page.evaluate((most) => {
    const frames = (window.frames_ = []);
    document.addEventListener('edgewing:frame', ({detail}) => {
      if (frames.length >= most) return;
      const {picture, ...rest} = detail;
      const tracks = rest.tracks.map(({id, box, landmarks, raw, there}) => ({id, box, there, landmarks: [...landmarks], raw: [...raw]}));
      frames.push({...rest, tracks, png: picture.toDataURL('image/png').split(',')[1]});
    });
  }, most);
  await act();
  await page.waitForFunction((most) => window.frames_.length >= most, most, {timeout: PATIENCE});
  return page.evaluate(() => window.frames_);
}

/** What is no face: in the whole picture, and in boxes that a person draws, given as shares of the picture's sides. */
async function object({chromium, url, camera, frames, pictures, box, shots}) {
  const context = await open(chromium, {camera});
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    const asked = [];
    context.on('request', (request) => asked.push(request.url()));
    await resize(page, 'portrait');
    await page.goto(url);
    await started(page);
    const found = {asked, start: await texts(page), words: await page.evaluate(() => document.body.innerText)};
    found.frames = await watched(page, frames, () => page.click('#start'));
    found.mirrored = await page.getAttribute('#mirror', 'aria-pressed');
    found.boxed = await watched(page, frames, () => drag(page, box, found.mirrored === 'true'));
    if (shots) await page.screenshot({path: `${shots}/object.png`});
    found.stills = [];
    for (const picture of pictures) {
      const whole = await still(page, picture);
      if (shots) await page.screenshot({path: `${shots}/object-${found.stills.length}.png`});
      const boxed = await told(page, () => drag(page, box, false));
      found.stills.push({whole, boxed});
    }
    found.end = await texts(page);
    return found;
  } finally {
    await context.close();
  }
}

/** One picture, with a box drawn over it; `box` is where it was looked in. */
async function boxed({chromium, url, picture, box}) {
  const context = await open(chromium, {});
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    await page.goto(url);
    await started(page);
    await still(page, picture);
    return await told(page, () => drag(page, box, false));
  } finally {
    await context.close();
  }
}

/** Draws a box over the picture. */
async function drag(page, box, mirrored) {
  const picture = await page.evaluate(() => {
    const {left, top, width, height} = document.getElementById('view').getBoundingClientRect();
    const scale = Math.min(width / 320, height / 240); // of the tests' frames
    return {left: left + (width - 320 * scale) / 2, top: top + (height - 240 * scale) / 2, width: 320 * scale, height: 240 * scale};
  });
  const at = (x, y) => [picture.left + picture.width * (mirrored ? 1 - x : x), picture.top + picture.height * y];
  await page.mouse.move(...at(box[0], box[1]));
  await page.mouse.down();
  await page.mouse.move(...at(box[2], box[3]), {steps: 4});
  await page.mouse.up();
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
    await fetched('style.css?token=secret');
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

/** Any page: what an expression gives there, what was asked for, and what went wrong. sizes: of windows to look at. */
async function ask({chromium, url, camera, expression, sizes = [], shots, flags}) {
  const context = await open(chromium, {camera, flags});
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    const [asked, errors] = [[], []];
    context.on('request', (request) => asked.push(request.url()));
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.goto(url);
    const given = await page.evaluate(expression);
    const wide = [];
    for (const [width, height] of sizes) {
      await page.setViewportSize({width, height});
      await page.waitForTimeout(400);
      if (shots) await page.screenshot({path: `${shots}-${width}.png`});
      wide.push(await page.evaluate(() => document.documentElement.scrollWidth));
    }
    return {given, asked, errors, wide};
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

function still(page, file) {
  return told(page, () => page.setInputFiles('#input', file));
}

/** What the page finds in a picture after something was done. */
async function told(page, act) {
  const done = page.evaluate(
    () =>
      new Promise((resolve) =>
        document.addEventListener('edgewing:still', ({detail}) => resolve(detail.map(({landmarks, box}) => [[...landmarks], box])), {once: true}),
      ),
  );
  await act();
  const [faces, boxes] = [[], []];
  for (const [points, box] of await done) faces.push(points), boxes.push(box);
  return {faces, boxes, texts: await texts(page)};
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

const scenes = {ask, live, object, boxed, stills, host, local, unplayed, troubles};
const plan = JSON.parse(process.argv[2]);
process.stdout.write(`${JSON.stringify(await scenes[plan.scene](plan))}\n`);
