// The answer: a bar for each label, what it took, and whether it is sure.
import { bar, element, find, percent, whole } from "./element.js";

const SURE = 0.5; // a calibrated score under this is wrong more often than right
const BARS = 5;

/** `showAll()` gives the prediction with every label. */
export function showPrediction(prediction, { labels, showAll }) {
  const { label, score, top } = prediction;
  const sure = score >= SURE;
  const answer = element("p", { class: sure ? "answer" : "answer unsure" });
  if (sure) answer.append(element("strong", {}, label), ` ${percent(score)}`);
  else answer.append(element("strong", {}, "Not sure"), ` at best “${label}”, ${percent(score)}`);
  const list = element("ol", { class: "bars" }, top.slice(0, BARS).map(scoreOf));
  const parts = [answer, list];
  if (labels > Math.min(top.length, BARS)) {
    const more = element("button", { class: "quiet" }, `Show all ${whole(labels)} labels`);
    more.addEventListener("click", async () => {
      more.disabled = true;
      const all = await showAll().catch(() => null);
      if (all) list.replaceChildren(...all.top.map(scoreOf));
      more.remove();
      list.tabIndex = -1;
      list.focus();
    });
    parts.push(more);
  }
  find("answer").replaceChildren(...parts);
  find("timing").textContent = timing(prediction);
  say(sure ? `${label}, ${percent(score)}` : `Not sure. At best ${label}, ${percent(score)}`);
}

const scoreOf = ({ label, score }) => bar(label, score, "score");

function timing({ timing: { decode, queue, infer, total }, input }) {
  const stages = { reading: decode, waiting: queue, "the net": infer, "in all, over the network": total };
  const told = Object.entries(stages).filter(([, took]) => took !== undefined);
  const what = input?.format
    ? `${input.format}, ${input.width} × ${input.height}${input.orientation > 1 ? ", turned upright" : ""}. `
    : "";
  return what + told.map(([stage, took]) => `${stage} ${took.toFixed(1)} ms`).join(" · ");
}

export function say(words) {
  find("status").textContent = words;
}

/** In place of what was shown: nothing old stands beside an error. */
export function showError(error) {
  clearPrediction();
  const where = find("error");
  where.textContent = error.message;
  where.hidden = false;
}

export function clearPrediction() {
  find("error").hidden = true;
  find("error").textContent = "";
  find("answer").replaceChildren();
  find("timing").textContent = "";
  say("");
}
