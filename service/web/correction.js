// "Not right?": what the picture shows, said by the person who drew it.

import { TAKES_FEEDBACK } from "./contract.js";
import { Trouble, idOf, post } from "./client.js";

const NO_DIGIT = "none";
const THANKS =
  "Thank you. The picture and your correction are stored on this server, without your name. A later version may learn from them.";

export class CorrectionView {
  #box = document.getElementById("correction");
  #ask = document.getElementById("not-right");
  #choices = document.getElementById("choices");
  #note = document.getElementById("correction-note");
  #about = null;

  constructor() {
    this.#ask.addEventListener("click", () => this.#open(this.#choices.hidden));
    this.#choices.addEventListener("click", (event) => {
      const chosen = event.target.closest("button");
      if (chosen) this.#send(chosen.dataset.label);
    });
    this.reset();
  }

  reset() {
    this.#about = null;
    this.#box.hidden = true;
    this.#note.textContent = "";
  }

  /** Offer to correct an answer of /predict, for the picture that it was given to. */
  offer(answer, picture, labels) {
    if (!TAKES_FEEDBACK) return;
    this.#about = { id: idOf(answer), picture };
    const names = labels.length ? labels : answer.probabilities.map((_, i) => i);
    this.#choices.replaceChildren(...names.map((name) => choice(name, name)), choice(NO_DIGIT, "No digit"));
    this.#note.textContent = "";
    this.#ask.hidden = false;
    this.#box.hidden = false;
    this.#open(false);
  }

  #open(isOpen) {
    this.#choices.hidden = !isOpen;
    this.#ask.ariaExpanded = isOpen;
  }

  async #send(label) {
    const about = this.#about;
    this.#disable(true);
    let said = THANKS;
    try {
      await correct(about, label);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      said = error.message;
    }
    if (this.#about !== about) return; // another picture by now
    this.#disable(false);
    this.#note.textContent = said;
    if (said !== THANKS) return;
    this.#open(false);
    this.#ask.hidden = true;
  }

  #disable(isBusy) {
    for (const button of this.#choices.children) button.disabled = isBusy;
  }
}

/** By the answer's id; by the picture itself where the service no longer remembers it. */
async function correct({ id, picture }, label) {
  const digit = label === NO_DIGIT ? null : label;
  try {
    await post("feedback", new Blob([JSON.stringify({ id, digit })], { type: "application/json" }));
  } catch (error) {
    if (error.status !== 404) throw error;
    const form = new FormData();
    form.append("image", picture, "picture");
    form.append("digit", label);
    await post("feedback", form);
  }
}

function choice(label, text) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  button.dataset.label = label;
  return button;
}
