// build.mjs turns NumPy's files into this.
declare module '*.npz' {
  const arrays: Record<string, {type: 'float16' | 'float32'; data: string} | string[]>;
  export default arrays;
}
