// What a person brings: pictures that are dropped, pasted or chosen, and sentences.
import { find, whole } from "./element.js";

/** `take(files)` gets all that came at once, one or many. */
export function listenForPictures(take) {
  const given = (files) => {
    const pictures = [...files];
    if (pictures.length) take(pictures);
  };
  for (const id of ["files", "camera"]) {
    find(id).addEventListener("change", ({ target }) => {
      given(target.files);
      target.value = ""; // so that the same file may be chosen again
    });
  }
  find("choose").addEventListener("click", () => find("files").click());
  find("take").addEventListener("click", () => find("camera").click());

  // The whole page is the target, as a file that misses one would replace the page.
  let inside = 0;
  const mark = (step) => {
    inside = Math.max(0, inside + step);
    document.body.classList.toggle("dropping", inside > 0);
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => hasFiles(event) && mark(1));
  addEventListener("dragleave", (event) => hasFiles(event) && mark(-1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    inside = 0;
    mark(0);
    given(event.dataTransfer.files);
  });
  // Files only: text that is pasted goes where the cursor is.
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) {
      event.preventDefault();
      given(event.clipboardData.files);
    }
  });
}

/** `take(text)` gets what stands in the box. */
export function listenForSentences(take) {
  const box = find("sentence");
  find("classify").addEventListener("click", () => take(box.value));
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      take(box.value);
    }
  });
}

export function prepareSentence(input) {
  find("sentence-label").textContent = `A sentence in English, up to ${whole(input.max_characters)} characters`;
}

export function showSentence(text) {
  find("sentence").value = text;
}
