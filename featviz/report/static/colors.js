// What points are coloured by: their group, or something that is known of each sketch.

/** Colours that are told apart by who sees no red or no green (Okabe and Ito), and one more. */
const WORD_COLORS = [
  "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#6b4c9a",
];
const UNKNOWN = "#9aa0a6";

/** Ways to colour: `of(sketch, row, panel)` gives a number, or the number of a word. */
const colorings = new Map([["group", { name: "Group" }]]);

function addColoring(id, name, of, words = null) {
  const coloring = { name, of, words };
  const places = rows.flatMap((row, r) => row.panels.map((_, p) => [r, p]));
  if (words) {
    const counts = words.map(() => 0);
    sketches.forEach((_, at) => known(of(at)) && (counts[of(at)] += 1));
    const order = [...words.keys()].sort((one, other) => counts[other] - counts[one]);
    const rank = [];
    order.forEach((word, i) => (rank[word] = i));
    Object.assign(coloring, { counts, order, rank });
  } else {
    let [least, most] = [Infinity, -Infinity];
    for (const [row, panel] of of.length > 1 ? places : [[0, 0]]) {
      for (let at = 0; at < sketches.length; at++) {
        const value = of(at, row, panel);
        if (known(value)) [least, most] = [Math.min(least, value), Math.max(most, value)];
      }
    }
    if (least > most) return;
    Object.assign(coloring, { least, most });
  }
  coloring.lacks = sketches.some((_, at) => !known(of(at, 0, 0)));
  colorings.set(id, coloring);
}

function addColorings() {
  const parts = [...new Set(sketches.map(({ part }) => part).filter(Boolean))];
  const numbers = new Map(parts.map((part, i) => [part, i]));
  const partOf = (at) => numbers.get(sketches[at].part) ?? null;
  if (parts.length) addColoring("part", "Edited part", partOf, parts);
  addColoring("moved", "Distance to the base, each panel's", (at, row, panel) =>
    rows[row].panels[panel].moved[at],
  );
  addColoring("ink", "Pixels drawn and erased", (at) =>
    known(sketches[at].added) ? sketches[at].added + sketches[at].removed : null,
  );
  for (const { name, changes } of contents.generators) {
    const says = ["inside", "outside"];
    says.forEach((where, i) =>
      addColoring(`${where}:${name}`, `Face of ${name}: change ${where} the edited area`, (at) =>
        changes[at] ? changes[at][i] : null,
      ),
    );
  }
  contents.columns.forEach(({ name, words, values }) =>
    addColoring(`column:${name}`, name, (at) => values[at], words),
  );
}
addColorings();

function colorOf(at, row, panel) {
  if (state.color === "group") return groups[sketches[at].group].color;
  const { of, words, rank, least, most } = colorings.get(state.color);
  const value = of(at, row, panel);
  if (!known(value)) return UNKNOWN;
  if (words) return WORD_COLORS[rank[value]] ?? UNKNOWN;
  const share = most > least ? (value - least) / (most - least) : 0;
  return contents.scale[Math.round(share * (contents.scale.length - 1))];
}

function setColor(id) {
  state.color = colorings.has(id) ? id : "group";
  tell("color");
}

function swatch(color) {
  return make("span", { class: "dot", style: `background: ${color}` });
}

/** What the colours mean; of groups their buttons say it. */
function fillLegend() {
  const legend = document.getElementById("legend");
  const { words, counts, order, least, most, lacks } = colorings.get(state.color);
  legend.hidden = state.color === "group";
  if (legend.hidden) return;
  const parts = [];
  if (words) {
    const shownWords = order.slice(0, WORD_COLORS.length);
    for (const [i, word] of shownWords.entries()) {
      parts.push(make("span", {}, swatch(WORD_COLORS[i]), `${words[word]} (${counts[word]})`));
    }
    const others = order.length - shownWords.length;
    if (others > 0) parts.push(make("span", {}, swatch(UNKNOWN), `${others} others`));
  } else {
    parts.push(
      make("span", {}, short(least)),
      make("span", {
        class: "ramp",
        role: "img",
        "aria-label": `colours from ${short(least)} to ${short(most)}`,
        style: `background: linear-gradient(90deg, ${contents.scale.join(", ")})`,
      }),
      make("span", {}, short(most)),
    );
  }
  if (lacks) parts.push(make("span", {}, swatch(UNKNOWN), "not known"));
  parts.push(make("span", { class: "faint" }, "Shapes are groups."));
  legend.replaceChildren(...parts);
}

function startColors() {
  const choice = document.getElementById("color");
  choice.append(...[...colorings].map(([id, { name }]) => make("option", { value: id }, name)));
  choice.addEventListener("change", () => setColor(choice.value));
  on("color", () => {
    choice.value = state.color;
    fillLegend();
  });
  fillLegend();
}
