// Wires the drawing area, the service and the two views together.

import { AnswerView } from "./answer.js";
import { Newest, Trouble, post, useKey } from "./client.js";
import { MAX_PICTURES, TAKES_FEEDBACK } from "./contract.js";
import { CorrectionView } from "./correction.js";
import { ACCEPT, refusal, show } from "./files.js";
import { InsideView } from "./inside.js";
import { ManyView } from "./many.js";
import { Pad } from "./pad.js";

const $ = (id) => document.getElementById(id);
const pad = new Pad($("ink"));
const answer = new AnswerView();
const correction = new CorrectionView();
const inside = new InsideView();
const many = new ManyView({ labels: () => answer.labels, look: (file) => take([file]), tell: (trouble) => tell(trouble, () => many.run()) });

async function ask({ final }, signal) {
  try {
    const blob = await pad.blob();
    const asked = performance.now();
    const prediction = await post("predict", blob, signal);
    answer.update(prediction, performance.now() - asked, final);
    if (final) correction.offer(prediction, blob, answer.labels);
    tell(null);
    if (!asking.isHurried) await lookInside(blob, signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    answer.stale();
    tell(error instanceof Trouble ? error : new Trouble(`This page failed to show the answer: ${error.message}.`));
  }
}

/** The look inside is an extra: where it cannot be had, the answer stands all the same. */
async function lookInside(blob, signal) {
  const asked = performance.now();
  try {
    const explanation = await post("explain", blob, signal);
    inside.update(explanation, performance.now() - asked);
    answer.labels = explanation.labels;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    inside.reset(error.message);
  }
}

const asking = new Newest(ask, (busy) => { $("answer").ariaBusy = busy; });

let again = null; // what "Try again" does

function tell(trouble, retry = () => changed(true)) {
  again = retry;
  $("trouble").hidden = !trouble;
  if (!trouble) return;
  $("trouble-text").textContent = trouble.message;
  $("again").hidden = !trouble.retry;
  $("key-form").hidden = !trouble.wantsKey;
}

function changed(final) {
  const empty = pad.isEmpty;
  correction.reset();
  $("hint").hidden = !empty;
  $("undo").disabled = $("clear").disabled = empty;
  showPicture();
  if (empty) {
    asking.cancel();
    answer.reset();
    inside.reset();
    tell(null);
  } else {
    asking.request({ final }, final);
  }
}

let shown = null; // the file that the <img> shows

function showPicture() {
  if (shown === pad.file) return;
  shown = pad.file;
  $("unseen-name").textContent = shown?.name || "Your picture";
  show(shown, $("picture"), $("unseen"));
}

function take(files) {
  if (files.length > 1) {
    many.add([...files].slice(0, MAX_PICTURES - many.count));
    const left = files.length + many.count > MAX_PICTURES && `The table takes ${MAX_PICTURES} pictures; the others were left out.`;
    tell(left ? new Trouble(left, { retry: false }) : null);
    return;
  }
  const [picture] = files;
  if (!picture) return;
  const why = refusal(picture);
  if (why) {
    tell(new Trouble(`${picture.name} ${why}`, { retry: false }));
    return;
  }
  asking.cancel();
  correction.reset();
  answer.stale();
  pad.show(picture);
}

pad.addEventListener("drawn", () => changed(false));
pad.addEventListener("edited", () => changed(true));
$("undo").addEventListener("click", () => pad.undo());
$("clear").addEventListener("click", () => pad.clear());
$("again").addEventListener("click", () => again());
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey($("key").value);
  again();
});

for (const input of [$("open"), $("camera")]) {
  input.addEventListener("change", () => {
    take(input.files);
    input.value = ""; // the same file may be chosen again
  });
}

document.addEventListener("paste", (event) => take(event.clipboardData.files));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("pad").classList.add("over");
});
document.addEventListener("dragleave", (event) => event.relatedTarget || $("pad").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("pad").classList.remove("over");
  take(event.dataTransfer.files);
});

document.addEventListener("keydown", (event) => {
  if (event.target === $("key")) return;
  const withControl = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (withControl && key === "z") pad.undo();
  else if (withControl && key === "o") $("open").click();
  else if (key === "escape") pad.clear();
  else return;
  event.preventDefault();
});

$("open").accept = $("camera").accept = ACCEPT;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => pad.redraw());
$("photo").hidden = navigator.maxTouchPoints === 0; // only there does `capture` open a camera
$("unless").hidden = !TAKES_FEEDBACK;
$("origin").textContent = new URL(".", location.href).href.replace(/\/$/, "");
