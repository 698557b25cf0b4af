// Find sketches by what they are called, their group or what was edited; rings show them everywhere.

/** Every word must be in the sketch's name, its group or the edited part. */
function findAll(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  return sketches.flatMap(({ name, group, part }, at) => {
    const told = `${name} ${groups[group].label} ${part}`.toLowerCase();
    return words.every((word) => told.includes(word)) ? [at] : [];
  });
}

function setFind(text) {
  state.find = text;
  state.found = new Set(findAll(text));
  tell("found");
}

function startFind() {
  const field = document.getElementById("find");
  const told = document.getElementById("found");
  const pick = document.getElementById("select-found");
  field.addEventListener("input", () => setFind(field.value));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") setFind("");
    else if (event.key === "Enter" && state.found.size) pick.click();
    else return;
    event.preventDefault();
  });
  pick.addEventListener("click", () => {
    setSelection([...state.found].filter(shown));
    announce(told.textContent);
  });
  on("found", () => {
    if (field.value !== state.find) field.value = state.find;
    told.textContent = state.find.trim() ? `${state.found.size} found` : "";
    pick.disabled = !state.found.size;
    if (told.textContent) announce(told.textContent);
  });
}
