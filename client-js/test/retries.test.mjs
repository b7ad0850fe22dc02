// What the real service does only when it is in trouble, by a stand-in on a real socket.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, beforeEach, test } from "node:test";

import * as maxpool from "maxpool-client";

import { retryPause } from "../dist/retries.js";

const listing = JSON.stringify({ models: [{ name: "lenet5-mnist", version: "1", task: null, status: "ready" }] });
let requests = [];
let instead = []; // [status, headers, body], or a function of the response, to give first
let url;

const server = createServer((request, response) => {
  request.resume();
  requests.push(request);
  const answer = instead.shift() ?? [200, {}, listing];
  if (typeof answer === "function") return answer(response);
  const [status, headers = {}, body = '{"error": "no"}'] = answer;
  response.writeHead(status, headers).end(body);
});

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${server.address().port}`;
});
beforeEach(() => {
  requests = [];
  instead = [];
});
after(() => {
  server.closeAllConnections();
  server.close();
});

const hangUp = (response) => response.socket.destroy();
const silence = () => undefined;

/** No pause passes in fact. Pauses are told from the timers of fetch by their random part. */
async function hurried(run) {
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (callback, milliseconds, ...given) =>
    setTimeout(callback, Number.isInteger(milliseconds) ? milliseconds : 0, ...given);
  try {
    return await run();
  } finally {
    globalThis.setTimeout = setTimeout;
  }
}

test("what may pass is asked again", async () => {
  const client = new maxpool.Client({ baseUrl: url, timeout: null, maxRetries: 5 });
  instead = [[502], [503], [429], [504], hangUp];
  assert.equal((await hurried(() => client.models()))[0].name, "lenet5-mnist");
  assert.equal(requests.length, 6);
});

test("a pause doubles up to eight seconds, less a random part of up to half", () => {
  const gone = new maxpool.ConnectionFailed("gone", { url });
  for (const [attempt, longest] of [250, 500, 1000, 2000, 4000, 8000, 8000, 8000].entries()) {
    const pauses = Array.from({ length: 100 }, () => retryPause(gone, attempt));
    assert.ok(Math.max(...pauses) <= longest && Math.min(...pauses) >= longest / 2);
    assert.ok(new Set(pauses).size > 50);
  }
});

test("a Retry-After is waited for, unless it is of more than a minute", async () => {
  const refused = (retryAfter) => new maxpool.Overloaded("no", { url, status: 503, retryAfter });
  const pause = retryPause(refused(7), 0);
  assert.ok(pause >= 7125 && pause <= 7250, String(pause));
  assert.equal(retryPause(refused(61), 0), null);

  const client = new maxpool.Client({ baseUrl: url });
  instead = [[503, { "retry-after": "61" }]];
  await assert.rejects(client.models(), { name: "Overloaded", status: 503, retryAfter: 61 });
  assert.equal(requests.length, 1);
});

test("what will not pass is not asked again", async () => {
  const client = new maxpool.Client({ baseUrl: url });
  for (const [status, name] of [
    [400, "InvalidInput"],
    [401, "Unauthorized"],
    [403, "Unauthorized"],
    [404, "UnknownModel"],
    [409, "StatusError"],
    [413, "InvalidInput"],
    [500, "ServerError"],
  ]) {
    requests = [];
    instead = [[status]];
    await assert.rejects(client.models(), { name, status, message: "no", url: `${url}/v1/models` });
    assert.equal(requests.length, 1);
  }
});

test("tries end at maxRetries, with the last error", async () => {
  const client = new maxpool.Client({ baseUrl: url, timeout: null, maxRetries: 1 });
  instead = [[503], [502, {}, "<html>"], [200]];
  await hurried(() => assert.rejects(client.models(), { name: "ServerError", status: 502, message: /answered 502/ }));
});

test("all calls of a client have one budget of retries, which successes fill", async () => {
  const client = new maxpool.Client({ baseUrl: url, timeout: null });
  const refuse = () => {
    requests = [];
    instead = [[503], [503], [503]];
    return hurried(() => assert.rejects(client.models(), maxpool.Overloaded));
  };
  for (let call = 0; call < 5; call++) await refuse();
  await refuse();
  assert.equal(requests.length, 1); // the ten are spent
  instead = [];
  for (let call = 0; call < 10; call++) await client.models();
  await refuse();
  assert.equal(requests.length, 2); // and one is earned
});

test("what is left of the timeout travels with each try", async () => {
  const client = new maxpool.Client({ baseUrl: url, timeout: 20_000 });
  instead = [[503]];
  await client.models();
  const [first, second] = requests.map(({ headers }) => Number(headers["x-request-timeout-ms"]));
  assert.ok(first <= 20_000 && second < first, `${first}, ${second}`);
  await client.models({ timeout: null });
  assert.equal(requests.at(-1).headers["x-request-timeout-ms"], undefined);
});

test("the timeout is of the whole call", async () => {
  const client = new maxpool.Client({ baseUrl: url });
  instead = [silence];
  await assert.rejects(client.models({ timeout: 50 }), { name: "TimedOut", status: null, message: /within 50 ms/ });
  // No pause is begun that leaves no time.
  instead = [[503, { "retry-after": "20" }]];
  await assert.rejects(client.models({ timeout: 15_000 }), { name: "Overloaded", retryAfter: 20 });
  instead = [[504]];
  const once = new maxpool.Client({ baseUrl: url, maxRetries: 0 });
  await assert.rejects(once.models(), { name: "TimedOut", status: 504 });
});

test("a signal ends a call, with its own reason", async () => {
  const client = new maxpool.Client({ baseUrl: url });
  await assert.rejects(client.models({ signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.equal(requests.length, 0);
  for (const answer of [silence, [503, { "retry-after": "9" }]]) {
    const controller = new AbortController();
    instead = [answer];
    const call = client.models({ signal: controller.signal });
    setTimeout(() => controller.abort(new RangeError("enough")), 30);
    await assert.rejects(call, /enough/);
  }
});

test("a service that is not there, or is none of ours, is told apart", async () => {
  const { port } = await new Promise((resolve) => {
    const gone = createServer().listen(0, "127.0.0.1", () => {
      const address = gone.address();
      gone.close(() => resolve(address));
    });
  });
  const nobody = new maxpool.Client({ baseUrl: `http://127.0.0.1:${port}`, maxRetries: 0 });
  await assert.rejects(nobody.models(), { name: "ConnectionFailed", message: /ECONNREFUSED/ });
  await assert.rejects(nobody.health(), maxpool.ConnectionFailed);
  const client = new maxpool.Client({ baseUrl: `${url}/` });
  for (const body of ["<html>", "{}", '{"models": [{}]}']) {
    instead = [[200, {}, body]];
    await assert.rejects(client.models(), { name: "UnexpectedAnswer", message: /is baseUrl right/ });
  }
  instead = [[503, {}, '{"error": "still loading"}']];
  assert.deepEqual(await client.health(), { ready: false, reason: "still loading" });
});

test("the reason is kept, and decides before the status", async () => {
  const client = new maxpool.Client({ baseUrl: url, maxRetries: 0 });
  for (const [reason, status, kind] of [
    ["InputTooLarge", 400, maxpool.InvalidInput],
    ["HeadTooLarge", 431, maxpool.InvalidInput],
    ["NotFound", 404, maxpool.StatusError],
    ["TooManyConnections", 503, maxpool.Overloaded],
    ["DeadlineExceeded", 504, maxpool.TimedOut],
    ["constructor", 404, maxpool.UnknownModel],
  ]) {
    instead = [[status, {}, JSON.stringify({ error: "no", reason })]];
    const error = await client.models().catch((raised) => raised);
    assert.deepEqual([error.constructor, error.reason], [kind, reason]);
  }
  instead = [[404, {}, "<html>"]];
  await assert.rejects(client.models(), { reason: null });
});

test("a key travels as a bearer's", async () => {
  await new maxpool.Client({ baseUrl: url, apiKey: "s3cret" }).models();
  assert.equal(requests[0].headers.authorization, "Bearer s3cret");
  await new maxpool.Client({ baseUrl: url }).models();
  assert.equal(requests[1].headers.authorization, undefined);
});

test("a picture is sent as it is, many as a form, sentences as JSON, too many bytes in halves", async () => {
  const client = new maxpool.Client({ baseUrl: url, maxRetries: 0 });
  const picture = new Blob(["picture"]);
  const kinds = [];
  for (const [input, model] of [[picture, "a/b"], ["sentence", "c"], [[picture, picture], "d"], [["sentence"], "e"]]) {
    instead = [[500]];
    await assert.rejects(client.classify(input, { model, version: 2, topK: 3 }), maxpool.ServerError);
    assert.equal(requests.at(-1).url, `/v1/models/${encodeURIComponent(model)}/versions/2/predict?top_k=3`);
    kinds.push(requests.at(-1).headers["content-type"].replace(/;.*/, ""));
  }
  assert.deepEqual(kinds, ["application/octet-stream", "text/plain", "multipart/form-data", "application/json"]);
  instead = Array(7).fill([413]);
  requests = [];
  const answers = await client.classify([picture, picture, picture, picture], { model: "d" });
  assert.deepEqual(answers.map(({ status }) => status), [413, 413, 413, 413]);
  assert.equal(requests.length, 7);
});

test("in a stream a pack that is too large, or that the service fails on, is asked for in halves", async () => {
  const client = new maxpool.Client({ baseUrl: url });
  // The first input leaves alone, as nothing is under way; then the four others, two of them, one, one, and two.
  instead = [[400], [413], [500], [500], [504], [504]];
  const names = [];
  const answers = client.classifyMany(["a", "b", "c", "d", "e"], { model: "m" });
  for await (const [, answer] of answers) names.push(answer.name);
  assert.deepEqual(names, ["InvalidInput", "ServerError", "TimedOut", "TimedOut", "TimedOut"]);
  assert.equal(requests.length, 6);
});
