// The page: what the buttons do and what the numbers say. It is built on the package, as anybody's page can be.

import {
  Landmarker,
  mesh,
  openCamera,
  openPicture,
  openVideo,
  Problem,
  View,
  type Box,
  type Camera,
  type Seen,
  type Track,
} from 'edgewing-web';

import {drawBoxes} from './drag.js';
import {stayAvailable} from './offline.js';

/** What every frame tells the page it is on: `document.addEventListener('edgewing:frame', ...)`. total: ms from the
 * camera to drawn points. picture: what was looked at, until the event is over. */
export type FrameReport = Seen & {picture: HTMLCanvasElement; total: number};

/** What is on the screen of a track. */
type OnScreen = Pick<Track, 'id' | 'landmarks' | 'scores' | 'there'>;

const KEPT = 30; // frames that the shown numbers are medians of
const PATIENCE = 700; // ms without anything, until it is said
const WITHOUT = 'Pictures and videos from disk work without it.';

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const [startButton, hint, input] = [element<HTMLButtonElement>('start'), element('hint'), element<HTMLInputElement>('input')];
const view = new View(element<HTMLCanvasElement>('view'));
const how = {mirror: true, steady: true, mesh: false};

let landmarker: Landmarker;
let camera: Camera | undefined;
let picture: ImageBitmap | undefined;
let shown: OnScreen[] = [];
let nets = new Map<number, [number, number][]>(); // of each track, as it was first seen: a net that changes flickers
let running = new AbortController(); // what is still being opened when something else is asked for must not show up over it

async function main(): Promise<void> {
  if (await stayAvailable()) return; // the page is loading anew
  try {
    landmarker = await Landmarker.create({model: 'model.tflite'});
    await landmarker.prepare();
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem('The model could not be loaded', `${(error as Error).message}.`);
  }
  describe();
  if (!landmarker.detects) element('text').textContent += ` ${howTo()}`;
  startButton.textContent = 'Start the camera';
  startButton.disabled = false;
}

/** What to do where no detector knows what the points are on. */
function howTo(): string {
  return `Let the ${landmarker.object} fill the picture, or draw a box around it.`;
}

function describe(): void {
  const {contract, place} = landmarker;
  element('model').textContent = `${contract.model.name} ${contract.model.precision}, ${contract.layout.points} points`;
  element('runtime').textContent = `LiteRT.js on ${place.name}`;
  element('runtime').title = place.why;
}

function enter(state: 'live' | 'still' | 'problem'): void {
  document.documentElement.dataset.state = state;
}

function show(error: unknown): void {
  const {title, message} = error instanceof Problem ? error : new Problem('Something went wrong', String(error));
  leave();
  element('title').textContent = title;
  element('text').textContent = message;
  startButton.hidden = !landmarker;
  element('open').hidden = !landmarker;
  startButton.textContent = 'Try the camera again';
  enter('problem');
  element('title').focus();
}

/** Stops what is running, and what is being opened; what tells that the next is over. */
function leave(): AbortSignal {
  running.abort();
  camera?.stop();
  picture?.close();
  camera = picture = undefined;
  shown = [];
  nets = new Map();
  hint.classList.remove('shown');
  running = new AbortController();
  return running.signal;
}

async function live(open: () => Promise<Camera>): Promise<void> {
  const over = leave();
  try {
    const opened = await open();
    if (over.aborted) return opened.stop();
    camera = opened;
    set('mirror', camera.front && camera.video.srcObject !== null);
    element('switch').hidden = !camera.next;
    enter('live');
    await run(camera.video, over);
  } catch (error) {
    if (!over.aborted) show(error);
  }
}

const start = (which: MediaTrackConstraints) =>
  live(async () => {
    const lost = new Problem('The camera went away', 'Connect it again, or choose another one.');
    try {
      return await openCamera(which, () => show(lost));
    } catch (error) {
      throw error instanceof Problem ? new Problem(error.title, `${error.message} ${WITHOUT}`) : error;
    }
  });

/** Draws and tells frame after frame. */
async function run(video: HTMLVideoElement, over: AbortSignal): Promise<void> {
  const [arrivals, totals, networkTimes]: number[][] = [[], [], []];
  let [lastSeen, written] = [performance.now(), 0];
  for await (const seen of landmarker.watch(video, over)) {
    const {tracks, network} = seen;
    shown = tracks.map((track) => ({...track, landmarks: how.steady ? track.landmarks : track.raw}));
    paint();
    const now = performance.now();
    const total = now - seen.captured;
    tell('edgewing:frame', {...seen, picture: landmarker.picture.canvas, total} satisfies FrameReport);

    if (tracks.length) lastSeen = now;
    say(now - lastSeen > PATIENCE ? `No ${landmarker.object} in sight${landmarker.detects ? '' : `. ${howTo()}`}` : '');
    arrivals.push(seen.time);
    totals.push(total);
    if (network !== undefined) networkTimes.push(network);
    for (const list of [arrivals, totals, networkTimes]) if (list.length > KEPT) list.splice(0, list.length - KEPT);
    if (now - written > 250) {
      written = now;
      const seconds = (arrivals[arrivals.length - 1] - arrivals[0]) / 1000;
      write('fps', arrivals.length > 1 ? (arrivals.length - 1) / seconds : undefined, 0);
      write('total', median(totals), 1);
      write('network', median(networkTimes), 1);
      describe();
    }
  }
}

function tell(name: string, detail: unknown): void {
  document.dispatchEvent(new CustomEvent(name, {detail}));
}

async function still(file: File): Promise<void> {
  const over = leave();
  try {
    const opened = await openPicture(file);
    if (over.aborted) return opened.close();
    picture = opened;
    set('mirror', false);
    enter('still');
    await look(picture, over);
  } catch (error) {
    if (!over.aborted) show(error);
  }
}

/** Shows what is found in a picture, or in a box of it. */
async function look(source: ImageBitmap, over: AbortSignal, box?: Box): Promise<void> {
  const begun = performance.now();
  const found = await landmarker.detect(source, {box});
  if (over.aborted) return;
  [shown, nets] = [found, new Map()];
  paint();
  const nothing = `No ${landmarker.object} found in this picture${landmarker.detects ? '' : '. Draw a box around it.'}`;
  say(found.length ? `${found.length} found` : nothing);
  write('fps', undefined, 0);
  write('total', performance.now() - begun, 1);
  write('network', median(landmarker.times), 1);
  tell('edgewing:still', found);
}

/** Looks in the box that was drawn: at once in a picture, where it is meant, and with the next frame of a camera. */
async function lookIn(corners: [number, number, number, number]): Promise<void> {
  const [[ax, ay], [bx, by]] = [view.toFrame(corners[0], corners[1]), view.toFrame(corners[2], corners[3])];
  const box = [Math.min(ax, bx), ay, Math.max(ax, bx), by] as const; // mirrored, left is right
  if (camera) await landmarker.lookIn(box);
  else if (picture) await look(picture, running.signal, box).catch(show);
}

function paint(): void {
  const faces = shown.map(({id, landmarks, scores, there}) => {
    if (how.mesh && !nets.has(id)) nets.set(id, mesh(landmarks));
    return {landmarks, scores, there, edges: how.mesh ? nets.get(id)! : landmarker.contract.layout.edges, net: how.mesh};
  });
  view.draw(landmarker.picture, faces, how.mirror);
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

function say(text: string): void {
  hint.classList.toggle('shown', text !== '');
  if (text && hint.textContent !== text) hint.textContent = text;
}

function write(id: string, value: number | undefined, digits: number): void {
  element(id).textContent = value === undefined ? '–' : value.toFixed(value < 100 ? digits : 0);
}

function set(name: keyof typeof how, value: boolean): void {
  how[name] = value;
  element(name).setAttribute('aria-pressed', String(value));
}

function open(file: File | undefined): void {
  if (!file || !landmarker) return;
  void (file.type.startsWith('video/') ? live(() => openVideo(file)) : still(file));
}

for (const name of ['mirror', 'steady', 'mesh'] as const) {
  element(name).addEventListener('click', () => {
    set(name, !how[name]);
    if (landmarker.picture.width) paint();
  });
}
startButton.addEventListener('click', () => void start({facingMode: landmarker.detects ? 'user' : 'environment'}));
drawBoxes(element('view'), element('box'), (...corners) => void lookIn(corners));
element('switch').addEventListener('click', () => camera?.next && void start(camera.next));
for (const id of ['open', 'file']) element(id).addEventListener('click', () => input.click());
input.addEventListener('change', () => {
  open(input.files?.[0]);
  input.value = ''; // so that the same file can be chosen again
});
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  open(event.dataTransfer?.files[0]);
});
new ResizeObserver(() => landmarker?.picture.width && paint()).observe(element('stage'));

main().catch(show);
