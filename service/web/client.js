// Talking to the service: one request at a time, always for the newest picture.

const PAUSE = 40; // milliseconds between two pictures while drawing

/** Something went wrong that a person can be told about in a sentence. */
export class Trouble extends Error {
  constructor(sentence, { retry = true, wantsKey = false, status = 0 } = {}) {
    super(sentence);
    this.status = status;
    this.retry = retry;
    this.wantsKey = wantsKey;
  }
}

let apiKey = sessionStorage.getItem("api-key");

export function useKey(key) {
  apiKey = key;
  sessionStorage.setItem("api-key", key);
}

const ids = new WeakMap();

/** The X-Request-ID under which the service gave an answer. */
export const idOf = (answer) => ids.get(answer);

/** Send a blob or a form and return the answer's JSON; throws Trouble, or an AbortError when nobody waits any longer. */
export async function post(path, body, signal) {
  const headers = body instanceof FormData ? {} : { "Content-Type": body.type || "application/octet-stream" };
  if (apiKey) headers.Authorization = `Bearer ${apiKey}`;
  let response;
  let answer = null;
  try {
    response = await fetch(path, { method: "POST", body, headers, signal });
    if (response.headers.get("content-type")?.includes("json")) answer = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("The service does not answer. Your picture is still here: try again when the service is back.");
  }
  if (response.ok && answer) {
    ids.set(answer, response.headers.get("x-request-id"));
    return answer;
  }
  const reason = answer?.error?.message;
  if (response.status === 401) {
    const words = apiKey ? "The service does not know this API key." : "This service wants an API key.";
    throw new Trouble(words, { retry: false, wantsKey: true, status: 401 });
  }
  const busy = response.status === 503 ? "The service is busy." : `The service answered with an error (${response.status}).`;
  throw new Trouble(reason ? sentence(reason) : busy, {
    retry: response.status >= 500,
    status: response.status,
  });
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** Runs a job for the newest request only: while one runs, newer ones replace each other in a queue of one. */
export class Newest {
  #job;
  #busy;
  #waiting = null;
  #running = null;
  #urgent = false;
  #hurry = () => {};

  /** `busy` is told true when something begins to run, and false when nothing runs or waits any more. */
  constructor(job, busy) {
    this.#job = job;
    this.#busy = busy;
  }

  /** Ask for a run; several calls while one is running become one. An urgent one waits for no pause. */
  request(detail, urgent) {
    this.#waiting = detail;
    this.#urgent = urgent;
    if (urgent) this.#hurry();
    if (!this.#running) this.#run();
  }

  /** Whether something urgent waits, so that the running job had better do without extras. */
  get isHurried() {
    return this.#waiting !== null && this.#urgent;
  }

  /** Drop what is waiting and abort what runs: its answer would be stale. */
  cancel() {
    this.#waiting = null;
    this.#running?.abort();
    this.#running = null;
    this.#busy(false);
  }

  async #run() {
    this.#busy(true);
    while (this.#waiting) {
      const detail = this.#waiting;
      const controller = new AbortController();
      this.#waiting = null;
      this.#running = controller;
      await this.#job(detail, controller.signal);
      if (!this.isHurried) {
        await new Promise((resolve) => {
          this.#hurry = resolve;
          setTimeout(resolve, PAUSE);
        });
      }
      if (this.#running !== controller) return; // cancelled, and perhaps started anew, meanwhile
    }
    this.#running = null;
    this.#busy(false);
  }
}
