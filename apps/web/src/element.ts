// <edgewing-camera model="model.tflite">: a camera with what is found drawn on it, and a button that starts it.

import {openCamera} from './camera.js';
import {View} from './draw.js';
import {Landmarker, type Seen} from './landmarker.js';
import {Problem} from './problem.js';

/** What `faces` tells of every frame; total: ms from the camera to drawn points. */
export type Shown = Seen & {total: number};

/** The events of the element: `faces` after every frame, `problem` when it cannot go on. */
export interface EdgewingCamera {
  addEventListener(type: 'faces', listener: (event: CustomEvent<Shown>) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: 'problem', listener: (event: CustomEvent<Error>) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

const INSIDE = `
<style>
  :host { display: block; position: relative; aspect-ratio: 4 / 3; overflow: hidden; border-radius: 16px; background: #070b10; color: #eef3f7; font: 16px/1.45 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
  :host([hidden]), :host([data-state='live']) div, :host([data-state='loading']) button { display: none; }
  canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
  div { position: absolute; inset: 0; box-sizing: border-box; display: flex; flex-direction: column; align-items: center; justify-content: safe center; gap: 16px; padding: 20px; overflow: auto; text-align: center; background: #17212c; }
  p { margin: 0; max-width: 40ch; color: #a3b3c2; text-wrap: balance; }
  :host([data-state='problem']) p { color: #eef3f7; }
  button { min-height: 48px; padding: 0 24px; border: 0; border-radius: 14px; background: #3cdceb; color: #04252a; font: inherit; font-weight: 550; cursor: pointer; }
  button:focus-visible { outline: 3px solid #eef3f7; outline-offset: 2px; }
</style>
<canvas role="img" aria-label="The camera's picture with the points drawn on it"></canvas>
<div><p role="status">The model runs here, in your browser. No picture leaves this device.</p><button>Start the camera</button></div>`;

const OF_THE_MODEL = ['model', 'detector', 'wasm'];

/** Attributes: model, detector and wasm as of Landmarker.create; facing: user or environment; mirrored; autostart. */
// where there is no browser, as on a server that renders pages, the class is of no use and does no harm
export class EdgewingCamera extends (globalThis.HTMLElement ?? (class {} as unknown as typeof HTMLElement)) {
  static readonly observedAttributes = OF_THE_MODEL;

  private readonly root = this.attachShadow({mode: 'open'});
  private readonly view: View;
  private running: AbortController | undefined;
  private opened: Promise<Landmarker> | undefined;

  constructor() {
    super();
    this.root.innerHTML = INSIDE;
    this.view = new View(this.root.querySelector('canvas')!);
    this.root.querySelector('button')!.addEventListener('click', () => void this.start());
  }

  connectedCallback(): void {
    if (this.hasAttribute('autostart')) void this.start();
  }

  disconnectedCallback(): void {
    this.stop();
    this.forget();
  }

  attributeChangedCallback(): void {
    if (!this.opened) return;
    this.stop();
    this.forget();
  }

  /** Opens model and camera. It does not throw: what fails is shown, and told with `problem`. */
  async start(): Promise<void> {
    this.stop();
    const {signal} = (this.running = new AbortController());
    this.enter('loading', 'Loading the model…');
    try {
      const landmarker = await this.landmarker();
      if (signal.aborted) return;
      const facing = this.getAttribute('facing') ?? (landmarker.detects ? 'user' : 'environment');
      const lost = new Problem('The camera went away', 'Connect it again, or choose another one.');
      const camera = await openCamera({facingMode: facing}, () => signal.aborted || this.fail(lost));
      if (signal.aborted) return camera.stop();
      signal.addEventListener('abort', camera.stop, {once: true});
      this.enter('live');
      await this.follow(landmarker, camera.video, signal);
    } catch (error) {
      if (!signal.aborted) this.fail(error as Error);
    }
  }

  /** Lets the camera go. */
  stop(): void {
    this.running?.abort();
    this.running = undefined;
    this.enter('idle', 'No picture leaves this device.');
  }

  private async follow(landmarker: Landmarker, video: HTMLVideoElement, signal: AbortSignal): Promise<void> {
    const {edges} = landmarker.contract.layout;
    for await (const seen of landmarker.watch(video, signal)) {
      const faces = seen.tracks.map((track) => ({...track, edges}));
      this.view.draw(landmarker.picture, faces, this.hasAttribute('mirrored'));
      const total = performance.now() - seen.captured;
      this.dispatchEvent(new CustomEvent<Shown>('faces', {detail: {...seen, total}}));
    }
  }

  /** The model, once for as long as the element is in a page. */
  private landmarker(): Promise<Landmarker> {
    const [model, detector, wasm] = OF_THE_MODEL.map((name) => this.getAttribute(name) ?? undefined);
    if (!model) throw new Error('edgewing-camera needs a model: <edgewing-camera model="model.tflite">');
    this.opened ??= Landmarker.create({model, detector, wasm}).catch((error) => {
      this.opened = undefined; // the next try begins anew
      throw error;
    });
    return this.opened;
  }

  private forget(): void {
    void this.opened?.then((landmarker) => landmarker.close(), () => undefined);
    this.opened = undefined;
  }

  private fail(error: Error): void {
    this.stop();
    const line = error instanceof Problem ? `${error.title}. ${error.message}` : error.message;
    this.enter('problem', line.replace(/\.?$/, '.'));
    this.dispatchEvent(new CustomEvent<Error>('problem', {detail: error}));
  }

  private enter(state: 'idle' | 'loading' | 'live' | 'problem', text?: string): void {
    this.dataset.state = state;
    if (text) this.root.querySelector('p')!.textContent = text;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'edgewing-camera': EdgewingCamera;
  }
}

if (globalThis.customElements && !customElements.get('edgewing-camera')) customElements.define('edgewing-camera', EdgewingCamera);
