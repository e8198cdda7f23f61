// Where the model runs best on this device: one thread, several, or WebGPU. Nothing but trying tells: some phones are
// ten times slower on WebGPU than on wasm, some are wrong, and on a busy processor threads wait for one another.

import {getWebGpuDevice} from '@litertjs/core';

import type {Contract} from './contract.js';
import {points} from './reader.js';
import {Model} from './runtime.js';

const MOST_SHIFT = 1; // px of a 256 px crop; int8 weights computed in floats move points by half of that
const WORTH = 0.9; // of the time so far: for less of a gain no place is changed
const [ROUNDS, ENOUGH] = [9, 2];

type Input = Uint8Array | Float32Array;

export interface Choice {
  model: Model;
  /** What was tried, with the times: for those who want to know why. */
  why: string;
}

/** Tries every place with the input of a real face, in turns, and keeps the fastest that gives the same points. */
export async function choose(file: Uint8Array, contract: Contract, first: Model, threads: number, input: Input): Promise<Choice> {
  const expected = points(await first.run(input), contract).landmarks;
  const tried = [{model: first, times: [] as number[]}];
  const notes: string[] = [];
  for (const [wanted, open] of [
    [threads > 1, () => Model.open(file, 'wasm', threads)],
    [getWebGpuDevice() !== null, () => Model.open(file, 'webgpu')],
  ] as const) {
    if (!wanted) continue;
    try {
      const model = await open();
      const problem = await objection(model, expected, contract, input);
      if (problem) model.delete();
      else tried.push({model, times: []});
      if (problem) notes.push(`${model.place}: ${problem}`);
    } catch (error) {
      notes.push((error as Error).message);
    }
  }

  let rest = tried.length > 1 ? tried : [];
  for (let round = 1; round <= ROUNDS; round++) {
    for (const {model, times} of rest) {
      const begun = performance.now();
      await model.run(input);
      times.push(performance.now() - begun);
    }
    // what takes far longer is out after two rounds: a WebGPU in software takes half a second for each
    const best = Math.min(...rest.map(({times}) => median(times)));
    if (round >= ENOUGH) rest = rest.filter(({times}) => Math.min(...times) <= 2 * best);
  }
  let chosen = tried[0];
  for (const one of tried) if (median(one.times) < WORTH * median(chosen.times)) chosen = one;
  for (const {model, times} of tried) {
    if (times.length) notes.push(`${model.place}: ${median(times).toFixed(1)} ms`);
    if (model !== chosen.model) model.delete();
  }
  return {model: chosen.model, why: notes.join('; ')};
}

async function objection(model: Model, expected: Float32Array, contract: Contract, input: Input): Promise<string | undefined> {
  if (!model.whole) return 'not all operations are known there';
  const {landmarks} = points(await model.run(input), contract);
  const shift = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - landmarks[i])), 0);
  const scaled = (shift * 256) / contract.crop.size;
  return scaled <= MOST_SHIFT ? undefined : `points move by ${scaled.toFixed(2)} px`;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
