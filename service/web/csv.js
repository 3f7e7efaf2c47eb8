// Tables as CSV (RFC 4180) that a spreadsheet opens as text, whatever the files were called.

// A cell that begins so is a formula to a spreadsheet, even within quotes and behind spaces.
const FORMULA = /^\s*[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20]/;

/** Write one cell: numbers as they are, texts in quotes, and with an apostrophe in front if they could be a formula. */
function cell(value) {
  if (typeof value === "number") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : String(value);
  return `"${text.replaceAll('"', '""')}"`;
}

/** Write rows of cells; the mark in front tells Excel that it is UTF-8. */
export function toCsv(rows) {
  return `\uFEFF${rows.map((row) => row.map((value) => cell(value ?? "")).join(",")).join("\r\n")}\r\n`;
}

/** Let the browser save a text as a file. */
export function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // a browser may still be reading
}
