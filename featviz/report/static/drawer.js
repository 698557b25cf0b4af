// On a narrow screen the card is a sheet at the lower edge: it can be drawn up, down, and away.

const narrow = matchMedia("(max-width: 860px)");
const SHEET = ["closed", "peek", "open"];

function setSheet(how) {
  card.dataset.sheet = how;
  fillCard();
}

/** Dragging the handle, or the head, moves the sheet; far or fast enough it goes on by itself. */
function startDrag(event) {
  if (!narrow.matches || event.target.closest("button, input")) return;
  const from = event.clientY;
  const move = ({ clientY }) => {
    const by = clientY - from;
    card.style.translate = `0 ${Math.max(by, card.dataset.sheet === "open" ? 0 : -60)}px`;
  };
  const end = ({ clientY, type }) => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    removeEventListener("pointercancel", end);
    card.style.translate = "";
    const by = clientY - from;
    if (type === "pointercancel" || Math.abs(by) < 30) return;
    const steps = Math.abs(by) > 260 ? 2 : 1;
    const place = SHEET.indexOf(card.dataset.sheet) + (by > 0 ? -steps : steps);
    setSheet(SHEET[Math.min(2, Math.max(0, place))]);
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
}

/** Faces stand below the maps where there is room, else in the sheet. */
function placeFaces() {
  if (narrow.matches) card.insertBefore(dock, card.querySelector(".more"));
  else document.getElementById("maps").append(dock);
}

function startDrawer() {
  card.dataset.sheet = narrow.matches ? "closed" : "peek";
  card.addEventListener("pointerdown", startDrag);
  narrow.addEventListener("change", () => {
    if (narrow.matches) foldFaces(false);
    card.dataset.sheet = narrow.matches ? "closed" : "peek";
    fillCard();
    placeFaces();
  });
  on("current", () => {
    if (narrow.matches && card.dataset.sheet === "closed") setSheet("peek");
  });
}
