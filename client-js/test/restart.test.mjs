// A service that is killed in the middle of a stream, and started again on its port. MAXPOOL_TEST_PYTHON starts it, of
// the models in MAXPOOL_TEST_MODELS.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Client, ConnectionFailed } from "maxpool-client";

const COUNT = 1000;
const { MAXPOOL_TEST_MODELS, MAXPOOL_TEST_PYTHON, MAXPOOL_TEST_ROOT, ...environ } = process.env;
const port = await freePort();
const client = new Client({ baseUrl: `http://127.0.0.1:${port}` });
let service;

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  return port;
}

function start() {
  const ports = { MAXPOOL_PORT: port, MAXPOOL_GRPC_PORT: 0 };
  const settings = { ...ports, MAXPOOL_MODELS: MAXPOOL_TEST_MODELS, MAXPOOL_WORKERS: 2 };
  service = spawn(MAXPOOL_TEST_PYTHON, ["-m", "service"], {
    cwd: MAXPOOL_TEST_ROOT,
    env: { ...environ, ...settings },
    detached: true,
    stdio: "ignore",
  });
}

/** With all its workers, and no time to say goodbye. */
async function kill() {
  const gone = once(service, "exit");
  process.kill(-service.pid, "SIGKILL");
  await gone;
}

after(kill);

test("a stream outlasts a service that is killed and started again", async () => {
  start();
  for (;;) {
    if (await client.health().then(({ ready }) => ready, () => false)) break;
    assert.equal(service.exitCode, null, "the service ended");
    await sleep(100);
  }
  async function* source() {
    for (let turn = 0; turn < COUNT; turn++) {
      if (turn === COUNT / 2) {
        await kill(); // requests are under way, and their answers will never come
        start();
      }
      yield ["so it goes", "a film that goes on and on"][turn % 2];
    }
  }
  const labels = [];
  for await (const [, answer] of client.classifyMany(source(), { model: "length" })) labels.push(answer.label);
  assert.deepEqual(labels, Array(COUNT / 2).fill(["short", "long"]).flat());
});

test("patience ends where nobody starts it again", async () => {
  const nobody = new Client({ baseUrl: `http://127.0.0.1:${await freePort()}` });
  const answers = nobody.classifyMany(["so it goes"], { model: "length", patience: 500 });
  await assert.rejects(answers.next(), ConnectionFailed);
});
