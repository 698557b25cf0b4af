// The card of one sketch: itself with its edit, the receptive field, what the vectors did, faces.

const card = document.getElementById("card");
const [width, height] = contents.size;

const currentPanel = () => rows[state.current.row].panels[state.current.panel];

function describe() {
  const { sketch: at, row } = state.current;
  const sketch = sketches[at];
  const panel = currentPanel();
  const moved = panel.moved[at];
  const words = [
    `${sketch.name}, group ${groups[sketch.group].label}`,
    sketch.part ? `edit: ${sketch.part}` : "",
    `${rows[row].checkpoint}, ${panel.layer}`,
    !known(moved) ? "" : moved === 0 ? "vector equal to its base's" : `moved ${short(moved)}`,
    state.selected.has(at) ? "selected" : "",
  ];
  return words.filter(Boolean).join("; ");
}

/** The sketch, or a window of it, with the receptive field of the current panel drawn in. */
function drawing(sketch, panel, point, close) {
  const { box } = panel;
  const centre = box ? [(box[0] + box[2] + 1) / 2, (box[1] + box[3] + 1) / 2] : point;
  const wide = box ? Math.max(box[2] - box[0], box[3] - box[1]) + 1 : 0;
  const side = Math.min(Math.max(64, 1.7 * wide), Math.max(width, height));
  const view = close
    ? `${centre[0] - side / 2} ${centre[1] - side / 2} ${side} ${side}`
    : `0 0 ${width} ${height}`;
  const thin = close ? side / 110 : width / 260;
  const parts = [make("image", { href: sketch.picture, width, height })];
  if (box) {
    const [left, top, right, bottom] = box;
    const field = { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
    parts.push(make("rect", { ...field, class: "field-back", "stroke-width": 3 * thin }));
    parts.push(make("rect", { ...field, class: "field", "stroke-width": 1.4 * thin }));
    if (!close && wide < width / 14) {
      parts.push(
        make("circle", {
          cx: centre[0],
          cy: centre[1],
          r: width / 17,
          class: "finder",
          "stroke-width": thin,
        }),
      );
    }
  }
  if (close || !box) {
    const [x, y] = [point[0] + 0.5, point[1] + 0.5];
    const arm = close ? side / 26 : width / 60;
    for (const [dx, dy] of [
      [arm, 0],
      [0, arm],
    ]) {
      parts.push(
        make("line", {
          x1: x - dx,
          y1: y - dy,
          x2: x + dx,
          y2: y + dy,
          class: "point",
          "stroke-width": thin,
        }),
      );
    }
  }
  const label = close
    ? `Close-up of ${sketch.name} at the point (${point.join(", ")})`
    : `Sketch ${sketch.name}${sketch.part ? `, edit: ${sketch.part}` : ""}`;
  return make(
    "svg",
    { class: "paper", viewBox: view, role: "img", "aria-label": label },
    ...parts,
  );
}

function fieldWords(sketch, panel) {
  if (!panel.box) return `${panel.layer}: its receptive field is not known`;
  const size = panel.extent ? `${panel.extent} px` : "cut at the edge";
  const inside = sketch.inside[panel.inside];
  const edit =
    inside === undefined
      ? ""
      : inside === 0
        ? "; the edit lies outside it"
        : `; ${inside} px of the edit inside`;
  return `Convolutional receptive field of ${panel.layer}: ${size}${edit}`;
}

function statisticWords({ layer, sees_all }) {
  return sees_all
    ? `In ${layer} a normalisation lets every pixel reach this point.`
    : `Whether a normalisation lets every pixel reach this point of ${layer} is not known.`;
}

/** How far each vector moved from its base's: a small table, layers across. */
function movement(at) {
  const sketch = sketches[at];
  if (!sketch.base || sketch.base === sketch.name) return null;
  const layers = [...new Set(rows.flatMap((row) => row.panels.map((panel) => panel.layer)))];
  const cell = (row, number, layer) => {
    const at_panel = row.panels.findIndex((panel) => panel.layer === layer);
    if (at_panel < 0) return make("td", {}, "–");
    const moved = row.panels[at_panel].moved[at];
    const here = state.current.row === number && state.current.panel === at_panel;
    return make(
      "td",
      { class: `${moved === 0 ? "still" : ""} ${here ? "here" : ""}` },
      make(
        "button",
        {
          type: "button",
          title: `Show ${row.checkpoint}, ${layer}`,
          "aria-label": `${row.checkpoint}, ${layer}: ${short(moved)}`,
          "aria-pressed": String(here),
          "data-cell": `${number}-${at_panel}`,
          onclick: () => {
            setCurrent(at, { row: number, panel: at_panel });
            state.pinned = state.current;
          },
        },
        short(moved),
      ),
    );
  };
  return make(
    "div",
    { class: "moved" },
    make("h4", {}, `Distance to the vector of ${sketch.base}`),
    make(
      "div",
      { class: "wide" },
      make(
        "table",
        {},
        make(
          "thead",
          {},
          make(
            "tr",
            {},
            make("td", {}),
            ...layers.map((layer) => make("th", { scope: "col" }, layer)),
          ),
        ),
        make(
          "tbody",
          {},
          ...rows.map((row, number) =>
            make(
              "tr",
              {},
              make("th", { scope: "row", title: row.checkpoint }, row.checkpoint),
              ...layers.map((layer) => cell(row, number, layer)),
            ),
          ),
        ),
      ),
    ),
    make("p", { class: "faint" }, "In units of a panel's spread; 0 is equal to the last bit."),
  );
}

function edit(sketch) {
  if (!sketch.base || !known(sketch.added)) return null;
  return make(
    "p",
    { class: "edit" },
    make("span", { class: "swatch added" }),
    `${sketch.added} px drawn `,
    make("span", { class: "swatch removed" }),
    `${sketch.removed} px erased, against ${sketch.base}`,
  );
}

function step(by) {
  const listed = sketches.map((_, i) => i).filter(shown);
  if (!listed.length) return;
  const at = listed.indexOf(state.current.sketch);
  setCurrent(listed[(at + by + listed.length) % listed.length]);
  state.pinned = state.current;
  announce(describe());
}

function fillCard() {
  const { sketch: at, row } = state.current;
  const sketch = sketches[at];
  const panel = currentPanel();
  const { point } = rows[row];
  const focused = card.contains(document.activeElement) ? document.activeElement : null;
  const again = focused?.dataset.cell ?? focused?.id;
  const group = groups[sketch.group];
  const tied = (panel.maps[state.method].ties ?? []).find(([, , members]) => members.includes(at));
  const map = panel.maps[state.method];
  const absent = !map.problem && !known(map.x[at]) ? ", which lacks this sketch" : "";
  const others = tied ? tied[2].filter(shown).length - 1 : 0;
  const nav = (id, by, sign, name) =>
    make(
      "button",
      { type: "button", class: "button", id, "aria-label": name, title: name, onclick: () => step(by) },
      sign,
    );
  const told = make(
    "div",
    { class: "words" },
    make("p", { class: "where" }, `${rows[row].checkpoint} · ${panel.layer}${absent}`),
    sketch.picture
      ? make("p", {}, make("span", { class: "swatch rf" }), fieldWords(sketch, panel))
      : "",
    edit(sketch) ?? "",
    others > 0
      ? make("p", {}, `${others} more ${others === 1 ? "sketch has" : "have"} this very vector.`)
      : "",
  );
  const pictures = sketch.picture
    ? make(
        "div",
        { class: "pictures" },
        make("div", { class: "whole" }, drawing(sketch, panel, point, false)),
        make(
          "div",
          { class: "small" },
          make(
            "figure",
            {},
            drawing(sketch, panel, point, true),
            make("figcaption", {}, "at the point"),
          ),
        ),
        told,
      )
    : make("div", {}, make("p", { class: "note" }, "No picture of this sketch."), told);
  const noFaces = !contents.generators.length && sketch.picture && contents.faces_note;
  card.replaceChildren(
    make("div", { class: "handle", "aria-hidden": "true" }),
    make(
      "div",
      { class: "card-head" },
      make("h3", { id: "card-title" }, mark(sketch.group), sketch.name),
      make(
        "span",
        { class: "pair" },
        make(
          "button",
          {
            type: "button",
            class: "button fold",
            id: "fold",
            "aria-expanded": String(card.dataset.sheet === "open"),
            onclick: () => setSheet(card.dataset.sheet === "open" ? "peek" : "open"),
          },
          card.dataset.sheet === "open" ? "Less" : "More",
        ),
        nav("previous", -1, "‹", "Previous sketch"),
        nav("next", 1, "›", "Next sketch"),
        make(
          "button",
          {
            type: "button",
            class: "button close",
            id: "close-card",
            "aria-label": "Close",
            title: "Close",
            onclick: () => setSheet("closed"),
          },
          "×",
        ),
      ),
    ),
    make(
      "p",
      { class: "what" },
      `Group ${group.label}`,
      sketch.part
        ? ` · edit: ${sketch.part}`
        : sketch.base === sketch.name
          ? " · unedited base"
          : "",
    ),
    pictures,
    make(
      "div",
      { class: "more" },
      movement(at) ?? "",
      nearestList(at) ?? "",
      panel.sees_all === false ? "" : make("p", { class: "faint" }, statisticWords(panel)),
      noFaces ? make("p", { class: "faint" }, withCode(contents.faces_note)) : "",
    ),
  );
  if (narrow.matches) placeFaces();
  if (again) card.querySelector(`#${CSS.escape(again)}, [data-cell="${again}"]`)?.focus();
}

/** Text whose commands stand in backticks. */
function withCode(text) {
  const fragment = document.createDocumentFragment();
  text.split("`").forEach((piece, i) => fragment.append(i % 2 ? make("code", {}, piece) : piece));
  return fragment;
}

let frame = 0;
function soon() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(fillCard);
}
on("current", soon);
on("method", soon);
on("groups", soon);
on("theme", soon);
on("color", soon);
