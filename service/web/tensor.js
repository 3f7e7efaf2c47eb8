// Arrays as the service sends them, and how they are painted.

/** {shape, at(...index)}: a tensor in base64, 8 bits times a scale, or float32. */
export function decode({ shape, dtype, scale, data }) {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const values = dtype === "float32" ? new Float32Array(bytes.buffer) : Float32Array.from(bytes, (b) => b * scale);
  return { shape, values, at: (...index) => values[index.reduce((offset, i, axis) => offset * shape[axis] + i, 0)] };
}

/** One [height, width] slice of a tensor: the last two axes at the given leading indices. */
export function plane(tensor, ...leading) {
  const [height, width] = tensor.shape.slice(-2);
  const index = leading.reduce((offset, i, axis) => offset * tensor.shape[axis] + i, 0);
  return { height, width, values: tensor.values.subarray(index * height * width, (index + 1) * height * width) };
}

/** Colours of the present theme as [red, green, blue]. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim().match(/\w\w/g).map((hex) => parseInt(hex, 16));
  return { ink: read("--ink"), plus: read("--plus"), minus: read("--minus"), line: read("--line"), soft: read("--soft") };
}

/** Paint a plane pixel by pixel: the hue by sign, the opacity by size relative to `peak`; `gamma` < 1 lifts small ones. */
export function paint(canvas, { height, width, values }, peak, { plus, minus }, gamma = 0.75) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  values.forEach((value, i) => {
    image.data.set(value < 0 ? minus : plus, i * 4);
    image.data[i * 4 + 3] = Math.min(1, Math.abs(value) / (peak || 1)) ** gamma * 255;
  });
  context.putImageData(image, 0, 0);
}

export const peakOf = (values) => values.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0);
