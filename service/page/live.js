// The line at the top: how busy the open model is, made of two readings of /v1/live a moment apart.
import { drawing, find, short } from "./element.js";
import * as service from "./service.js";

const EVERY = 1000; // milliseconds, while anybody looks
const POINTS = 60;

/** `model()` is the name of the open one. */
export function watchLive(model) {
  let before = null;
  let latencies = [];
  let timer = 0;
  const look = async () => {
    if (document.hidden) return;
    try {
      const now = (await service.live()).find(({ name }) => name === model());
      if (now) {
        const since = before?.name === now.name && before.requests <= now.requests ? before : null;
        if (!since) latencies = [];
        const latency = since && now.requests > since.requests ? mean(now, since) : null;
        latencies = [...latencies, latency].slice(-POINTS);
        show(now, since, latencies);
        before = now;
      }
    } catch (error) {
      find("live").textContent = error.status === 401 ? "" : "the server does not answer";
      before = null;
      if (error.status === 401) return;
    }
    timer = setTimeout(look, EVERY);
  };
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) look();
  });
  look();
}

const mean = (now, since) => ((now.seconds - since.seconds) / (now.requests - since.requests)) * 1000;

function show(now, since, latencies) {
  const rows = since ? now.rows - since.rows : 0;
  const batches = since ? now.batches - since.batches : 0;
  const known = latencies.filter((latency) => latency !== null);
  const parts = [
    `queue ${now.waiting}`,
    `batch ${batches ? (rows / batches).toFixed(1) : "–"}`,
    `latency ${known.length ? `${short(known.at(-1))} ms` : "–"}`,
    `${now.requests.toLocaleString("en-US")} answered`,
  ];
  find("live").replaceChildren(parts.join(" · "), spark(latencies));
}

function spark(latencies) {
  const known = latencies.filter((latency) => latency !== null);
  const most = Math.max(...known, 1e-9);
  const start = POINTS - latencies.length;
  const points = latencies.flatMap((latency, at) =>
    latency === null ? [] : [`${start + at},${15 - (14 * latency) / most}`],
  );
  const view = { viewBox: `0 0 ${POINTS} 16`, width: 90, height: 16, "aria-hidden": "true", class: "spark" };
  return drawing("svg", view, drawing("polyline", { points: points.join(" ") }));
}
