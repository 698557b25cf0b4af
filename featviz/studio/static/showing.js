// Faces, differences, probe: what is wanted of the server, and what comes back.

import { get } from "./api.js";
import { toast } from "./dialogs.js";
import { setLabel, setText, find } from "./dom.js";
import { number } from "./i18n.js";
import { page } from "./page.js";
import { picture } from "./pictures.js";
import { recall, remember } from "./preferences.js";
import { showHint } from "./saying.js";
import { enterAgain } from "./session.js";
import { makeTabs } from "./tabs.js";

export function wireFaces() {
  const { board, config, faces, live, probe } = page;
  const generating = config.checkpoints.filter((one) => one.generates);
  const names = generating.map((one) => one.name);
  const wanted = recall("checkpoints", config.selected);
  const chosen = [0, 1].map((i) =>
    names.includes(wanted[i]) ? wanted[i] : wanted[i] === null ? null : config.selected[i],
  );
  faces.offer(generating, chosen, recall("kept", []));
  if (!names.length) faces.nothing();
  probe.offer(
    config,
    recall("probe-checkpoint", config.selected[0] ?? config.checkpoints[0]?.name),
  );
  faces.addEventListener("choice", ({ detail }) => {
    remember("checkpoints", detail.checkpoints);
    remember("kept", detail.kept);
    configure();
  });
  probe.addEventListener("choice", () => {
    remember("probe-checkpoint", probe.checkpoint.value);
    probe.reset(probe.point ? "probe.waiting" : "probe.pick");
    board.set("probe", { chosen: probe.layer });
    configure();
  });
  page.correcting.addEventListener("choice", ({ detail }) => {
    remember("correct", detail);
    configure();
  });
  page.tab = "tab-difference";
  page.showTab = makeTabs(find("#tabs"), recall("tab", "tab-difference"), (id) => {
    page.tab = id;
    remember("tab", id);
    board.set("probe", { visible: id === "tab-probe" });
    if (id === "tab-probe" && !probe.point) pointProbe(config.probe_point);
    configure();
  });

  live.addEventListener("state", ({ detail }) => {
    faces.stale(detail !== "connected");
    showLive(detail);
  });
  live.addEventListener("failed", async () => {
    // Either the server is away, or it does not know us.
    const known = await get("/api/session").catch(() => null);
    if (known && !known.session) enterAgain();
  });
  live.addEventListener("hello", () => showLive("connected"));
  live.addEventListener("loading", ({ detail }) => faces.loading(detail));
  live.addEventListener("error", ({ detail }) => {
    if (detail.code === "checkpoint") faces.failed(detail, detail.message);
    toast("error.text", { text: detail.message }, { kind: "bad", seconds: 10 });
  });
  live.addEventListener("faces", ({ detail }) => showFaces(detail));
  live.addEventListener("probe", ({ detail }) => {
    probe.showFields(detail);
    board.set("probe", { layers: detail.layers, chosen: probe.layer });
  });
  live.addEventListener("probe_progress", ({ detail }) => probe.showProgress(detail));
  live.addEventListener("probe_map", ({ detail }) => probe.showMap(detail));
  live.addEventListener("probe_live", ({ detail }) => probe.showLive(detail));
  showLive(live.state);
}

async function showFaces(answer) {
  const { header, blob, latency } = answer;
  if (header.raster && page.board.network.visible) {
    const image = await picture(blob(header.raster));
    if (page.board.network.visible) page.board.set("network", { image, seq: header.seq });
    showHint();
  }
  page.board.showCorrected(header.corrected);
  page.faces.show(answer, {
    blank: !page.board.strokes.length,
    difference: page.sheet.base ? "difference.nothing" : "difference.no-start",
    bases: page.sheet.history.bases.length,
  });
  if (latency !== null) {
    page.latency = { ms: latency, server: header.ms.total };
    showLive("connected");
  }
}

function showLive(state) {
  const chip = find("#live");
  chip.dataset.state = state;
  const words = find("span", chip);
  if (state === "connected" && page.latency) {
    const values = { time: duration(page.latency.ms), server: duration(page.latency.server) };
    setText(words, "live.latency", values);
    setLabel(chip, "live.latency-label", values);
  } else {
    setText(words, `live.${state}`);
    setLabel(chip, `live.${state}`);
  }
}

function duration(milliseconds) {
  const long = milliseconds >= 1000;
  return number(long ? milliseconds / 1000 : milliseconds, {
    style: "unit",
    unit: long ? "second" : "millisecond",
    unitDisplay: "short",
    maximumFractionDigits: long ? 1 : 0,
  });
}

/** Tell the server what is wanted now. */
export function configure() {
  const { board, correcting, faces, live, probe, sheet } = page;
  if (!page.showTab && !live.settings) return;
  live.configure({
    type: "settings",
    checkpoints: faces.shown.map(({ checkpoint }) => checkpoint),
    kept: faces.shown.map(({ kept }) => kept),
    start: sheet.wireBase,
    bases: sheet.wireBases,
    difference: page.tab === "tab-difference" && sheet.base !== null,
    raster: board.network.visible,
    probe: page.tab === "tab-probe" ? probe.wish : null,
    correct: correcting.amounts,
  });
}

export function moveProbe(point) {
  if (page.tab !== "tab-probe") page.showTab("tab-probe");
  pointProbe(point);
}

function pointProbe(point) {
  if (!page.probe.setPoint(point)) return;
  page.board.set("probe", { point, layers: [], chosen: page.probe.layer });
  page.options.show();
  configure();
}
