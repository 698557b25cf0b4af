// The probe: what a layer holds at one point of the sketch, among the sketches of the groups.

import { LAYER_COLORS } from "./painter.js";
import { make, makeSvg, option, setLabel, setOptions, setText } from "./dom.js";
import { number } from "./i18n.js";

const WIDTH = 400;
const HEIGHT = 250;
const PAD = 14;

/** Tells "choice" when layer or checkpoint is chosen. */
export class Probe extends EventTarget {
  constructor(panel) {
    super();
    this.layer = "L2";
    this.point = null;
    this.map = null;
    this.live = null;
    this.fields = [];
    this.styles = new Map();
    this.checkpoint = make("select", { label: "probe.checkpoint", onchange: () => this.#chosen() });
    this.layers = make("div", { class: "segments", role: "radiogroup", label: "probe.layer" });
    this.chart = makeSvg("svg", {
      class: "scatter",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
    });
    this.cover = make("p", { class: "cover" });
    this.progress = make("progress", {
      max: 1,
      value: 0,
      hidden: true,
      label: "probe.progress-label",
    });
    this.legend = make("ul", { class: "legend" });
    this.facts = make("p", { class: "facts" });
    panel.append(
      make("div", { class: "probe-controls" }, this.layers, this.checkpoint),
      make(
        "div",
        { class: "probe-body" },
        make("div", { class: "card plot" }, this.chart, this.cover, this.progress),
        this.legend,
      ),
      this.facts,
    );
  }

  /** config: as the server tells it. */
  offer(config, chosen) {
    this.config = config;
    // A data base of photos has no layers.
    const usable = config.checkpoints.filter((one) => one.layers.length);
    setOptions(
      this.checkpoint,
      usable.map((one) => option(one.name, one.name)),
      chosen,
    );
    this.styles = new Map(config.start.groups.map((group) => [group.group, group]));
    this.legend.replaceChildren(
      ...config.start.groups.map(({ group, color, marker }) =>
        make(
          "li",
          {},
          makeSvg(
            "svg",
            { viewBox: "-7 -7 14 14", class: "marker", "aria-hidden": "true" },
            markerOf(marker, color),
          ),
          make("span", { textContent: group }),
        ),
      ),
    );
    this.#offerLayers();
    this.reset(config.start.available ? "probe.pick" : "probe.no-set");
  }

  #offerLayers() {
    const one = this.config.checkpoints.find(({ name }) => name === this.checkpoint.value);
    const names = one?.layers?.length
      ? one.layers.map(({ layer }) => layer)
      : ["L0", "L1", "L2", "L3", "L4"];
    if (!names.includes(this.layer)) this.layer = names.at(-1);
    this.layers.replaceChildren(
      ...names.map((name, i) => {
        const input = make("input", {
          type: "radio",
          name: "layer",
          value: name,
          checked: name === this.layer,
          onchange: () => {
            this.layer = name;
            this.#chosen();
          },
        });
        const swatch = make("i", { "aria-hidden": "true" });
        swatch.style.background = LAYER_COLORS[i % LAYER_COLORS.length];
        return make("label", {}, input, make("span", {}, swatch, name));
      }),
    );
  }

  #chosen() {
    this.#offerLayers();
    this.dispatchEvent(new CustomEvent("choice"));
  }

  /** What the server is asked for; null before a point is chosen. */
  get wish() {
    if (!this.point || !this.checkpoint.value) return null;
    return { point: this.point, layer: this.layer, checkpoint: this.checkpoint.value };
  }

  reset(key = "probe.waiting") {
    this.map = null;
    this.live = null;
    this.chart.replaceChildren();
    this.cover.hidden = false;
    this.progress.hidden = true;
    setText(this.cover, key);
    setLabel(this.chart, key);
    this.#tellFacts();
  }

  setPoint(point) {
    if (this.point && this.point[0] === point[0] && this.point[1] === point[1]) return false;
    this.point = point;
    this.reset();
    return true;
  }

  showFields(message) {
    this.fields = message.layers;
    this.#tellFacts();
  }

  showProgress({ done, total, ...about }) {
    if (!this.#about(about)) return;
    this.progress.hidden = false;
    this.progress.value = done / total;
    setText(this.cover, "probe.progress", { done, total });
    this.cover.hidden = this.map !== null;
  }

  showMap(message) {
    if (!this.#about(message) || message.layer !== this.layer) return;
    this.map = message;
    this.live = null;
    this.progress.hidden = true;
    this.cover.hidden = true;
    this.#draw();
  }

  showLive(message) {
    if (!this.map || !this.#about(message) || message.layer !== this.map.layer) return;
    this.live = message.xy;
    this.#draw();
  }

  /** Whether a message is of the present point and checkpoint, and not a late one. */
  #about({ point, checkpoint }) {
    if (this.point === null || checkpoint !== this.checkpoint.value) return false;
    return point[0] === this.point[0] && point[1] === this.point[1];
  }

  #tellFacts() {
    const field = this.fields.find(({ layer }) => layer === this.layer);
    if (!this.point) {
      setText(this.facts, "probe.none");
    } else if (!field?.extent) {
      setText(this.facts, "probe.at", { x: this.point[0], y: this.point[1] });
    } else {
      const [first, second] = this.map?.layer === this.layer ? this.map.explained : [];
      const values = {
        x: this.point[0],
        y: this.point[1],
        layer: this.layer,
        size: field.extent[0],
        channels: field.channels,
      };
      const key = field.sees_whole_map ? "probe.facts-whole" : "probe.facts";
      setText(this.facts, key, values);
      if (first !== undefined) {
        const percent = (value) =>
          number(value ?? 0, { style: "percent", maximumFractionDigits: 0 });
        this.facts.append(
          " ",
          make("span", {
            text: ["probe.explained", { first: percent(first), second: percent(second) }],
          }),
        );
      }
    }
  }

  #draw() {
    const { points, groups, layer } = this.map;
    const all = this.live ? [...points, this.live] : points;
    const place = scaleOf(all);
    const seen = new Set();
    const marks = [];
    for (const [x, y, g] of points) {
      // Sketches with equal vectors lie on one spot; one mark of a group there is enough.
      const key = `${x} ${y} ${g}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const { color = "#888888", marker = "o" } = this.styles.get(groups[g]) ?? {};
      const [px, py] = place([x, y]);
      const mark = markerOf(marker, color);
      mark.setAttribute("transform", `translate(${px.toFixed(1)} ${py.toFixed(1)})`);
      mark.append(makeSvg("title"));
      mark.firstChild.textContent = groups[g];
      marks.push(mark);
    }
    if (this.live) {
      const [px, py] = place(this.live);
      marks.push(
        makeSvg(
          "g",
          { class: "live-point", transform: `translate(${px.toFixed(1)} ${py.toFixed(1)})` },
          makeSvg("circle", { r: 9, class: "halo" }),
          makeSvg("circle", { r: 9 }),
          makeSvg("circle", { r: 2.5, class: "dot" }),
        ),
      );
    }
    this.chart.replaceChildren(...marks);
    this.chart.dataset.layer = layer;
    setLabel(this.chart, this.live ? "probe.chart-live" : "probe.chart", {
      layer,
      count: points.length,
      groups: groups.length,
    });
    this.#tellFacts();
  }
}

/** From the coordinates of the map to those of the chart, one scale on both axes. */
function scaleOf(points) {
  const [xs, ys] = [points.map((p) => p[0]), points.map((p) => p[1])];
  const [left, right, low, high] = [
    Math.min(...xs),
    Math.max(...xs),
    Math.min(...ys),
    Math.max(...ys),
  ];
  const scale = Math.min(
    (WIDTH - 2 * PAD) / Math.max(right - left, 1e-9),
    (HEIGHT - 2 * PAD) / Math.max(high - low, 1e-9),
  );
  const [cx, cy] = [(left + right) / 2, (low + high) / 2];
  return ([x, y]) => [WIDTH / 2 + (x - cx) * scale, HEIGHT / 2 - (y - cy) * scale];
}

const SHAPES = {
  s: "M-4-4H4V4H-4z",
  "^": "M0-5L4.6 3.8H-4.6z",
  v: "M0 5L4.6-3.8H-4.6z",
  "<": "M-5 0L3.8-4.6V4.6z",
  ">": "M5 0L-3.8-4.6V4.6z",
  D: "M0-5L5 0 0 5-5 0z",
  d: "M0-5.5L3.3 0 0 5.5-3.3 0z",
  P: "M-1.7-5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7z",
  X: "M-5-2.8L-2.8-5 0-2.2 2.8-5 5-2.8 2.2 0 5 2.8 2.8 5 0 2.2-2.8 5-5 2.8-2.2 0z",
  "*": "M0-6L1.5-2 5.7-1.9 2.4.8 3.5 4.9 0 2.5-3.5 4.9-2.4.8-5.7-1.9-1.5-2z",
  p: "M0-5L4.8-1.5 2.9 4H-2.9L-4.8-1.5z",
};

/** One of Matplotlib's markers, about 10 units wide. */
export function markerOf(marker, color) {
  const shape = SHAPES[marker]
    ? makeSvg("path", { d: SHAPES[marker] })
    : makeSvg("circle", { r: 4.2 });
  return makeSvg("g", { class: "spot", fill: color }, shape);
}
