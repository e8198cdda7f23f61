// The modules that need no browser, as the tests that compare them with Python's load them.

export * as contract from './contract';
export * as decoding from './decoding';
export * as detector from './detector';
export * as finder from './finder';
export * as geometry from './geometry';
export * as landmarker from './landmarker';
export * as mesh from './mesh';
export * as oneeuro from './oneeuro';
export * as pixels from './pixels';
export * as tracking from './tracking';
