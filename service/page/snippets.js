// The same question from a program: what is copied runs as it is, from a folder that has the file.
import { element, find } from "./element.js";
import { hasKey } from "./service.js";

const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const literal = (text) => JSON.stringify(text); // in Python as in JavaScript
// A name that begins with - would be an option, or the standard input.
const fileOf = ({ name }) => (name.startsWith("-") ? `./${name}` : name);

export function curl(url, input) {
  const key = hasKey() ? ` -H "authorization: Bearer $MAXPOOL_API_KEY"` : "";
  const given =
    input.kind === "image"
      ? `--data-binary ${shell(`@${fileOf(input)}`)}`
      : `-H 'content-type: text/plain' --data-raw ${shell(input.text)}`;
  return `curl -sS${key} ${given} ${shell(url)}`;
}

export function python(url, input) {
  const picture = input.kind === "image";
  return [
    "import json",
    hasKey() ? "import os" : null,
    picture ? "from pathlib import Path" : null,
    "from urllib.request import Request, urlopen",
    "",
    picture ? `body = Path(${literal(fileOf(input))}).read_bytes()` : `body = ${literal(input.text)}.encode()`,
    `headers = {"content-type": "${picture ? "application/octet-stream" : "text/plain"}"}`,
    hasKey() ? `headers["authorization"] = "Bearer " + os.environ["MAXPOOL_API_KEY"]` : null,
    `with urlopen(Request(${literal(url)}, body, headers)) as answer:`,
    `    (prediction,) = json.load(answer)["predictions"]`,
    `print(prediction["label"], prediction["score"])`,
  ]
    .filter((line) => line !== null)
    .join("\n");
}

export function javascript(url, input) {
  const picture = input.kind === "image";
  return [
    picture ? `import { readFile } from "node:fs/promises";\n` : null,
    `const body = ${picture ? `await readFile(${literal(fileOf(input))})` : literal(input.text)};`,
    `const headers = { "content-type": "${picture ? "application/octet-stream" : "text/plain"}" };`,
    hasKey() ? `headers.authorization = \`Bearer \${process.env.MAXPOOL_API_KEY}\`;` : null,
    `const answer = await fetch(${literal(url)}, { method: "POST", headers, body });`,
    `if (!answer.ok) throw new Error((await answer.json()).error);`,
    `const [prediction] = (await answer.json()).predictions;`,
    `console.log(prediction.label, prediction.score);`,
  ]
    .filter((line) => line !== null)
    .join("\n");
}

const LANGUAGES = { curl, Python: python, JavaScript: javascript };

/** `document`: the answer as it came. */
export function showSnippets(model, input, document) {
  const url = `${location.origin}/v1/models/${model.name}/predict?top_k=5`;
  const text = element("textarea", {
    class: "code",
    readOnly: true,
    rows: 12,
    "aria-label": "the code",
    spellcheck: false,
  });
  const told = element("p", { class: "small", role: "status" });
  const buttons = Object.entries(LANGUAGES).map(([language, write]) =>
    element("button", { onclick: (event) => choose(event.currentTarget, write(url, input)) }, language),
  );
  buttons.push(
    element(
      "button",
      { onclick: (event) => choose(event.currentTarget, JSON.stringify(document, null, 2)) },
      "The answer as JSON",
    ),
  );
  const copy = element("button", { class: "main", onclick: () => copyOf(text, told) }, "Copy");
  const keep = input.kind === "image" && !(input.blob instanceof File) ? save(input) : null;
  const hint = input.kind === "image" ? `Run it where ${input.name} is.` : "It runs anywhere.";

  function choose(button, code) {
    for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
    text.value = code;
    told.textContent = "";
  }
  choose(buttons[0], curl(url, input));
  find("snippet").replaceChildren(
    element("div", { class: "buttons", role: "group", "aria-label": "language" }, buttons),
    text,
    element("div", { class: "buttons" }, copy, keep),
    told,
    element("p", { class: "small" }, hint),
  );
  find("snippets").hidden = false;
}

/** Plain http from another machine has no clipboard: there the text is selected, to be copied by hand. */
async function copyOf(text, told) {
  try {
    await navigator.clipboard.writeText(text.value);
    told.textContent = "Copied.";
  } catch {
    text.focus();
    text.select();
    told.textContent = "Selected: copy it with Ctrl+C.";
  }
}

/** A drawing, a photo or an example is no file yet. */
function save({ blob, name }) {
  return element(
    "button",
    {
      onclick: () => {
        const url = URL.createObjectURL(blob);
        element("a", { href: url, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(url), 10_000);
      },
    },
    `Save ${name}`,
  );
}
