// From the page's files to a tracker that is ready: model, detector, constants.

import {read, type Contract} from './contract';
import {Detector, type DetectorSettings} from './detector';
import {Finder} from './finder';
import type {Turns} from './geometry';
import {Landmarker} from './landmarker';
import {Model, start} from './runtime';
import {Tracker, type TrackingSettings} from './tracking';

/** page.json, which `edgewing web` writes from what Python has. object: what the model's points are on, in a word; the
 * detectors are there where that is a face. */
interface Settings {
  object: string;
  detector?: DetectorSettings;
  stills?: DetectorSettings;
  tracking: TrackingSettings;
  turns?: Turns;
}

export interface Ready {
  contract: Contract;
  object: string;
  landmarker: Landmarker;
  /** For a camera and videos, where the detector must be quick. */
  tracker: Tracker;
  /** For single pictures, which may show a whole group: slower, and finds small faces too. */
  stills: Tracker;
  /** The model and its bytes, for who wants to open it elsewhere. */
  model: Model;
  file: Uint8Array;
  threads: number;
}

/** Everything that is needed before the first frame. Throws an Error of one line. */
export async function load(): Promise<Ready> {
  const [threads, settings, file] = await Promise.all([
    start(),
    fetched('page.json').then((response) => response.json() as Promise<Settings>),
    fetched('model.tflite').then(bytes),
  ]);
  const contract = await read(file);
  const model = await Model.open(file);
  const problem = contradiction(contract, model);
  if (problem) throw new Error(`the model's contract contradicts its graph: ${problem}`);
  const landmarker = new Landmarker(contract, (input) => model.run(input));

  const quick = await finder('detector.tflite', settings.detector);
  const tracker = new Tracker(landmarker, quick, settings.tracking, settings.turns);
  const stills = new Tracker(landmarker, await finder('stills.tflite', settings.stills), settings.tracking, settings.turns);
  await warmUp(landmarker, quick);
  return {contract, object: settings.object, landmarker, tracker, stills, model, file, threads};
}

async function finder(file: string, settings?: DetectorSettings): Promise<Finder> {
  return new Finder(settings && (await openDetector(file, settings)));
}

async function openDetector(file: string, settings: DetectorSettings): Promise<Detector> {
  const network = await Model.open(await fetched(file).then(bytes));
  const [boxes, scores] = [16, 1].map((width) => network.tensors.outputs.find(({shape}) => shape.at(-1) === width)!.name);
  return new Detector(settings, async (input) => {
    const found = await network.run(input);
    return {boxes: found[boxes], scores: found[scores]};
  });
}

const ROUNDS = 12;

/** Has everything run until the browser has compiled it: the detector runs once a second, and would stay slow for long. */
async function warmUp(landmarker: Landmarker, quick: Finder): Promise<void> {
  const [width, height] = [640, 480];
  const data = new Uint8ClampedArray(width * height * 4).fill(128);
  const grey = {width, height, region: () => ({data, left: 0, top: 0, width, height})};
  for (let round = 0; round < ROUNDS; round++) {
    await quick.find(grey);
    await landmarker.face(grey, [200, 120, 440, 360]);
    await new Promise((resolve) => setTimeout(resolve)); // the page stays alive
  }
}

async function fetched(path: string): Promise<Response> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} is not on this server (${response.status})`);
  return response;
}

async function bytes(response: Response): Promise<Uint8Array> {
  return new Uint8Array(await response.arrayBuffer());
}

/** What a contract says of its graph that is not so. A graph may have outputs that it does not mention. */
function contradiction({input, outputs}: Contract, model: Model): string | undefined {
  const {tensors} = model;
  if (tensors.inputs.length !== 1) return `the graph has ${tensors.inputs.length} inputs, not 1`;
  const {dtype} = tensors.inputs[0];
  if (dtype !== input.dtype) return `the input is ${dtype}, not ${input.dtype}`;
  return differing([input], tensors.inputs) ?? differing(outputs, tensors.outputs);
}

function differing(promised: {name: string; shape: number[]}[], found: {name: string; shape: number[]}[]): string | undefined {
  for (const {name, shape} of promised) {
    const real = found.find((tensor) => tensor.name === name);
    if (!real) return `no ${name}, only ${found.map((tensor) => tensor.name).join(', ')}`;
    if (real.shape.join() !== shape.join()) return `${name} is ${real.shape.join(' x ')}, not ${shape.join(' x ')}`;
  }
  return undefined;
}
