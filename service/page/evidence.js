// Why this answer: what of a picture speaks for a label, as a sum that is the logit; and why one label rather than another.
import { added, chooser } from "./chooser.js";
import { element, figure, fixed, folded, percent, scroll, short, signed, term } from "./element.js";
import * as service from "./service.js";
import { isDark } from "./theme.js";

const STRONGEST = 0.78; // how much of the picture the strongest cell hides
const PLUS = { light: [200, 60, 45], dark: [255, 120, 100] };
const MINUS = { light: [40, 95, 190], dark: [110, 165, 255] };

/** The panel for one picture. `told`: the inspection of its first label. */
export function evidence(model, input, told, signal) {
  const size = `${told.input.width} × ${told.input.height}`;
  const saw = figure(
    {},
    `What the net saw: ${size} pixels`,
    element("img", { class: "saw", src: told.input.png, alt: `the picture as the net sees it, ${size} pixels` }),
  );
  const parts = element("div", { class: "pair saws" }, saw);
  const sum = element("div", { "aria-live": "polite" });
  const place = (figure, ...more) => {
    parts.replaceChildren(saw, figure);
    sum.replaceChildren(...more);
  };
  const show = (label, cam, otherLabel, other) =>
    other ? difference(told, label, cam, otherLabel, other) : share(told, label, cam);
  const { box, target } = chooser({ model, input, told, signal, method: "cam", show, place });
  const hide = told.methods.includes("occlusion") ? occlusion(model, input, told, target, signal) : null;
  if (told.cam) place(...share(told, target.value, told.cam));
  else {
    const words = "This net's answer is no exact sum over the picture; hiding parts of it asks the net itself.";
    sum.append(element("p", { class: "small" }, words));
  }
  return [(told.cam || hide) && box, parts, sum, hide];
}

function share(told, label, cam) {
  const says = `Where “${label}” comes from: ${cam.height} × ${cam.width} cells of ${cam.title}, and what each adds to the logit. Red speaks for it, blue against it.`;
  const sum = cam.exact ? added(cam.says, cam.error) : element("p", { class: "small" }, cam.about);
  return [
    figure({}, says, heat(told.input.png, cam.values, { says })),
    sum,
    numbers(cam.values, `shares of the cells in ${label}`),
  ];
}

/** All is linear, so the difference of two sums is the sum of the differences. */
function difference(told, label, cam, otherLabel, other) {
  const values = cam.values.map((row, y) => row.map((value, x) => value - other.values[y][x]));
  const says = `Why “${label}” rather than “${otherLabel}”. Red speaks for the first, blue for the second.`;
  const parts = [figure({}, says, heat(told.input.png, values, { says }))];
  if (cam.exact && other.exact) {
    const [cells, bias, logit] = ["cells", "bias", "logit"].map((of) => cam[of] - other[of]);
    const logits = `logit ${fixed(cam.logit)} less ${fixed(other.logit)}`;
    parts.push(added(`cells ${term(cells)} and bias ${term(bias)} = ${term(logit)}, ${logits}`));
  } else parts.push(element("p", { class: "small" }, cam.about));
  return [...parts, numbers(values, `differences of the cells' shares, ${label} less ${otherLabel}`)];
}

/** Parts of the picture are hidden, one after the other; how far the score falls. */
function occlusion(model, input, told, target, signal) {
  const shown = element("div", { "aria-live": "polite" });
  const ask = element("button", {}, "Hide parts and ask the net again");
  ask.addEventListener("click", async () => {
    ask.disabled = true;
    try {
      const label = target.value;
      const { occlusion } = await service.inspect(
        model.name,
        input,
        { target: label, layers: "none", methods: "occlusion" },
        signal,
      );
      if (occlusion.error) throw new Error(occlusion.error);
      const says = `How far the score of “${label}” (${percent(occlusion.score)}) falls when a grey square of ${occlusion.patch.join(" × ")} pixels hides the place: red where the net needs it. ${occlusion.runs} runs in ${short(1000 * occlusion.seconds)} ms.`;
      shown.replaceChildren(
        figure({ class: "hidden-parts" }, says, heat(told.input.png, occlusion.values, { says })),
        numbers(occlusion.values, "falls of the score"),
      );
    } catch (error) {
      if (error.name !== "AbortError") shown.replaceChildren(element("p", { class: "notice" }, error.message));
    }
    ask.disabled = false;
  });
  return element("div", {}, ask, shown);
}

/** The picture with the values' cells on it. */
function heat(picture, values, { says }) {
  const most = Math.max(1e-12, ...values.flat().map(Math.abs));
  const canvas = element("canvas", { width: values[0].length, height: values.length });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  const theme = isDark() ? "dark" : "light";
  values.flat().forEach((value, at) => {
    const colour = value >= 0 ? PLUS[theme] : MINUS[theme];
    pixels.data.set([...colour, Math.round(255 * STRONGEST * Math.min(1, Math.abs(value) / most))], 4 * at);
  });
  context.putImageData(pixels, 0, 0);
  return element(
    "div",
    { class: "heat", role: "img", "aria-label": says },
    element("img", { src: picture, alt: "" }),
    canvas,
  );
}

/** The same as a table, for whoever wants the numbers or can not see the colours. */
function numbers(values, name) {
  const rows = values.map((row) =>
    element(
      "tr",
      {},
      row.map((value) => element("td", { class: "number" }, signed(value))),
    ),
  );
  return folded("The numbers", scroll(name, element("table", {}, element("tbody", {}, rows))));
}
