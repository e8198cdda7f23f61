// The page: what the buttons do, what the numbers say, and the loop from frame to drawn points.

import {Frame, openCamera, openPicture, openVideo, Problem, type Camera} from './camera';
import {drawBoxes} from './drag';
import {View} from './draw';
import {choose, median} from './choose';
import type {Network} from './landmarker';
import {load, type Ready} from './load';
import {mesh} from './mesh';
import {stayAvailable} from './offline';
import {hasSimd, type Model} from './runtime';
import type {Track} from './tracking';

/** What every frame tells the page it is on: `document.addEventListener('edgewing:frame', ...)`. Times in ms: time is
 * the frame's, total from the camera to drawn points, network of the first face. picture: what was looked at, until the
 * event is over. */
export interface FrameReport {
  time: number;
  picture: HTMLCanvasElement;
  tracks: Track[];
  total: number;
  network: number | undefined;
  searched: boolean;
}

/** What is on the screen of a track. */
type Seen = Pick<Track, 'id' | 'landmarks' | 'scores' | 'there' | 'box'>;

const KEPT = 30; // frames that the shown numbers are medians of
const PATIENCE = 700; // ms without anything, until it is said

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const [startButton, hint, input] = [element<HTMLButtonElement>('start'), element('hint'), element<HTMLInputElement>('input')];
const view = new View(element<HTMLCanvasElement>('view'));
const frame = new Frame();
const how = {mirror: true, steady: true, mesh: false};

let ready: Ready;
let camera: Camera | undefined;
let shown: Seen[] = [];
let nets = new Map<number, [number, number][]>(); // of each track, as it was first seen: a net that changes flickers
let networkTimes: number[] = [];
let turn = 0; // what is still being opened when something else is asked for must not show up over it

async function main(): Promise<void> {
  if (!hasSimd() || !('requestVideoFrameCallback' in HTMLVideoElement.prototype)) {
    const browsers = 'Chrome or Edge 91, Safari 16.4, Firefox 132, or newer';
    throw new Problem('This browser is too old', `It lacks WebAssembly SIMD or video frame callbacks. Known to have them: ${browsers}.`);
  }
  if (await stayAvailable()) return; // the page is loading anew
  try {
    ready = await load();
  } catch (error) {
    throw new Problem('The model could not be loaded', `${(error as Error).message}.`);
  }
  ready.landmarker.network = watched(ready.model, false);
  describe(ready.model);
  if (ready.tracker.finder.one) element('text').textContent += ` ${howTo()}`;
  startButton.textContent = 'Start the camera';
  startButton.disabled = false;
}

/** What to do where no detector knows what the points are on. */
function howTo(): string {
  return `Let the ${ready.object} fill the picture, or draw a box around it.`;
}

/** The landmark network, with its time written down. With the first face of a camera the best place for it is chosen. */
function watched(model: Model, chosen: boolean): Network {
  return async (tensor) => {
    const begun = performance.now();
    const outputs = await model.run(tensor);
    networkTimes.push(performance.now() - begun);
    if (!chosen && camera) {
      chosen = true;
      const choice = await choose(ready.file, ready.contract, model, ready.threads, tensor);
      ready.landmarker.network = watched(choice.model, true);
      describe(choice.model, choice.why);
    }
    return outputs;
  };
}

function describe(model: Model, why = ''): void {
  const {contract} = ready;
  element('model').textContent = `${contract.model.name} ${contract.model.precision}, ${contract.layout.points} points`;
  element('runtime').textContent = `LiteRT.js on ${model.place}`;
  element('runtime').title = why;
}

function enter(state: 'live' | 'still' | 'problem'): void {
  document.documentElement.dataset.state = state;
}

function show(error: unknown): void {
  const {title, message} = error instanceof Problem ? error : new Problem('Something went wrong', String(error));
  leave();
  element('title').textContent = title;
  element('text').textContent = message;
  startButton.hidden = !ready;
  element('open').hidden = !ready;
  startButton.textContent = 'Try the camera again';
  enter('problem');
  element('title').focus();
}

/** Stops what is running, and what is being opened; the number of the turn that begins. */
function leave(): number {
  camera?.stop();
  camera = undefined;
  shown = [];
  nets = new Map();
  hint.classList.remove('shown');
  return ++turn;
}

async function live(open: () => Promise<Camera>): Promise<void> {
  const mine = leave();
  let opened: Camera;
  try {
    opened = await open();
  } catch (error) {
    if (mine === turn) show(error);
    return;
  }
  if (mine !== turn) return opened.stop();
  camera = opened;
  ready.tracker.reset();
  set('mirror', camera.front && camera.video.srcObject !== null);
  element('switch').hidden = !camera.next;
  enter('live');
  void run(camera);
}

const start = (which: MediaTrackConstraints) =>
  live(() => openCamera(which, () => show(new Problem('The camera went away', 'Connect it again, or choose another one.'))));

/** Frame after frame; one that comes while another is looked at is never seen, so that the newest always wins. */
async function run(mine: Camera): Promise<void> {
  const [arrivals, totals]: [number[], number[]] = [[], []];
  let [lastSeen, written] = [performance.now(), 0];
  networkTimes = [];
  try {
    while (camera === mine) {
      const {now: at, captured} = await nextFrame(mine.video);
      if (camera !== mine) return;
      frame.take(mine.video);
      const before = networkTimes.length;
      const tracks = await ready.tracker.step(frame, at / 1000);
      if (camera !== mine) return;
      shown = tracks.map((track) => ({...track, landmarks: how.steady ? track.landmarks : track.raw}));
      paint();
      const now = performance.now();
      const total = now - captured;
      report({time: at, picture: frame.canvas, tracks, total, network: networkTimes[before], searched: ready.tracker.searched});

      if (tracks.length) lastSeen = now;
      say(now - lastSeen > PATIENCE ? `No ${ready.object} in sight${ready.tracker.finder.one ? `. ${howTo()}` : ''}` : '');
      arrivals.push(at);
      totals.push(total);
      for (const list of [arrivals, totals, networkTimes]) if (list.length > KEPT) list.splice(0, list.length - KEPT);
      if (now - written > 250) {
        written = now;
        const seconds = (arrivals[arrivals.length - 1] - arrivals[0]) / 1000;
        write('fps', arrivals.length > 1 ? (arrivals.length - 1) / seconds : undefined, 0);
        write('total', median(totals), 1);
        write('network', median(networkTimes), 1);
      }
    }
  } catch (error) {
    if (camera === mine) show(error);
  }
}

/** The next frame: when the page got it, and when the browser got it from the camera, where it says so. ms. */
function nextFrame(video: HTMLVideoElement): Promise<{now: number; captured: number}> {
  return new Promise((resolve) =>
    video.requestVideoFrameCallback((now, {captureTime}) => resolve({now, captured: captureTime ?? now})),
  );
}

function report(detail: FrameReport): void {
  document.dispatchEvent(new CustomEvent('edgewing:frame', {detail}));
}

async function still(file: File): Promise<void> {
  const mine = leave();
  try {
    const picture = await openPicture(file);
    if (mine !== turn) return picture.close();
    frame.take(picture);
    picture.close();
    set('mirror', false);
    enter('still');
    ready.stills.reset(); // a picture has nothing to do with the one before
    await look(mine, () => ready.stills.step(frame, 0));
  } catch (error) {
    if (mine === turn) show(error);
  }
}

/** Shows what is found in the picture that is there. */
async function look(mine: number, find: () => Promise<Seen[]>): Promise<void> {
  networkTimes = [];
  const begun = performance.now();
  const found = await find();
  if (mine !== turn) return;
  shown = found;
  paint();
  const nothing = `No ${ready.object} found in this picture${ready.tracker.finder.one ? '. Draw a box around it.' : ''}`;
  say(shown.length ? `${shown.length} found` : nothing);
  write('fps', undefined, 0);
  write('total', performance.now() - begun, 1);
  write('network', networkTimes.length ? median(networkTimes) : undefined, 1);
  document.dispatchEvent(new CustomEvent('edgewing:still', {detail: shown}));
}

/** Looks in the box that was drawn: at once in a picture, where it is meant, and with the next frame of a camera. */
async function lookIn(corners: [number, number, number, number]): Promise<void> {
  const [[ax, ay], [bx, by]] = [view.toFrame(corners[0], corners[1]), view.toFrame(corners[2], corners[3])];
  const box = [Math.min(ax, bx), ay, Math.max(ax, bx), by] as const; // mirrored, left is right
  if (camera) {
    ready.tracker.reset();
    ready.tracker.finder.drawn = box;
    return;
  }
  nets = new Map();
  await look(++turn, async () => [{id: 0, ...(await ready.landmarker.face(frame, box))}]).catch(show);
}

function paint(): void {
  const faces = shown.map(({id, landmarks, scores, there}) => {
    if (how.mesh && !nets.has(id)) nets.set(id, mesh(landmarks));
    return {landmarks, scores, there, edges: how.mesh ? nets.get(id)! : ready.contract.layout.edges, net: how.mesh};
  });
  view.draw(frame.canvas, faces, how.mirror);
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
  if (!file || !ready) return;
  void (file.type.startsWith('video/') ? live(() => openVideo(file)) : still(file));
}

for (const name of ['mirror', 'steady', 'mesh'] as const) {
  element(name).addEventListener('click', () => {
    set(name, !how[name]);
    if (frame.width) paint();
  });
}
startButton.addEventListener('click', () => void start({facingMode: ready.tracker.finder.one ? 'environment' : 'user'}));
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
new ResizeObserver(() => ready && frame.width && paint()).observe(element('stage'));

main().catch(show);
