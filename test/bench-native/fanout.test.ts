import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { WebSocket } from 'ws';
import { fileOf, loadgen, measure, noErrors, parsed, serveWs, skip } from './loadgen-fixture.ts';

interface Hub {
  readonly port: number;
  readonly subscribers: Set<WebSocket>;
  readonly publishers: Set<WebSocket>;
  publishes: number;
}

/** Who says "subscribe" gets what all others say, by `deliver`. */
async function serveHub(
  t: TestContext,
  deliver: (subscriber: WebSocket, data: Buffer) => void = (subscriber, data) => subscriber.send(data),
): Promise<Hub> {
  const subscribers = new Set<WebSocket>();
  const { port } = await serveWs(
    t,
    (socket) => {
      socket.on('message', (data: Buffer) => {
        if (data.toString() === 'subscribe') {
          subscribers.add(socket);
          return;
        }
        hub.publishes++;
        hub.publishers.add(socket);
        for (const subscriber of subscribers) deliver(subscriber, data);
      });
    },
    { handleProtocols: (offered) => [...offered][0] ?? false },
  );
  const hub: Hub = { port, subscribers, publishers: new Set(), publishes: 0 };
  return hub;
}

test('fan-out: all that is published reaches all, and the next one waits for it', { skip }, async (t) => {
  for (const [threads, pipeline] of [
    [1, 1],
    [2, 4],
  ] as const) {
    const hub = await serveHub(t);
    const result = await measure(
      hub.port,
      `--mode fanout --connections 20 --threads ${threads} --pipeline ${pipeline} --duration-ms 200 ` +
        `--expect-bytes 64 --setup-file ${fileOf(t, 'subscribe')}`,
    );
    const { publishes, sent, received, completeness_pct, unexpected, errors, latency_us } = result;
    assert.equal(hub.subscribers.size, 20);
    assert.ok(publishes > pipeline);
    assert.deepEqual(
      { publishes, sent, received, completeness_pct, unexpected, errors, count: latency_us?.count },
      {
        publishes: hub.publishes,
        sent: hub.publishes,
        received: hub.publishes * 20,
        completeness_pct: 100,
        unexpected: 0,
        errors: noErrors,
        count: hub.publishes * 20,
      },
    );
  }
});

test('fan-out: deliveries that never come are missing, to the number', { skip }, async (t) => {
  let offered = 0;
  let dropped = 0;
  const hub = await serveHub(t, (subscriber, data) => {
    if (++offered % 10 === 0) dropped++;
    else subscriber.send(data);
  });
  const result = await measure(
    hub.port,
    `--mode fanout --connections 7 --pipeline 50 --duration-ms 100 --grace-ms 1000 --expect-bytes 64 --setup-file ${fileOf(t, 'subscribe')}`,
  );
  assert.ok(dropped >= 35);
  assert.equal(result.publishes, hub.publishes);
  assert.equal(result.received, offered - dropped);
  assert.equal(result.completeness_pct, Math.floor((1e6 * (offered - dropped)) / offered) / 1e4);
  assert.ok(result.completeness_pct < 100);
  // Which message answers which publish is no longer known.
  assert.equal(result.latency_us, null);
});

test('fan-out: one subscriber that gets nothing is not made up for by one that gets everything twice', {
  skip,
}, async (t) => {
  const hub = await serveHub(t, (subscriber, data) => {
    const place = [...hub.subscribers].indexOf(subscriber);
    for (let copies = place === 0 ? 0 : place === 1 ? 2 : 1; copies > 0; copies--) subscriber.send(data);
  });
  const result = await measure(
    hub.port,
    `--mode fanout --connections 4 --pipeline 8 --duration-ms 50 --grace-ms 1000 --setup-file ${fileOf(t, 'subscribe')}`,
  );
  assert.equal(result.received, result.publishes * 3);
  assert.equal(result.unexpected, result.publishes);
  assert.equal(result.completeness_pct, 75);
});

test('fan-out: a subscription that takes effect late costs the warm-up, not the count', { skip }, async (t) => {
  const hub = await serveHub(t, (subscriber, data) => {
    if (hub.publishes > 1) subscriber.send(data);
  });
  const result = await measure(
    hub.port,
    `--mode fanout --connections 3 --warmup-ms 50 --duration-ms 100 --grace-ms 1000 --setup-file ${fileOf(t, 'subscribe')}`,
  );
  assert.ok(result.publishes > 1);
  assert.deepEqual([result.completeness_pct, result.received], [100, result.publishes * 3]);
  assert.notEqual(result.latency_us, null);
});

test('fan-out: groups differ in subprotocol, setup and size', { skip }, async (t) => {
  const setups = new Map<string, Set<string>>();
  const sockets = new Set<WebSocket>();
  const { port } = await serveWs(
    t,
    (socket) => {
      socket.on('message', (data: Buffer, isBinary) => {
        const text = data.toString();
        const seen = setups.get(socket.protocol) ?? new Set();
        setups.set(socket.protocol, seen.add(`${text.slice(0, 20)} ${isBinary ? 'binary' : 'text'}`));
        if (socket.protocol !== 'p') sockets.add(socket);
        if (text === 'publish') for (const other of sockets) other.send('y'.repeat(other.protocol === 'a' ? 10 : 20));
      });
    },
    { handleProtocols: (offered) => [...offered][0] ?? false },
  );
  const result = await measure(
    port,
    '--mode fanout --connections 5 --duration-ms 100 --subscriber-groups 2 --subprotocol a --subprotocol b ' +
      `--publisher-subprotocol p --group-setup-file 0:${fileOf(t, 'sub a')} --group-setup-file 1:${fileOf(t, 'sub b')} ` +
      `--group-opcode 0:text --group-opcode 1:binary --group-expect-bytes 0:10 --group-expect-bytes 1:20 ` +
      `--publisher-setup-file ${fileOf(t, 'hello')} --message-file ${fileOf(t, 'publish')}`,
  );
  assert.deepEqual(
    [...setups].sort().map(([protocol, seen]) => [protocol, [...seen]]),
    [
      ['a', ['sub a text']],
      ['b', ['sub b binary']],
      ['p', ['hello text', 'publish text']],
    ],
  );
  assert.deepEqual([result.unexpected, result.completeness_pct], [0, 100]);
});

test('fan-out: with several publishers there are counts, and no latency', { skip }, async (t) => {
  const hub = await serveHub(t);
  const result = await measure(
    hub.port,
    `--mode fanout --connections 3 --publishers 4 --pipeline 6 --duration-ms 100 --setup-file ${fileOf(t, 'subscribe')}`,
  );
  assert.equal(hub.publishers.size, 4);
  assert.equal(result.publishes, hub.publishes);
  assert.deepEqual([result.completeness_pct, result.latency_us], [100, null]);
});

test('latency: one publish at a time to one subscriber, or so many per second', { skip }, async (t) => {
  const hub = await serveHub(t);
  const setup = `--setup-file ${fileOf(t, 'subscribe')}`;
  const closed = await measure(hub.port, `--mode latency --duration-ms 100 ${setup}`);
  assert.equal(hub.subscribers.size, 1);
  assert.deepEqual([closed.mode, closed.connections, closed.completeness_pct], ['latency', 1, 100]);
  assert.equal(closed.latency_us?.count, closed.publishes);
  hub.subscribers.clear();
  const open = await measure(hub.port, `--mode latency --duration-ms 200 --rate 250 ${setup}`);
  assert.deepEqual([open.publishes, open.received], [50, 50]);
});

test('fan-out: a subscriber that is lost ends in exit code 1, with the numbers', { skip }, async (t) => {
  const hub = await serveHub(t, (subscriber, data) => {
    if (hub.publishes === 5 && subscriber === [...hub.subscribers][0]) subscriber.close(1011);
    else if (subscriber.readyState === subscriber.OPEN) subscriber.send(data);
  });
  const finished = await loadgen(
    hub.port,
    `--mode fanout --connections 3 --duration-ms 50 --grace-ms 1000 --setup-file ${fileOf(t, 'subscribe')}`,
  );
  assert.equal(finished.code, 1);
  assert.match(finished.stderr, /^loadgen: a connection was lost: .*1011/);
  const result = parsed(finished);
  assert.equal(result.errors.closed, 1);
  assert.ok(result.completeness_pct !== null && result.completeness_pct < 100);
});
