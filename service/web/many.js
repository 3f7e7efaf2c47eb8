// Several pictures at once: a table with the answer to each, or why there is none.

import { percent, reason } from "./answer.js";
import { Trouble, post } from "./client.js";
import { save, toCsv } from "./csv.js";
import { forget, refusal, show } from "./files.js";

const AT_ONCE = 3; // requests: one picture each, so that a bad one spoils nothing
const ATTEMPTS = 4; // where the service is busy
const PAUSE = 1000; // milliseconds before the next
const LONG = 10; // pictures from which on a bar shows the progress
const $ = (id) => document.getElementById(id);

export class ManyView {
  #rows = []; // each {file, state: "waiting", "asked", "answered" or "refused", answer, why, line}
  #running = null; // the AbortController of a run
  #told = 0; // quarters of the way that were announced
  #labels;
  #look;
  #tell;

  /** `labels` gives what the classes are called, `look` shows one picture large, `tell` is told what stops a run. */
  constructor({ labels, look, tell }) {
    this.#labels = labels;
    this.#look = look;
    this.#tell = tell;
    $("many-stop").addEventListener("click", () => (this.#running ? this.#stop() : this.run()));
    $("many-csv").addEventListener("click", () => save("digits.csv", this.#csv()));
    $("many-close").addEventListener("click", () => this.close());
  }

  get count() { return this.#rows.length; }

  /** Put files into the table, below those that are there, and ask for them. */
  add(files) {
    if (!files.length) return;
    for (const file of files) {
      const why = refusal(file);
      const row = { file, state: why ? "refused" : "waiting", why: why && `It ${why}`, answer: null };
      row.line = this.#line(row);
      this.#rows.push(row);
    }
    $("many-rows").append(...this.#rows.slice(-files.length).map((row) => row.line));
    $("many").hidden = false;
    $("many").scrollIntoView({ block: "nearest" });
    $("many-status").textContent = `${this.count} pictures.`;
    this.#told = 0;
    this.run();
  }

  /** Ask for every picture that waits, a few at a time. */
  async run() {
    if (this.#running) return;
    const { signal } = (this.#running = new AbortController());
    this.#tell(null);
    this.#update();
    const one = async () => {
      let row;
      while (!signal.aborted && (row = this.#rows.find(({ state }) => state === "waiting"))) await this.#ask(row, signal);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    if (!signal.aborted) this.#running = null;
    this.#update();
  }

  close() {
    this.#stop();
    for (const { line } of this.#rows) forget(line.querySelector("img"));
    this.#rows = [];
    $("many-rows").replaceChildren();
    $("many").hidden = true;
    $("ink").focus();
  }

  #stop() {
    this.#running?.abort();
    this.#running = null;
    this.#update();
  }

  async #ask(row, signal) {
    row.state = "asked";
    try {
      row.answer = await this.#patiently(row.file, signal);
      row.state = "answered";
    } catch (error) {
      if (error.name === "AbortError") {
        row.state = "waiting";
        return;
      }
      if (!(error instanceof Trouble)) throw error;
      if ([0, 401, 503].includes(error.status)) { // not this picture's fault: the others would fare no better
        row.state = "waiting";
        if (signal.aborted) return;
        this.#stop();
        this.#tell(error);
        return;
      }
      row.state = "refused";
      row.why = error.message;
    }
    this.#fill(row);
    this.#update();
  }

  /** Ask again for a while where the service is busy. */
  async #patiently(file, signal) {
    for (let left = ATTEMPTS; ; left--) {
      try {
        return await post("predict", file, signal);
      } catch (error) {
        if (error.status !== 503 || left === 1) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
        signal.throwIfAborted();
      }
    }
  }

  #line(row) {
    const line = document.createElement("tr");
    const [picture, name, digit, words] = Array.from({ length: 4 }, () => document.createElement("td"));
    const button = Object.assign(document.createElement("button"), { type: "button", ariaLabel: `Look inside: ${row.file.name}` });
    const image = Object.assign(document.createElement("img"), { alt: "", decoding: "async" });
    const tile = Object.assign(document.createElement("span"), { textContent: row.file.name.split(".").pop().slice(0, 4), hidden: true });
    button.append(image, tile);
    button.addEventListener("click", () => this.#look(row.file));
    button.disabled = row.state === "refused";
    image.hidden = tile.hidden = true;
    if (button.disabled) tile.hidden = false;
    else show(row.file, image, tile);
    picture.append(button);
    name.textContent = row.file.name;
    digit.className = "many-digit";
    line.append(picture, name, digit, words);
    row.line = line;
    this.#fill(row);
    return line;
  }

  #fill({ state, answer, why, line }) {
    const [, , digit, words] = line.children;
    line.dataset.state = answer?.rejected ? "rejected" : state;
    digit.textContent = answer?.digit ?? (answer || why ? "–" : "");
    words.textContent = answer ? (answer.rejected ? reason(answer, this.#labels()) : percent(answer.confidence)) : (why ?? "");
  }

  #tally() {
    const count = (kind) => this.#rows.filter(kind).length;
    return {
      done: count(({ state }) => state === "answered" || state === "refused"),
      read: count(({ answer }) => answer && !answer.rejected),
      rejected: count(({ answer }) => answer?.rejected),
      refused: count(({ state }) => state === "refused"),
    };
  }

  #update() {
    const { done, read, rejected, refused } = this.#tally();
    const all = this.count;
    const ended = done === all;
    const parts = [`${read} read`, rejected && `${rejected} without a digit`, refused && `${refused} refused`];
    const words = ended ? parts.filter(Boolean).join(", ") : `${done} of ${all}`;
    $("many-count").textContent = words;
    $("many-progress").hidden = ended || all <= LONG;
    Object.assign($("many-progress"), { max: all || 1, value: done });
    $("many-stop").hidden = ended;
    $("many-stop").textContent = this.#running ? "Cancel" : "Go on";
    $("many-csv").disabled = done === 0;
    const quarter = ended ? 4 : Math.floor((done / all) * 4);
    if (all && quarter > this.#told && (ended || all > LONG)) {
      this.#told = quarter;
      $("many-status").textContent = ended ? `All ${all} pictures: ${words}.` : `${words} pictures.`;
    } else if (all && !this.#running && !ended) {
      $("many-status").textContent = `Stopped at ${words} pictures.`;
    }
  }

  #csv() {
    const head = ["file", "digit", "confidence", "rejected", "error", "model"];
    const lines = this.#rows.map(({ file, answer, why }) => [
      file.name, answer?.digit, answer?.confidence, answer?.rejected, why || (answer ? "" : "not asked"),
      answer && `${answer.model.name} ${answer.model.version}`,
    ]);
    return toCsv([head, ...lines]);
  }
}
