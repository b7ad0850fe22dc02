// The model card: what the spec says of the model, in words. What it does not say is left out.
import { bar, bytes, drawing, element, find, folded, percent, scroll, short, whole } from "./element.js";

const FITS = { crop: "the middle is cut out", stretch: "stretched to fit", pad: "padded to fit" };

/** One line on what the net reads. */
export function takes(input) {
  if (input.kind === "sentence") return `Sentences, up to ${whole(input.max_characters)} characters.`;
  const colours = input.channels === 1 ? "grey" : "in colour";
  return `The net sees ${input.width} × ${input.height} pixels, ${colours}; ${FITS[input.fit]}. JPEG, PNG, WebP or GIF.`;
}

export function showCard({ spec, labels, provider, plan }) {
  const { net, graph, metrics, calibration, baseline, training, origin, parity, quantisation } = spec;
  const parts = [element("p", {}, spec.title)];
  if (metrics.length) parts.push(accuracy(metrics, baseline));
  if (metrics.length) parts.push(perLabel(metrics[0], labels));
  if (metrics[0]?.confusion) parts.push(confusion(metrics[0].confusion, labels));
  if (training?.curve) parts.push(curve(training.curve));
  if (calibration) {
    const { temperature, ece_before, ece_after, data } = calibration;
    const says = `Temperature ${Number(temperature.toPrecision(4))}, fitted on ${data}. Expected calibration error ${percent(ece_before)} before, ${percent(ece_after)} after.`;
    parts.push(element("h3", {}, "Calibration"), element("p", { class: "small" }, says));
  }
  if (quantisation) {
    const says = `Made of ${quantisation.source}: ${quantisation.method}. ${(quantisation.size_ratio * 100).toFixed(0)} % of its size, ${short(quantisation.points_lost)} points of accuracy lost.`;
    parts.push(element("h3", {}, "Quantisation"), element("p", { class: "small" }, says));
  }
  const rows = {
    Version: spec.version,
    Net: net && `${net.name}, ${net.variant}`,
    Parameters: net && whole(net.parameters),
    Labels: `${whole(labels.length)}, ${spec.scores === "softmax" ? "one of them is right" : "each may be right"}`,
    "Trained on":
      training &&
      `${training.data}: ${Object.entries(training.split_sizes)
        .map(([split, rows]) => `${split} ${whole(rows)}`)
        .join(", ")}`,
    Training:
      training &&
      `${training.epochs} epochs (the best was ${training.best_epoch}) in ${training.minutes} minutes, seed ${training.seed}, ${training.date}`,
    Command: training && element("code", {}, training.command),
    "Comes from": origin && `${origin.producer}, adopted ${origin.date}`,
    Licence: training?.licence ?? origin?.licence,
    "Same as torch": parity && `within ${short(parity.max_difference)} on ${whole(parity.n)} rows`,
    Graph: `${bytes(graph.bytes + (graph.weights?.bytes ?? 0))}, opset ${graph.opset}${graph.quantisation === "none" ? "" : `, ${graph.quantisation}`}`,
    sha256: element("code", {}, graph.sha256),
    "Runs on": plan
      ? `${provider}, ${short(plan.row_milliseconds)} ms a row, up to ${plan.max_batch} rows a batch`
      : provider,
  };
  const told = Object.entries(rows).filter(([, value]) => value !== null && value !== undefined);
  parts.push(
    folded(
      "All of the card",
      element(
        "dl",
        {},
        told.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
      ),
    ),
  );
  find("card").replaceChildren(...parts);
  find("card-panel").hidden = false;
}

function accuracy(metrics, baseline) {
  const row = (what, data, share, more) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, what),
      element("td", { class: "number" }, percent(share)),
      element("td", {}, data, more ? ` (${more})` : ""),
    );
  const rows = metrics.map(({ data, n, accuracy, interval, ece }) =>
    row(
      "Accuracy",
      data,
      accuracy,
      `n = ${whole(n)}, 95 % interval ${percent(interval[0])} to ${percent(interval[1])}, calibration error ${percent(ece)}`,
    ),
  );
  if (baseline) rows.push(row("Baseline", `${baseline.data}: ${baseline.method}`, baseline.accuracy));
  return element("table", { class: "accuracy" }, element("tbody", {}, rows));
}

function perLabel({ per_label: recalls }, labels) {
  const bars = labels.filter((label) => label in recalls).map((label) => bar(label, recalls[label], "recall"));
  return folded("How many of each label it finds (recall)", element("ol", { class: "bars" }, bars));
}

/** Rows are what it was, columns what the model said; a cell is the darker the more of its row it holds. */
function confusion(counts, labels) {
  const head = element(
    "tr",
    {},
    element("td", {}),
    labels.map((label) => element("th", { scope: "col", title: label }, label)),
  );
  const rows = labels.map((name, at) => {
    const row = labels.map((answer) => counts[name]?.[answer] ?? 0);
    const all = row.reduce((sum, count) => sum + count, 0) || 1;
    const cells = row.map((count, said) => {
      const cell = element(
        "td",
        { class: said === at ? "number right" : "number", title: `${labels[at]} taken for ${labels[said]}: ${count}` },
        count ? String(count) : "",
      );
      cell.style.setProperty("--share", Math.min(1, count / all + (count && said !== at ? 0.08 : 0)));
      return cell;
    });
    return element("tr", {}, element("th", { scope: "row" }, labels[at]), cells);
  });
  return folded(
    "What it takes for what (confusion matrix)",
    scroll(
      "confusion matrix",
      element(
        "table",
        { class: `confusion ${labels.some((label) => label.length > 3) ? "tall" : ""}` },
        element("caption", {}, "Rows: what it was. Columns: what the model said."),
        element("tbody", {}, head, rows),
      ),
    ),
  );
}

/** The losses of each epoch, on one scale, and the accuracy that decided which epoch is kept. */
function curve(epochs) {
  const [width, height] = [320, 120];
  const line = (values, name, scale = values) => {
    const [low, high] = [Math.min(...scale), Math.max(...scale)];
    const points = values.map(
      (value, at) =>
        `${(at * width) / Math.max(1, values.length - 1)},${height - ((value - low) / (high - low || 1)) * height}`,
    );
    return drawing("polyline", { points: points.join(" "), class: name });
  };
  const [train, validation, accuracies] = [0, 1, 2].map((column) => epochs.map((epoch) => epoch[column]));
  const losses = [...train, ...validation];
  const says = `Training loss (grey) ${short(train[0])} to ${short(train.at(-1))}, validation loss (blue) ${short(validation[0])} to ${short(validation.at(-1))}, validation accuracy (orange) ${percent(accuracies[0])} to ${percent(accuracies.at(-1))}, over ${epochs.length} epochs.`;
  const view = { viewBox: `-4 -4 ${width + 8} ${height + 8}`, class: "curve", role: "img", "aria-label": says };
  return folded(
    "How it learnt (curves)",
    drawing(
      "svg",
      view,
      line(train, "train", losses),
      line(validation, "validation", losses),
      line(accuracies, "accuracy"),
    ),
    element("p", { class: "small" }, says),
  );
}
