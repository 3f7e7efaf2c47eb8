// Picture files: which are, which the service will not take, and how they are shown.

import { MAX_BODY, SUFFIXES } from "./contract.js";

const MIB = 2 ** 20;
const FORM = 1024; // bytes that a request needs beside the picture

/** What a dialog for files offers; browsers that do not know a format go by the name's end. */
export const ACCEPT = ["image/*", ...SUFFIXES].join();

/** Why a file need not be sent, as the end of a sentence that begins with its name; empty if it may be. */
export function refusal(file) {
  const name = file.name.toLowerCase();
  if (!file.type.startsWith("image/") && !SUFFIXES.some((suffix) => name.endsWith(suffix))) return "is not a picture.";
  if (file.size + FORM <= MAX_BODY) return "";
  return `has ${(file.size / MIB).toFixed(1)} MiB; the service takes ${(MAX_BODY / MIB).toFixed(0)}.`;
}

/** Show a file in an <img>, or something else in its place where the browser cannot; no file: neither. */
export function show(file, image, otherwise) {
  forget(image);
  image.hidden = otherwise.hidden = true;
  if (!file) return;
  image.onload = () => { image.hidden = false; };
  image.onerror = () => { otherwise.hidden = false; };
  image.src = URL.createObjectURL(file);
}

/** Give back the memory of what an <img> shows. */
export function forget(image) {
  image.onload = image.onerror = null;
  if (image.src) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
}
