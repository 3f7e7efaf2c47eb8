// Ask the service for the digit in an image: node fetch.mjs IMAGE [URL]. Needs Node.js 18 or newer, and no package.
import { readFile } from "node:fs/promises";

const [image, url = "http://127.0.0.1:3000"] = process.argv.slice(2);

async function predict() {
  const form = new FormData();
  form.append("image", new Blob([await readFile(image)]), "image");
  const reply = await fetch(`${url}/predict`, { method: "POST", body: form });
  const answer = await reply.json();
  if (!reply.ok) throw new Error(answer.error.message);
  return answer;
}

try {
  const { digit, confidence, rejected } = await predict();
  console.log(digit === null ? `no digit: ${rejected}` : `${digit}, confidence ${confidence}`);
} catch (error) {
  console.error(`error: ${error.cause?.message || error.message}`);
  process.exitCode = 1;
}
