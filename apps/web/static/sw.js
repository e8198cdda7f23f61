// Keeps the page for when there is no network, and makes it isolated (COOP and COEP), which wasm threads need and most
// static hosts do not send. What the network gives always wins; what it gave last is kept.

const KEPT = 'edgewing';
// What a browser has fetched before this worker begins. Everything else goes through it, the right wasm among it.
const FIRST = ['./', 'style.css', 'app.js', 'icon.svg', 'manifest.webmanifest', 'icon-192.png'];

self.addEventListener('install', (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(KEPT).then((kept) => kept.addAll(FIRST)));
});
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  const {method, url} = event.request;
  if (method === 'GET' && url.startsWith(self.registration.scope)) event.respondWith(answer(event.request));
});

async function answer(request) {
  const kept = await caches.open(KEPT);
  const before = await kept.match(request, {ignoreSearch: true});
  try {
    const now = await fetch(request.url, {cache: 'no-cache'}); // asks whether it changed, and reads it only then
    if (!now.ok) return now;
    const etag = now.headers.get('etag');
    if (!before || !etag || etag !== before.headers.get('etag')) await kept.put(request, now.clone());
    return isolated(now);
  } catch (error) {
    if (before) return isolated(before);
    throw error;
  }
}

function isolated(response) {
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  return new Response(response.body, {status: response.status, statusText: response.statusText, headers});
}
