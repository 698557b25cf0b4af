// The contact sheet: the selected sketches, or all that are shown; every one can be reached by key.

const sheet = document.getElementById("sheet");
const THUMB = 128;

/** A sketch drawn small without losing its thin lines: the darkest pixel of each patch stays. */
const drawnThumbnails = new Map();
const MOST_DRAWN = 2000;
function thumbnailOf(at) {
  if (drawnThumbnails.size > MOST_DRAWN) drawnThumbnails.clear();
  if (!drawnThumbnails.has(at)) drawnThumbnails.set(at, drawThumbnail(sketches[at].picture));
  return drawnThumbnails.get(at);
}

function copyInto(canvas, drawn) {
  [canvas.width, canvas.height] = [drawn.width, drawn.height];
  canvas.getContext("2d").drawImage(drawn, 0, 0);
  canvas.dataset.drawn = "";
}

async function drawThumbnail(picture) {
  const image = new Image();
  image.src = picture;
  await image.decode();
  const times = Math.max(1, Math.ceil(Math.max(image.width, image.height) / THUMB));
  const [w, h] = [Math.floor(image.width / times), Math.floor(image.height / times)];
  const large = document.createElement("canvas");
  [large.width, large.height] = [image.width, image.height];
  const context = large.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const small = new ImageData(w, h);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      let [best, least] = [0, Infinity];
      for (let j = 0; j < times; j++) {
        for (let i = 0; i < times; i++) {
          const at = 4 * ((y * times + j) * image.width + x * times + i);
          // Of an edit the colour matters more than the ink beside it.
          const plain = data[at] === data[at + 2] ? 60 : 0;
          const value = data[at] + data[at + 1] + data[at + 2] + plain;
          if (value < least) [best, least] = [at, value];
        }
      }
      small.data.set(data.subarray(best, best + 4), 4 * (y * w + x));
    }
  }
  const canvas = make("canvas", { width: w, height: h });
  canvas.getContext("2d").putImageData(small, 0, 0);
  return canvas;
}

const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      thumbnailOf(Number(target.dataset.at)).then((drawn) => copyInto(target, drawn));
    }
  },
  { rootMargin: "200px" },
);

/** At most so many are listed of a large report; each is made when it first is. */
const MOST_LISTED = contents.large ? 200 : Infinity;
const thumbs = new Map();
function thumbOf(at) {
  if (!thumbs.has(at)) thumbs.set(at, makeThumb(sketches[at], at));
  return thumbs.get(at);
}

function makeThumb(sketch, at) {
  const canvas = sketch.picture
    ? make("canvas", { width: 1, height: 1, "data-at": at, "aria-hidden": "true" })
    : make("span", { class: "blank" });
  if (sketch.picture) near.observe(canvas);
  const button = make(
    "button",
    {
      type: "button",
      tabindex: "-1",
      "aria-label": `${sketch.name}${sketch.part ? `, ${sketch.part}` : ""}`,
      onclick: () => visit(at),
      onfocus: () => visit(at),
    },
    canvas,
    make("span", { class: "thumb-name" }, mark(sketch.group), sketch.name),
  );
  return { item: make("li", {}, button), button };
}

function visit(at) {
  setCurrent(at);
  state.pinned = state.current;
}

/** The sketches that are listed, and how many there would be. */
let listed = [];
let listable = 0;
function listSketches() {
  const there = sketches.flatMap((_, i) => (shown(i) && (!state.selected.size || state.selected.has(i)) ? [i] : []));
  [listed, listable] = [there.slice(0, MOST_LISTED), there.length];
}

sheet.addEventListener("keydown", (event) => {
  const at = listed.findIndex((i) => thumbOf(i).button === document.activeElement);
  if (at < 0) return;
  const top = (i) => thumbOf(i).item.offsetTop;
  const across = listed.filter((i) => top(i) === top(listed[0])).length || 1;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across };
  let next = at + (steps[event.key] ?? NaN);
  if (event.key === "Home") next = 0;
  if (event.key === "End") next = listed.length - 1;
  if (!(next >= 0 && next < listed.length)) return;
  event.preventDefault();
  thumbOf(listed[next]).button.focus();
  announce(describe());
});

function fillSheet() {
  listSketches();
  sheet.replaceChildren(...listed.map((at) => thumbOf(at).item));
  const first = listed.length < listable ? `The first ${listed.length} of ` : "";
  document.getElementById("sheet-text").textContent = state.selected.size
    ? `${first || "The "}${listable} selected sketches.`
    : listable
      ? `${first || "All "}${listable} sketches that are shown. Select some in a map to see them alone.`
      : "All groups are hidden.";
  rove();
}

/** One stop for the Tab key: the current sketch, or the first one listed. */
function rove() {
  const stop = listed.includes(state.current.sketch) ? state.current.sketch : listed[0];
  for (const at of listed) {
    const { button } = thumbOf(at);
    button.tabIndex = at === stop ? 0 : -1;
    button.classList.toggle("current", at === state.current.sketch);
  }
}

on("selection", fillSheet);
on("groups", fillSheet);
on("current", rove);
function markThumbs() {
  thumbs.forEach(({ button }, at) => button.querySelector(".mark").replaceWith(mark(sketches[at].group)));
}
on("theme", markThumbs);
on("color", markThumbs);
