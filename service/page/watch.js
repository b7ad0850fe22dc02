// The window of a layer as it moves: for any kernel, step and padding. Left the map before, right this layer's map.
import { element, figure, short } from "./element.js";
import { map, pixels, tile } from "./map.js";
import * as service from "./service.js";

const STEP = 450; // milliseconds a cell
const MOST = 7; // cells a side of a window that is written out in numbers
const COLOURS = new Set([1, 3]); // of a filter, that one picture shows
const POOLS = new Set(["MaxPool", "AveragePool"]); // they read the map of their own number, a filter all of them

let playing = 0;

/** Shows map `channel` of `layer` in `box`. */
export async function watch(box, layer, channel, { model, input, told, signal, byId }) {
  clearInterval(playing);
  const turn = (box.turn = Symbol()); // who clicks twice sees what was clicked last
  box.replaceChildren(element("p", { class: "small" }, "Asking…"));
  const values = (id, map) =>
    service
      .inspect(model.name, input, { layers: id, channels: `${map}:${map + 1}`, format: "json" }, signal)
      .then(({ layers }) => layers[0].values.rows);
  const beforeId = layer.pooled_from ?? layer.input;
  const before = byId.get(beforeId);
  const sameMap = POOLS.has(layer.op);
  let rows, source, filter;
  try {
    rows = await values(layer.id, channel);
    if (layer.kernel && before)
      source = {
        rows: await values(before.id, sameMap ? channel : 0),
        title: `${before.title}, map ${sameMap ? channel : 0}`,
        maps: before.channels,
      };
    else if (layer.kernel && beforeId === "image") source = await pixels(told.input);
    else if (layer.kernel && told.kind === "sentence" && told.input.tokens)
      source = { tokens: told.input.tokens, title: "the sentence", maps: 1 };
    const { layer: first, shape, sheet } = told.filters ?? {};
    if (first === layer.id && COLOURS.has(shape[1]) && channel < sheet.channels[1])
      filter = await tile(sheet, channel, "its filter: bright adds, dark takes away");
  } catch (error) {
    if (error.name !== "AbortError" && box.turn === turn)
      box.replaceChildren(element("p", { class: "notice" }, error.message));
    return;
  }
  if (box.turn === turn) box.replaceChildren(...windowView(layer, channel, rows, source, sameMap, filter));
}

function windowView(layer, channel, rows, source, sameMap, filter) {
  const [height, width] = [rows.length, rows[0].length];
  const strongest = rows
    .flat()
    .reduce((best, value, at, all) => (Math.abs(value) > Math.abs(all[best]) ? at : best), 0);
  const here = { row: Math.floor(strongest / width), column: strongest % width };
  const right = map(rows, `map ${channel} of ${layer.title}`);
  const left = source?.rows && map(source.rows, source.title, source.picture);
  const line = source?.tokens && element("p", { class: "words" });
  const says = element("div", { "aria-live": "polite" });

  function move(row, column) {
    here.row = Math.min(height - 1, Math.max(0, row));
    here.column = Math.min(width - 1, Math.max(0, column));
    [down.value, across.value] = [here.row, here.column];
    right.mark(here.row, here.column, 1, 1);
    const value = `Row ${here.row}, column ${here.column}: ${short(rows[here.row][here.column])}. `;
    if (left) {
      const window = windowAt(layer, here, source.rows);
      left.mark(window.top, window.left, window.height, window.width, window.winner);
      const small = window.height <= MOST && window.width <= MOST;
      says.replaceChildren(
        element("p", {}, value, tells(layer, window, source, sameMap)),
        ...(small ? [grid(window, source.numbers)] : []),
      );
    } else if (line) {
      const start = here.column * (layer.stride?.[0] ?? 1) - (layer.pad?.[0] ?? 0);
      line.replaceChildren(
        ...source.tokens.flatMap((word, at) => [
          element("span", { class: at >= start && at < start + layer.kernel[0] ? "word in" : "word" }, word),
          " ",
        ]),
      );
      const read = source.tokens.slice(Math.max(0, start), Math.max(0, start + layer.kernel[0]));
      says.replaceChildren(
        element(
          "p",
          {},
          `Place ${here.column}: ${short(rows[here.row][here.column])}. The filter reads ${read.length ? `“${read.join(" ")}”` : "padding alone"}.`,
        ),
      );
    } else says.replaceChildren(element("p", {}, value));
  }
  const field = (name, most, changed) =>
    element("input", {
      type: "number",
      min: 0,
      max: most,
      "aria-label": name,
      oninput: ({ target }) => changed(Math.trunc(Number(target.value)) || 0),
    });
  const down = field("row", height - 1, (row) => move(row, here.column));
  const across = field("column", width - 1, (column) => move(here.row, column));
  const play = element(
    "button",
    {
      "aria-pressed": "false",
      onclick: () => (playing && play.getAttribute("aria-pressed") === "true" ? pause() : run()),
    },
    "Play",
  );
  function pause() {
    clearInterval(playing);
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
    says.setAttribute("aria-live", "polite");
  }
  function run() {
    clearInterval(playing);
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    says.setAttribute("aria-live", "off"); // a reader would be told every step
    playing = setInterval(() => {
      if (!play.isConnected) return clearInterval(playing);
      const next = (here.row * width + here.column + 1) % (height * width);
      move(Math.floor(next / width), next % width);
    }, STEP);
  }
  right.listen((row, column) => move(row, column), here);
  move(here.row, here.column);
  return [
    element("h3", {}, `${layer.title}, map ${channel}`),
    element(
      "div",
      { class: "pair" },
      left?.figure,
      line && figure({}, "the sentence, and the words under the window", line),
      filter,
      right.figure,
    ),
    element(
      "div",
      { class: "buttons" },
      layer.kernel ? play : null,
      height > 1 ? element("label", {}, "Row ", down) : null,
      element("label", {}, "Column ", across),
      element("span", { class: "small" }, "or point at the map; arrow keys move"),
    ),
    says,
  ];
}

/** What the window covers of the map before, where the cell `here` comes from. */
export function windowAt({ kernel, stride, pad, op }, here, rows) {
  const [height, width] = kernel;
  const top = here.row * (stride?.[0] ?? 1) - (pad?.[0] ?? 0);
  const left = here.column * (stride?.[1] ?? 1) - (pad?.[1] ?? 0);
  const cells = Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => rows[top + y]?.[left + x] ?? null),
  );
  const inside = cells.flat().filter((value) => value !== null);
  const most = Math.max(...inside);
  let winner = null;
  if (op === "MaxPool" && Math.min(...inside) < most) {
    const at = cells.flat().indexOf(most);
    winner = { row: top + Math.floor(at / width), column: left + (at % width) };
  }
  return { top, left, height, width, cells, inside, most, winner };
}

function tells({ op }, { inside, most, winner }, source, sameMap) {
  if (op === "MaxPool")
    return winner
      ? `The largest under the window is ${short(most)}, and is kept.`
      : `All under the window are ${short(most)}: there is nothing to keep.`;
  if (op === "AveragePool")
    return `The mean under the window is ${short(inside.reduce((sum, value) => sum + value, 0) / inside.length)}.`;
  if (sameMap) return "";
  return source.maps > 1
    ? `A filter reads this window in the ${source.maps} maps before, of which one is shown: numbers times weights, added up, and the bias.`
    : "A filter reads this window: numbers times weights, added up, and the bias.";
}

function grid({ cells, top, left, winner }, numbers = "numbers") {
  const line = (row, y) =>
    element(
      "tr",
      {},
      row.map((value, x) =>
        element(
          "td",
          { class: winner && winner.row === top + y && winner.column === left + x ? "number winner" : "number" },
          value === null ? "pad" : short(value),
        ),
      ),
    );
  return element(
    "table",
    { class: "window" },
    element("caption", { class: "small" }, `${numbers} under the window`),
    element("tbody", {}, cells.map(line)),
  );
}
