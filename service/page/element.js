// Everything on the page is made here, and every text goes in as text: no input is ever read as HTML.

/** A new element. `given`: properties, `on…` listeners, and attributes where there is no such property. */
export function element(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name in made && !name.includes("-") && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** What is shown when its summary is opened. */
export const folded = (summary, ...children) => element("details", {}, element("summary", {}, summary), ...children);

export const figure = (given, caption, ...children) =>
  element("figure", given, ...children, element("figcaption", {}, caption));

/** Where what is larger than its place can be scrolled, by keys as well. */
export const scroll = (says, child, more = "") =>
  element("div", { class: `scroll ${more}`, tabIndex: 0, role: "region", "aria-label": says }, child);

/** A drawing of lines, as SVG elements are made. */
export function drawing(tag, given = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(given)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const find = (id) => document.getElementById(id);

/** 0.98253 -> "98.3 %". Never 100 % for what is less, nor 0 for what is more. */
export function percent(share) {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  const shown = Math.round(share * 1000) / 10;
  return `${shown === 100 && share < 1 ? (Math.floor(share * 10000) / 100).toFixed(2) : shown.toFixed(1)} %`;
}

export const whole = (number) => number.toLocaleString("en-US");

/** Three digits that count, as of a measured value. */
export function short(number) {
  const size = Math.abs(number);
  const minus = number < 0 ? "−" : "";
  if (Number.isInteger(size) && size < 10_000) return minus + size;
  return minus + (size >= 1000 || size < 0.001 ? size.toExponential(2) : size.toPrecision(3));
}

/** As the service writes its sums. */
export const term = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

export const fixed = (value) => term(value).replace("+", "");

export const signed = (value) => (value > 0 ? `+${short(value)}` : short(value));

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1e3).toFixed(0)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

/** One line of an `ol` of the class bars. `says`: what the share is one of, for whoever hears it. */
export function bar(label, share, says) {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${100 * share}%`;
  // A meter is told to screen readers; how it looks differs from browser to browser, so it is drawn beside it.
  const meter = element("meter", {
    class: "hidden",
    min: 0,
    max: 1,
    value: share,
    "aria-label": `${says} of ${label}`,
  });
  return element(
    "li",
    {},
    element("span", { class: "label", title: label }, label),
    element("span", { class: "track" }, meter, fill),
    element("span", { class: "number" }, percent(share)),
  );
}
