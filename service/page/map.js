// One map, drawn so large that its cells can be pointed at.
import { element, figure } from "./element.js";
import { isDark } from "./theme.js";

const SIDE = 288; // pixels of its longer side

/** A map drawn large, on which cells can be marked. */
export function map(rows, title, picture) {
  const [height, width] = [rows.length, rows[0].length];
  const times = Math.max(1, Math.floor(SIDE / Math.max(height, width)));
  const canvas = element("canvas", { width: width * times, height: height * times, role: "img", "aria-label": title });
  const context = canvas.getContext("2d");
  const most = Math.max(1e-12, ...rows.flat().map(Math.abs));
  const dark = isDark();

  function draw() {
    if (picture) {
      context.imageSmoothingEnabled = false;
      context.drawImage(picture, 0, 0, canvas.width, canvas.height);
      return;
    }
    rows.forEach((row, y) =>
      row.forEach((value, x) => {
        const part = Math.min(1, Math.abs(value) / most);
        const [full, zero] = [
          value >= 0 ? (dark ? [255, 90, 75] : [190, 40, 45]) : dark ? [90, 160, 255] : [35, 85, 190],
          dark ? [16, 18, 22] : [255, 255, 255],
        ];
        context.fillStyle = `rgb(${zero.map((ground, of) => Math.round(ground + (full[of] - ground) * part)).join()})`;
        context.fillRect(x * times, y * times, times, times);
      }),
    );
  }

  function outline(row, column, tall, wide, colour, thick) {
    context.strokeStyle = colour;
    context.lineWidth = thick;
    context.strokeRect(column * times, row * times, wide * times, tall * times);
  }

  return {
    figure: figure({}, title, canvas),
    mark(row, column, tall, wide, winner) {
      draw();
      outline(row, column, tall, wide, "#ffffff", 6);
      outline(row, column, tall, wide, "#000000", 3);
      if (winner) {
        outline(winner.row, winner.column, 1, 1, "#000000", 5);
        outline(winner.row, winner.column, 1, 1, "#f2c200", 3);
      }
    },
    listen(move, here) {
      canvas.tabIndex = 0;
      canvas.classList.add("pick");
      const point = (event) => {
        const box = canvas.getBoundingClientRect();
        move(
          Math.floor(((event.clientY - box.top) / box.height) * height),
          Math.floor(((event.clientX - box.left) / box.width) * width),
        );
      };
      canvas.addEventListener("pointermove", point);
      canvas.addEventListener("pointerdown", point);
      canvas.addEventListener("keydown", (event) => {
        const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
        const step = steps[event.key];
        if (!step) return;
        event.preventDefault();
        move(here.row + step[0], here.column + step[1]);
      });
    },
  };
}

/** One of the maps of a sheet, cut out and as large as the others. */
export async function tile({ png, cell: [height, width], columns, gutter }, at, title) {
  const picture = element("img", { src: png });
  await picture.decode();
  const canvas = element("canvas", { width, height, role: "img", "aria-label": title });
  const [x, y] = [(at % columns) * (width + gutter), Math.floor(at / columns) * (height + gutter)];
  canvas.getContext("2d").drawImage(picture, x + gutter, y + gutter, width, height, 0, 0, width, height);
  return figure({ class: "tile" }, title, canvas);
}

/** The picture as the net sees it; its numbers are the mean of its channels. */
export async function pixels({ png, width, height }) {
  const picture = element("img", { src: png });
  await picture.decode();
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const grey = (x, y) => {
    const at = 4 * (y * width + x);
    return Math.round((data[at] + data[at + 1] + data[at + 2]) / 3);
  };
  const rows = Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => grey(x, y)));
  return { rows, picture, title: "what the net saw", numbers: "mean colours, 0 to 255,", maps: 1 };
}
