// The live connection: sends the newest sketch, receives faces and the probe.

const PAUSES = [500, 1000, 2000, 4000, 8000];
const ANSWER_WITHIN = 120;

/** Strokes as JSON; a stroke never changes, so its text is made once. */
const texts = new WeakMap();
function strokeText(stroke) {
  let text = texts.get(stroke);
  if (!text) {
    text = JSON.stringify({ part: stroke.part, points: stroke.points.flat() });
    texts.set(stroke, text);
  }
  return text;
}

/**
 * Tells by DOM events: "state", "failed" (it could not even be opened again), "faces" (detail:
 * {header, latency, blob}; blob(place) gives an image), and every text message under its own type
 * ("probe", "probe_map", "error", ...).
 */
export class Live extends EventTarget {
  constructor(url) {
    super();
    this.url = url;
    this.state = "connecting";
    this.settings = null;
    this.strokes = null;
    this.seq = 0;
    this.answered = 0;
    this.sent = new Map();
    this.dirty = false;
    this.frame = 0;
    this.failures = 0;
  }

  connect() {
    clearTimeout(this.timer);
    this.socket?.close();
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.failures = 0;
      this.sent.clear();
      this.#setState("connected");
      if (this.settings) this.#send(this.settings);
      this.dirty = this.strokes !== null;
      this.#schedule();
      this.#watch(socket);
    };
    socket.onmessage = ({ data }) => {
      this.heard = performance.now();
      if (typeof data === "string") this.#readText(data);
      else this.#readFaces(data);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.#setState("disconnected");
      if (this.failures > 0) this.dispatchEvent(new CustomEvent("failed"));
      this.timer = setTimeout(
        () => this.connect(),
        PAUSES[Math.min(this.failures, PAUSES.length - 1)],
      );
      this.failures += 1;
    };
  }

  /** A server that hangs without closing is found by a ping that nobody answers. */
  #watch(socket) {
    this.heard = performance.now();
    const timer = setInterval(() => {
      if (socket !== this.socket || socket.readyState !== WebSocket.OPEN) {
        clearInterval(timer);
      } else if (performance.now() - this.heard > 25000) {
        socket.close();
        socket.onclose();
        clearInterval(timer);
      } else {
        this.#send({ type: "ping", t: 0 });
      }
    }, 8000);
  }

  configure(settings) {
    const text = JSON.stringify(settings);
    if (text === JSON.stringify(this.settings)) return;
    this.settings = settings;
    if (this.state === "connected") this.#send(settings);
  }

  /** The newest sketch; whatever was not sent yet is forgotten. */
  draw(strokes) {
    this.strokes = strokes;
    this.dirty = true;
    this.#schedule();
  }

  #schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.#pump();
    });
  }

  #pump() {
    if (!this.dirty || this.socket?.readyState !== WebSocket.OPEN) return;
    const now = performance.now();
    const latest = [...this.sent.values()].at(-1) ?? -Infinity;
    // One sketch on its way at a time, unless the answer is slow: a queue would only add delay.
    if (this.socket.bufferedAmount > 0 || now - latest < ANSWER_WITHIN) {
      this.#schedule();
      return;
    }
    this.dirty = false;
    this.seq += 1;
    this.sent.set(this.seq, now);
    this.socket.send(
      `{"type":"draw","seq":${this.seq},"strokes":[${this.strokes.map(strokeText).join(",")}]}`,
    );
  }

  #send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #readText(text) {
    const message = JSON.parse(text);
    if (message.type === "error" && message.seq) this.#answered(message.seq);
    this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }

  #readFaces(data) {
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const body = 4 + length;
    const blob = (image) =>
      image &&
      new Blob([new Uint8Array(data, body + image.offset, image.length)], { type: image.type });
    const latency = this.#answered(header.seq);
    this.dispatchEvent(new CustomEvent("faces", { detail: { header, latency, blob } }));
  }

  /** Whether the newest sketch has been answered. */
  get settled() {
    return !this.dirty && this.answered === this.seq;
  }

  /** Milliseconds from sending to the answer; null if this sketch was answered before. */
  #answered(seq) {
    const sent = this.sent.get(seq);
    this.answered = seq;
    for (const key of [...this.sent.keys()]) if (key <= seq) this.sent.delete(key);
    return sent === undefined ? null : performance.now() - sent;
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}
