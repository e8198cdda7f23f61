// Keeps the page for when there is no network, and makes it isolated (COOP and COEP), which wasm threads need and most
// static hosts do not send. What the network gives always wins; what it gave last is kept, where there is room for it.

const KEPT = 'edgewing';
// Paths from where this worker lies: nothing else that is served from here goes through it. build.mjs fills in BUILT.
const OWN = new Set(['', 'model.tflite', 'detector.tflite', 'stills.tflite', ...BUILT]);
// What a browser has fetched before this worker begins. Everything else goes through it, the right wasm among it.
const FIRST = ['', 'style.css', 'app.js', 'edgewing.js', 'icon.svg', 'manifest.webmanifest', 'icon-192.png'];
let gone = false; // whether something else is served from here now

self.addEventListener('install', (event) => {
  self.skipWaiting();
  event.waitUntil(Promise.all(FIRST.map(async (name) => keep(place(name), await fetch(place(name))))).catch(() => undefined));
});
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  const {method, url} = event.request;
  const plain = url.split(/[?#]/)[0]; // what stands behind may be a secret of somebody's: it is neither kept nor compared
  const {scope} = self.registration;
  if (method === 'GET' && plain.startsWith(scope) && OWN.has(plain.slice(scope.length))) event.respondWith(answer(event, plain));
});

const place = (name) => self.registration.scope + name;

async function answer(event, plain) {
  const before = await kept(plain);
  try {
    const now = await fetch(event.request.url, {cache: 'no-cache'}); // asks whether it changed, and reads it only then
    if (!now.ok) return now;
    const etag = now.headers.get('etag');
    const fresh = !before || !etag || etag !== before.headers.get('etag') ? now.clone() : undefined;
    event.waitUntil(plain === place('') ? arrived(plain, fresh) : keep(plain, fresh));
    return isolated(now);
  } catch (error) {
    if (before) return isolated(before);
    throw error;
  }
}

/** Keeps the page itself; where another lies in its place now, this worker has nothing to do here any more. */
async function arrived(plain, fresh) {
  const now = await fetch(place('sw.js'), {cache: 'no-cache'}).catch(() => undefined);
  const other = now?.ok && !now.headers.get('content-type')?.includes('javascript'); // some hosts answer all with a page
  gone = other || now?.status === 404 || now?.status === 410;
  if (!gone) return keep(plain, fresh);
  await self.registration.unregister();
  await caches.delete(KEPT);
}

/** Without storage, or with a full one, the page works as long as there is a network. */
async function keep(plain, response) {
  try {
    if (response?.ok && !gone) await (await caches.open(KEPT)).put(plain, response);
  } catch (error) {
    console.info(`${plain} is not kept: ${error.message}`);
  }
}

async function kept(plain) {
  try {
    return await caches.match(plain, {cacheName: KEPT});
  } catch {
    return undefined;
  }
}

function isolated(response) {
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  headers.append('Content-Security-Policy', "frame-ancestors 'none'");
  return new Response(response.body, {status: response.status, statusText: response.statusText, headers});
}
