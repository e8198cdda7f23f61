// Where frames come from: a camera, or a picture or video from disk. Frames stay in this page.

import type {Picture, Region} from './pixels';

export type Facing = 'user' | 'environment';

/** What there is to say to a person who cannot go on, and what they can do. */
export class Problem extends Error {
  constructor(
    readonly title: string,
    message: string,
  ) {
    super(message);
  }
}

export interface Camera {
  video: HTMLVideoElement;
  /** Whether it looks at the person who looks at the screen; true where the browser does not say. */
  front: boolean;
  /** The camera that a press of the button goes to; undefined where there is but one. */
  next: MediaTrackConstraints | undefined;
  stop(): void;
}

/** Starts a camera. Throws Problem where there is none, or none may be used. `lost` is called when it is unplugged. */
export async function openCamera(which: MediaTrackConstraints, lost: () => void): Promise<Camera> {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Problem(
      'The camera needs https',
      `Browsers give the camera only to pages from https or from localhost, and this one came from ${location.origin}. ` +
        'Pictures and videos from disk work all the same.',
    );
  }
  let stream: MediaStream;
  try {
    const video = {width: {ideal: 640}, height: {ideal: 480}, frameRate: {ideal: 30}, ...which};
    stream = await navigator.mediaDevices.getUserMedia({video, audio: false});
  } catch (error) {
    throw explain(error as DOMException);
  }
  const stop = () => stream.getTracks().forEach((one) => one.stop());
  try {
    const [track] = stream.getVideoTracks();
    track.addEventListener('ended', lost);
    const video = await play((element) => (element.srcObject = stream));
    const {facingMode, deviceId} = track.getSettings();
    const devices = (await navigator.mediaDevices.enumerateDevices()).filter(({kind}) => kind === 'videoinput');
    return {video, front: facingMode !== 'environment', next: following(devices, facingMode, deviceId), stop};
  } catch (error) {
    stop(); // or its light would stay on, with nobody to switch it off
    const text = `The camera is there, and the browser does not play it (${(error as Error).message}). Try again. ${WITHOUT}`;
    throw new Problem('The camera did not start', text);
  }
}

/** Phones say which way a camera looks, and have several for each way; desktops have a list. */
function following(devices: MediaDeviceInfo[], facing?: string, id?: string): MediaTrackConstraints | undefined {
  if (devices.length < 2) return undefined;
  if (facing) return {facingMode: facing === 'user' ? 'environment' : 'user'};
  const at = devices.findIndex(({deviceId}) => deviceId === id);
  return {deviceId: {exact: devices[(at + 1) % devices.length].deviceId}};
}

/** Plays a video file from disk, over and over. */
export async function openVideo(file: File): Promise<Camera> {
  const url = URL.createObjectURL(file);
  try {
    const video = await play((element) => {
      element.src = url;
      element.loop = true;
    });
    const stop = () => {
      video.pause();
      URL.revokeObjectURL(url);
    };
    return {video, front: false, next: undefined, stop};
  } catch {
    URL.revokeObjectURL(url);
    throw new Problem('This video cannot be played', `The browser does not read ${file.name}. MP4 and WebM usually work.`);
  }
}

async function play(prepare: (video: HTMLVideoElement) => void): Promise<HTMLVideoElement> {
  const video = document.createElement('video');
  video.muted = video.playsInline = true;
  prepare(video);
  await video.play();
  return video;
}

/** A picture from disk, upright. */
export async function openPicture(file: File): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Problem('This picture cannot be shown', `The browser does not read ${file.name}. JPEG, PNG and WebP work.`);
  }
}

const WITHOUT = 'Pictures and videos from disk work without it.';

function explain(error: DOMException): Problem {
  switch (error.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return new Problem('The camera was refused', `Allow the camera for this page in the browser's settings and try again. ${WITHOUT}`);
    case 'NotFoundError':
    case 'OverconstrainedError':
      return new Problem('No camera was found', `Connect one and try again. ${WITHOUT}`);
    case 'NotReadableError':
    case 'AbortError':
      return new Problem('The camera is busy', `Close the other program that uses it and try again. ${WITHOUT}`);
    default:
      return new Problem('The camera did not start', `${error.message}. ${WITHOUT}`);
  }
}

const LARGEST_SIDE = 2048; // px of a picture; a phone's photograph is shrunk to it

/** The frame that is looked at: the pixels of one moment, while the camera goes on. */
export class Frame implements Picture {
  readonly canvas = document.createElement('canvas');
  private readonly context = this.canvas.getContext('2d', {willReadFrequently: true, alpha: false})!;

  get width(): number {
    return this.canvas.width;
  }

  get height(): number {
    return this.canvas.height;
  }

  /** Keeps what the source shows now. */
  take(source: HTMLVideoElement | ImageBitmap): void {
    const [w, h] = source instanceof ImageBitmap ? [source.width, source.height] : [source.videoWidth, source.videoHeight];
    const scale = Math.min(1, LARGEST_SIDE / Math.max(w, h));
    const [width, height] = [Math.round(w * scale), Math.round(h * scale)];
    if (this.width !== width || this.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    this.context.drawImage(source, 0, 0, width, height);
  }

  region(x0: number, y0: number, x1: number, y1: number): Region {
    const {data, width, height} = this.context.getImageData(x0, y0, x1 - x0, y1 - y0);
    return {data, left: x0, top: y0, width, height};
  }
}
