// Leakage maps: one layer at a time for every group and checkpoint, on one scale.

const MODES = { free: "as the network runs", all: "held at the base's" };

function startLeakage() {
  const { leakage } = contents;
  if (!leakage) return;
  const distinct = (key) => [...new Set(leakage.maps.map((map) => map[key]))];
  const [layers, modes, names, kinds] = ["layer", "mode", "checkpoint", "group"].map(distinct);
  const slider = document.getElementById("leak-layer");
  const output = document.getElementById("leak-name");
  const place = document.getElementById("leaks");
  const choice = { layer: 0, mode: modes[0] };
  slider.max = layers.length - 1;
  slider.disabled = layers.length < 2;
  if (modes.length > 1) {
    segments(
      document.getElementById("leak-modes"),
      modes.map((id) => ({ id, name: MODES[id] ?? id })),
      choice.mode,
      (mode) => {
        choice.mode = mode;
        show();
      },
    );
  } else document.getElementById("leak-modes").remove();

  const cells = [];
  for (const checkpoint of names) {
    const figures = kinds.map((group) => {
      const known = groups.findIndex(({ name }) => name === group);
      const image = make("img", { alt: "" });
      const told = make("span", { class: "faint" });
      cells.push({ checkpoint, group, image, told });
      return make(
        "figure",
        {},
        make("div", { class: "leak" }, image),
        make("figcaption", {}, known < 0 ? "" : mark(known), make("b", {}, group), told),
      );
    });
    place.append(make("h3", {}, checkpoint), make("div", { class: "leak-row" }, ...figures));
  }
  const find = ({ checkpoint, group }) =>
    leakage.maps.find(
      (map) =>
        map.checkpoint === checkpoint &&
        map.group === group &&
        map.layer === layers[choice.layer] &&
        map.mode === choice.mode,
    );

  function show() {
    const layer = layers[choice.layer];
    output.textContent = layer;
    slider.setAttribute("aria-valuetext", layer);
    for (const cell of cells) {
      const map = find(cell);
      cell.image.hidden = !map;
      if (!map) {
        cell.told.textContent = "no map";
        continue;
      }
      const mean = map.mean === null ? "not finite" : short(map.mean);
      const same = `${Math.floor(100 * map.untouched)} % unchanged`;
      cell.image.src = map.picture;
      cell.image.alt = `${cell.group} in ${cell.checkpoint}, ${layer}: mean change ${mean}, ${same}`;
      cell.told.textContent = `mean ${mean} · ${same}`;
      // Without an outline a reader must know on which side of it all lies.
      if (map.reached === 1) cell.told.textContent += " · all in reach";
      if (map.reached === 0) cell.told.textContent += " · none in reach";
      if (map.reached === null) cell.told.textContent += " · reach not known";
    }
  }

  const [least, most] = leakage.scale;
  document.getElementById("leak-scale").append(
    make("span", { class: "empty" }),
    make("span", {}, "0 exactly"),
    make("span", {}, `≤ ${short(least)}`),
    make("span", {
      class: "ramp",
      style: `background: linear-gradient(90deg, ${leakage.colors.join(", ")})`,
      role: "img",
      "aria-label": `colours from ${short(least)} to ${short(most)}, logarithmic`,
    }),
    make("span", {}, `${short(most)} relative change`),
    make("span", { class: "outline" }),
    make("span", {}, "reach of the convolutions"),
  );
  slider.addEventListener("input", () => {
    choice.layer = Number(slider.value);
    show();
  });
  show();
}
