// Where frames come from: a camera, or a picture or video from disk. Frames stay in this page.

import {Problem} from './problem.js';

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
      `Browsers give the camera only to pages from https or from localhost, and this one came from ${location.origin}.`,
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
    const text = `The camera is there, and the browser does not play it (${(error as Error).message}). Try again.`;
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

function explain(error: DOMException): Problem {
  switch (error.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return new Problem('The camera was refused', "Allow the camera for this page in the browser's settings and try again.");
    case 'NotFoundError':
    case 'OverconstrainedError':
      return new Problem('No camera was found', 'Connect one and try again.');
    case 'NotReadableError':
    case 'AbortError':
      return new Problem('The camera is busy', 'Close the other program that uses it and try again.');
    default:
      return new Problem('The camera did not start', `${error.message}.`);
  }
}
