// LiteRT.js: .tflite files on the processor (wasm with SIMD) or on the graphics chip (WebGPU).

import {loadAndCompile, loadLiteRt, supportsFeature, Tensor, type Accelerator, type CompiledModel} from '@litertjs/core';

const MOST_THREADS = 4; // a phone has no more fast cores

let started: Promise<number> | undefined;

/** Fetches and starts the wasm of that folder, once; how many threads a model may have. For when document.body exists. */
export function start(folder: string): Promise<number> {
  started ??= load(folder).catch((error) => {
    started = undefined;
    const why = error instanceof Error ? `: ${error.message}` : ''; // a script that is not there fails without a word
    throw new Error(`the runtime does not start from ${folder}${why}; say with wasm where the package's dist/wasm lies`);
  });
  return started;
}

async function load(folder: string): Promise<number> {
  // threads share memory, which a page may only when it is isolated (COOP and COEP), and need relaxed SIMD here
  const threads = crossOriginIsolated && (await supportsFeature('threads')) && (await supportsFeature('relaxedSimd'));
  await loadLiteRt(folder, {threads});
  return threads ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
}

/** Whether this browser has the SIMD instructions without which no variant of the runtime starts. */
export function hasSimd(): boolean {
  // a module with one function: i32.const 0, i8x16.splat, drop
  return WebAssembly.validate(
    new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11]),
  );
}

/** A compiled .tflite file with one input. */
export class Model {
  private constructor(
    private readonly compiled: CompiledModel,
    readonly accelerator: Accelerator,
    private readonly threads: number,
  ) {}

  static async open(file: Uint8Array, accelerator: Accelerator = 'wasm', threads = 1): Promise<Model> {
    const compiled = await loadAndCompile(file, {accelerator, cpuOptions: {numThreads: threads}});
    return new Model(compiled, accelerator, threads);
  }

  /** Where it runs, for people. */
  get place(): string {
    return this.accelerator === 'webgpu' ? 'WebGPU' : `wasm, ${this.threads} thread${this.threads > 1 ? 's' : ''}`;
  }

  /** Whether all of it runs where it was asked to; wasm runs everything. */
  get whole(): boolean {
    const {options, isFullyAccelerated} = this.compiled;
    return this.accelerator === 'wasm' || (options.accelerator === this.accelerator && isFullyAccelerated);
  }

  /** Name, type and shape of inputs and outputs, as the graph declares them. */
  get tensors() {
    const plain = ({name, dtype, shape}: {name: string; dtype: string; shape: Int32Array}) => ({name, dtype, shape: [...shape]});
    return {inputs: this.compiled.getInputDetails().map(plain), outputs: this.compiled.getOutputDetails().map(plain)};
  }

  /** Its input's values to its outputs by name. */
  async run(input: Uint8Array | Float32Array): Promise<Record<string, Float32Array>> {
    const [{shape}] = this.compiled.getInputDetails();
    const tensor = Tensor.fromTypedArray(input as Uint8Array<ArrayBuffer>, shape);
    const given = this.accelerator === 'webgpu' ? await tensor.moveTo('webgpu') : tensor;
    const results = await this.compiled.run([given]);
    const named: Record<string, Float32Array> = {};
    for (const [i, {name}] of this.compiled.getOutputDetails().entries()) {
      named[name] = (await results[i].data()).slice() as Float32Array;
      results[i].delete(); // tensors are freed by hand, or every call leaks its own
    }
    given.delete();
    return named;
  }

  delete(): void {
    this.compiled.delete();
  }
}
