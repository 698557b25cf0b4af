// The faces of an edit: its base's, its own, and how they differ, for every generator; free and kept.

const dock = document.getElementById("faces");
const faceSide = contents.faces.side;
const greyColors = contents.faces.colors.map((color) =>
  [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16)),
);
const baseOf = (at) => {
  const base = byName.get(sketches[at].base);
  return base === at ? undefined : base;
};

/** A picture, decoded once while it is looked at. */
const decoded = new Map();
async function decodedImage(source) {
  if (!decoded.has(source)) {
    if (decoded.size > 64) decoded.clear();
    const image = new Image();
    image.src = source;
    decoded.set(source, image.decode().then(() => image));
  }
  return decoded.get(source);
}

/** What is shown of an edit: {picture} alone, or inside {box} of the base's face. */
function ways(made, at) {
  const found = [{ way: "free", picture: made.faces[at], change: made.changes[at] }];
  if (made.kept?.[at]) found.push({ way: "kept", ...made.kept[at] });
  return found;
}

async function pixelsOf(made, at, { picture, box }) {
  const canvas = make("canvas", { width: faceSide, height: faceSide });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (box) context.drawImage(await decodedImage(made.faces[baseOf(at)]), 0, 0, faceSide, faceSide);
  if (picture) {
    const image = await decodedImage(picture);
    const [left, top, right, bottom] = box ?? [0, 0, faceSide, faceSide];
    context.drawImage(image, left, top, right - left, bottom - top);
  }
  return context.getImageData(0, 0, faceSide, faceSide);
}

/** The mean absolute difference of the channels, in the colours of all change pictures. */
async function drawDifference(canvas, made, at, way) {
  const [face, base] = await Promise.all([
    pixelsOf(made, at, way),
    pixelsOf(made, at, { picture: made.faces[baseOf(at)] }),
  ]);
  const { noise } = contents.faces;
  for (let i = 0; i < face.data.length; i += 4) {
    const sum = [0, 1, 2].reduce((all, c) => all + Math.abs(face.data[i + c] - base.data[i + c]), 0);
    const level = sum / 3 < noise ? 0 : Math.min(Math.floor(sum / 3), greyColors.length - 1);
    const color = greyColors[level];
    for (let c = 0; c < 3; c++) base.data[i + c] = color[c];
    base.data[i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(base, 0, 0);
  canvas.dataset.drawn = "";
}

function outlineOf(at) {
  const { outline } = sketches[at];
  const line = (name) => make("path", { d: outline, class: name });
  return outline
    ? make("svg", { class: "area", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, line("back"), line("line"))
    : null;
}

function faceImage(source, alt, attributes = {}) {
  return make("img", { src: source, alt, width: faceSide, height: faceSide, ...attributes });
}

function faceFigure(view, words, ...further) {
  const numbers = further.length ? make("span", { class: "faint" }, ...further) : "";
  return make("figure", {}, view, make("figcaption", {}, words, numbers));
}

/** The face of an edit, the base's lying over it for wiping and flickering. */
function editedView(made, at, { way, picture, box }) {
  const alt = `Face that ${made.name} makes of ${sketches[at].name}${way === "kept" ? ", kept" : ""}`;
  const base = made.faces[baseOf(at)];
  const view = make("div", { class: "view" });
  if (box) {
    const [left, top, right, bottom] = box.map((value) => (100 * value) / faceSide);
    const place = `left: ${left}%; top: ${top}%; width: ${right - left}%; height: ${bottom - top}%`;
    view.append(faceImage(base, picture ? "" : alt));
    if (picture) view.append(faceImage(picture, alt, { class: "part", style: place }));
  } else view.append(faceImage(picture, alt));
  view.append(faceImage(base, "", { class: "over", "aria-hidden": "true" }));
  view.append(outlineOf(at) ?? "");
  view.addEventListener("pointermove", ({ clientX }) => {
    const { left, width: wide } = view.getBoundingClientRect();
    if (state.compare === "wipe") setWipe((100 * (clientX - left)) / wide);
  });
  return view;
}

function changeWords(change) {
  if (!change) return [];
  const [inside, outside] = change.map(short);
  return [`${inside} in the area, ${outside} outside`];
}

function facesBlock(made, at) {
  const sketch = sketches[at];
  const base = baseOf(at);
  const face = (of) => faceImage(made.faces[of], `Face that ${made.name} makes of ${sketches[of].name}`);
  const head = make("h4", {}, made.name);
  if (base === undefined || !made.changes[at]) {
    const view = make("div", { class: "view" }, face(at));
    const words = base === undefined ? "no edit" : "its base has no face here";
    return make("div", { class: "block" }, head, make("div", { class: "strip" }, faceFigure(view, words)));
  }
  const strip = make("div", { class: "strip" });
  strip.append(faceFigure(make("div", { class: "view" }, face(base), outlineOf(at) ?? ""), `base ${sketch.base}`));
  const several = Boolean(made.kept);
  for (const way of ways(made, at)) {
    const canvas = make("canvas", {
      width: faceSide,
      height: faceSide,
      role: "img",
      "aria-label": `Difference of the two, ${way.way}: ${changeWords(way.change)}`,
    });
    drawDifference(canvas, made, at, way);
    const edited = several ? `edit, ${way.way}` : "edit";
    strip.append(
      faceFigure(editedView(made, at, way), edited),
      faceFigure(make("div", { class: "view" }, canvas, outlineOf(at) ?? ""), several ? `difference, ${way.way}` : "difference", ...changeWords(way.change)),
    );
  }
  return make("div", { class: "block" }, head, strip);
}

function fillFaces() {
  const at = state.current.sketch;
  const found = contents.generators.filter(({ faces }) => faces[at]);
  dock.hidden = !contents.generators.length;
  const sketch = sketches[at];
  const edited = sketch.part ? `: ${sketch.part}` : "";
  document.getElementById("faces-title").textContent = `Faces of ${sketch.name}${edited}`;
  if (dock.hidden || dock.dataset.folded !== undefined) return;
  document.getElementById("blocks").replaceChildren(...found.map((made) => facesBlock(made, at)));
}

function setWipe(share) {
  const value = Math.min(100, Math.max(0, share));
  dock.style.setProperty("--wipe", `${value}%`);
  document.getElementById("wipe").value = value;
}

function setCompare(mode) {
  state.compare = mode;
  dock.dataset.compare = mode;
  document.getElementById("wipe-field").hidden = mode !== "wipe";
  const radio = document.querySelector(`#compare input[value="${mode}"]`);
  if (radio) radio.checked = true;
  tell("compare");
}

/** The edits of the current sketch's group, in order, from one to the next. */
function stepEdit(by) {
  const { group } = sketches[state.current.sketch];
  const edits = sketches.map((_, i) => i).filter((i) => sketches[i].group === group && baseOf(i) !== undefined);
  if (!edits.length) return;
  const place = edits.indexOf(state.current.sketch);
  const next = place < 0 ? (by > 0 ? 0 : edits.length - 1) : (place + by + edits.length) % edits.length;
  visit(edits[next]);
  announce(describe());
}

function foldFaces(folded) {
  dock.toggleAttribute("data-folded", folded);
  const button = document.getElementById("fold-faces");
  button.textContent = folded ? "Show" : "Hide";
  button.setAttribute("aria-expanded", String(!folded));
  fillFaces();
}

let facesTimer = 0;
function startFaces() {
  segments(
    document.getElementById("compare"),
    [
      { id: "side", name: "Side by side" },
      { id: "wipe", name: "Wipe", title: "Over the edit's face lies the base's, as far as the pointer" },
      { id: "flicker", name: "Flicker", title: "The edit's face and the base's in turn" },
    ],
    state.compare,
    setCompare,
  );
  const { noise, brightest } = contents.faces;
  document.getElementById("faces-scale").textContent =
    `Difference: black is none, the brightest ${brightest} grey levels or more; below ${noise}, which is the ` +
    "pictures' compression, nothing is drawn. Numbers: mean change of the whole faces in grey levels. " +
    "Green: the edited area.";
  const wipe = document.getElementById("wipe");
  wipe.addEventListener("input", () => setWipe(Number(wipe.value)));
  document.getElementById("edit-before").addEventListener("click", () => stepEdit(-1));
  document.getElementById("edit-after").addEventListener("click", () => stepEdit(1));
  document.getElementById("fold-faces").addEventListener("click", () =>
    foldFaces(dock.dataset.folded === undefined),
  );
  dock.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input")) return;
    if (!stepKey(event.key)) return;
    event.preventDefault();
  });
  // What lies over the lower edge of the window is no room for the card, nor for what has focus.
  new ResizeObserver(() => {
    const over = getComputedStyle(dock).position === "sticky" ? dock.offsetHeight : 0;
    document.documentElement.style.setProperty("--dock", `${over}px`);
  }).observe(dock);
  setCompare(state.compare);
  setWipe(50);
  // Where a window is low, maps come first; controls above them take more of a narrow one.
  foldFaces(!narrow.matches && innerHeight < (innerWidth < 1100 ? 1000 : 850));
  on("current", () => {
    clearTimeout(facesTimer);
    facesTimer = setTimeout(fillFaces, 40);
  });
}

/** N and P go through the edits of a group; whether a key is one of them. */
function stepKey(key) {
  const by = { n: 1, p: -1 }[key.toLowerCase()];
  if (by) stepEdit(by);
  return Boolean(by);
}
