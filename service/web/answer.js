// The answer: the digit, a sentence, ten bars.

import { REASONS } from "./contract.js";

// Never "100 %": a network is not that sure, and rounding would claim it.
export const percent = (p) => (p > 0.999 ? "over 99.9 %" : `${(p * 100).toFixed(p > 0.99 ? 1 : 0)} %`);

/** Why an answer of /predict has no digit, in words; the classes are called by `labels`, or numbered. */
export function reason(answer, labels) {
  const { probabilities } = answer;
  const top = probabilities.indexOf(Math.max(...probabilities));
  const best = { label: labels[top] ?? top, percent: percent(answer.confidence) };
  return (REASONS[answer.rejected] ?? `Rejected: ${answer.rejected}.`).replace(/{(\w+)}/g, (_, part) => best[part]);
}

export class AnswerView {
  #digit = document.getElementById("digit");
  #sentence = document.getElementById("sentence");
  #timing = document.getElementById("timing");
  #status = document.getElementById("status");
  #bars = document.getElementById("bars");
  #labels = [];

  constructor() {
    this.#makeBars(10);
    this.reset();
  }

  reset() {
    this.#show("", "empty", "The answer appears here.", "");
    this.#fill([], -1);
    this.#status.textContent = "";
  }

  /** What the classes are called; until this is known, they are numbered. */
  set labels(labels) {
    this.#labels = labels;
    [...this.#bars.children].forEach((item, i) => { item.children[2].textContent = labels[i] ?? i; });
  }

  get labels() {
    return this.#labels;
  }

  /** The last answer no longer belongs to the picture, and there is no new one. */
  stale() {
    if (this.#digit.textContent) this.#digit.dataset.state = "stale";
    this.#timing.textContent = "";
  }

  /** Show an answer of /predict; only a `final` one, not half a stroke, may be a rejection, and is said aloud. */
  update(answer, milliseconds, final) {
    if (answer.rejected && !final) return;
    const { probabilities } = answer;
    const top = probabilities.indexOf(Math.max(...probabilities));
    // The confidence is of the whole answer: that it is a digit, times that it is this one. The bars share it out.
    const isDigit = probabilities[top] ? answer.confidence / probabilities[top] : 0;
    const sentence = answer.rejected
      ? reason(answer, this.#labels)
      : `It reads ${answer.digit} and is ${percent(answer.confidence)} sure.`;
    const time = milliseconds.toFixed(milliseconds < 10 ? 1 : 0);
    const timing = `${time} ms there and back · model ${answer.model.name} ${answer.model.version}`;
    if (answer.rejected) this.#show("?", "rejected", sentence, timing);
    else this.#show(answer.digit, "sure", sentence, timing);
    if (probabilities.length !== this.#bars.children.length) this.#makeBars(probabilities.length);
    this.#fill(probabilities.map((p) => p * isDigit), answer.rejected ? -1 : top);
    if (final) this.#status.textContent = sentence;
  }

  #show(digit, state, sentence, timing) {
    this.#digit.textContent = digit;
    this.#digit.dataset.state = state;
    this.#sentence.textContent = sentence;
    this.#timing.textContent = timing;
  }

  #makeBars(count) {
    this.#bars.replaceChildren(
      ...Array.from({ length: count }, (_, i) => {
        const item = document.createElement("li");
        for (const name of ["percent", "track", "label"]) {
          item.append(Object.assign(document.createElement("span"), { className: name, ariaHidden: "true" }));
        }
        item.children[1].append(Object.assign(document.createElement("span"), { className: "fill" }));
        return item;
      }),
    );
  }

  #fill(probabilities, top) {
    [...this.#bars.children].forEach((item, i) => {
      const p = probabilities[i] ?? 0;
      item.classList.toggle("top", i === top);
      item.classList.toggle("seen", p >= 0.005);
      item.children[0].textContent = Math.round(p * 100);
      item.children[1].firstChild.style.setProperty("--p", p);
      item.children[2].textContent = this.#labels[i] ?? i;
      item.setAttribute("aria-label", `${item.children[2].textContent}: ${percent(p)}`);
    });
  }
}
