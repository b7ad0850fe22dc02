// Pictures from the camera. Browsers lend it to secure pages alone: over plain http from another machine there is a
// file field that phones open their camera for.
import { find } from "./element.js";
import { say } from "./prediction.js";

let stream = null;

/** `take(blob)` gets each picture; `refused(message)` what went wrong. */
export function listenForWebcam(take, refused) {
  const lent = Boolean(navigator.mediaDevices?.getUserMedia);
  find("webcam").hidden = !lent;
  find("take").hidden = lent;
  find("webcam").addEventListener("click", () => (stream ? stop() : start(refused)));
  find("webcam-shoot").addEventListener("click", () => shoot(take));
  find("webcam-stop").addEventListener("click", stop);
}

async function start(refused) {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    const reasons = { NotAllowedError: "The camera was refused.", NotFoundError: "No camera was found." };
    refused(new Error(`${reasons[error.name] ?? "The camera does not start."} Choose or drop a picture instead.`));
    return;
  }
  const video = find("webcam-video");
  video.srcObject = stream;
  await video.play();
  find("webcam-panel").hidden = false;
  find("webcam").setAttribute("aria-expanded", "true");
  find("webcam-shoot").focus();
  say("The camera is on.");
}

function shoot(take) {
  const video = find("webcam-video");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => take(blob), "image/png");
}

export function stop() {
  if (!stream) return;
  for (const track of stream.getTracks()) track.stop();
  stream = null;
  find("webcam-video").srcObject = null;
  find("webcam-panel").hidden = true;
  find("webcam").setAttribute("aria-expanded", "false");
}
