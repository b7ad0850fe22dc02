// Why this label, and rather than which other one: two lists, whose shares are asked for when they are chosen.
import { element, short } from "./element.js";
import * as service from "./service.js";

/** The lists and `show()`. `method` finds the shares; `show(label, shares, other, othersShares)` gives what is shown. */
export function chooser({ model, input, told, signal, method, show, place }) {
  const first = told.prediction.top.map(({ label }) => label);
  const labels = [...first, ...model.labels.filter((label) => !first.includes(label))];
  const pick = (name, options) =>
    element(
      "select",
      { "aria-label": name, onchange: change },
      options.map((label) => element("option", { value: label }, label || "nothing else")),
    );
  const target = pick("the label to explain", labels);
  const other = pick("the label to compare with", ["", ...labels]);
  target.value = told.target.label;
  const known = new Map([[target.value, told[method]]]);
  const box = element("p", { class: "chooser" }, element("label", {}, "Why ", target));
  if (told[method]) box.append(" ", element("label", {}, "rather than ", other));

  async function sharesOf(label) {
    if (!known.has(label)) {
      const asked = { target: label, layers: "none", methods: method };
      known.set(label, (await service.inspect(model.name, input, asked, signal))[method]);
    }
    return known.get(label);
  }

  async function change() {
    const [label, against] = [target.value, other.value];
    if (!told[method]) return;
    try {
      const shares = await sharesOf(label);
      const others = against && against !== label ? await sharesOf(against) : null;
      if (label === target.value && against === other.value) place(...show(label, shares, against, others));
    } catch (error) {
      if (error.name !== "AbortError") place(element("p", { class: "notice" }, error.message));
    }
  }

  return { box, target };
}

/** A sum in words. `error`: how far the numbers, not yet rounded, are from the logit. */
export function added(says, error) {
  const off = error === undefined ? "" : ` before rounding, off by ${short(Math.abs(error))}`;
  return element(
    "p",
    { class: "sum" },
    element("span", { class: "says" }, says),
    element("span", { class: "small" }, off),
  );
}
