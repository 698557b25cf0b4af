// Storing steps, saving sketches, and what is told of it.

import { get, post } from "./api.js";
import { announce, toast } from "./dialogs.js";
import { setText, find, make } from "./dom.js";
import { makeId } from "./ids.js";
import { page } from "./page.js";
import { drawStrokes } from "./pictures.js";
import { recall, remember } from "./preferences.js";
import { openSave } from "./save.js";
import { enterAgain } from "./session.js";

/** showGallery: what opens the gallery, where a saved sketch can be seen. */
export function wireOutbox(showGallery) {
  const { outbox } = page;
  outbox.addEventListener("state", showSaveState);
  outbox.addEventListener("saved", ({ detail }) => {
    toast(
      "save.done",
      { label: detail.label },
      { kind: "good", action: { key: "save.show", run: () => showGallery() } },
    );
  });
  outbox.addEventListener("conflict", async ({ detail }) => {
    if (detail !== page.sheet.id) return;
    await outbox.flush();
    await page.sheet.open(detail).catch(() => {});
    toast("conflict");
  });
  outbox.addEventListener("refused", async ({ detail: { item, error } }) => {
    const mine = item.drawing === page.sheet.id;
    // A drawing that has had too much goes on as a new one; what is refused as the first step of
    // one would be refused again.
    const first = item.after === null || item.after === "start";
    const stays = first && ["too-large", "too-many", "bad-request"].includes(error.code);
    if (!mine || item.type === "save" || stays) {
      toast("refused", { message: error.message }, { kind: "bad", seconds: 15 });
      return;
    }
    await page.sheet.moveOn();
    toast("moved-on", { message: error.message }, { kind: "bad", seconds: 15 });
  });
  outbox.addEventListener("session", enterAgain);
  addEventListener("online", () => outbox.flush());
  addEventListener("beforeunload", (event) => {
    // What the browser keeps is safe; what it cannot keep is worth a question.
    if (outbox.waiting && !outbox.lasting) event.preventDefault();
  });
  outbox.run();
}

let troubled = null;

export function showSaveState() {
  const { outbox } = page;
  const chip = find("#save-state");
  const known = ["saved", "saving", "offline", "busy", "full"];
  let { state } = outbox;
  if (!known.includes(state)) state = "waiting";
  if (state !== "saved" && state !== "saving" && !outbox.lasting) state = "memory";
  chip.dataset.state = state;
  setText(find("span", chip), `state.${state}`, { count: outbox.waiting });
  chip.title = find("span", chip).textContent;
  const banner = ["offline", "busy", "full", "memory"].includes(state) ? state : null;
  find("#banner").hidden = banner === null;
  if (banner) setText(find("#banner span"), `banner.${banner}`);
  if (banner !== troubled) {
    if (banner) announce(`banner.${banner}`);
    else if (troubled && state === "saved") toast("back.online", null, { kind: "good" });
    if (banner || state === "saved") troubled = banner;
  }
}

export async function showSave() {
  const { board, config, sheet } = page;
  board.settle();
  let groups = [];
  try {
    groups = (await get("/api/sketches?limit=1")).facets.groups.map(({ group }) => group);
  } catch {
    // Without the server the name is typed; saving waits in the outbox.
  }
  openSave({
    thumbnail: drawStrokes(
      make("canvas", { role: "img", label: "desk.label" }),
      sheet.strokes,
      200,
    ),
    groups,
    group: recall("group", groups[0] ?? ""),
    nickname: recall("nickname", page.session?.nickname ?? ""),
    base: sheet.base?.label ?? null,
    parts: sheet.base ? sheet.edited : [],
    empty: !sheet.strokes.length,
    limit: config.limits.group_characters,
    save: async ({ group, nickname }) => {
      remember("group", group);
      if (nickname !== page.session?.nickname) {
        remember("nickname", nickname);
        await post("/api/session", { nickname })
          .then((answer) => {
            page.session = answer.session;
          })
          .catch(() => {});
      }
      sheet.save({ id: makeId(), group, faces: page.faces.shown });
      if (!(await settled(page.outbox))) toast("save.queued", { group });
    },
  });
}

/** Whether the outbox empties within a moment. */
async function settled(outbox) {
  for (let i = 0; i < 20 && outbox.waiting && outbox.state === "saving"; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return !outbox.waiting;
}
