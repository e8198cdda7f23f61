// The package: landmarks in the browser. See README.md.

export {openCamera, openPicture, openVideo, type Camera} from './camera.js';
export type {Contract, Layout} from './contract.js';
export {View, type Drawable} from './draw.js';
export {EdgewingCamera, type Shown} from './element.js';
export type {Expression, Gaze, Pose} from './expression.js';
export type {FileSource} from './file.js';
export type {Source} from './frame.js';
export type {Box, Landmarks} from './geometry.js';
export {Landmarker, type How, type Options, type Seen} from './landmarker.js';
export {mesh} from './mesh.js';
export {Problem} from './problem.js';
export type {Track} from './tracking.js';
