// From the jittery path of a pointer to a smooth polyline, in sketch pixels. Pressure is ignored:
// a line is 2 px wide wherever it is drawn.

import { clamp, round, simplify } from "./geometry.js";

/**
 * The 1-euro filter (Casiez, Roussel and Vogel 2012): slow movement is smoothed, fast movement is
 * followed. Takes times in ms. Both axes follow one speed: filtered apart, they would bend a circle.
 */
export class OneEuroFilter {
  constructor({ minCutoff = 1.5, beta = 0.03, derivativeCutoff = 2 } = {}) {
    Object.assign(this, { minCutoff, beta, derivativeCutoff });
    this.last = null;
  }

  filter(raw, time) {
    const { last } = this;
    if (!last) {
      this.last = { time, raw, value: raw, speed: [0, 0] };
      return raw;
    }
    // Events of one frame may carry one time; a millisecond keeps the speed finite.
    const seconds = Math.max(time - last.time, 1) / 1000;
    const known = share(this.derivativeCutoff, seconds);
    const speed = raw.map((x, i) => mix(last.speed[i], (x - last.raw[i]) / seconds, known));
    const follows = share(this.minCutoff + this.beta * Math.hypot(...speed), seconds);
    const value = raw.map((x, i) => mix(last.value[i], x, follows));
    this.last = { time, raw, value, speed };
    return value;
  }
}

const mix = (from, to, share) => from + (to - from) * share;
const share = (cutoff, seconds) => 1 / (1 + 1 / (2 * Math.PI * cutoff * seconds));

/** A stroke while it is drawn: raw points go in, a smooth polyline comes out. */
export class StrokeInput {
  constructor({ closest = 0.4 } = {}) {
    this.filter = new OneEuroFilter();
    this.closest = closest;
    this.points = [];
    this.raw = null;
  }

  add(point, time) {
    this.raw = point;
    const smooth = this.filter.filter(point, time);
    const last = this.points.at(-1);
    if (!last || Math.hypot(smooth[0] - last[0], smooth[1] - last[1]) >= this.closest) {
      this.points.push(smooth);
    }
  }

  /** What is drawn so far; it ends where the pointer is, so the line never lags behind it. */
  preview() {
    return curve(this.withEnd());
  }

  /** The finished polyline, at most 0.12 px off the preview and with far fewer points. */
  finish() {
    const points = simplify(curve(this.withEnd()), 0.12).map(round);
    return dropRepeats(points);
  }

  withEnd() {
    if (!this.raw) return [];
    const last = this.points.at(-1);
    const gap = Math.hypot(this.raw[0] - last[0], this.raw[1] - last[1]);
    return gap > 1e-9 ? [...this.points, this.raw] : this.points;
  }
}

/** Quadratic curves through the midpoints of a polyline, ends kept, as a finer polyline. */
export function curve(points) {
  if (points.length < 3) return points;
  const result = [points[0]];
  let start = points[0];
  for (let i = 1; i < points.length - 1; i++) {
    const control = points[i];
    const end = i === points.length - 2 ? points[i + 1] : middle(control, points[i + 1]);
    const reach =
      Math.hypot(control[0] - start[0], control[1] - start[1]) +
      Math.hypot(end[0] - control[0], end[1] - control[1]);
    const steps = clamp(Math.ceil(reach / 1.5), 1, 24);
    for (let step = 1; step <= steps; step++) {
      const t = step / steps;
      const [a, b, c] = [(1 - t) * (1 - t), 2 * t * (1 - t), t * t];
      result.push([
        a * start[0] + b * control[0] + c * end[0],
        a * start[1] + b * control[1] + c * end[1],
      ]);
    }
    start = end;
  }
  return result;
}

const middle = (p, q) => [(p[0] + q[0]) / 2, (p[1] + q[1]) / 2];

function dropRepeats(points) {
  return points.filter((p, i) => i === 0 || p[0] !== points[i - 1][0] || p[1] !== points[i - 1][1]);
}
