// Choosing strokes on the sheet by pointer, moving and scaling them.

import { LINE, clamp, distanceToPolyline } from "./geometry.js";
import { boundsOfStrokes, moveStrokes, scaleStrokes } from "./sketch.js";

/** Corners and sides of the frame round what is selected. */
export const HANDLES = [
  [0, 0],
  [0.5, 0],
  [1, 0],
  [1, 0.5],
  [1, 1],
  [0.5, 1],
  [0, 1],
  [0, 0.5],
];

/** So many pixels of the screen in pixels of the sketch, but at least the line itself. */
export function reachOf(board, pixels) {
  return Math.max(pixels / board.view.scale, LINE);
}

export function beginSelect(board, event, point) {
  const handle = handleAt(board, board.at(event), event.pointerType === "touch" ? 22 : 11);
  const bounds = boundsOfStrokes(board.strokes, board.selected);
  if (handle !== null) {
    return {
      kind: "scale",
      handle,
      bounds,
      ids: board.selected,
      start: point,
      before: board.strokes,
    };
  }
  const hit = strokeAt(board, point, event.pointerType === "touch" ? 18 : 8);
  const adds = event.shiftKey || event.ctrlKey || event.metaKey;
  if (hit && adds) {
    const ids = new Set(board.selected);
    if (!ids.delete(hit.id)) ids.add(hit.id);
    board.select(ids);
    return null;
  }
  const inside =
    bounds &&
    point[0] >= bounds[0] &&
    point[0] <= bounds[2] &&
    point[1] >= bounds[1] &&
    point[1] <= bounds[3];
  if (hit && !board.selected.has(hit.id)) board.select([hit.id]);
  else if (!hit && !inside) {
    if (!adds) board.select([]);
    return { kind: "marquee", start: point, end: point, adds: adds ? [...board.selected] : [] };
  }
  return { kind: "move", ids: board.selected, start: point, before: board.strokes };
}

export function moveSelect(board, gesture, point) {
  if (gesture.kind === "marquee") {
    gesture.end = point;
    board.invalidate();
    return;
  }
  const [dx, dy] = [point[0] - gesture.start[0], point[1] - gesture.start[1]];
  board.selected = gesture.ids;
  if (gesture.kind === "move") {
    if (!board.shown && Math.hypot(dx, dy) * board.view.scale < 3) return;
    board.attempt(moveStrokes(gesture.before, gesture.ids, ...board.held(gesture.before, dx, dy)));
    return;
  }
  const [left, top, right, bottom] = gesture.bounds;
  const [hx, hy] = HANDLES[gesture.handle];
  const fixed = [hx === 0 ? right : left, hy === 0 ? bottom : top];
  const factor = (place, moved, extent) => {
    const sign = place === 0 ? -1 : 1;
    return place === 0.5 || extent < 0.5 ? 1 : clamp((extent + sign * moved) / extent, 0.05, 20);
  };
  let sx = factor(hx, dx, right - left);
  let sy = factor(hy, dy, bottom - top);
  if (hx !== 0.5 && hy !== 0.5) {
    // Corners keep the proportions, by the side that was moved farther.
    const both = Math.abs(Math.log(sx)) > Math.abs(Math.log(sy)) ? sx : sy;
    sx = sy = both;
  }
  board.attempt(scaleStrokes(gesture.before, gesture.ids, sx, sy, fixed));
}

export function inMarquee(board, { start, end, adds }) {
  const [left, right] = [Math.min(start[0], end[0]), Math.max(start[0], end[0])];
  const [top, bottom] = [Math.min(start[1], end[1]), Math.max(start[1], end[1])];
  const inside = board.strokes.filter(({ points }) =>
    points.every(([x, y]) => x >= left && x <= right && y >= top && y <= bottom),
  );
  return [...adds, ...inside.map((stroke) => stroke.id)];
}

export function strokeAt(board, point, pixels) {
  let best = null;
  let least = reachOf(board, pixels);
  for (const stroke of board.strokes) {
    const distance = distanceToPolyline(point, stroke.points);
    if (distance <= least) [best, least] = [stroke, distance];
  }
  return best;
}

export function frameOf(board) {
  const bounds = boundsOfStrokes(board.strokes, board.selected);
  if (!bounds) return null;
  const [left, top] = board.view.toScreen([bounds[0], bounds[1]]);
  const [right, bottom] = board.view.toScreen([bounds[2], bounds[3]]);
  const gap = 8;
  return [left - gap, top - gap, right + gap, bottom + gap];
}

export function handleAt(board, at, reach) {
  const frame = frameOf(board);
  if (!frame || board.tool !== "select") return null;
  let best = null;
  let least = reach;
  HANDLES.forEach(([hx, hy], i) => {
    const x = frame[0] + (frame[2] - frame[0]) * hx;
    const y = frame[1] + (frame[3] - frame[1]) * hy;
    const distance = Math.hypot(at[0] - x, at[1] - y);
    if (distance < least) [best, least] = [i, distance];
  });
  return best;
}
