// The service worker: the page works without a network afterwards, and is isolated also where the host does not say so.

const TRIED = 'edgewing-isolated';
const PATIENCE = 3000; // ms until the page goes on without
const KEPT = 'edgewing'; // as in sw.js

/** Registers the worker and waits until files go through it. True where the page is loading anew, to be isolated. */
export async function stayAvailable(): Promise<boolean> {
  const {serviceWorker} = navigator;
  if (!serviceWorker) return false; // not a secure context, or a private window
  try {
    if (isLocal()) {
      await goAway(serviceWorker);
      return false;
    }
    await serviceWorker.register('sw.js');
    if (!serviceWorker.controller) {
      await new Promise((resolve) => {
        serviceWorker.addEventListener('controllerchange', resolve, {once: true});
        setTimeout(resolve, PATIENCE);
      });
    }
    if (crossOriginIsolated || !serviceWorker.controller || sessionStorage.getItem(TRIED)) return false;
    sessionStorage.setItem(TRIED, 'yes'); // once: a browser that does not isolate all the same must not reload for ever
  } catch (error) {
    console.info(`works online only: ${(error as Error).message}`); // such as a certificate of one's own, or no storage
    return false;
  }
  location.reload();
  return true;
}

/** Whether this address belongs to whatever a person starts next on this machine: a worker would stay there and come
 * between. `edgewing web` sends the headers itself. */
function isLocal(): boolean {
  return /^(localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname);
}

/** Takes away the worker that older pages have left on such an address, and what it kept. */
async function goAway(serviceWorker: ServiceWorkerContainer): Promise<void> {
  const ours = new URL('sw.js', location.href).href;
  for (const registration of await serviceWorker.getRegistrations()) {
    const {active, waiting, installing} = registration;
    if ([active, waiting, installing].some((worker) => worker?.scriptURL === ours)) {
      await registration.unregister();
      await caches.delete(KEPT);
    }
  }
}
