// The look inside: what the network saw, what decided it, its kernels and feature maps, and one sum in full.

import { colours, decode, paint, peakOf, plane } from "./tensor.js";

const $ = (id) => document.getElementById(id);
const EMPTY_NOTE = "Hiding these parts lowers the probability most";
const WHITE = { plus: [255, 255, 255], minus: [255, 255, 255] };
const signed = (value) => (value.toFixed(2) < 0 ? "−" : "") + Math.abs(value).toFixed(2);

export class InsideView {
  #data = null;
  #map = 0; // the chosen map of conv1 …
  #place = null; // … and the place in it, [row, column]; null: where the map is largest
  #map2 = 0; // the chosen map of conv2

  constructor() {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    this.reset();
  }

  /** Show nothing, and say why. */
  reset(why = "Draw something first.") {
    this.#data = null;
    this.#place = null;
    $("layers").hidden = true;
    $("inside-timing").textContent = why;
    $("weighed-note").textContent = EMPTY_NOTE;
    for (const id of ["seen", "weighed"]) {
      $(id).classList.add("empty");
      $(id).getContext("2d").clearRect(0, 0, $(id).width, $(id).height);
    }
    $("seen").ariaLabel = "What the network saw: nothing yet";
    $("weighed").ariaLabel = "What decided it: nothing yet";
  }

  /** Show an answer of /explain. */
  update(answer, milliseconds) {
    if (answer.prediction.rejected === "blank") return this.reset();
    const all = (group) => Object.fromEntries(Object.entries(group).map(([name, value]) => [name, decode(value)]));
    this.#data = {
      input: decode(answer.input),
      range: answer.input_range,
      maps: all(answer.maps),
      weights: all(answer.weights),
      occlusion: answer.occlusion,
    };
    $("layers").hidden = false;
    $("inside-timing").textContent = `Fetched in ${Math.round(milliseconds)} ms.`;
    this.#draw();
  }

  #draw() {
    if (!this.#data) return;
    const { input, maps, weights } = this.#data;
    const theme = colours();
    for (const id of ["seen", "weighed"]) $(id).classList.remove("empty");
    paint($("seen"), plane(input), 255, WHITE, 1);
    $("seen").ariaLabel = "What the network saw: your picture as 28 by 28 grey pixels";
    this.#drawOcclusion();
    const kernels = weights["conv1.weight"];
    this.#row("conv1-weight", kernels.shape[0], (canvas, i) => paint(canvas, plane(kernels, i, 0), peakOf(kernels.values), theme));
    for (const name of ["conv1", "pool1", "conv2", "pool2"]) {
      const peak = peakOf(maps[name].values);
      const pick = { conv1: (i, place) => this.#choose(i, place), conv2: (i) => this.#choose2(i) }[name];
      this.#row(name, maps[name].shape[0], (canvas, i) => paint(canvas, plane(maps[name], i), peak, theme), pick);
    }
    const dense = maps.fc1.values;
    paint($("fc1"), { height: 2, width: Math.ceil(dense.length / 2), values: dense }, peakOf(dense), theme);
    this.#drawKernels2(theme);
    this.#drawSum(theme);
  }

  /** Fill a row with one canvas for each map; those that can be chosen sit in buttons. */
  #row(id, count, draw, pick) {
    const row = $(id);
    while (row.children.length < count) row.append(pick ? this.#button(id, row.children.length, pick) : document.createElement("canvas"));
    [...row.children].forEach((child, i) => draw(child.querySelector("canvas") ?? child, i));
    const side = (row.firstChild.querySelector("canvas") ?? row.firstChild).width;
    for (const span of document.querySelectorAll(`[data-count="${id}"]`)) span.textContent = count;
    for (const span of document.querySelectorAll(`[data-side="${id}"]`)) span.textContent = `${side} × ${side}`;
  }

  #button(id, i, pick) {
    const button = Object.assign(document.createElement("button"), { type: "button", ariaLabel: `${id}, map ${i + 1}` });
    const canvas = document.createElement("canvas");
    button.append(canvas);
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      const share = (at, from, size, cells) => Math.min(cells - 1, Math.max(0, Math.floor(((at - from) / size) * cells)));
      return [share(event.clientY, box.top, box.height, canvas.height), share(event.clientX, box.left, box.width, canvas.width)];
    };
    button.addEventListener("pointermove", (event) => event.pointerType === "mouse" && pick(i, place(event)));
    button.addEventListener("click", (event) => pick(i, event.detail ? place(event) : null)); // detail 0: the keyboard
    button.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!move || id !== "conv1") return;
      event.preventDefault();
      const [row, column] = i === this.#map ? this.#where() : [0, 0];
      pick(i, [
        Math.min(canvas.height - 1, Math.max(0, row + move[0])),
        Math.min(canvas.width - 1, Math.max(0, column + move[1])),
      ]);
    });
    return button;
  }

  #choose(map, place) {
    this.#map = map;
    this.#place = place;
    this.#drawSum(colours());
  }

  #choose2(map) {
    if (map === this.#map2) return;
    this.#map2 = map;
    this.#drawKernels2(colours());
  }

  #press(id, chosen) {
    [...$(id).children].forEach((child, i) => { child.ariaPressed = String(i === chosen); });
  }

  #drawKernels2(theme) {
    const kernels = this.#data.weights["conv2.weight"];
    const peak = peakOf(kernels.values);
    this.#press("conv2", this.#map2);
    $("conv2-chosen").textContent = this.#map2 + 1;
    this.#row("conv2-weight", kernels.shape[1], (canvas, i) => paint(canvas, plane(kernels, this.#map2, i), peak, theme));
  }

  /** The place that the sum is shown for: the chosen one, or where the chosen map is largest. */
  #where() {
    if (this.#place) return this.#place;
    const { values, width } = plane(this.#data.maps.conv1, this.#map);
    const best = values.indexOf(values.reduce((a, b) => Math.max(a, b), 0));
    return [Math.floor(best / width), best % width];
  }

  /** One number of a feature map, worked out in full: window × kernel, summed, plus bias, through ReLU. */
  #drawSum(theme) {
    const { input, range, weights } = this.#data;
    const kernel = plane(weights["conv1.weight"], this.#map, 0);
    const bias = weights["conv1.bias"].at(this.#map);
    const [top, left] = this.#where();
    const toNetwork = (pixel) => range[0] + (pixel / 255) * (range[1] - range[0]);
    const window = Float32Array.from(kernel.values, (_, i) =>
      toNetwork(input.at(top + Math.floor(i / kernel.width), left + (i % kernel.width))));
    const product = window.map((value, i) => value * kernel.values[i]);
    const sum = product.reduce((a, b) => a + b, 0);

    this.#press("conv1", this.#map);
    [...$("conv1-weight").children].forEach((canvas, i) => canvas.classList.toggle("chosen", i === this.#map));
    this.#drawWindow(top, left, kernel, theme);
    const numbers = (id, values, peak) => drawNumbers($(id), { ...kernel, values }, peak, theme);
    numbers("sum-window", window, Math.max(Math.abs(range[0]), Math.abs(range[1])));
    numbers("sum-kernel", kernel.values, peakOf(kernel.values));
    numbers("sum-product", product, peakOf(product));
    $("sum-where-note").textContent = `the window at row ${top + 1}, column ${left + 1}`;
    $("sum-kernel-note").textContent = `× kernel ${this.#map + 1}`;
    const total = sum + bias;
    const text = $("sum-text");
    text.textContent = `The 25 products add up to ${signed(sum)}. With the bias of ${signed(bias)} that is ${signed(total)}, and ReLU makes it `;
    text.append(Object.assign(document.createElement("b"), { textContent: signed(Math.max(0, total)) }), ".");
  }

  #drawWindow(top, left, { height, width }, theme) {
    const canvas = $("sum-where");
    const context = canvas.getContext("2d");
    const cell = canvas.width / this.#data.input.shape[1];
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage($("seen"), 0, 0, canvas.width, canvas.height);
    context.strokeStyle = `rgb(${theme.plus})`;
    context.lineWidth = 4;
    context.strokeRect(left * cell - 1, top * cell - 1, width * cell + 2, height * cell + 2);
  }

  /** The picture dimmed, and glowing where hiding a patch takes most from the answer. */
  #drawOcclusion() {
    const { drop } = this.#data.occlusion;
    const canvas = $("weighed");
    const context = canvas.getContext("2d");
    const peak = Math.max(...drop.flat());
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    context.globalAlpha = 0.5;
    context.drawImage($("seen"), 0, 0, canvas.width, canvas.height);
    context.globalAlpha = 1;
    const heat = document.createElement("canvas");
    const values = Float32Array.from(drop.flat(), (value) => Math.max(0, value));
    paint(heat, { height: drop.length, width: drop[0].length, values }, Math.max(peak, 0.02) * 1.1, { plus: [255, 140, 50], minus: [0, 0, 0] }, 1);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(heat, 0, 0, canvas.width, canvas.height);
    const points = Math.round(peak * 100);
    const note = points < 1
      ? "No single part decides: the answer stays whichever is hidden"
      : `Hiding the brightest spot lowers the probability by ${points} points`;
    $("weighed-note").textContent = note;
    canvas.ariaLabel = `What decided it. ${note}`;
  }
}

/** A grid of cells, each with its number, tinted by sign and size. */
function drawNumbers(canvas, { height, width, values }, peak, { ink, plus, minus, line }) {
  const context = canvas.getContext("2d");
  const cell = canvas.width / width;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.font = `500 ${cell * 0.3}px ${getComputedStyle(document.body).fontFamily}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const value = values[row * width + column];
      context.fillStyle = `rgb(${value < 0 ? minus : plus}, ${(Math.abs(value) / (peak || 1)) * 0.55})`;
      context.fillRect(column * cell, row * cell, cell, cell);
      context.strokeStyle = `rgb(${line})`;
      context.lineWidth = 1;
      context.strokeRect(column * cell + 0.5, row * cell + 0.5, cell, cell);
      context.fillStyle = `rgb(${ink})`;
      context.fillText(signed(value), (column + 0.5) * cell, (row + 0.5) * cell);
    }
  }
}
