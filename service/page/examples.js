// Inputs to try: the model's golden ones, which the service itself was proven with.
import { element, find, percent } from "./element.js";
import * as service from "./service.js";

let shown = []; // addresses of the pictures, given back when others come

find("try").addEventListener("click", () => document.querySelector("#examples button:enabled")?.click());

/** `take(input)` gets the one that is chosen. */
export async function showExamples(model, take, signal) {
  const gallery = find("examples");
  gallery.replaceChildren();
  for (const url of shown) URL.revokeObjectURL(url);
  shown = [];
  const examples = await service.examples(model, signal);
  if (signal.aborted) return;
  gallery.append(...examples.map((example) => element("li", {}, button(model, example, take, signal))));
  find("examples-panel").hidden = find("try").hidden = examples.length === 0;
}

function button(model, example, take, signal) {
  const says = `example ${example.index + 1}, which the model takes for ${example.label}, ${percent(example.score)}`;
  if (example.kind === "sentence") {
    return element(
      "button",
      { class: "sentence", onclick: () => take({ kind: "sentence", text: example.sentence }) },
      example.sentence,
    );
  }
  const picture = element("img", { width: 56, height: 56 });
  const made = element("button", { class: "picture", disabled: true }, picture);
  service
    .examplePicture(model, example.index, signal)
    .then((blob) => {
      [picture.src, picture.alt] = [URL.createObjectURL(blob), says];
      shown.push(picture.src);
      made.disabled = false;
      const name = `example-${example.index + 1}.${blob.type.split("/")[1] ?? "png"}`;
      made.addEventListener("click", () => take({ kind: "image", blob, name }));
    })
    .catch(() => made.remove());
  return made;
}
