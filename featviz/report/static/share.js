// What the reader chose, taken along: as names, files, and in the address, which needs no server.

const selectedSketches = () => [...state.selected].sort((one, other) => one - other);

function selectionAs(type) {
  const chosen = selectedSketches().map((at) => sketches[at]);
  if (type === "json") return JSON.stringify({ sketches: chosen.map(({ name }) => name) }, null, 1);
  const cell = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = chosen.map(({ name, group, base, part }) => [name, groups[group].name, base, part]);
  return [["sketch", "group", "base", "edited_part"], ...lines]
    .map((line) => `${line.map(cell).join(",")}\n`)
    .join("");
}

async function copyNames() {
  const text = selectedSketches().map((at) => sketches[at].name).join("\n");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Where a page has no clipboard of its own, what is marked can be copied.
    const area = make("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  announce(`${state.selected.size} names copied`);
  byId("copy").textContent = "Copied";
  setTimeout(() => (byId("copy").textContent = "Copy names"), 1500);
}

/** Rows of a CSV; cells may be quoted. */
function csvRows(text) {
  const lines = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    lines.at(-1).push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === "") break;
    if (end !== ",") lines.push([]);
  }
  return lines;
}

/** The names that a file selects: our JSON, a CSV with a column `sketch`, or a name a line. */
function namesIn(text) {
  const plain = text.replace(/^\ufeff/, "").trim();
  if (plain.startsWith("{")) {
    const listed = JSON.parse(plain).sketches;
    if (!Array.isArray(listed)) throw new Error('no {"sketches": [...]}');
    return listed;
  }
  const lines = csvRows(plain);
  const column = lines[0].indexOf("sketch");
  return column < 0
    ? plain.split(/\r?\n/).map((line) => line.trim())
    : lines.slice(1).map((line) => line[column]);
}

async function restore(file) {
  let told;
  try {
    const names = namesIn(await file.text());
    const found = names.filter((name) => byName.has(name));
    const others = names.filter((name) => name && !byName.has(name)).length;
    if (found.length) setSelection(found.map((name) => byName.get(name)));
    told = found.length
      ? others && `Not in this report: ${others} of the names in ${file.name}.`
      : `${file.name} names no sketch of this report.`;
  } catch (error) {
    told = `${file.name} is no selection: ${error.message}`;
  }
  byId("restore-told").textContent = told || "";
  if (told) announce(told);
}

// The address -----------------------------------------------------------------------------------

const rounded = (value) => Number(value.toPrecision(5));

/** Where panels are zoomed: "row.panel.left.right.bottom.top" with ~ between. */
function zooms() {
  return boards.flatMap((board, row) =>
    board.panels.flatMap((_, panel) => {
      const shownNow = board.shownSquare(panel);
      return shownNow && !board.isHome(panel) ? [[row, panel, ...shownNow.map(rounded)].join("~")] : [];
    }),
  );
}

const MOST_IN_ADDRESS = 2000;
const placeWords = (place) => (place ? `${place.row}~${place.panel}` : "none");

function stateText() {
  const { sketch, row, panel } = state.current;
  const said = new URLSearchParams();
  const say = (key, value, usual = "") => value !== usual && said.set(key, value);
  say("method", state.method, contents.methods[0].id);
  say("color", state.color, "group");
  say("find", state.find);
  say("compare", state.compare, "side");
  say("hide", [...state.hidden].map((i) => groups[i].name).join("\n"));
  if (state.hidden.size && !said.get("hide")) said.set("hide", "");
  // A longer address no browser keeps; a selection so large goes into a file.
  const names = state.selected.size > MOST_IN_ADDRESS ? [] : selectedSketches().map((at) => sketches[at].name);
  say("select", names.join("\n"));
  if (state.pinned) say("at", [sketches[sketch].name, row, panel].join("\n"));
  say("large", placeWords(state.large), placeWords(firstLarge()));
  say("zoom", zooms().join("\n"));
  return said.toString();
}

let writing = 0;
function writeState() {
  clearTimeout(writing);
  writing = setTimeout(() => {
    const text = stateText();
    const before = location.hash.slice(1);
    if (text !== before && (text || before.includes("="))) history.replaceState(null, "", `#${text}`);
  }, 200);
}

const isPanel = (row, panel) => Boolean(rows[row]?.panels[panel]);

/** Take what an address says, as far as this report has it; the rest is as usual. */
function readState() {
  const text = location.hash.slice(1);
  if (text && !text.includes("=")) return;
  const said = new URLSearchParams(text);
  const list = (key) => said.get(key)?.split("\n") ?? [];
  const method = contents.methods.find(({ id }) => id === said.get("method"));
  state.method = (method ?? contents.methods[0]).id;
  state.hidden = new Set(groups.flatMap(({ name }, i) => (list("hide").includes(name) ? [i] : [])));
  const at = list("at");
  const [row, panel] = at.slice(1).map(Number);
  if (byName.has(at[0]) && isPanel(row, panel)) {
    state.current = { sketch: byName.get(at[0]), row, panel };
    state.pinned = state.current;
  }
  const large = (said.get("large") ?? placeWords(firstLarge())).split("~").map(Number);
  state.large = isPanel(...large) ? { row: large[0], panel: large[1] } : null;
  state.zooms = new Map(
    list("zoom").flatMap((one) => {
      const [r, p, ...square] = one.split("~").map(Number);
      const sound = isPanel(r, p) && square.length === 4 && square.every(Number.isFinite);
      return sound && square[0] < square[1] && square[2] < square[3] ? [[`${r}~${p}`, square]] : [];
    }),
  );
  const selected = text ? list("select").map((name) => byName.get(name)) : contents.selected;
  state.selected = new Set(selected.filter((i) => i !== undefined && shown(i)));
  state.color = colorings.has(said.get("color")) ? said.get("color") : "group";
  setFind(said.get("find") ?? "");
  const mode = said.get("compare");
  setCompare(["side", "wipe", "flicker"].includes(mode) ? mode : "side");
  for (const what of ["method", "groups", "selection", "color", "large"]) tell(what);
  if (state.pinned) tell("current");
  drawn((board) => board.panels.forEach((_, i) => board.restoreSquare(i)))();
  for (const input of document.querySelectorAll("#methods input")) input.checked = input.value === state.method;
}

function startShare() {
  byId("copy").addEventListener("click", copyNames);
  for (const type of ["csv", "json"]) {
    byId(`save-${type}`).addEventListener("click", () =>
      download(`selection.${type}`, new Blob([selectionAs(type)], { type: "text/plain" })),
    );
  }
  byId("restore").addEventListener("click", () => byId("restore-file").click());
  byId("restore-file").addEventListener("change", ({ target }) => {
    if (target.files.length) restore(target.files[0]);
    target.value = "";
  });
  readState();
  addEventListener("hashchange", readState);
  for (const what of ["method", "groups", "selection", "color", "found", "large", "current", "compare", "zoom"]) {
    on(what, writeState);
  }
}
