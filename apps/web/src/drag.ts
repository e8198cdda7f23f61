// A box that a person draws over the picture: where the points are to be looked for.

const LEAST = 16; // px of the page; less is a tap

/** Calls `drawn` with the corners of every box that is drawn over an element, in px of the page. outline: what shows it,
 * placed relative to the element. */
export function drawBoxes(over: HTMLElement, outline: HTMLElement, drawn: (x0: number, y0: number, x1: number, y1: number) => void): void {
  let from: [number, number] | undefined;
  const corners = ({clientX, clientY}: PointerEvent) => {
    const [[x0, x1], [y0, y1]] = [[from![0], clientX], [from![1], clientY]].map((pair) => pair.sort((a, b) => a - b));
    return [x0, y0, x1, y1] as const;
  };
  const end = () => {
    from = undefined;
    outline.hidden = true;
  };
  over.addEventListener('pointerdown', (event) => {
    if (!event.isPrimary || event.button) return;
    from = [event.clientX, event.clientY];
    over.setPointerCapture(event.pointerId);
  });
  over.addEventListener('pointermove', (event) => {
    if (!from) return;
    const [x0, y0, x1, y1] = corners(event);
    const {left, top} = over.getBoundingClientRect();
    Object.assign(outline.style, {left: `${x0 - left}px`, top: `${y0 - top}px`, width: `${x1 - x0}px`, height: `${y1 - y0}px`});
    outline.hidden = false;
  });
  over.addEventListener('pointerup', (event) => {
    if (!from) return;
    const [x0, y0, x1, y1] = corners(event);
    end();
    if (Math.min(x1 - x0, y1 - y0) >= LEAST) drawn(x0, y0, x1, y1);
  });
  over.addEventListener('pointercancel', end);
}
