// Geometry of strokes. Points are [x, y] in sketch pixels, x right and y down; the centre of the
// top-left pixel is (0, 0), as in featviz.sketches.drawing. Nothing here knows the page.

export const SIZE = 512;
export const LINE = 2;

/** Flat coordinates, as they travel, by twos. */
export function pairs(flat) {
  const points = [];
  for (let i = 0; i + 1 < flat.length; i += 2) points.push([flat[i], flat[i + 1]]);
  return points;
}

/** Distance of p to the segment from a to b. */
export function distanceToSegment(p, a, b) {
  const dx = b[0] - a[0];
  const dy = b[1] - a[1];
  const length2 = dx * dx + dy * dy;
  const along = length2 > 0 ? clamp(((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length2, 0, 1) : 0;
  return Math.hypot(p[0] - a[0] - along * dx, p[1] - a[1] - along * dy);
}

/** Distance of p to a polyline; a single point is a polyline too. */
export function distanceToPolyline(p, points) {
  if (points.length === 1) return Math.hypot(p[0] - points[0][0], p[1] - points[0][1]);
  let least = Infinity;
  for (let i = 1; i < points.length; i++) {
    least = Math.min(least, distanceToSegment(p, points[i - 1], points[i]));
  }
  return least;
}

/** The smallest distance between two segments. */
export function segmentDistance(a, b, c, d) {
  if (segmentsCross(a, b, c, d)) return 0;
  return Math.min(
    distanceToSegment(a, c, d),
    distanceToSegment(b, c, d),
    distanceToSegment(c, a, b),
    distanceToSegment(d, a, b),
  );
}

function segmentsCross(a, b, c, d) {
  const side = (p, q, r) => (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
  const [d1, d2, d3, d4] = [side(c, d, a), side(c, d, b), side(a, b, c), side(a, b, d)];
  return d1 * d2 < 0 && d3 * d4 < 0;
}

/** Whether a polyline comes nearer than `reach` to the segment from a to b. */
export function polylineMeets(points, a, b, reach) {
  if (points.length === 1) return distanceToSegment(points[0], a, b) < reach;
  for (let i = 1; i < points.length; i++) {
    if (segmentDistance(points[i - 1], points[i], a, b) < reach) return true;
  }
  return false;
}

/**
 * What is left of a polyline when a disc of `radius` has gone from a to b: a list of polylines,
 * or null if the disc has not met it.
 */
export function cutPolyline(points, a, b, radius) {
  if (!polylineMeets(points, a, b, radius)) return null;
  const pieces = [];
  let piece = [];
  const close = () => {
    // A remainder shorter than a hair would be a dot that nobody drew.
    if (piece.length > 1 && lengthOf(piece) > 0.05) pieces.push(piece);
    piece = [];
  };
  if (points.length === 1) return pieces;
  for (let i = 1; i < points.length; i++) {
    const start = points[i - 1];
    const end = points[i];
    const inside = capsuleInterval(start, end, a, b, radius);
    if (!inside) {
      if (piece.length === 0) piece.push(start);
      piece.push(end);
      continue;
    }
    const [from, to] = inside;
    if (from > 0) {
      if (piece.length === 0) piece.push(start);
      piece.push(between(start, end, from));
    }
    close();
    if (to < 1) piece = [between(start, end, to), end];
  }
  close();
  return pieces;
}

/**
 * The part [from, to] of the segment start-end, 0..1, that lies inside the capsule of `radius`
 * round a-b; null if there is none. A capsule is convex, so it is one interval.
 */
function capsuleInterval(start, end, a, b, radius) {
  const parts = [
    discInterval(start, end, a, radius),
    discInterval(start, end, b, radius),
    bandInterval(start, end, a, b, radius),
  ].filter(Boolean);
  if (parts.length === 0) return null;
  return [Math.min(...parts.map((part) => part[0])), Math.max(...parts.map((part) => part[1]))];
}

function discInterval(start, end, centre, radius) {
  const dx = end[0] - start[0];
  const dy = end[1] - start[1];
  const fx = start[0] - centre[0];
  const fy = start[1] - centre[1];
  const a = dx * dx + dy * dy;
  const c = fx * fx + fy * fy - radius * radius;
  if (a === 0) return c < 0 ? [0, 1] : null;
  const b = fx * dx + fy * dy;
  const root = b * b - a * c;
  if (root <= 0) return null;
  const half = Math.sqrt(root);
  return within01((-b - half) / a, (-b + half) / a);
}

function bandInterval(start, end, a, b, radius) {
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
  if (length === 0) return null;
  const ux = (b[0] - a[0]) / length;
  const uy = (b[1] - a[1]) / length;
  // Along the band and across it; inside is 0 <= along <= length, |across| < radius.
  const along = (p) => (p[0] - a[0]) * ux + (p[1] - a[1]) * uy;
  const across = (p) => (p[1] - a[1]) * ux - (p[0] - a[0]) * uy;
  const first = slab(along(start), along(end), 0, length);
  const second = slab(across(start), across(end), -radius, radius);
  if (!first || !second) return null;
  return within01(Math.max(first[0], second[0]), Math.min(first[1], second[1]));
}

function slab(from, to, low, high) {
  const slope = to - from;
  if (slope === 0) return from > low && from < high ? [0, 1] : null;
  const t1 = (low - from) / slope;
  const t2 = (high - from) / slope;
  return within01(Math.min(t1, t2), Math.max(t1, t2));
}

function within01(from, to) {
  const low = Math.max(from, 0);
  const high = Math.min(to, 1);
  return low < high ? [low, high] : null;
}

const between = (p, q, t) => [p[0] + (q[0] - p[0]) * t, p[1] + (q[1] - p[1]) * t];

export function lengthOf(points) {
  let total = 0;
  for (let i = 1; i < points.length; i++) {
    total += Math.hypot(points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1]);
  }
  return total;
}

/** Ramer, Douglas and Peucker's simplification: no point is farther than `tolerance` away. */
export function simplify(points, tolerance) {
  if (points.length < 3) return points;
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const stack = [[0, points.length - 1]];
  while (stack.length) {
    const [from, to] = stack.pop();
    let worst = tolerance;
    let index = -1;
    for (let i = from + 1; i < to; i++) {
      const distance = distanceToSegment(points[i], points[from], points[to]);
      if (distance > worst) {
        worst = distance;
        index = i;
      }
    }
    if (index >= 0) {
      keep[index] = 1;
      stack.push([from, index], [index, to]);
    }
  }
  return points.filter((_, i) => keep[i]);
}

/** [left, top, right, bottom] of the centre lines of some polylines; null if there are none. */
export function boundsOf(polylines) {
  let bounds = null;
  for (const points of polylines) {
    for (const [x, y] of points) {
      bounds = bounds
        ? [
            Math.min(bounds[0], x),
            Math.min(bounds[1], y),
            Math.max(bounds[2], x),
            Math.max(bounds[3], y),
          ]
        : [x, y, x, y];
    }
  }
  return bounds;
}

/** Points mirrored at the vertical line x = axis. */
export const mirror = (points, axis) => points.map(([x, y]) => round([2 * axis - x, y]));

export const translate = (points, dx, dy) => points.map(([x, y]) => round([x + dx, y + dy]));

/** Points scaled by sx, sy about (cx, cy). */
export const scale = (points, sx, sy, [cx, cy]) =>
  points.map(([x, y]) => round([cx + (x - cx) * sx, cy + (y - cy) * sy]));

/** Coordinates are kept to 0.01 px, as an SVG drawing stores them. */
export const round = ([x, y]) => [tidy(x), tidy(y)];

function tidy(value) {
  const rounded = Math.round(value * 100) / 100;
  return rounded === 0 ? 0 : rounded;
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
