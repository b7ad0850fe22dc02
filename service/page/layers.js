// Every layer in its order, one line each; what is opened is asked for then, and stays open for the next input.
import { element, find, percent, short, whole } from "./element.js";
import { showLayer } from "./layer.js";

const FEW = 16; // layers that are listed without folding their groups

// What a kind of layer does, for whoever sees one for the first time.
const MEAN = "Of each map its mean is left: how much was found, not where.";
const DOES = {
  Conv: "Each filter slides over the maps before, numbers times weights added up; red is where it found its pattern.",
  MaxPool: "Of each window the largest number is kept: what was found counts, not its exact place.",
  AveragePool: "Of each window its mean is kept.",
  GlobalAveragePool: MEAN,
  ReduceMean: MEAN,
  ReduceMax: "Of each filter the largest number is kept, wherever in the sentence it was found.",
  Gemm: "Each number is a sum of all the numbers before, times weights of its own.",
  Add: "What the block found is added to what came in: a block learns the difference.",
  Concat: "The maps of all branches, side by side.",
  Div: "Numbers are made smaller where other maps are strong.",
  Relu: "Each filter reads a few words at a time; red is where it found its pattern.",
};

let open = new Set(); // ids, of the model that is shown

export const forgetLayers = () => (open = new Set());

/** `told`: the inspection, with the summary of all layers. */
export function showLayers(model, input, told, signal) {
  const view = { model, input, told, signal, byId: new Map(told.layers.map((layer) => [layer.id, layer])) };
  const parts = [];
  let group = null;
  for (const layer of told.layers) {
    if (layer.group === null || told.layers.length <= FEW) {
      if (layer.group && layer.group !== group?.name) parts.push(element("h3", {}, layer.group));
      group = layer.group ? { name: layer.group } : null;
      parts.push(line(layer, view));
      continue;
    }
    if (group?.name !== layer.group) {
      const count = element("span", { class: "small" });
      const box = element(
        "details",
        { class: "group" },
        element("summary", {}, element("strong", {}, layer.group), count),
      );
      group = { name: layer.group, box, count };
      parts.push(box);
    }
    group.box.append(line(layer, view));
    const layers = group.box.children.length - 1;
    group.count.textContent = ` ${layers} ${layers === 1 ? "layer" : "layers"} · ${shape(layer)}`;
    if (open.has(layer.id)) group.box.open = true;
  }
  find("layers").replaceChildren(element("h3", {}, "Layer by layer"), ...parts);
}

function line(layer, view) {
  const body = element("div", { class: "layer-body" });
  const box = element(
    "details",
    { class: "layer", id: `layer-${layer.id}` },
    element("summary", {}, element("strong", {}, layer.title), element("span", { class: "small" }, facts(layer))),
    element("p", { class: "small" }, DOES[layer.op], layer.title.endsWith("ReLU") ? " ReLU: below zero is zero." : ""),
    body,
  );
  const fill = () => {
    if (!box.open) return open.delete(layer.id);
    open.add(layer.id);
    if (!body.childElementCount) showLayer(body, layer, view);
  };
  box.addEventListener("toggle", fill);
  box.open = open.has(layer.id);
  return box;
}

const shape = ({ channels, height, width }) =>
  height * width > 1 ? `${whole(channels)} maps of ${height} × ${width}` : `${whole(channels)} numbers`;

function facts(layer) {
  const window = layer.kernel
    ? `window ${layer.kernel.join(" × ")}${layer.stride?.some((step) => step > 1) ? `, step ${layer.stride.join(" × ")}` : ""}`
    : "";
  const parts = [
    shape(layer),
    window,
    layer.parameters ? `${whole(layer.parameters)} parameters` : "",
    `${short(layer.min)} to ${short(layer.max)}`,
    layer.zeros > 0 ? `${percent(layer.zeros)} zero` : "",
  ];
  return ` ${parts.filter(Boolean).join(" · ")}`;
}
