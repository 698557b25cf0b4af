// Mouse, pen, fingers and wheel on the sheet: gestures, and what becomes of them.

import { SIZE, clamp } from "./geometry.js";
import { AXIS } from "./parts.js";
import { reachOf, beginSelect, moveSelect, inMarquee, strokeAt, handleAt } from "./selecting.js";
import { addStroke, eraseArea, eraseStrokes } from "./sketch.js";
import { StrokeInput } from "./smoothing.js";

const CURSORS = ["nwse", "ns", "nesw", "ew", "nwse", "ns", "nesw", "ew"];
/** Pointers may leave the sheet this far; the rest of a line that goes on is cut off. */
const OUTSIDE = 60;
const PEN_REST = 800;

export function listen(board) {
  const { canvas } = board;
  canvas.addEventListener("pointerdown", (event) => onDown(board, event));
  canvas.addEventListener("pointermove", (event) => onMove(board, event));
  canvas.addEventListener("pointerup", (event) => onUp(board, event));
  canvas.addEventListener("pointercancel", (event) => onUp(board, event, true));
  canvas.addEventListener("pointerleave", () => {
    board.hover = null;
    board.tell("hover");
    board.invalidate();
  });
  canvas.addEventListener("wheel", (event) => onWheel(board, event), { passive: false });
  canvas.addEventListener("dblclick", (event) => onDoubleClick(board, event));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("focus", () => board.invalidate());
  canvas.addEventListener("blur", () => {
    board.spaceHeld = false;
    delete canvas.dataset.pointer;
    board.settle();
    board.invalidate();
  });
}

function pointOf(board, event) {
  return board.view
    .toSketch(board.at(event))
    .map((value) => clamp(value, -OUTSIDE, SIZE + OUTSIDE));
}

function onDown(board, event) {
  const touch = event.pointerType === "touch";
  if (event.pointerType === "pen") {
    board.penSeen = performance.now();
    // A hand that lies on the screen has begun something: the pen takes over.
    for (const [id, pointer] of board.pointers) if (pointer.touch) lay(board, id);
    if (board.gesture?.touch) takeOver(board);
  }
  // The first touch of all: whatever lay there has lifted, told or not.
  if (touch && event.isPrimary) board.palms.clear();
  if (touch && (board.palms.size || penInUse(board))) lay(board, event.pointerId);
  if (board.busy || board.palms.has(event.pointerId)) return;
  board.canvas.dataset.pointer = "";
  board.canvas.focus({ preventScroll: true });
  try {
    board.canvas.setPointerCapture(event.pointerId);
  } catch {
    // A pointer that is gone already cannot be captured.
  }
  board.pointers.set(event.pointerId, { touch, at: board.at(event) });
  const touches = [...board.pointers.values()].filter((pointer) => pointer.touch);
  if (touches.length === 2) {
    board.cancel();
    board.gesture = { kind: "pinch", touch: true, view: { ...board.view }, ...pinchOf(board) };
    return;
  }
  if (board.gesture || touches.length > 2) return;
  board.settle();
  board.gesture = begin(board, event);
  if (board.gesture) board.gesture.touch = touch;
  if (board.gesture) board.gesture.pointer = event.pointerId;
  updateCursor(board);
}

/** What a hand did on its way to lying still is undone: its line, its zoom. */
function takeOver(board) {
  Object.assign(board.view, board.gesture.view);
  board.cancel();
  board.viewChanged();
}

/** This touch is of the hand that holds the pen; until it lifts, so is every other. */
function lay(board, id) {
  board.pointers.delete(id);
  board.palms.add(id);
}

function penInUse(board) {
  const held = board.gesture && !board.gesture.touch && board.gesture.kind !== "pinch";
  return held || performance.now() - board.penSeen < PEN_REST;
}

function pinchOf(board) {
  const [one, other] = [...board.pointers.values()]
    .filter((pointer) => pointer.touch)
    .map((pointer) => pointer.at);
  return {
    middle: [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2],
    span: Math.max(Math.hypot(other[0] - one[0], other[1] - one[1]), 1),
  };
}

function begin(board, event) {
  const point = pointOf(board, event);
  if (event.button === 1 || board.spaceHeld || (board.tool === "pan" && event.button === 0)) {
    return { kind: "pan", last: board.at(event) };
  }
  // 5 is the other end of a stylus.
  const tool = event.button === 5 ? "erase-stroke" : event.button === 0 ? board.tool : null;
  const axis = board.symmetric ? AXIS : null;
  if (tool === "pen") {
    const input = new StrokeInput();
    input.add(point, event.timeStamp);
    board.invalidate();
    return { kind: "pen", input, axis, before: board.state };
  }
  if (tool === "erase-stroke" || tool === "erase-area") {
    const gesture = { kind: tool, axis, last: point };
    erase(board, gesture, point);
    return gesture;
  }
  if (tool === "probe") {
    pointProbe(board, point);
    return { kind: "probe" };
  }
  if (tool === "select") return beginSelect(board, event, point);
  return null;
}

function onMove(board, event) {
  if (event.pointerType === "pen") board.penSeen = performance.now();
  const pointer = board.pointers.get(event.pointerId);
  if (!(event.pointerType === "touch")) {
    board.hover = board.view.toSketch(board.at(event));
    if (!board.gesture) updateCursor(board, board.hover);
    if (board.tool === "erase-area") board.invalidate();
    board.tell("hover");
  }
  if (!pointer) return;
  pointer.at = board.at(event);
  const { gesture } = board;
  if (!gesture) return;
  if (gesture.kind === "pinch") {
    movePinch(board, gesture);
    return;
  }
  if (gesture.pointer !== event.pointerId) return;
  const coalesced = event.getCoalescedEvents?.() ?? [];
  const events = coalesced.length ? coalesced : [event];
  if (gesture.kind === "pen") {
    for (const one of events) gesture.input.add(pointOf(board, one), one.timeStamp);
    previewPen(board, gesture);
  } else if (gesture.kind === "pan") {
    const at = board.at(event);
    board.view.pan(at[0] - gesture.last[0], at[1] - gesture.last[1]);
    gesture.last = at;
    board.viewChanged();
  } else if (gesture.kind === "probe") {
    pointProbe(board, pointOf(board, event));
  } else if (gesture.kind.startsWith("erase")) {
    for (const one of events) erase(board, gesture, pointOf(board, one));
  } else {
    moveSelect(board, gesture, pointOf(board, event));
  }
}

function onUp(board, event, cancelled = false) {
  board.palms.delete(event.pointerId);
  const known = board.pointers.delete(event.pointerId);
  const { gesture } = board;
  if (!known || !gesture) return;
  if (gesture.kind === "pinch") {
    const touches = [...board.pointers.values()].filter((pointer) => pointer.touch);
    if (touches.length < 2) board.gesture = null;
    return;
  }
  if (gesture.pointer !== event.pointerId) return;
  if (cancelled) {
    board.cancel();
    return;
  }
  if (gesture.kind === "pen") gesture.input.add(pointOf(board, event), event.timeStamp);
  board.gesture = null;
  finish(board, gesture);
  updateCursor(board, board.hover);
}

function finish(board, gesture) {
  if (gesture.kind === "pen") {
    const points = gesture.input.finish();
    const state = addStroke(board.state, board.choosePart(points), points, gesture.axis);
    board.commit(state, "draw");
  } else if (gesture.kind.startsWith("erase")) {
    const kind = gesture.kind === "erase-area" ? "cut" : "erase";
    if (board.shown) board.commit(board.shown, kind);
  } else if (gesture.kind === "marquee") {
    board.select(inMarquee(board, gesture));
  } else if (board.shown) {
    board.commit(board.shown, "move");
  }
  board.invalidate();
}

function previewPen(board, gesture) {
  gesture.points = gesture.input.preview();
  if (gesture.points.length) {
    board.shown = addStroke(gesture.before, "doodle", gesture.points, gesture.axis);
    board.tell("preview", board.shown);
  }
  board.invalidate();
}

function erase(board, gesture, point) {
  const before = board.strokes;
  const after =
    gesture.kind === "erase-area"
      ? eraseArea(before, gesture.last, point, board.radius, gesture.axis)
      : eraseStrokes(before, gesture.last, point, reachOf(board, 4), gesture.axis);
  gesture.last = point;
  if (after !== before) {
    board.shown = after;
    board.tell("preview", after);
  }
  board.invalidate();
}

function pointProbe(board, point) {
  const whole = point.map((value) => clamp(Math.round(value), 0, SIZE - 1));
  board.tell("probe", whole);
}

function onDoubleClick(board, event) {
  if (board.tool !== "select") return;
  const hit = strokeAt(board, pointOf(board, event), 8);
  if (hit)
    board.select(
      board.strokes.filter((stroke) => stroke.part === hit.part).map((stroke) => stroke.id),
    );
}

function onWheel(board, event) {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;
  if (event.shiftKey) {
    board.view.pan(-(event.deltaX || event.deltaY) * lines, 0);
  } else {
    // A pinch on a touch pad arrives as a wheel with Ctrl, in smaller steps.
    const speed = event.ctrlKey ? 0.01 : 0.0015;
    board.view.zoom(Math.exp(-clamp(event.deltaY * lines, -240, 240) * speed), board.at(event));
  }
  board.viewChanged();
}

function movePinch(board, gesture) {
  if ([...board.pointers.values()].filter((pointer) => pointer.touch).length < 2) return;
  const { middle, span } = pinchOf(board);
  board.view.pan(middle[0] - gesture.middle[0], middle[1] - gesture.middle[1]);
  board.view.zoom(span / gesture.span, middle);
  Object.assign(gesture, { middle, span });
  board.viewChanged();
}

export function updateCursor(board, point = null) {
  const { gesture } = board;
  let cursor = "crosshair";
  if (board.busy) {
    cursor = "progress";
  } else if (board.spaceHeld || board.tool === "pan" || gesture?.kind === "pan") {
    cursor = gesture?.kind === "pan" ? "grabbing" : "grab";
  } else if (board.tool === "erase-area") {
    cursor = "none";
  } else if (board.tool === "select") {
    cursor = "default";
    const handle = point && handleAt(board, board.view.toScreen(point), 11);
    if (handle !== null && handle !== undefined) cursor = `${CURSORS[handle]}-resize`;
    else if (point && strokeAt(board, point, 8)) cursor = "move";
  }
  board.canvas.style.cursor = cursor;
}
