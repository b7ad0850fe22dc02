// Inside the net: why this answer, and what every layer made of the input. Where the service does not look inside, the
// page says so and the rest of it works as ever.
import { element, find } from "./element.js";
import { evidence } from "./evidence.js";
import { forgetLayers, showLayers } from "./layers.js";
import * as service from "./service.js";
import { words } from "./words.js";

const AT_ONCE = ["cam", "words", "switches", "filters"]; // what is asked for with the first look, where the model has it
const methods = new Map(); // of each model and version

export async function showInside(model, input, prediction, signal) {
  find("inside-panel").hidden = false;
  note("Looking inside…");
  let told;
  try {
    told = await look(model, input, signal);
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    clearInside();
    find("inside-panel").hidden = false;
    const absent = error.reason === "NotFound" || error.status === 405;
    note(absent ? "This service does not look inside its nets." : error.message);
    if (error.status === 503) {
      find("inside-note").append(
        " ",
        element("button", { onclick: () => showInside(model, input, prediction, signal) }, "Try again"),
      );
    }
    return;
  }
  if (signal.aborted) return;
  note(model.spec.graph.quantisation === "int8" ? "What you see are the numbers of the int8 graph." : "");
  const why =
    told.kind === "image" ? evidence(model, input, told, signal) : told.words ? words(model, input, told, signal) : [];
  find("why").replaceChildren(...why.filter(Boolean));
  showLayers(model, input, told, signal);
}

async function look(model, input, signal) {
  const key = `${model.name}/${model.version}`;
  const known = methods.get(key);
  const asked = (has) => has.filter((method) => AT_ONCE.includes(method)).join(",");
  const query = { layers: "summary" };
  if (known && asked(known)) query.methods = asked(known);
  const told = await service.inspect(model.name, input, query, signal);
  methods.set(key, told.methods);
  if (known || !asked(told.methods)) return told;
  const more = await service.inspect(model.name, input, { layers: "none", methods: asked(told.methods) }, signal);
  return { ...more, layers: told.layers };
}

function note(words) {
  find("inside-note").textContent = words;
  find("inside-note").hidden = !words;
}

export function clearInside() {
  find("inside-panel").hidden = true;
  find("why").replaceChildren();
  find("layers").replaceChildren();
  note("");
}

export { forgetLayers };
