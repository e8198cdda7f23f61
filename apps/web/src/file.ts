// Files, from a server or at hand.

/** Where a file is fetched from, or its bytes. */
export type FileSource = string | URL | ArrayBuffer | Uint8Array;

/** Throws an Error of one line where it is not to be had. */
export async function bytes(file: FileSource): Promise<Uint8Array> {
  if (file instanceof Uint8Array) return file;
  if (file instanceof ArrayBuffer) return new Uint8Array(file);
  const response = await fetch(file).catch((error: Error) => {
    throw new Error(`${file} cannot be fetched (${error.message})`);
  });
  if (!response.ok) throw new Error(`${file} is not on this server (${response.status})`);
  const page = response.headers.get('content-type')?.startsWith('text/html'); // some servers answer all with a page
  if (page) throw new Error(`${file} is not on this server (it answers with a page)`);
  return new Uint8Array(await response.arrayBuffer());
}
