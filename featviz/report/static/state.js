// What the page shows and what the reader chose. Parts listen for the names of what changed:
// "method", "groups", "selection", "current", "theme", "color", "found", "large", "zoom", "compare".

const packed = JSON.parse(document.getElementById("contents").textContent);
const contents = packed.large ? unpacked(packed) : packed;
const { sketches, groups, rows } = contents;

/** An edit says more than its base. */
function firstEdit() {
  const at = sketches.findIndex(({ name, base }) => base && base !== name);
  return Math.max(0, at);
}

/** Of many points the first panel is enlarged. */
function firstLarge() {
  return contents.large ? { row: 0, panel: 0 } : null;
}

const state = {
  method: contents.methods[0].id,
  hidden: new Set(),
  selected: new Set(contents.selected),
  /** The sketch that the card shows, and the panel it was met in. */
  current: { sketch: firstEdit(), row: 0, panel: 0 },
  /** What was clicked or reached by key; the card returns to it when the pointer leaves. */
  pinned: null,
  theme: "auto",
  color: "group",
  find: "",
  found: new Set(),
  /** The panel that is enlarged, { row, panel }. */
  large: firstLarge(),
  /** What the address says of squares that panels show: "row~panel" to [left, right, bottom, top]. */
  zooms: new Map(),
  /** How faces of an edit and of its base are compared. */
  compare: "side",
};

/** Whether a value is there: in lists of numbers null or NaN stands for what is not. */
const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

const listeners = {};
const on = (what, listener) => (listeners[what] ??= []).push(listener);
const tell = (what) => (listeners[what] ?? []).forEach((listener) => listener());

const shown = (sketch) => !state.hidden.has(sketches[sketch].group);
const byName = new Map(sketches.map((sketch, i) => [sketch.name, i]));
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (state.theme === "auto" ? systemDark.matches : state.theme === "dark");

function setSelection(numbers) {
  const next = new Set(numbers);
  if (next.size === state.selected.size && [...next].every((i) => state.selected.has(i))) return;
  state.selected = next;
  tell("selection");
}

function setCurrent(sketch, place = state.current) {
  const { current } = state;
  if (sketch === current.sketch && place.row === current.row && place.panel === current.panel)
    return;
  state.current = { sketch, row: place.row, panel: place.panel };
  tell("current");
}

/** Say something to screen readers, once. */
let liveTimer = 0;
function announce(text) {
  clearTimeout(liveTimer);
  liveTimer = setTimeout(() => (document.getElementById("live").textContent = text), 120);
}

/** A number in the fewest characters that keep it honest: only an exact zero reads 0. */
function short(value) {
  if (!known(value)) return "–";
  if (value === 0) return "0";
  const digits = value.toPrecision(2);
  return digits.includes("e") ? value.toExponential(0) : digits;
}

/** Make an element: `make("p", { class: "faint", onclick }, "text", child)`. */
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "rect", "image", "circle", "line"].includes(tag);
  const element = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

/** A group of radio buttons that looks like one control. */
function segments(fieldset, options, chosen, choose) {
  for (const { id, name, title } of options) {
    const input = make("input", { type: "radio", name: fieldset.id, value: id });
    input.checked = id === chosen;
    input.addEventListener("change", () => choose(id));
    fieldset.append(make("label", { title: title ?? false }, input, make("span", {}, name)));
  }
}
