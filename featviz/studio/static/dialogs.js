// Dialogs and short messages.

import { find, icon, make, setText } from "./dom.js";
import { translate } from "./i18n.js";
import { makeId } from "./ids.js";

/**
 * A modal dialog with a title; it closes by Escape, by its cross and by a click beside it, and is
 * taken away when it is closed. `body` holds the content.
 */
export function openDialog(titleKey, { wide = false, name = "", closable = true } = {}) {
  // Of its own: the next dialog may be there before this one has gone.
  const title = make("h2", { text: titleKey, id: makeId() });
  const body = make("div", { class: "dialog-body" });
  const close = make(
    "button",
    { type: "button", class: "quiet", label: "dialog.close", onclick: () => dialog.close() },
    icon("close"),
  );
  const head = make("header", { class: "dialog-head" }, title, closable ? close : null);
  const dialog = make(
    "dialog",
    {
      class: `dialog${wide ? " wide" : ""} ${name}`,
      "aria-labelledby": title.id,
      tabIndex: -1,
    },
    head,
    body,
  );
  document.body.append(dialog);
  const opener = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener?.focus?.({ preventScroll: true });
  });
  dialog.addEventListener("cancel", (event) => {
    if (!closable) event.preventDefault();
  });
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target === dialog && closable) dialog.close();
  });
  dialog.showModal();
  // Not the cross in the corner: who opens a dialog wants what is in it.
  dialog.focus();
  return { dialog, body, head };
}

/** A short message at the foot of the page; it stays while it is pointed at or has the focus. */
export function toast(
  key,
  values = null,
  { action = null, kind = "", seconds = action ? 12 : 5 } = {},
) {
  const box = find("#toasts");
  const item = make("div", { class: `toast ${kind}` }, make("span", { text: [key, values] }));
  const close = () => item.remove();
  if (action) {
    item.append(
      make("button", {
        type: "button",
        class: "link",
        text: action.key,
        onclick: () => {
          close();
          action.run();
        },
      }),
    );
  }
  item.append(
    make(
      "button",
      { type: "button", class: "quiet small", label: "dialog.close", onclick: close },
      icon("close"),
    ),
  );
  // A message over an open dialog has to lie in the dialog, or it could not be reached.
  (find("dialog[open]:last-of-type") ?? box.parentElement).append(box);
  box.append(item);
  while (box.children.length > 3) box.firstChild.remove();
  let timer = setTimeout(close, seconds * 1000);
  const hold = () => clearTimeout(timer);
  const go = () => {
    clearTimeout(timer);
    timer = setTimeout(close, seconds * 1000);
  };
  item.addEventListener("pointerenter", hold);
  item.addEventListener("focusin", hold);
  item.addEventListener("pointerleave", go);
  item.addEventListener("focusout", go);
  return close;
}

/** The box of messages lives through the dialog it lies in. */
export function keepToasts() {
  new MutationObserver((records) => {
    for (const record of records) {
      for (const node of record.removedNodes) {
        const box = node.querySelector?.("#toasts");
        if (box) document.body.append(box);
      }
    }
  }).observe(document.body, { childList: true });
}

/** Tell whoever listens to the page. */
export function announce(key, values = null) {
  setText(find("#announcer"), key, values);
}

/** Wait until nobody has typed for a moment. */
export function debounce(milliseconds, run) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), milliseconds);
  };
}

export function errorText(error) {
  const key = `error.${error.code}`;
  const text = translate(key, null, "");
  return text || error.message;
}
