// Who is drawing.

import { get, post } from "./api.js";
import { errorText, openDialog } from "./dialogs.js";
import { make, setText } from "./dom.js";
import { page } from "./page.js";
import { recall } from "./preferences.js";

/** The session there is, or a new one; asks for the server's token if it has to. */
export async function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token !== null) history.replaceState(null, "", location.pathname);
  const now = await get("/api/session");
  if (now.session) return now.session;
  const nickname = recall("nickname", undefined);
  if (token !== null || !now.token_required) {
    try {
      return (await post("/api/session", { nickname, token: token ?? undefined })).session;
    } catch (error) {
      if (error.status !== 401) throw error;
    }
  }
  return askToken(nickname);
}

/** The server does not know us any more: say again who draws, then go on where we were. */
export async function enterAgain() {
  if (page.entering) return;
  page.entering = true;
  try {
    page.session = await enter();
    page.outbox.flush();
    page.live.connect();
  } catch {
    // The outbox and the live connection try again.
  } finally {
    page.entering = false;
  }
}

function askToken(nickname) {
  return new Promise((resolve) => {
    const { dialog, body } = openDialog("session.title", {
      name: "session-dialog",
      closable: false,
    });
    const token = make("input", {
      id: "session-token",
      type: "password",
      autocomplete: "off",
      required: true,
      "aria-describedby": "session-note",
    });
    const name = make("input", {
      id: "session-name",
      value: nickname ?? "",
      maxLength: 40,
      autocomplete: "nickname",
    });
    const note = make("small", { id: "session-note", class: "error", role: "alert" });
    const form = make(
      "form",
      { noValidate: true },
      make("p", { class: "intro", text: "session.intro" }),
      make(
        "div",
        { class: "fields" },
        make("label", { htmlFor: "session-token", text: "session.token" }),
        token,
        note,
        make("label", { htmlFor: "session-name", text: "save.nickname" }),
        name,
      ),
      make(
        "div",
        { class: "buttons" },
        make("button", { type: "submit", class: "button primary", text: "session.enter" }),
      ),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const { session } = await post("/api/session", {
          token: token.value,
          nickname: name.value.trim() || undefined,
        });
        dialog.close();
        resolve(session);
      } catch (error) {
        if (error.status === 401) setText(note, "session.wrong");
        else note.textContent = errorText(error);
        token.setAttribute("aria-invalid", "true");
        token.focus();
      }
    });
    body.append(form);
    token.focus();
  });
}
