// Who lies nearest in the vectors of the panel that the card tells of, wherever a map puts them.

/** [number of a sketch, distance] of the nearest other vectors. */
function nearestOf(at, panel) {
  const flat = panel.near[at] ?? [];
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
}

function nearestList(at) {
  const { row } = state.current;
  const panel = currentPanel();
  const found = nearestOf(at, panel);
  if (!found.length) return null;
  const ties = panel.maps[state.method].ties ?? [];
  const item = ([other, far]) => {
    const same = ties.find(([, , members]) => members.includes(other))?.[2].length ?? 1;
    const { name, picture } = sketches[other];
    const canvas = picture ? make("canvas", { "aria-hidden": "true" }) : make("span", { class: "blank" });
    if (picture) thumbnailOf(other).then((drawn) => copyInto(canvas, drawn));
    return make(
      "li",
      {},
      make(
        "button",
        {
          type: "button",
          id: `near-${other}`,
          "aria-label": `${name}, at ${short(far)}${same > 1 ? `, with ${same - 1} equal ones` : ""}`,
          onclick: () => visit(other),
        },
        canvas,
        make("b", {}, name),
        make("span", {}, `${short(far)}${same > 1 ? ` ×${same}` : ""}`),
      ),
    );
  };
  return make(
    "div",
    { class: "near" },
    make("h4", {}, `Nearest vectors in ${rows[row].checkpoint}, ${panel.layer}`),
    make("ul", {}, ...found.map(item)),
    make("p", { class: "faint" }, "Distances of the vectors, not of the map. ×n: so many are equal."),
  );
}
