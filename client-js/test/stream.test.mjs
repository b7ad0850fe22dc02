// classifyMany against the real service: order, bounds, bad inputs, ends. The environment is described in
// service.test.mjs.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Client, InvalidInput, UnknownModel } from "maxpool-client";

const golden = `${process.env.MAXPOOL_TEST_ROOT}/models/lenet5-mnist/1/golden`;
const client = new Client({ baseUrl: process.env.MAXPOOL_TEST_URL });
const digits = await Promise.all([..."0123456789"].map((label) => readFile(`${golden}/digit-${label}.png`)));

test("each input comes with its answer, in order", async () => {
  const inputs = Array(30).fill(digits).flat();
  let place = 0;
  for await (const [input, answer] of client.classifyMany(inputs, { model: "lenet5-mnist", concurrency: 8 })) {
    assert.equal(input, inputs[place]);
    assert.equal(answer.label, String(place % 10));
    place += 1;
  }
  assert.equal(place, 300);
});

test("one signal serves a hundred calls, and a wide stream is no leak to Node", async () => {
  const warned = [];
  const warn = (warning) => warned.push(warning.name);
  process.on("warning", warn);
  const { signal } = new AbortController();
  const alone = Array.from({ length: 100 }, () => client.classify(digits[4], { model: "lenet5-mnist", signal }));
  const streams = [...digits, ...digits].map((digit) => new Blob([digit]).stream());
  const list = client.classify(streams, { model: "lenet5-mnist", signal });
  const fours = Array(60).fill(digits[4]);
  for await (const [, answer] of client.classifyMany(fours, { model: "lenet5-mnist", concurrency: 30 })) {
    assert.equal(answer.label, "4");
  }
  assert.ok((await Promise.all(alone)).every(({ label }) => label === "4"));
  assert.equal((await list).length, 20);
  await sleep(0); // warnings are told in a later turn of the loop
  process.off("warning", warn);
  assert.ok(!warned.includes("MaxListenersExceededWarning"), String(warned));
});

test("an async source is read no further than the answers are taken", async () => {
  let pulled = 0;
  let taken = 0;
  let furthest = 0;
  async function* source() {
    for (let turn = 0; turn < 2000; turn++) {
      pulled += 1;
      furthest = Math.max(furthest, pulled - taken);
      yield "A warm, funny and beautifully acted film.";
    }
  }
  for await (const [, answer] of client.classifyMany(source(), { model: "textcnn-mr", concurrency: 2, topK: 1 })) {
    taken += 1;
    assert.equal(answer.top.length, 1);
  }
  assert.equal(taken, 2000);
  assert.ok(furthest <= 3 * 64 + 1, `${furthest} inputs were held`); // two requests, the next one, one being read
});

test("a bad input has a typed error in its place and the next ones follow", async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new RangeError("the disk is gone")) });
  const inputs = [digits[1], new Blob(["no picture"]), "a sentence", 7, broken, digits[2], null];
  const answers = [];
  for await (const [, answer] of client.classifyMany(inputs, { model: "lenet5-mnist" })) answers.push(answer);
  assert.equal(answers[0].label, "1");
  assert.ok(answers[1] instanceof InvalidInput);
  assert.equal(answers[1].status, 400);
  assert.ok(answers[2] instanceof InvalidInput);
  assert.ok(answers[3] instanceof TypeError);
  assert.equal(answers[4].message, "the disk is gone");
  assert.equal(answers[5].label, "2");
  assert.ok(answers[6] instanceof TypeError);
});

test("what would befall every input is thrown", async () => {
  const answers = client.classifyMany(digits, { model: "nothing" });
  await assert.rejects(answers.next(), UnknownModel);
});

test("what the source throws is thrown after the answers before it", async () => {
  function* source() {
    yield digits[4];
    throw new RangeError("no more");
  }
  const answers = client.classifyMany(source(), { model: "lenet5-mnist" });
  assert.equal((await answers.next()).value[1].label, "4");
  await assert.rejects(answers.next(), /no more/);
});

test("a source that is slow holds back no answer", async () => {
  let release;
  const more = new Promise((resolve) => (release = resolve));
  async function* source() {
    yield digits[5];
    await more;
    yield digits[6];
  }
  const answers = client.classifyMany(source(), { model: "lenet5-mnist" });
  assert.equal((await answers.next()).value[1].label, "5");
  release();
  assert.equal((await answers.next()).value[1].label, "6");
});

test("whoever stops taking answers ends the source, and whoever aborts ends the stream", async () => {
  let ended = false;
  function* endless() {
    try {
      for (;;) yield digits[0];
    } finally {
      ended = true;
    }
  }
  for await (const [, answer] of client.classifyMany(endless(), { model: "lenet5-mnist" })) {
    assert.equal(answer.label, "0");
    break;
  }
  assert.ok(ended);

  const controller = new AbortController();
  const answers = client.classifyMany(endless(), { model: "lenet5-mnist", signal: controller.signal });
  await answers.next();
  controller.abort(new RangeError("enough"));
  await assert.rejects(async () => {
    for await (const _ of answers);
  }, /enough/);

  const stuck = new AbortController();
  async function* silent() {
    await sleep(60_000, undefined, { ref: false });
    yield digits[0];
  }
  const waiting = client.classifyMany(silent(), { model: "lenet5-mnist", signal: stuck.signal }).next();
  stuck.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});

test("options that are none are refused at once", () => {
  for (const options of [{ concurrency: 0 }, { patience: 0 }, { timeout: -1 }, { topK: 1.5 }]) {
    assert.throws(() => client.classifyMany(digits, { model: "lenet5-mnist", ...options }), TypeError);
  }
  assert.throws(() => client.classifyMany("one sentence", { model: "textcnn-mr" }), /use classify/);
});
