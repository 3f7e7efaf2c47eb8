// The operator's page: one correction at a time, decided with a key of the keyboard.

const $ = (id) => document.getElementById(id);
const TROUBLE = "Not saved: ";

let key = sessionStorage.getItem("operator-key") ?? "";
let waiting = []; // the corrections to decide, the disputed first
let at = 0;

async function call(path, options = {}) {
  const response = await fetch(path, {
    ...options,
    headers: { ...options.headers, Authorization: `Bearer ${key}` },
  });
  if (response.ok) return response;
  const content = await response.json().catch(() => null);
  throw new Error(content?.error?.message ?? `the service answered ${response.status}`);
}

async function open() {
  try {
    const { corrections } = await (await call("feedback")).json();
    sessionStorage.setItem("operator-key", key);
    waiting = corrections.filter((each) => each.state === "waiting");
    waiting.sort((one, other) => (other.disputed !== null) - (one.disputed !== null));
    at = 0;
    $("key-form").hidden = true;
    tell("");
    show();
  } catch (error) {
    $("key-form").hidden = false;
    tell(`Not opened: ${error.message}.`);
  }
}

function tell(text) {
  $("trouble-text").textContent = text;
}

const label = (digit) => digit ?? "no digit";
const pictures = new Map(); // id to the promise of an object URL; the next few are fetched ahead

function picture(id) {
  if (!pictures.has(id)) {
    pictures.set(id, call(`feedback/${id}`).then((r) => r.blob()).then(URL.createObjectURL).catch(() => ""));
  }
  return pictures.get(id);
}

async function show() {
  const one = waiting[at];
  $("card").hidden = $("decide").hidden = !one;
  $("done").hidden = Boolean(one);
  $("back").disabled = at === 0;
  $("count").textContent = `${waiting.length - at} wait, ${at} decided`;
  if (!one) return;
  $("said").textContent = `The user says: ${label(one.digit)}`;
  const sure = `${Math.round(one.confidence * 100)} %`;
  $("answered").textContent = one.answered === null
    ? `The answer was: ${one.rejected}.`
    : `The answer was ${one.answered}, with ${sure}.`;
  $("disputed").textContent = one.disputed ? `Disputed: ${one.disputed}.` : "";
  $("when").textContent = `${one.time.slice(0, 16).replace("T", " ")} · version ${one.version} · ${one.id}`;
  $("seen").src = one.seen ? `data:image/png;base64,${one.seen}` : "";
  $("picture").removeAttribute("src");
  for (const next of waiting.slice(at, at + 4)) picture(next.id);
  const url = await picture(one.id);
  if (waiting[at] === one && url) $("picture").src = url;
}

/** Go on at once; what could not be saved comes back. */
function decide(state) {
  const one = waiting[at];
  if (!one) return;
  at += 1;
  show();
  save(one, state);
}

async function save(one, state) {
  const json = { "Content-Type": "application/json" };
  try {
    if (state === "deleted") await call(`feedback/${one.id}`, { method: "DELETE" });
    else await call("feedback/decision", { method: "POST", headers: json, body: JSON.stringify({ id: one.id, state }) });
    if (state === "deleted") {
      waiting = waiting.filter((each) => each !== one);
      at -= 1;
      show();
    }
    tell("");
  } catch (error) {
    tell(`${TROUBLE}${error.message}.`);
    at = waiting.indexOf(one);
    show();
  }
}

function back() {
  if (at === 0) return;
  at -= 1;
  show();
  save(waiting[at], "waiting");
}

$("accept").addEventListener("click", () => decide("accepted"));
$("drop").addEventListener("click", () => decide("dropped"));
$("delete").addEventListener("click", () => decide("deleted"));
$("back").addEventListener("click", back);
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value;
  open();
});
document.addEventListener("keydown", (event) => {
  if (event.target === $("key") || event.ctrlKey || event.metaKey || event.altKey) return;
  const pressed = event.key.toLowerCase();
  if (pressed === "a") decide("accepted");
  else if (pressed === "d") decide("dropped");
  else if (pressed === "b") back();
  else if (pressed === "delete") decide("deleted");
  else return;
  event.preventDefault();
});

if (key) open();
