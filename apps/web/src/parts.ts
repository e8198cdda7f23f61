// The modules that need no browser, as the tests that compare them with Python's load them.

export * as constants from './constants.js';
export * as contract from './contract.js';
export * as decoding from './decoding.js';
export * as detector from './detector.js';
export * as expression from './expression.js';
export * as finder from './finder.js';
export * as geometry from './geometry.js';
export * as mesh from './mesh.js';
export * as oneeuro from './oneeuro.js';
export * as pixels from './pixels.js';
export * as reader from './reader.js';
export * as tracking from './tracking.js';
