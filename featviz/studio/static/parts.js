// Which part of a face a new stroke belongs to.

import { distanceToPolyline } from "./geometry.js";

/** The mean of the 68 landmarks of the faces that the shipped generators were trained on. */
export const MEAN_FACE = [
  [112, 247],
  [113, 285],
  [117, 323],
  [123, 360],
  [136, 395],
  [159, 426],
  [188, 452],
  [219, 472],
  [255, 479],
  [291, 473],
  [323, 453],
  [352, 428],
  [375, 397],
  [389, 362],
  [395, 324],
  [399, 286],
  [400, 248],
  [138, 219],
  [155, 202],
  [181, 196],
  [207, 201],
  [232, 211],
  [280, 211],
  [304, 201],
  [330, 197],
  [355, 202],
  [373, 218],
  [255, 240],
  [255, 265],
  [255, 290],
  [255, 316],
  [225, 332],
  [239, 337],
  [255, 342],
  [271, 337],
  [285, 332],
  [166, 244],
  [182, 233],
  [202, 234],
  [218, 248],
  [200, 251],
  [181, 250],
  [292, 248],
  [309, 234],
  [328, 234],
  [344, 244],
  [329, 251],
  [310, 251],
  [196, 375],
  [218, 367],
  [239, 363],
  [255, 367],
  [271, 363],
  [293, 367],
  [316, 374],
  [294, 396],
  [272, 406],
  [255, 408],
  [238, 407],
  [217, 396],
  [205, 376],
  [239, 376],
  [255, 377],
  [271, 375],
  [307, 376],
  [271, 387],
  [255, 389],
  [239, 387],
];

/** The vertical line at which symmetric drawing mirrors: the middle of the mean face. */
export const AXIS = 255.4;

const LINES = [
  ["face-shape", 0, 17, false],
  ["left-eyebrow", 17, 22, false],
  ["right-eyebrow", 22, 27, false],
  ["nose", 27, 31, false],
  ["nose", 31, 36, false],
  ["left-eye", 36, 42, true],
  ["right-eye", 42, 48, true],
  ["mouth", 48, 60, true],
].map(([part, from, to, closed]) => {
  const points = MEAN_FACE.slice(from, to);
  return [part, closed ? [...points, points[0]] : points];
});

/** The parts that the mean face has. */
export const MEAN_PARTS = [...new Set(LINES.map(([part]) => part))];

/** What the chooser of parts offers, in order; any other name may be in a start sketch. */
export const PARTS = [
  "face-shape",
  "left-eyebrow",
  "right-eyebrow",
  "left-eye",
  "right-eye",
  "nose",
  "mouth",
  "hair",
  "beard",
  "ears",
  "doodle",
];

const NEAR = 45;
const BROWS = 195;

/** The mean distance of the points of one polyline to another. */
function meanDistance(points, line) {
  let total = 0;
  for (const point of points) total += distanceToPolyline(point, line);
  return total / points.length;
}

/**
 * The part of the mean face whose lines a stroke lies nearest to. Far from them all it is hair
 * above the brows, else a doodle.
 */
export function guessPart(points) {
  let best = "doodle";
  let least = Infinity;
  for (const [part, line] of LINES) {
    const near = meanDistance(points, line);
    // The other way round counts half: a short stroke over a wide mouth is the nose's.
    const distance = near + 0.5 * meanDistance(line, points);
    if (near < NEAR && distance < least) [best, least] = [part, distance];
  }
  if (best === "doodle" && points.reduce((sum, p) => sum + p[1], 0) / points.length < BROWS)
    return "hair";
  return best;
}

/** The part on the other side of the face: left-eye of right-eye; others are their own. */
export function mirroredPart(part) {
  if (part.startsWith("left-")) return `right-${part.slice(5)}`;
  if (part.startsWith("right-")) return `left-${part.slice(6)}`;
  return part;
}
