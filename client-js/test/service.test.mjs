// The client against the real service and the models that are committed with it. MAXPOOL_TEST_URL and
// MAXPOOL_TEST_ROOT are set by tests/clientjs/test_node.py.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import test from "node:test";

import { Client, InvalidInput, UnknownModel } from "maxpool-client";

const models = `${process.env.MAXPOOL_TEST_ROOT}/models`;
const client = new Client({ baseUrl: process.env.MAXPOOL_TEST_URL });
const digit = (label) => `${models}/lenet5-mnist/1/golden/digit-${label}.png`;
const golden = async (model, file) => JSON.parse(await readFile(`${models}/${model}/1/golden/${file}`, "utf8"));

test("a picture of every kind is classified", async () => {
  const bytes = await readFile(digit(7));
  const kinds = [
    bytes,
    new Uint8Array(bytes),
    new Uint8Array(bytes).buffer,
    new Blob([bytes]),
    new Blob([bytes]).stream(),
    Readable.toWeb(createReadStream(digit(7))),
    ...("File" in globalThis ? [new File([bytes], "seven.png", { type: "image/png" })] : []),
  ];
  for (const input of kinds) {
    const prediction = await client.classify(input, { model: "lenet5-mnist", topK: 2 });
    assert.equal(prediction.label, "7");
    assert.equal(prediction.index, 7);
    assert.equal(prediction.top.length, 2);
    assert.deepEqual([prediction.model, prediction.version], ["lenet5-mnist", "1"]);
    assert.equal(prediction.input.format, "PNG");
    assert.ok(prediction.timing.infer > 0);
  }
});

test("every committed model answers its golden inputs", async () => {
  for (const { name } of await client.models()) {
    const { rows } = await golden(name, "golden.json");
    const sentences = "sentence" in rows[0] ? await golden(name, "sentences.json") : null;
    const inputs = await Promise.all(
      rows.map(({ file, sentence }) => sentences?.[sentence] ?? readFile(`${models}/${name}/1/golden/${file}`)),
    );
    const answers = await client.classify(inputs, { model: name });
    for (const [place, { scores }] of rows.entries()) {
      assert.ok(Math.abs(answers[place].score - Math.max(...scores)) < 1e-3, `${name}, row ${place}`);
    }
  }
});

test("a bad picture has its error in its place", async () => {
  const inputs = [await readFile(digit(3)), new Blob(["no picture"])];
  const answers = await client.classify(inputs, { model: "lenet5-mnist" });
  assert.equal(answers[0].label, "3");
  assert.ok(answers[1] instanceof InvalidInput);
  assert.equal(answers[1].status, 400);
  const [alone] = await client.classify([new Blob(["no picture"])], { model: "lenet5-mnist" });
  assert.ok(alone instanceof InvalidInput);
});

test("more inputs than the service takes at once are all answered", async () => {
  const pair = ["A warm, funny and beautifully acted film.", "Two hours of noise and not one good joke."];
  const labels = (await client.classify(pair, { model: "textcnn-mr" })).map(({ label }) => label);
  const answers = await client.classify(Array(100).fill(pair).flat(), { model: "textcnn-mr" });
  assert.deepEqual(answers.map(({ label }) => label), Array(100).fill(labels).flat());
  assert.deepEqual(await client.classify([], { model: "textcnn-mr" }), []);
});

test("what the service refuses is a typed error", async () => {
  await assert.rejects(client.classify("so it goes", { model: "nothing" }), UnknownModel);
  const newer = client.classify("so it goes", { model: "textcnn-mr", version: 9 });
  await assert.rejects(newer, { name: "UnknownModel", status: 404 });
  await assert.rejects(client.classify("so it goes", { model: "lenet5-mnist" }), { name: "InvalidInput", status: 415 });
  await assert.rejects(client.model("nothing"), UnknownModel);
});

test("what can not be sent is a TypeError that names what is expected", async () => {
  for (const input of [null, 7, {}, new Date(), [["nested"]], "\ud800", ["a sentence", new Uint8Array()]]) {
    await assert.rejects(client.classify(input, { model: "textcnn-mr" }), TypeError);
  }
  await assert.rejects(client.classify("so it goes", {}), /expected its name/);
  await assert.rejects(client.classify("so it goes", { model: "textcnn-mr", topK: 0 }), /topK is 0/);
  await assert.rejects(client.classify("so it goes", { model: "textcnn-mr", timeout: 0 }), /timeout is 0/);
  for (const baseUrl of ["localhost:8000", "http://", "http://[", "ftp://host"]) {
    assert.throws(() => new Client({ baseUrl }), /expected http:/);
  }
  assert.throws(() => new Client({ maxRetries: -1 }), TypeError);
  assert.throws(() => new Client({ apiKey: "n\u00f6" }), /printable ASCII/);
});

test("models are listed and described", async () => {
  assert.deepEqual(await client.health(), { ready: true, reason: null });
  const listed = await client.models();
  assert.deepEqual(listed.find(({ name }) => name === "lenet5-mnist"), {
    name: "lenet5-mnist",
    version: "1",
    task: "image-classification",
    status: "ready",
  });
  const model = await client.model("lenet5-mnist", { version: 1 });
  assert.deepEqual(model.labels, [..."0123456789"]);
  assert.equal(model.spec.net.name, "lenet5");
});
