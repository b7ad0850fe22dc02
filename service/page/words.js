// Why this answer to a sentence: the share of each word and of each n-gram in the logit.
import { added, chooser } from "./chooser.js";
import { element, fixed, folded, signed, term } from "./element.js";

const DEEPEST = 0.55; // of a word's ground: darker ones would hide the word
const LEAST = 0.05; // of the largest share: weaker words are left plain
const NGRAMS = 12;

/** The panel for one sentence. `told`: the inspection of its first label. */
export function words(model, input, told, signal) {
  const shown = element("div", { "aria-live": "polite" }, all(told.words));
  const place = (...parts) => shown.replaceChildren(...parts);
  const show = (_, of, __, against) => (against ? difference(of, against) : all(of));
  return [chooser({ model, input, told, signal, method: "words", show, place }).box, shown];
}

function all(told) {
  const { line, spans } = sentence(told.words);
  const buttons = told.ngrams.slice(0, NGRAMS).map((ngram) => {
    const mark = (on) =>
      spans.forEach((span, at) => span.classList.toggle("in", on && at >= ngram.start && at < ngram.end));
    const made = element(
      "button",
      {
        class: "ngram",
        onfocus: () => mark(true),
        onblur: () => mark(false),
        onmouseenter: () => mark(true),
        onmouseleave: () => mark(false),
      },
      element("strong", {}, signed(ngram.share)),
      ` ${ngram.text}`,
      element(
        "span",
        { class: "small" },
        ` ${ngram.filters} ${ngram.filters === 1 ? "filter" : "filters"} of ${ngram.width} words`,
      ),
    );
    return element("li", {}, made);
  });
  const rows = [
    ...told.words.map(({ word, known, share }) => [known ? word : `${word} (not in its vocabulary)`, share]),
    ["(padding)", told.padding],
    ["(bias)", told.constant],
  ];
  return [
    line,
    element("p", { class: "small" }, "Red words speak for it, blue ones against it; dotted ones it never learnt."),
    added(told.says, told.error),
    element("h3", {}, "What its filters found"),
    element("ol", { class: "ngrams" }, buttons),
    added(told.ngrams_says, told.ngrams_error),
    element("p", { class: "small" }, `${told.silent} filters found nothing anywhere.`),
    table(rows, told.sum),
  ];
}

function difference(of, against) {
  const shares = of.words.map(({ word, known, share }, at) => ({
    word,
    known,
    share: share - against.words[at].share,
  }));
  const [padding, constant, logit] = ["padding", "constant", "logit"].map((part) => of[part] - against[part]);
  const total = shares.reduce((sum, { share }) => sum + share, 0);
  const says = `words ${term(total)}, padding ${term(padding)}, bias ${term(constant)} = ${term(logit)}, logit ${fixed(of.logit)} less ${fixed(against.logit)}`;
  const rows = [...shares.map(({ word, share }) => [word, share]), ["(padding)", padding], ["(bias)", constant]];
  return [sentence(shares).line, added(says), table(rows, logit)];
}

/** By place, not by spelling: a word that comes twice has two shares. */
function sentence(words) {
  const most = Math.max(1e-12, ...words.map(({ share }) => Math.abs(share)));
  const spans = words.map(({ word, known, share }) => {
    const made = element("span", { class: known ? "word" : "word unknown", title: signed(share) }, word);
    const weight = Math.abs(share) / most;
    if (weight >= LEAST)
      made.style.backgroundColor = `color-mix(in srgb, var(${share > 0 ? "--plus" : "--minus"}) ${(100 * DEEPEST * weight).toFixed(1)}%, transparent)`;
    return made;
  });
  return {
    spans,
    line: element(
      "p",
      { class: "words" },
      spans.flatMap((span) => [span, " "]),
    ),
  };
}

function table(rows, total) {
  const line = ([name, share]) =>
    element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "number" }, signed(share)));
  return folded(
    "Word by word, as a table",
    element("table", {}, element("tbody", {}, rows.map(line), line(["= logit", total]))),
  );
}
