// The markers of the groups as HTML shows them, equal to those of the maps.

const MARKS = {
  o: "M0-5A5 5 0 1 1-.01-5Z",
  s: "M-4.5-4.5H4.5V4.5H-4.5Z",
  "^": "M0-5L5 4.5H-5Z",
  v: "M0 5L5-4.5H-5Z",
  D: "M0-5.5L5.5 0 0 5.5-5.5 0Z",
  X: "M-5-2.5L-2.5-5 0-2.5 2.5-5 5-2.5 2.5 0 5 2.5 2.5 5 0 2.5-2.5 5-5 2.5-2.5 0Z",
  "*": "M0-6L1.5-1.9 5.7-1.9 2.3.7 3.5 4.9 0 2.4-3.5 4.9-2.3.7-5.7-1.9-1.5-1.9Z",
  P: "M-1.8-5.4H1.8V-1.8H5.4V1.8H1.8V5.4H-1.8V1.8H-5.4V-1.8H-1.8Z",
  ">": "M5 0L-4.5 5V-5Z",
  "<": "M-5 0L4.5 5V-5Z",
  d: "M0-6L3.6 0 0 6-3.6 0Z",
};

function luminance(color) {
  const channels = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255);
  return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2];
}

/** The line around a marker: what keeps dark ones visible on dark and light ones on light. */
function edgeOf(color) {
  if (isDark()) return luminance(color) < 0.4 ? "#e8eaed" : "#15181c";
  return luminance(color) < 0.6 ? "#ffffff" : "#666666";
}

function mark(group) {
  const { shape } = groups[group];
  // Where colours mean something else, a group is its shape alone.
  const color = state.color === "group" ? groups[group].color : UNKNOWN;
  return make(
    "svg",
    { class: "mark", viewBox: "-7 -7 14 14", "aria-hidden": "true" },
    make("path", { d: MARKS[shape], fill: color, stroke: edgeOf(color), "stroke-width": 0.9 }),
  );
}

const chips = document.getElementById("groups");

function fillChips() {
  const counts = groups.map(() => 0);
  for (const sketch of sketches) counts[sketch.group] += 1;
  groups.forEach((group, i) => {
    const toggle = make(
      "button",
      {
        type: "button",
        class: "toggle",
        "aria-pressed": "true",
        title: `Show or hide ${group.label}${group.meaning ? `: ${group.meaning}` : ""}`,
        onclick: () => toggleGroup(i),
      },
      mark(i),
      make("b", {}, group.label),
      group.meaning ? make("span", { class: "meaning" }, group.meaning) : "",
      make("span", { class: "count" }, String(counts[i])),
    );
    const pick = make(
      "button",
      {
        type: "button",
        class: "pick",
        "aria-label": `Select group ${group.label}`,
        title: `Select group ${group.label}`,
        onclick: () => selectGroup(i),
      },
      make(
        "svg",
        { viewBox: "-8 -8 16 16", "aria-hidden": "true" },
        make("circle", { r: 5, fill: "none", stroke: "currentColor", "stroke-width": 1.5 }),
        make("circle", { r: 1.6, fill: "currentColor" }),
      ),
    );
    chips.append(make("li", { class: "chip" }, toggle, pick));
  });
}

function toggleGroup(group) {
  if (!state.hidden.delete(group)) state.hidden.add(group);
  tell("groups");
}

function selectGroup(group) {
  if (state.hidden.delete(group)) tell("groups");
  const members = sketches.flatMap((sketch, i) => (sketch.group === group ? [i] : []));
  setSelection(members);
  announce(`${members.length} sketches of ${groups[group].label} selected`);
}

on("groups", () => {
  [...chips.children].forEach((chip, i) => {
    chip.firstChild.setAttribute("aria-pressed", String(!state.hidden.has(i)));
  });
});
function markChips() {
  [...chips.children].forEach((chip, i) => {
    chip.querySelector(".mark").replaceWith(mark(i));
  });
}
on("theme", markChips);
on("color", markChips);
