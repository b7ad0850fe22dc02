// A picture drawn by hand: white on black, as MNIST has its digits, or in colours for nets that see them.
import { element, find } from "./element.js";

const SIZE = 280; // pixels a side
const COLOURS = {
  white: "#ffffff",
  black: "#000000",
  red: "#d1342f",
  green: "#3a8f4b",
  blue: "#2f6fd1",
  yellow: "#e8c33a",
};

let pen = null; // where it is down
let ground = "#000000";
let empty = true;

/** `take(blob)` gets the drawing whenever the pen is lifted. */
export function listenForDrawing(take) {
  const canvas = find("draw-canvas");
  [canvas.width, canvas.height] = [SIZE, SIZE];
  const send = () => !empty && canvas.toBlob((blob) => take(blob), "image/png");
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pen = place(canvas, event);
    stroke(canvas, pen, pen);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pen) return;
    const next = place(canvas, event);
    stroke(canvas, pen, next);
    pen = next;
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (!pen) return;
      pen = null;
      send();
    });
  }
  find("draw").addEventListener("click", ({ currentTarget }) => {
    const panel = find("draw-panel");
    panel.hidden = !panel.hidden;
    currentTarget.setAttribute("aria-expanded", String(!panel.hidden));
  });
  find("draw-clear").addEventListener("click", clear);
  find("draw-colour").append(...Object.keys(COLOURS).map((name) => element("option", {}, name)));
}

/** A grey net gets white on black; one that sees colours, a white sheet. */
export function prepareDrawing(input) {
  const grey = input.channels === 1;
  ground = grey && input.background !== "white" ? COLOURS.black : COLOURS.white;
  find("draw-colour").value = ground === COLOURS.black ? "white" : "black";
  find("draw-colour-field").hidden = grey;
  find("draw-hint").textContent = grey
    ? "White on black, large and in the middle, as the digits it was trained on."
    : "A net of photographs makes little of a sketch: see what it goes by.";
  clear();
}

function clear() {
  const context = find("draw-canvas").getContext("2d");
  context.fillStyle = ground;
  context.fillRect(0, 0, SIZE, SIZE);
  empty = true;
}

function place(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE];
}

function stroke(canvas, from, to) {
  const context = canvas.getContext("2d");
  context.strokeStyle = COLOURS[find("draw-colour").value];
  context.lineWidth = Number(find("draw-width").value);
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  empty = false;
}
