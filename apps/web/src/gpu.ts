// WebGPU is taken only where it is there, gives the same points, and is faster: all three are found out by trying, with
// the first face that is seen. Some phones are ten times slower on it than on wasm, and some are wrong.

import {getWebGpuDevice} from '@litertjs/core';

import type {Contract} from './contract';
import {points} from './landmarker';
import {Model} from './runtime';

const MOST_SHIFT = 1; // px of a 256 px crop; a kernel that computes int8 weights in floats moves points by half of that
const WORTH = 0.8; // of the time on wasm: less of a gain is not worth a second runtime
const [ROUNDS, ENOUGH] = [9, 3];

/** The model on WebGPU if it is the better one for this input, else why not. */
export async function onGpu(file: Uint8Array, contract: Contract, wasm: Model, input: Uint8Array | Float32Array): Promise<Model | string> {
  if (!getWebGpuDevice()) return 'no WebGPU here';
  let model: Model | undefined;
  try {
    model = await Model.open(file, 'webgpu');
    const why = model.whole ? await objection(model, wasm, contract, input) : 'WebGPU does not know all its operations';
    if (!why) return model;
    model.delete();
    return why;
  } catch (error) {
    model?.delete();
    return `WebGPU failed: ${(error as Error).message}`;
  }
}

/** Why a model on WebGPU is not to be taken; undefined where it is. */
async function objection(gpu: Model, wasm: Model, contract: Contract, input: Uint8Array | Float32Array): Promise<string | undefined> {
  const [expected, got] = [points(await wasm.run(input), contract), points(await gpu.run(input), contract)];
  const shift = expected.landmarks.reduce((most, value, i) => Math.max(most, Math.abs(value - got.landmarks[i])), 0);
  const scaled = (shift * 256) / contract.crop.size;
  if (!(scaled <= MOST_SHIFT)) return `on WebGPU points move by ${scaled.toFixed(2)} px`;

  const times: [number[], number[]] = [[], []];
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [i, model] of [wasm, gpu].entries()) {
      const begun = performance.now();
      await model.run(input);
      times[i].push(performance.now() - begun);
    }
    // a software adapter takes a second for this; three rounds are enough to see it
    if (round === ENOUGH && median(times[1]) > 2 * median(times[0])) break;
  }
  const [onWasm, onGpu] = times.map(median);
  return onGpu <= WORTH * onWasm ? undefined : `WebGPU takes ${onGpu.toFixed(1)} ms, wasm ${onWasm.toFixed(1)} ms`;
}

export function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
