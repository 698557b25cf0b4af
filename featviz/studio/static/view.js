// How the sketch lies on the screen: a scale and an offset, in CSS pixels.

import { SIZE, clamp } from "./geometry.js";

const MOST = 40;
const MARGIN = 16;
const SMALL = 500;

export class View {
  constructor() {
    this.width = 1;
    this.height = 1;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.fitted = true;
  }

  /** The canvas has another size; a sketch that was fitted stays fitted, another keeps its middle. */
  resize(width, height) {
    const middle = this.toSketch([this.width / 2, this.height / 2]);
    this.width = width;
    this.height = height;
    if (this.fitted) this.fit();
    else this.#place(middle, [width / 2, height / 2]);
  }

  get fitScale() {
    const side = Math.min(this.width, this.height);
    return Math.max(side - 2 * (side < SMALL ? MARGIN / 2 : MARGIN), 64) / SIZE;
  }

  /** Show the whole sketch. */
  fit() {
    this.scale = this.fitScale;
    this.x = (this.width - SIZE * this.scale) / 2;
    this.y = (this.height - SIZE * this.scale) / 2;
    this.fitted = true;
  }

  /** Zoom by a factor; what lies under the screen point `at` stays there. */
  zoom(factor, at = [this.width / 2, this.height / 2]) {
    const under = this.toSketch(at);
    this.scale = clamp(this.scale * factor, this.fitScale / 2, MOST);
    this.fitted = false;
    this.#place(under, at);
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.#keepInSight();
  }

  #place(sketch, screen) {
    this.x = screen[0] - (sketch[0] + 0.5) * this.scale;
    this.y = screen[1] - (sketch[1] + 0.5) * this.scale;
    this.#keepInSight();
  }

  #keepInSight() {
    const side = SIZE * this.scale;
    const seen = Math.min(80, side);
    this.x = clamp(this.x, seen - side, this.width - seen);
    this.y = clamp(this.y, seen - side, this.height - seen);
  }

  toSketch([x, y]) {
    return [(x - this.x) / this.scale - 0.5, (y - this.y) / this.scale - 0.5];
  }

  toScreen([x, y]) {
    return [(x + 0.5) * this.scale + this.x, (y + 0.5) * this.scale + this.y];
  }
}
