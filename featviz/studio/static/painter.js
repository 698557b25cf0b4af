// What is on the sheet, drawn on its canvas.

import { SIZE, LINE } from "./geometry.js";
import { AXIS } from "./parts.js";
import { HANDLES, frameOf } from "./selecting.js";

export const LAYER_COLORS = ["#0d0887", "#6f00a8", "#b7318a", "#e87059", "#feba2c"];

export function render(board) {
  board.pending = null;
  const { context, view, colors, ratio = 1 } = board;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  const side = SIZE * view.scale;
  context.fillStyle = colors.paper;
  context.fillRect(view.x, view.y, side, side);

  context.save();
  context.beginPath();
  context.rect(view.x, view.y, side, side);
  context.clip();
  if (board.network.visible) renderNetwork(board, side);
  else renderVectors(board);
  context.restore();

  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.strokeStyle = colors.edge;
  context.lineWidth = 1;
  context.strokeRect(view.x - 0.5, view.y - 0.5, side + 1, side + 1);
  if (board.probe.visible) renderProbe(board);
  if (board.tool === "select") renderSelection(board);
  if (board.tool === "erase-area" && board.hover) renderEraser(board);
}

function renderNetwork(board, side) {
  const { context, view, network } = board;
  if (!network.image) return;
  context.imageSmoothingEnabled = view.scale * board.ratio < 1;
  context.drawImage(network.image, view.x, view.y, side, side);
  if (view.scale < 10) return;
  // Far enough in, the grid of the pixels.
  context.beginPath();
  for (let i = 0; i <= SIZE; i++) {
    const [x, y] = [view.x + i * view.scale, view.y + i * view.scale];
    if (x >= 0 && x <= view.width) context.rect(x, view.y, 0, side);
    if (y >= 0 && y <= view.height) context.rect(view.x, y, side, 0);
  }
  context.strokeStyle = "rgb(128 128 128 / 35%)";
  context.lineWidth = 1;
  context.stroke();
}

function renderVectors(board) {
  const { context, view, colors, ratio, underlay } = board;
  const side = SIZE * view.scale;
  if (underlay.visible && underlay.image) {
    context.globalAlpha = underlay.opacity;
    context.globalCompositeOperation = "multiply";
    context.imageSmoothingEnabled = true;
    context.drawImage(underlay.image, view.x, view.y, side, side);
    context.globalCompositeOperation = "source-over";
    context.globalAlpha = 1;
  }
  if (board.symmetric) {
    const [x] = view.toScreen([AXIS, 0]);
    context.strokeStyle = colors.accent;
    context.lineWidth = 1;
    context.setLineDash([6, 5]);
    context.beginPath();
    context.moveTo(x, view.y);
    context.lineTo(x, view.y + side);
    context.stroke();
    context.setLineDash([]);
  }
  const k = view.scale * ratio;
  context.setTransform(
    k,
    0,
    0,
    k,
    (view.x + view.scale / 2) * ratio,
    (view.y + view.scale / 2) * ratio,
  );
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = LINE;
  const strokes = board.strokes;
  if (underlay.visible) {
    // What the start sketch had here and the sketch has no more.
    const kept = new Set(strokes.map((stroke) => stroke.id));
    context.strokeStyle = colors.ghost;
    for (const stroke of board.base) {
      if (!kept.has(stroke.id)) context.stroke(pathOf(board, stroke));
    }
  }
  context.strokeStyle = colors.corrected;
  for (const stroke of board.corrected) context.stroke(pathOf(board, stroke));
  const chosen = board.tool === "select" ? board.selected : new Set();
  for (const stroke of strokes) {
    context.strokeStyle = chosen.has(stroke.id) ? colors.accent : colors.ink;
    context.stroke(pathOf(board, stroke));
  }
}

function pathOf(board, stroke) {
  let path = board.paths.get(stroke);
  if (!path) {
    path = new Path2D();
    const [first, ...rest] = stroke.points;
    path.moveTo(...first);
    // A tap is a dot; a line of no length would not be drawn.
    if (!rest.length) path.lineTo(first[0] + 1e-3, first[1]);
    for (const point of rest) path.lineTo(...point);
    board.paths.set(stroke, path);
  }
  return path;
}

function renderProbe(board) {
  const { context, view, probe } = board;
  if (!probe.point) return;
  // Large boxes first, so that small ones lie on top.
  const boxes = probe.layers
    .map((layer, i) => ({ ...layer, color: LAYER_COLORS[i % LAYER_COLORS.length] }))
    .reverse();
  for (const { box, layer, color } of boxes) {
    if (!box) continue;
    const [left, top] = view.toScreen([box[0] - 0.5, box[1] - 0.5]);
    const [right, bottom] = view.toScreen([box[2] + 0.5, box[3] + 0.5]);
    const chosen = layer === probe.chosen;
    context.strokeStyle = "white";
    context.lineWidth = chosen ? 5 : 3;
    context.strokeRect(left, top, right - left, bottom - top);
    context.strokeStyle = color;
    context.lineWidth = chosen ? 3 : 1.5;
    context.strokeRect(left, top, right - left, bottom - top);
  }
  const [x, y] = view.toScreen(probe.point);
  context.beginPath();
  for (const [dx, dy] of [
    [1, 0],
    [0, 1],
  ]) {
    context.moveTo(x - 9 * dx, y - 9 * dy);
    context.lineTo(x + 9 * dx, y + 9 * dy);
  }
  context.strokeStyle = "white";
  context.lineWidth = 4;
  context.stroke();
  context.strokeStyle = "#00724f";
  context.lineWidth = 2;
  context.stroke();
}

function renderSelection(board) {
  const { context, colors, gesture } = board;
  context.strokeStyle = colors.accent;
  context.lineWidth = 1;
  if (gesture?.kind === "marquee") {
    const [x0, y0] = board.view.toScreen(gesture.start);
    const [x1, y1] = board.view.toScreen(gesture.end);
    context.setLineDash([4, 3]);
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    context.setLineDash([]);
  }
  const frame = frameOf(board);
  if (!frame) return;
  const [left, top, right, bottom] = frame;
  context.strokeRect(left, top, right - left, bottom - top);
  context.fillStyle = colors.paper;
  for (const [hx, hy] of HANDLES) {
    const x = left + (right - left) * hx;
    const y = top + (bottom - top) * hy;
    context.beginPath();
    context.rect(x - 4, y - 4, 8, 8);
    context.fill();
    context.stroke();
  }
}

function renderEraser(board) {
  const { context, view } = board;
  const circles = [board.hover];
  if (board.symmetric) circles.push([2 * AXIS - board.hover[0], board.hover[1]]);
  for (const centre of circles) {
    const [x, y] = view.toScreen(centre);
    context.beginPath();
    context.arc(x, y, board.radius * view.scale, 0, 2 * Math.PI);
    context.fillStyle = "rgb(128 128 128 / 12%)";
    context.fill();
    context.strokeStyle = "#6b6b6b";
    context.lineWidth = 1.25;
    context.stroke();
  }
}
