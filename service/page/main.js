// The page: which model is open, which input was given, and who shows what becomes of it.
import { showBatch } from "./batch.js";
import { showCard, takes } from "./card.js";
import { listenForDrawing, prepareDrawing } from "./draw.js";
import { element, find } from "./element.js";
import { showExamples } from "./examples.js";
import { listenForPictures, listenForSentences, prepareSentence, showSentence } from "./inputs.js";
import { clearInside, forgetLayers, showInside } from "./inside.js";
import { askForKey } from "./key.js";
import { watchLive } from "./live.js";
import { clearPrediction, say, showError, showPrediction } from "./prediction.js";
import * as service from "./service.js";
import { showSnippets } from "./snippets.js";
import { listenForTheme } from "./theme.js";
import { listenForWebcam, stop as stopWebcam } from "./webcam.js";

const BARS = 10;
let model = null; // details of the open one
let opened = new AbortController(); // ends with the model
let asked = new AbortController(); // ends with the input
let last = null; // the input that is shown
let early = null; // gives what came before the model was there
let preview = "";

const stopped = (error) => error.name === "AbortError";

async function open(name) {
  opened.abort();
  asked.abort();
  opened = new AbortController();
  const { signal } = opened;
  last = null;
  forgetLayers();
  model = null;
  clear();
  showPicture(null);
  stopWebcam();
  try {
    const details = await service.details(name, signal);
    if (signal.aborted) return;
    model = details;
    const { input } = model.spec;
    const reads = input.kind === "sentence";
    find("image-panel").hidden = reads;
    find("sentence-panel").hidden = !reads;
    find("takes").textContent = takes(input);
    find("bring").textContent = reads
      ? "Choose an example, or type a sentence of your own."
      : "Choose an example, or bring a picture of your own.";
    if (reads) prepareSentence(input);
    else prepareDrawing(input);
    showCard(model);
    const waiting = early;
    early = null;
    waiting?.();
    await showExamples(name, give, signal);
  } catch (error) {
    if (stopped(error)) return;
    early = null;
    showError(error);
  }
}

function clear() {
  clearPrediction();
  clearInside();
  find("snippets").hidden = true;
  find("batch-panel").hidden = true;
  find("start").hidden = false;
}

/** One input: it is shown, predicted and looked into. What came of the one before is gone at once. */
async function give(input) {
  if (!model) {
    early = () => give(input);
    return;
  }
  if (input.kind !== model.spec.input.kind) {
    return fail(
      new Error(
        `${model.name} ${input.kind === "image" ? "reads sentences: choose a model of pictures" : "looks at pictures"}.`,
      ),
    );
  }
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  last = input;
  clearPrediction();
  find("start").hidden = true;
  showPicture(null);
  if (input.kind === "image") find("given").textContent = input.name;
  else showSentence(input.text);
  if (input.kind === "sentence" && !input.text.trim()) return fail(new Error("Type a sentence first."));
  const { name, labels } = model;
  try {
    const prediction = await service.predict(name, input, { labels: BARS, signal });
    if (signal.aborted) return;
    if (input.kind === "image") showPicture(input); // no sooner: a file that is refused may be too large for this machine, too
    showPrediction(prediction, {
      labels: labels.length,
      showAll: () => service.predict(name, input, { labels: labels.length, signal }),
    });
    showSnippets(model, input, prediction.document);
    await showInside(model, input, prediction, signal);
  } catch (error) {
    if (!stopped(error) && !signal.aborted) fail(error);
  }
}

function fail(error) {
  clear();
  find("start").hidden = true;
  showError(error);
}

function showPicture(input) {
  if (preview) URL.revokeObjectURL(preview);
  preview = input ? URL.createObjectURL(input.blob) : "";
  const picture = find("preview");
  picture.hidden = !input;
  if (input) {
    picture.src = preview;
    picture.alt = `the picture that was given: ${input.name}`;
    picture.onerror = () => (picture.hidden = true); // the answer says why
  } else picture.removeAttribute("src");
  find("given").textContent = input ? input.name : "";
}

/** One picture is looked into; several are a batch. */
function takePictures(files) {
  if (!model) {
    early = () => takePictures(files);
    return;
  }
  const [blob] = files;
  if (files.length === 1 || model.spec.input.kind !== "image") return give({ kind: "image", blob, name: blob.name });
  asked.abort();
  clear();
  find("start").hidden = true;
  showPicture(null);
  showBatch(model, files, give, opened.signal);
}

async function begin() {
  service.useKeysOf(askForKey);
  listenForPictures(takePictures);
  listenForWebcam((blob) => give({ kind: "image", blob, name: "photo.png" }), fail);
  listenForDrawing((blob) => give({ kind: "image", blob, name: "drawing.png" }));
  listenForSentences((text) => give({ kind: "sentence", text }));
  listenForTheme(() => last && model && give(last));
  const select = find("model");
  try {
    const ready = (await service.models()).filter(({ status }) => status === "ready");
    const names = [...new Set(ready.map(({ name }) => name))];
    if (!names.length) throw new Error("No model is loaded: GET /v1/models says why.");
    select.append(...names.map((name) => element("option", {}, name)));
    const wanted = new URLSearchParams(location.search).get("model");
    if (names.includes(wanted)) select.value = wanted;
    else if (wanted) say(`There is no model ${wanted}.`);
  } catch (error) {
    return showError(error);
  }
  select.addEventListener("change", () => {
    history.replaceState(null, "", `?model=${encodeURIComponent(select.value)}`);
    open(select.value);
  });
  watchLive(() => select.value);
  open(select.value);
}

begin();
