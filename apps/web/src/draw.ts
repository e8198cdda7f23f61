// The frame and its faces on the visible canvas, in the colours of edgewing/drawing.py. A mirrored view mirrors the
// picture and where points are drawn; which point is left and which is right stays as the model said.

import {landmarkBox, size, type Landmarks} from './geometry.js';

const CURVE = 'rgb(60 220 235 / 0.85)';
const RIM = 'rgb(10 30 35 / 0.9)';
const [SURE, UNSURE] = [[90, 255, 120], [255, 120, 30]]; // of a point with score 1 and 0
const [LINE_WIDTH, NET_WIDTH, RADIUS] = [0.006, 0.004, 0.01]; // shares of the face's size
const [LEAST_LINE_WIDTH, LEAST_RADIUS] = [1, 1.6]; // device px

/** there: points that are not, are left out. edges: pairs of points to join. net: whether those are all there is to see. */
export interface Drawable {
  landmarks: Landmarks;
  scores: Float32Array;
  there: boolean[];
  edges: [number, number][];
  net?: boolean;
}

export class View {
  private readonly context: CanvasRenderingContext2D;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext('2d', {alpha: false})!;
  }

  /** frame: what was looked at; its canvas may be smaller than its size, which points are in px of. */
  draw(frame: {canvas: HTMLCanvasElement; width: number; height: number}, faces: Drawable[], mirror = false): void {
    const {canvas, context} = this;
    const pixels = Math.min(devicePixelRatio, 3);
    const [width, height] = [Math.round(canvas.clientWidth * pixels), Math.round(canvas.clientHeight * pixels)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const scale = Math.min(width / frame.width, height / frame.height);
    const [left, top] = [(width - frame.width * scale) / 2, (height - frame.height * scale) / 2];

    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = '#070b10';
    context.fillRect(0, 0, width, height);
    context.setTransform(mirror ? -scale : scale, 0, 0, scale, mirror ? width - left : left, top);
    context.imageSmoothingQuality = 'high';
    context.drawImage(frame.canvas, 0, 0, frame.width, frame.height);
    // landmarks are counted from the centre of the first pixel, the canvas from its edge
    context.translate(0.5, 0.5);
    for (const face of faces) this.face(face, scale);
  }

  /** Where a point of the page lies in the frame, image px. */
  toFrame(x: number, y: number): [number, number] {
    const {left, top} = this.canvas.getBoundingClientRect();
    const pixels = this.canvas.width / this.canvas.clientWidth;
    const point = this.context.getTransform().inverse().transformPoint({x: (x - left) * pixels, y: (y - top) * pixels});
    return [point.x, point.y];
  }

  private face({landmarks, scores, there, edges, net = false}: Drawable, scale: number): void {
    const {context} = this;
    const across = size(landmarkBox(landmarks, there));
    context.lineWidth = Math.max((net ? NET_WIDTH : LINE_WIDTH) * across, LEAST_LINE_WIDTH / scale);
    context.strokeStyle = CURVE;
    context.beginPath();
    for (const [a, b] of edges) {
      if (!there[a] || !there[b]) continue;
      context.moveTo(landmarks[2 * a], landmarks[2 * a + 1]);
      context.lineTo(landmarks[2 * b], landmarks[2 * b + 1]);
    }
    context.stroke();
    if (net) return;
    const radius = Math.max(RADIUS * across, LEAST_RADIUS / scale);
    for (let i = 0; i < scores.length; i++) {
      if (!there[i]) continue;
      const share = Math.min(Math.max(scores[i], 0), 1);
      const tone = SURE.map((value, c) => Math.round(UNSURE[c] + (value - UNSURE[c]) * share));
      for (const [r, fill] of [[1.4 * radius, RIM], [radius, `rgb(${tone.join()})`]] as const) {
        context.fillStyle = fill;
        context.beginPath();
        context.arc(landmarks[2 * i], landmarks[2 * i + 1], r, 0, 2 * Math.PI);
        context.fill();
      }
    }
  }
}
