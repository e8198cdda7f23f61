// The service worker: the page works without a network afterwards, and is isolated also where the host does not say so.

const TRIED = 'edgewing-isolated';
const PATIENCE = 3000; // ms until the page goes on without

/** Registers the worker and waits until files go through it. True where the page is loading anew, to be isolated. */
export async function stayAvailable(): Promise<boolean> {
  const {serviceWorker} = navigator;
  if (!serviceWorker) return false; // not a secure context, or a private window
  try {
    await serviceWorker.register('sw.js');
    if (!serviceWorker.controller) {
      await new Promise((resolve) => {
        serviceWorker.addEventListener('controllerchange', resolve, {once: true});
        setTimeout(resolve, PATIENCE);
      });
    }
  } catch (error) {
    console.info(`works online only: ${(error as Error).message}`); // such as a certificate of one's own
    return false;
  }
  if (crossOriginIsolated || !serviceWorker.controller || sessionStorage.getItem(TRIED)) return false;
  sessionStorage.setItem(TRIED, 'yes'); // once: a browser that does not isolate all the same must not reload for ever
  location.reload();
  return true;
}
