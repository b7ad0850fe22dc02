// One layer that is open: its maps on one sheet, what a pooling kept and lost, its filters, its histogram.
import { drawing, element, figure, fixed, percent, scroll, short, signed, whole } from "./element.js";
import * as service from "./service.js";
import { isDark } from "./theme.js";
import { watch } from "./watch.js";

const MAPS = 64; // on a sheet, or fewer that have so many
const CELLS = 200_704; // with those before a pooling: some 300 KB
const WIDE = 620; // pixels that a sheet may take
const TALL = 112; // that one of its maps may, and a filter 56
const LOGITS = 10; // labels whose logits are told

export async function showLayer(body, layer, view, first = 0, scale = "layer") {
  const { model, input, told, signal } = view;
  const turn = (body.turn = Symbol()); // who clicks twice sees what was clicked last
  body.replaceChildren(element("p", { class: "small" }, "Asking…"));
  const maps = fitting(layer, view);
  const last = Math.min(layer.channels, first + maps);
  const asked = { layers: layer.id, channels: `${first}:${last}`, scale, palette: isDark() ? "dark" : "light" };
  if (layer.pooled_from && told.methods.includes("switches")) asked.methods = "switches";
  else if (told.filters?.layer === layer.id) asked.methods = "filters";
  const ends = answers(layer, view);
  if (ends) asked.top_k = Math.min(LOGITS, layer.channels);
  let answer;
  try {
    answer = await service.inspect(model.name, input, asked, signal);
  } catch (error) {
    if (error.name !== "AbortError" && body.turn === turn)
      body.replaceChildren(
        element("p", { class: "notice" }, error.message),
        again(() => showLayer(body, layer, view, first, scale)),
      );
    return;
  }
  if (body.turn !== turn) return;
  const shown = answer.layers[0];
  const flat = layer.height * layer.width === 1;
  const closer = element("div", { class: "closer" });
  const look = (channel) => watch(closer, layer, channel, view);
  const sheet = sheetOf(shown.sheet, `${layer.title}: maps ${first} to ${last - 1}`, (map) => look(first + map));
  const sheets = [figure({}, legend(shown.sheet), element("h3", {}, flat ? "Its numbers" : "Its maps"), sheet)];
  const kept = answer.switches?.find((each) => each.layer === layer.id);
  if (kept) sheets.push(switches(kept, view));
  if (answer.filters) sheets.push(filters(answer.filters));
  const change = (...changed) => showLayer(body, layer, view, ...changed);
  if (ends) sheets.unshift(logits(answer, view));
  const parts = [controls(layer, first, last, maps, scale, change), element("div", { class: "sheets" }, sheets)];
  if (!flat) parts.push(chooser(layer, first, look), closer);
  parts.push(histogram(shown));
  body.replaceChildren(...parts);
}

const again = (call) => element("button", { onclick: call }, "Try again");

function fitting({ height, width, pooled_from }, { byId }) {
  const before = byId.get(pooled_from);
  const cells = height * width + (before ? before.height * before.width : 0);
  return Math.max(1, Math.min(MAPS, Math.floor(CELLS / cells)));
}

function controls(layer, first, last, maps, scale, show) {
  const box = element("div", { class: "buttons" });
  if (layer.channels > maps) {
    box.append(
      element(
        "button",
        { disabled: first === 0, onclick: () => show(Math.max(0, first - maps), scale) },
        "Maps before",
      ),
      element("span", { class: "small" }, `${whole(first)} to ${whole(last - 1)} of ${whole(layer.channels)}`),
      element("button", { disabled: last === layer.channels, onclick: () => show(last, scale) }, "Maps after"),
    );
  }
  if (layer.height * layer.width > 1) {
    const select = element(
      "select",
      { onchange: () => show(first, select.value) },
      element("option", { value: "layer" }, "one for all maps"),
      element("option", { value: "map" }, "each map its own"),
    );
    select.value = scale;
    box.append(element("label", { class: "small" }, "Scale ", select));
  }
  return box;
}

/** A sheet of maps, each pixel enlarged by a whole number. `pick(map)` gets the one that is clicked. */
export function sheetOf(sheet, says, pick, tall = TALL) {
  const times = Math.max(1, Math.min(18, Math.floor(WIDE / sheet.width), Math.floor(tall / Math.max(...sheet.cell))));
  const image = element("img", {
    class: "sheet",
    src: sheet.png,
    alt: says,
    width: sheet.width * times,
    height: sheet.height * times,
  });
  if (pick) {
    image.classList.add("pick");
    image.addEventListener("click", (event) => {
      const enlarged = image.getBoundingClientRect().width / sheet.width;
      const column = Math.floor((event.offsetX / enlarged - sheet.gutter) / (sheet.cell[1] + sheet.gutter));
      const row = Math.floor((event.offsetY / enlarged - sheet.gutter) / (sheet.cell[0] + sheet.gutter));
      const map = row * sheet.columns + column;
      if (column >= 0 && row >= 0 && map < sheet.channels[1] - sheet.channels[0]) pick(map);
    });
  }
  return scroll(says, image, "sheet-box");
}

function legend({ low, high, scale }) {
  if (scale === "map") return "Each map on its own scale, blue below zero, red above.";
  return `Blue ${signed(low)}, red ${signed(high)}, zero in between.`;
}

function switches(kept, { byId }) {
  const rest = Math.max(0, 1 - kept.kept - kept.lost - kept.unseen);
  const swatch = (colour, words) =>
    element(
      "li",
      {},
      drawing(
        "svg",
        { viewBox: "0 0 1 1", width: 14, height: 14, "aria-hidden": "true" },
        drawing("rect", { width: 1, height: 1, fill: colour }),
      ),
      words,
    );
  const colours = kept.sheet.colours;
  const before = byId.get(kept.pooled_from)?.title ?? kept.pooled_from;
  const wins = kept.most_wins > 1 ? ` Windows overlap: one cell won ${kept.most_wins} times.` : "";
  const parts = [
    swatch(colours.kept, `kept ${percent(kept.kept)}: the largest of a window`),
    swatch(colours.lost, `lost ${percent(kept.lost)}: the others`),
    swatch(colours.nothing, `nothing to keep ${percent(rest)}: cells of windows that are all equal`),
  ];
  if (kept.unseen > 0) parts.push(swatch(colours.unseen, `unseen ${percent(kept.unseen)}: in no window`));
  const says = `The ${whole(kept.cells)} cells of ${before}, and who won in the ${whole(kept.windows)} windows; in ${percent(kept.nothing)} of them there was nothing to keep.${wins}`;
  return figure(
    { class: "switches" },
    element("div", {}, element("ul", { class: "legend" }, parts), says),
    element("h3", {}, "What the pooling kept"),
    sheetOf(kept.sheet, `what the pooling kept of ${before}`),
  );
}

function filters({ shape, sheet }) {
  const says = `${shape[0]} filters of ${shape.slice(1).join(" × ")}, each on its own scale.`;
  return figure(
    {},
    says,
    element("h3", {}, "Its filters"),
    sheetOf(sheet, "the filters of this layer", null, TALL / 2),
  );
}

function chooser(layer, first, look) {
  const field = element("input", {
    type: "number",
    min: 0,
    max: layer.channels - 1,
    value: first,
    "aria-label": `map of ${layer.title}`,
  });
  const words = layer.kernel ? "Watch the window move" : "Look closer";
  const open = () => look(Math.min(layer.channels - 1, Math.max(0, Math.trunc(Number(field.value)) || 0)));
  return element(
    "div",
    { class: "buttons" },
    element("label", {}, "Map ", field),
    element("button", { onclick: open }, words),
    element("span", { class: "small" }, "or click a map"),
  );
}

function histogram(layer) {
  const most = Math.max(1, ...layer.histogram);
  const says = `How often each value comes: ${short(layer.min)} to ${short(layer.max)}, mean ${short(layer.mean)}, ${percent(layer.zeros)} exactly zero.`;
  const bars = layer.histogram.map((count, at) =>
    drawing("rect", {
      x: at * 10,
      width: 9,
      y: 60 - 60 * Math.sqrt(count / most),
      height: 60 * Math.sqrt(count / most),
    }),
  );
  const view = { viewBox: `0 0 ${10 * bars.length} 60`, role: "img", "aria-label": says, preserveAspectRatio: "none" };
  return figure({ class: "histogram" }, `${says} Heights are square roots.`, drawing("svg", view, ...bars));
}

/** Whether what the layer gives are the logits. */
const answers = (layer, { model, told }) =>
  layer === told.layers.at(-1) && layer.channels === model.labels.length && told.prediction.top[0].logit !== null;

function logits({ prediction, temperature }, { model }) {
  const line = ({ label, logit, score }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, label),
      [fixed(logit), percent(score)].map((number) => element("td", { class: "number" }, number)),
    );
  const divided = temperature ? `, divided by the temperature ${short(temperature)}` : "";
  const says = `A score is the ${model.spec.scores} of the logits${divided}.`;
  const head = ["Label", "Logit", "Score"].map((name) => element("th", { scope: "col" }, name));
  return figure(
    {},
    says,
    element("h3", {}, "By label"),
    element("table", {}, element("tbody", {}, element("tr", {}, head), prediction.top.map(line))),
  );
}
