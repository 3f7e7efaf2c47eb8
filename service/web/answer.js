// The answer: the digit, a sentence, ten bars.

const REASONS = {
  blank: () => "There is nothing to read: no ink was found.",
  several_digits: () => "There is more than one digit. Show one at a time.",
  not_a_digit: () => "This does not look like a digit.",
  unsure: (best) => `Not sure enough to say. The closest is ${best.label}, with ${best.percent}.`,
};

// Never "100 %": a network is not that sure, and rounding would claim it.
const percent = (p) => (p > 0.999 ? "over 99.9 %" : `${(p * 100).toFixed(p > 0.99 ? 1 : 0)} %`);

export class AnswerView {
  #digit = document.getElementById("digit");
  #sentence = document.getElementById("sentence");
  #timing = document.getElementById("timing");
  #status = document.getElementById("status");
  #bars = document.getElementById("bars");

  constructor() {
    this.#makeBars(10);
    this.reset();
  }

  reset() {
    this.#show("", "empty", "The answer appears here.", "");
    this.#fill(Array(this.#bars.children.length).fill(0), -1, []);
    this.#status.textContent = "";
  }

  /** The last answer no longer belongs to the picture, and there is no new one. */
  stale() {
    if (this.#digit.textContent) this.#digit.dataset.state = "stale";
    this.#timing.textContent = "";
  }

  /** Show an answer of /predict; `final` says it aloud too: not at every point of a stroke. */
  update(answer, milliseconds, final) {
    const probabilities = answer.probabilities ?? [];
    const labels = answer.model?.labels ?? probabilities.map((_, i) => String(i));
    const top = probabilities.indexOf(Math.max(...probabilities));
    const best = { label: labels[top], percent: percent(probabilities[top] ?? 0) };
    const sentence = answer.rejected
      ? (REASONS[answer.rejected] ?? (() => `Rejected: ${answer.rejected}.`))(best)
      : `It reads ${best.label} and is ${best.percent} sure.`;
    const version = answer.model ? `${answer.model.name} ${answer.model.version}` : "";
    this.#show(
      answer.rejected ? "?" : best.label,
      answer.rejected ? "rejected" : "sure",
      sentence,
      [`${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms there and back`, version && `model ${version}`].filter(Boolean).join(" · "),
    );
    if (probabilities.length !== this.#bars.children.length && probabilities.length) this.#makeBars(probabilities.length);
    this.#fill(probabilities, answer.rejected ? -1 : top, labels);
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
        item.children[2].textContent = i;
        return item;
      }),
    );
  }

  #fill(probabilities, top, labels) {
    [...this.#bars.children].forEach((item, i) => {
      const p = probabilities[i] ?? 0;
      item.classList.toggle("top", i === top);
      item.classList.toggle("seen", p >= 0.005);
      item.children[0].textContent = Math.round(p * 100);
      item.children[1].firstChild.style.setProperty("--p", p);
      if (labels[i] !== undefined) item.children[2].textContent = labels[i];
      item.setAttribute("aria-label", `${item.children[2].textContent}: ${percent(p)}`);
    });
  }
}
