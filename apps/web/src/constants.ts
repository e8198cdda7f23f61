// What Python knows beside a model's contract: of the detectors, of the tracking, and how an upright face lies. The
// numbers are in constants.json, which `python -m tests.apps.golden` writes from edgewing.web.

import numbers from './constants.json';
import type {Layout} from './contract.js';
import type {DetectorSettings} from './detector.js';
import type {Turns} from './geometry.js';
import type {TrackingSettings} from './tracking.js';

/** As edgewing.web.constants. object: what the model's points are on, in a word; the detectors are there where that is a
 * face, as is the confidence below which a find is looked at turned; `turns` where the layout tells how a face is turned. */
export interface Constants {
  object: string;
  detector?: DetectorSettings;
  stills?: DetectorSettings;
  unsure?: number;
  turns?: Turns;
  tracking: TrackingSettings;
}

export function constants(layout: Layout): Constants {
  const {object} = layout;
  const points = fivePlaces(layout);
  const turns = points && {points, places: numbers.upright as [number, number][]};
  const known = {object, ...(turns && {turns})};
  if (object !== 'face') return {...known, tracking: numbers.tracking.object};
  const {detector, stills} = numbers.detectors as unknown as Record<string, DetectorSettings>;
  return {...known, detector, stills, unsure: numbers.unsure, tracking: numbers.tracking.face};
}

/** The points of the eyes, tip of the nose, corners of the mouth, as edgewing/anatomy.py has them; undefined where the
 * layout does not have them all. */
function fivePlaces({curves, groups}: Layout): number[][] | undefined {
  const eye = (side: string) => {
    const named = Object.keys(curves).filter((name) => new RegExp(`${side}_(\\w+_)?(lid|eye)$`).test(name));
    return groups[`${side}_eye`] ?? [...new Set(named.flatMap((name) => curves[name]))];
  };
  const nose = curves.nose_bridge ?? curves.nose?.slice(1, 2) ?? [];
  const lip = curves.outer_upper_lip ?? [];
  const [left, right] = [eye('left'), eye('right')];
  if (!nose.length || !lip.length || !left.length || !right.length) return undefined;
  return [left, right, [nose.at(-1)!], [lip[0]], [lip.at(-1)!]];
}
