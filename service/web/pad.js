// The drawing area: strokes of mouse, finger, pen or keyboard, or a picture in their place.

const PEN = 0.072; // width of the pen, as a share of the side
const UPLOAD = 280; // side of the PNG that is sent, in pixels
const STEP = 1 / 28; // how far an arrow key moves the pen, as a share of the side

export class Pad extends EventTarget {
  #canvas;
  #context;
  #strokes = []; // each a list of [x, y], as shares of the side
  #current = null; // the stroke that is being drawn
  #pointer = null; // id of the pointer that draws it
  #pen = null; // keyboard pen: {x, y, down}
  #file = null; // a picture instead of strokes
  #frame = 0;

  constructor(canvas) {
    super();
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#extend(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.#end(event));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => { this.#pen = null; this.redraw(); });
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  get isEmpty() { return !this.#file && this.#strokes.length === 0; }
  get file() { return this.#file; }

  undo() {
    if (this.#file) this.#file = null;
    else this.#strokes.pop();
    this.#changed("edited");
  }

  clear() {
    this.#strokes = [];
    this.#file = null;
    this.#current = null;
    this.#changed("edited");
  }

  show(file) {
    this.#strokes = [];
    this.#file = file;
    this.#changed("edited");
  }

  /** The picture to send: the user's own file as it is, or the strokes as a black-on-white PNG. */
  async blob() {
    if (this.#file) return this.#file;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = UPLOAD;
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, UPLOAD, UPLOAD);
    this.#paint(context, UPLOAD, "#000");
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  redraw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      const side = Math.round(this.#canvas.clientWidth * devicePixelRatio);
      if (this.#canvas.width !== side) this.#canvas.width = this.#canvas.height = side;
      this.#context.clearRect(0, 0, side, side);
      this.#paint(this.#context, side, getComputedStyle(this.#canvas).color);
      if (this.#pen) this.#paintPen(side);
    });
  }

  #changed(kind) {
    this.redraw();
    this.dispatchEvent(new Event(kind));
  }

  #begin(event) {
    if (this.#pointer !== null || !event.isPrimary || event.button !== 0) return;
    event.preventDefault();
    this.#canvas.focus({ preventScroll: true, focusVisible: false });
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    this.#pen = null;
    this.#start(this.#point(event));
  }

  #start(point) {
    this.#file = null;
    this.#current = [point];
    this.#strokes.push(this.#current);
    this.#changed("drawn");
  }

  #extend(event) {
    if (event.pointerId !== this.#pointer || !this.#current) return;
    // Between two frames a pen or mouse may have moved many times; without these, fast curves come out as polygons.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) this.#current.push(this.#point(one));
    this.#changed("drawn");
  }

  #end(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#current = null;
    this.#changed("edited");
  }

  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  #key(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    this.#pen ??= { x: 0.5, y: 0.5, down: false };
    const pen = this.#pen;
    if (!move) {
      pen.down = !pen.down;
      if (pen.down) this.#start([pen.x, pen.y]);
      else { this.#current = null; this.#changed("edited"); }
      return;
    }
    pen.x = Math.min(1, Math.max(0, pen.x + move[0] * STEP));
    pen.y = Math.min(1, Math.max(0, pen.y + move[1] * STEP));
    if (pen.down && this.#current) { this.#current.push([pen.x, pen.y]); this.#changed("drawn"); }
    else this.redraw();
  }

  /** Smooth curves: each point is the control point of a parabola between the midpoints of its neighbours. */
  #paint(context, side, colour) {
    context.strokeStyle = colour;
    context.lineWidth = PEN * side;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.#strokes) {
      const points = stroke.map(([x, y]) => [x * side, y * side]);
      const last = points[points.length - 1];
      context.beginPath();
      context.moveTo(...points[0]);
      for (let i = 1; i < points.length - 1; i++) {
        const [x, y] = points[i];
        context.quadraticCurveTo(x, y, (x + points[i + 1][0]) / 2, (y + points[i + 1][1]) / 2);
      }
      context.lineTo(...last);
      context.stroke();
    }
  }

  #paintPen(side) {
    const context = this.#context;
    context.beginPath();
    context.arc(this.#pen.x * side, this.#pen.y * side, (PEN * side) / 2 + 2, 0, 2 * Math.PI);
    context.lineWidth = 2;
    context.strokeStyle = getComputedStyle(this.#canvas).getPropertyValue("--plus");
    context.stroke();
  }
}
