// Many pictures: eight on their way at a time, so that the service's batches are seen at work. A bad file is a row.
import { element, find, percent, scroll, whole } from "./element.js";
import { say } from "./prediction.js";
import * as service from "./service.js";

const AT_ONCE = 8;
const SHOWN = 1000; // rows of the table; the CSV has all
const HEAD = ["file", "label", "score", "milliseconds", "error"];

let running = null;

/** `look(input)` opens one of them; `signal` ends all, as when another model is opened. */
export function showBatch(model, files, look, signal) {
  running?.abort();
  running = new AbortController();
  const stop = running;
  signal.addEventListener("abort", () => stop.abort());

  const found = new Array(files.length); // a row of the CSV for each file, in their order
  const progress = element("progress", { max: files.length, value: 0, "aria-label": "pictures answered" });
  const told = element("p", { id: "batch-told" });
  const cancel = element("button", { onclick: () => stop.abort() }, "Cancel");
  const save = element(
    "button",
    { onclick: () => download([HEAD, ...found.filter(Boolean)], `${model.name}.csv`) },
    "Download CSV",
  );
  const body = element("tbody");
  const table = element(
    "table",
    { class: "files" },
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        ["File", "Label", "Score", "Time"].map((name) => element("th", { scope: "col" }, name)),
      ),
    ),
    body,
  );
  find("batch").replaceChildren(
    progress,
    told,
    element("div", { class: "buttons" }, cancel, save),
    scroll("answers", table),
  );
  find("batch-panel").hidden = false;

  let done = 0;
  let bad = 0;
  const start = performance.now();
  const tell = () => {
    progress.value = done;
    const errors = bad ? `, ${whole(bad)} of them with an error` : "";
    told.textContent = `${whole(done)} of ${whole(files.length)}${errors}`;
  };
  const finish = (words) => {
    cancel.disabled = true;
    const seconds = (performance.now() - start) / 1000;
    told.textContent += ` · ${words} in ${seconds.toFixed(1)} s`;
    say(told.textContent);
  };

  async function one(at) {
    const file = files[at];
    const row = await answer(model.name, file, stop.signal);
    if (stop.signal.aborted) return;
    found[at] = row;
    done += 1;
    if (row[4]) bad += 1;
    if (body.rows.length < SHOWN) place(body, at, lineOf(file, row, look));
    tell();
  }

  let next = 0;
  const worker = async () => {
    while (next < files.length && !stop.signal.aborted) await one(next++);
  };
  tell();
  Promise.all(Array.from({ length: AT_ONCE }, worker)).then(() => finish(stop.signal.aborted ? "cancelled" : "done"));
}

async function answer(model, file, signal) {
  try {
    const { label, score, timing } = await service.predict(
      model,
      { kind: "image", blob: file, name: file.name },
      { labels: 1, signal },
    );
    return [file.name, label, score, Number(timing.total.toFixed(1)), ""];
  } catch (error) {
    return [file.name, "", "", "", error.message];
  }
}

function lineOf(file, [name, label, score, milliseconds, error], look) {
  const open = element("button", { class: "quiet", onclick: () => look({ kind: "image", blob: file, name }) }, name);
  const cells = error
    ? [element("td", { colSpan: 3, class: "bad" }, error)]
    : [
        element("td", {}, label),
        element("td", { class: "number" }, percent(score)),
        element("td", { class: "number" }, `${milliseconds} ms`),
      ];
  return element("tr", {}, element("td", {}, open), cells);
}

/** Answers come in any order; lines stand in the order of the files. */
function place(body, at, line) {
  line.dataset.at = at;
  const after = [...body.rows].reverse().find((row) => Number(row.dataset.at) < at);
  if (after) after.after(line);
  else body.prepend(line);
}

/** Quoted, and of a text that a spreadsheet would take for a formula, with ' before it. */
function cell(value) {
  const text = String(value ?? "");
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const csv = (rows) => rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";

/** With a byte order mark, without which Excel takes UTF-8 for something else. */
function download(rows, name) {
  const url = URL.createObjectURL(new Blob(["\ufeff", csv(rows)], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  [link.href, link.download] = [url, name];
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
