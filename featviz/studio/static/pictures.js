// Small pictures of sketches, drawn here.

import { LINE, SIZE } from "./geometry.js";

/** Draw strokes on a canvas that is `side` CSS pixels wide; lines are never thinner than a pixel. */
export function drawStrokes(canvas, strokes, side) {
  const ratio = devicePixelRatio || 1;
  canvas.width = canvas.height = Math.round(side * ratio);
  const context = canvas.getContext("2d");
  const k = canvas.width / SIZE;
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.setTransform(k, 0, 0, k, k / 2, k / 2);
  context.lineWidth = Math.max(LINE, 1.1 / k);
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = "black";
  for (const { points } of strokes) {
    context.beginPath();
    context.moveTo(...points[0]);
    if (points.length === 1) context.lineTo(points[0][0] + 1e-3, points[0][1]);
    for (const point of points.slice(1)) context.lineTo(...point);
    context.stroke();
  }
  return canvas;
}

/** A picture decoded; null if it is none. */
export async function picture(blob) {
  try {
    return await createImageBitmap(blob);
  } catch {
    return null;
  }
}
