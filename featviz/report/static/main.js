// Controls, and the start of the page.

const byId = (id) => document.getElementById(id);

function showSelection() {
  const { size } = state.selected;
  const counts = groups.map(() => 0);
  for (const at of state.selected) counts[sketches[at].group] += 1;
  const parts = counts.flatMap((count, i) => (count ? [`${groups[i].label} ${count}`] : []));
  const visible = sketches.filter((_, i) => shown(i)).length;
  byId("selection-text").textContent = size
    ? `${size} of ${sketches.length} selected: ${parts.join(", ")}`
    : `Nothing selected; ${visible} of ${sketches.length} sketches shown.`;
  byId("show-all").disabled = !state.hidden.size;
  byId("hide-all").disabled = !visible;
  byId("clear").disabled = !size;
  for (const id of ["copy", "save-csv", "save-json"]) byId(id).disabled = !size;
  if (size) announce(byId("selection-text").textContent);
}

function showCaption() {
  byId("caption").textContent = contents.methods.find(({ id }) => id === state.method).caption;
}

function setTheme(theme) {
  state.theme = theme;
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  byId("theme").textContent = `Theme: ${theme}`;
  try {
    localStorage.setItem("featviz.report.theme", theme);
  } catch {
    // A page opened from a file may have no storage; then the choice lasts as long as the page.
  }
  tell("theme");
}

function startTheme() {
  let theme = null;
  try {
    theme = localStorage.getItem("featviz.report.theme");
  } catch {
    // As above.
  }
  const themes = ["auto", "light", "dark"];
  setTheme(themes.includes(theme) ? theme : "auto");
  byId("theme").addEventListener("click", () => {
    setTheme(themes[(themes.indexOf(state.theme) + 1) % themes.length]);
    announce(byId("theme").textContent);
  });
  systemDark.addEventListener("change", () => setTheme(state.theme));
}

function hideOnly(numbers) {
  state.hidden = new Set(numbers);
  tell("groups");
}

fillChips();
byId("rows").prepend(...boards.map((board) => board.frame()));
startTheme();
startColors();
startFind();
startDrawer();
startFaces();
startMoved();
startLeakage();
segments(byId("methods"), contents.methods, state.method, (method) => {
  state.method = method;
  state.zooms.clear();
  tell("method");
});
const coarse = matchMedia("(pointer: coarse)").matches;
state.tool = coarse ? "none" : contents.large ? "pan" : "lasso";
segments(
  byId("tools"),
  [
    { id: "lasso", name: "Lasso", title: "Draw around the points to select; Shift adds" },
    { id: "box", name: "Box", title: "Drag a rectangle to select; Shift adds" },
    { id: "pan", name: "Move", title: "Drag moves what the panel shows; the wheel zooms" },
    { id: "zoom", name: "Zoom", title: "Drag a rectangle to enlarge it" },
    { id: "none", name: "Off", title: "Drag scrolls the page; tap a point to select it" },
  ],
  state.tool,
  (tool) => {
    state.tool = tool;
    boards.forEach((board) => board.ready && board.use(tool));
  },
);
byId("reset").addEventListener("click", () => {
  state.zooms.clear();
  drawn((board) => board.home())();
});
byId("fold-controls").addEventListener("click", ({ currentTarget }) => {
  const open = byId("options").toggleAttribute("data-open");
  currentTarget.setAttribute("aria-expanded", String(open));
});
byId("clear").addEventListener("click", () => setSelection([]));
byId("show-all").addEventListener("click", () => hideOnly([]));
byId("hide-all").addEventListener("click", () => hideOnly(groups.keys()));
on("selection", showSelection);
on("groups", () => {
  const kept = [...state.selected].filter(shown);
  if (kept.length < state.selected.size) setSelection(kept);
  showSelection();
});
on("method", showCaption);
showCaption();
showSelection();
fillSheet();
fillCard();
startShare();

const approaching = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      approaching.unobserve(target);
      boards.find(({ element }) => element === target).draw();
    }
  },
  { rootMargin: "400px" },
);
boards[0].draw().then(() => {
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
  boards.slice(1).forEach(({ element }) => approaching.observe(element));
});
