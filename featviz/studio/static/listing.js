// A list of the gallery that grows page by page, and what its cards have in common.

import { post, remove } from "./api.js";
import { errorText, toast } from "./dialogs.js";
import { make, setText } from "./dom.js";

export const PAGE = 24;

/** fetchPage(cursor) -> {items, next, total}; makeCard(item, refresh) -> element. */
export function makeList({ emptyKey, makeCard, fetchPage }) {
  const count = make("p", { class: "count", role: "status" });
  const grid = make("div", { class: "cards" });
  const more = make("button", {
    type: "button",
    class: "button more",
    text: "gallery.more",
    hidden: true,
    onclick: () => load(false),
  });
  let cursor = null;
  let turn = 0;
  async function load(fresh = true) {
    const mine = (turn += 1);
    if (fresh) cursor = null;
    grid.setAttribute("aria-busy", "true");
    try {
      const page = await fetchPage(cursor);
      if (mine !== turn) return;
      cursor = page.next;
      const cards = page.items.map((item) => makeCard(item, load));
      if (fresh) grid.replaceChildren(...cards);
      else grid.append(...cards);
      more.hidden = !page.next;
      setText(count, "gallery.count", { count: page.total });
      if (!page.total) grid.replaceChildren(make("p", { class: "note", text: emptyKey }));
    } catch (error) {
      if (mine !== turn) return;
      grid.replaceChildren(
        make(
          "p",
          { class: "note error" },
          errorText(error),
          " ",
          make("button", {
            type: "button",
            class: "link",
            text: "retry",
            onclick: () => load(true),
          }),
        ),
      );
    } finally {
      grid.removeAttribute("aria-busy");
    }
  }
  return { count, element: make("div", {}, grid, more), load };
}

/** What deletes the thing at `address`, shows it, and offers to take it back. */
export function eraser(address, doneKey, values, refresh) {
  const failed = (error) => toast("error.text", { text: errorText(error) }, { kind: "bad" });
  const restore = async () => {
    await post(`${address}/restore`).catch(failed);
    refresh(true);
  };
  return async () => {
    try {
      await remove(address);
    } catch (error) {
      failed(error);
      return;
    }
    refresh(true);
    toast(doneKey, values, { action: { key: "undo", run: restore } });
  };
}
