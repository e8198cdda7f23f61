// A model in, landmarks out: of pictures, and of videos and cameras, in which faces are followed and held steady.

import {choose} from './choose.js';
import {constants, type Constants} from './constants.js';
import {read, type Contract} from './contract.js';
import type {DetectorSettings} from './detector.js';
import {expression, type Expression} from './expression.js';
import {bytes, type FileSource} from './file.js';
import {Finder} from './finder.js';
import {Frame, type Source} from './frame.js';
import type {Box} from './geometry.js';
import {contradiction, openDetector, warmUp} from './load.js';
import {Problem} from './problem.js';
import {confidence, Reader, type Network} from './reader.js';
import {hasSimd, Model, start} from './runtime.js';
import {Tracker, type Track} from './tracking.js';

/** model: a .tflite that `python -m targets` or `edgewing` gave, with its contract inside. The rest lies beside this
 * module, unless said otherwise, as a bundler needs. detector: for videos, where it must be quick. stills: for pictures,
 * which may show a whole group; without it the one named for videos. wasm: the folder of the runtime. */
export interface Options {
  model: FileSource;
  detector?: FileSource;
  stills?: FileSource;
  wasm?: string | URL;
}

/** time: in s, of a frame of a video; it does not go back. box: where to look, x0, y0, x1, y1 in px of the picture. */
export interface How {
  time?: number;
  box?: Box;
}

/** A frame of a video that was looked at. time, captured: when the page got it, and the browser, in ms of
 * performance.now(). network: ms that the model took for the first face. searched: whether the detector ran. */
export interface Seen {
  time: number;
  captured: number;
  tracks: Track[];
  network: number | undefined;
  searched: boolean;
}

const beside = (name: string) => new URL(name, import.meta.url).href;

export class Landmarker {
  /** ms that the model took in the last call, face by face. */
  readonly times: number[] = [];
  private readonly frame = new Frame();
  private readonly reader: Reader;
  private readonly opened: Model[] = [];
  private tracker!: Tracker;
  private pictures: Promise<Tracker> | undefined;
  private model: Model;
  private file: Uint8Array | undefined; // until the best place is chosen
  private notes = '';
  private followed: Source | undefined; // what the tracks are of
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    /** What the model says of itself. */
    readonly contract: Contract,
    private readonly known: Constants,
    private readonly options: Options,
    private readonly threads: number,
    model: Model,
    file: Uint8Array,
  ) {
    [this.model, this.file] = [model, file];
    this.reader = new Reader(contract, this.network);
  }

  /** Throws an Error of one line: what failed, and what to do. */
  static async create(options: Options): Promise<Landmarker> {
    if (!hasSimd() || !('requestVideoFrameCallback' in HTMLVideoElement.prototype)) {
      const browsers = 'Chrome or Edge 91, Safari 16.4, Firefox 132, or newer';
      throw new Problem('This browser is too old', `It lacks WebAssembly SIMD or video frame callbacks. Known to have them: ${browsers}.`);
    }
    const folder = String(options.wasm ?? beside('wasm/')).replace(/\/*$/, '/');
    const [threads, file] = await Promise.all([start(folder), bytes(options.model)]);
    const contract = await read(file);
    const model = await Model.open(file);
    const made = new Landmarker(contract, constants(contract.layout), options, threads, model, file);
    try {
      const problem = contradiction(contract, model);
      if (problem) throw new Error(`the model's contract contradicts its graph: ${problem}`);
      const quick = await made.finder(options.detector ?? beside('detector.tflite'));
      made.tracker = made.follower(quick);
      await warmUp(made.reader, quick);
    } catch (error) {
      void made.close();
      throw error;
    }
    return made;
  }

  /** What the points are on, in a word: face. */
  get object(): string {
    return this.known.object;
  }

  /** Whether a detector says where to look; without one it is the whole picture, or the box that is given. */
  get detects(): boolean {
    return !this.tracker.finder.one;
  }

  /** Where the model runs, and what else was tried, for people. */
  get place(): {name: string; why: string} {
    return {name: this.model.place, why: this.notes};
  }

  /** What was looked at last, for drawing under its points: they are in px of its size, which the canvas may be less of. */
  get picture(): {canvas: HTMLCanvasElement; width: number; height: number} {
    return {canvas: this.frame.canvas, ...this.frame.size};
  }

  /**
   * The faces of a picture, in px of it, (0, 0) being the centre of the first. From one frame of a video to the next
   * (or whatever comes with a time) they are followed: ids stay, points are steady. Every other picture stands for
   * itself, and the largest face comes first. In a picture the box is taken at its word. One call waits for the other.
   */
  detect(source: Source, {time, box}: How = {}): Promise<Track[]> {
    return this.inTurn(async () => {
      const now = time ?? (source instanceof HTMLVideoElement ? performance.now() / 1000 : undefined);
      this.frame.take(source);
      this.times.length = 0;
      const tracks = now === undefined ? await this.still(box) : await this.follow(source, now, box);
      return tracks.map((track) => this.frame.outside(track));
    });
  }

  /** Looks at a video, frame after frame, until that is aborted; of frames that come meanwhile only the newest is seen. */
  async *watch(video: HTMLVideoElement, signal?: AbortSignal): AsyncGenerator<Seen, void, undefined> {
    let end = () => {};
    signal?.addEventListener('abort', () => end(), {once: true});
    while (!signal?.aborted) {
      const next = await new Promise<Pick<Seen, 'time' | 'captured'> | undefined>((resolve) => {
        end = () => resolve(undefined);
        video.requestVideoFrameCallback((time, {captureTime}) => resolve({time, captured: captureTime ?? time}));
      });
      if (!next || signal?.aborted) return;
      const tracks = await this.detect(video, {time: next.time / 1000});
      if (signal?.aborted) return;
      yield {...next, tracks, network: this.times[0], searched: this.tracker.searched};
    }
  }

  /** From the next frame of a video on, what is in that box is followed. */
  lookIn(box: Box): Promise<void> {
    return this.inTurn(async () => {
      this.tracker.reset();
      this.tracker.finder.drawn = this.frame.inside(box);
    });
  }

  /** Head pose, the 52 units of ARKit and gaze of a face, as far as the model's layout tells. */
  expression({landmarks, there}: Pick<Track, 'landmarks' | 'there'>): Expression {
    return expression(landmarks, this.contract.layout, there);
  }

  /** Fetches now what pictures need beside videos; else that happens with the first one. */
  async prepare(): Promise<void> {
    await this.stills();
  }

  /** Gives the memory back, after what is being looked at. */
  close(): Promise<void> {
    return this.inTurn(async () => {
      for (const model of [this.model, ...this.opened.splice(0)]) model.delete();
    });
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.last.then(act);
    this.last = mine.catch(() => undefined);
    return mine;
  }

  private async follow(source: Source, time: number, box?: Box): Promise<Track[]> {
    if (source !== this.followed || box) this.tracker.reset();
    this.followed = source;
    if (box) this.tracker.finder.drawn = this.frame.inside(box);
    return this.tracker.step(this.frame, time);
  }

  private async still(box?: Box): Promise<Track[]> {
    if (box) {
      const face = await this.reader.face(this.frame, this.frame.inside(box));
      return [{...face, id: 0, raw: face.landmarks, confidence: confidence(face), age: 0}];
    }
    const tracker = await this.stills();
    tracker.reset(); // a picture has nothing to do with the one before
    return tracker.step(this.frame, 0);
  }

  private stills(): Promise<Tracker> {
    const {stills, detector} = this.options;
    this.pictures ??= this.finder(stills ?? detector ?? beside('stills.tflite')).then(
      (finder) => this.follower(finder),
      (error) => {
        this.pictures = undefined; // the next picture tries again
        throw error;
      },
    );
    return this.pictures;
  }

  private follower(finder: Finder): Tracker {
    return new Tracker(this.reader, finder, this.known.tracking, this.known.turns, this.known.unsure);
  }

  private async finder(file: FileSource): Promise<Finder> {
    const known = [this.known.detector, this.known.stills].filter((one): one is DetectorSettings => one !== undefined);
    if (!known.length) return new Finder();
    const {detector, model} = await openDetector(file, known);
    this.opened.push(model);
    return new Finder(detector);
  }

  /** The landmark network, with its time written down. With the first face of a video the best place for it is chosen. */
  private network: Network = async (tensor) => {
    const begun = performance.now();
    const outputs = await this.model.run(tensor);
    this.times.push(performance.now() - begun);
    if (this.file && this.followed) {
      const file = this.file;
      this.file = undefined;
      const choice = await choose(file, this.contract, this.model, this.threads, tensor);
      [this.model, this.notes] = [choice.model, choice.why];
    }
    return outputs;
  };
}
