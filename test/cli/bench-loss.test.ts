import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WebSocket } from 'ws';
import { heldUp } from '../support/steady-machine.ts';
import { goodBench, otherServer, runBench, short } from './bench-run.ts';

const limits = { timeout: 240_000, skip: heldUp };

/** Where a fan-out's stamp has its time; zeros: a probe. */
function isProbe(payload: Buffer): boolean {
  return payload.toString('latin1', 20, 32) === '0'.repeat(12);
}

/** Sends on to all others, as `deliver` says: how often for the n-th delivery that is no probe. */
function relay(counts: { asked: number; made: number }, deliver: (delivery: number) => number) {
  return (socket: WebSocket, all: ReadonlySet<WebSocket>): void => {
    socket.on('message', (data: Buffer, binary: boolean) => {
      for (const other of all) {
        if (other === socket) continue;
        const times = isProbe(data) ? 1 : deliver(counts.asked++);
        if (!isProbe(data)) counts.made += times;
        for (let time = 0; time < times; time++) other.send(data, { binary });
      }
    });
  };
}

test('what a server drops on purpose is missing from the count, and there is no rate', limits, async (t) => {
  const counts = { asked: 0, made: 0 };
  const url = await otherServer(
    t,
    relay(counts, (delivery) => (delivery % 10 === 9 ? 0 : 1)),
  );
  const args = [...short, '--mode', 'fanout', '-c', '5', '--rate', '200', '--timeout', '1'];
  const { code, stderr, result } = await runBench(t, url, ...args);
  assert.equal(code, 1);
  assert.match(stderr, /^shardwire bench: incomplete: 90 % arrived/);
  assert.equal(result.sent + result.rate_missed, 60);
  assert.equal(result.fanout?.expected, counts.asked);
  assert.equal(result.received, counts.made);
  assert.equal(result.unanswered, counts.asked - counts.made);
  assert.equal(result.fanout?.completeness_pct, 90);
  assert.equal(result.rate_per_s, null);
  assert.equal(result.errors.total, 0);
  const allowed = await goodBench(t, url, ...args, '--fail-completeness', '85');
  assert.ok((allowed.rate_per_s ?? 0) > 0);
});

test('a closed loop goes on past what was dropped, and counts what it gave up', limits, async (t) => {
  const counts = { asked: 0, made: 0 };
  const url = await otherServer(
    t,
    relay(counts, (delivery) => (delivery % 10 === 9 ? 0 : 1)),
  );
  const args = [...short, '--mode', 'fanout', '-c', '5', '-p', '4', '--timeout', '0.05'];
  const { code, result } = await runBench(t, url, ...args);
  assert.equal(code, 1);
  assert.ok((result.fanout?.publishes ?? 0) > 8, 'it did not stop at the first loss');
  assert.equal(result.received, counts.made);
  assert.equal(result.fanout?.expected, counts.asked);
  assert.ok(Object.keys(result.errors.kinds).every((kind) => kind === 'timeout'));
});

test('a lost answer makes an error, and there is no rate', limits, async (t) => {
  let messages = 0;
  const url = await otherServer(t, (socket) => {
    socket.on('message', (data, binary) => {
      messages += 1;
      if (messages % 10 > 0) socket.send(data as Buffer, { binary });
    });
  });
  const args = [...short, '-c', '3', '--rate', '200', '--timeout', '1'];
  const { code, stderr, result } = await runBench(t, url, ...args);
  assert.equal(code, 1);
  assert.match(stderr, /incomplete: 54 of 60 answers came; errors: 6; allowed 0$/m);
  assert.deepEqual([result.sent, result.received, result.unanswered], [60, 54, 6]);
  assert.deepEqual(result.errors.kinds, { timeout: 6 });
  assert.equal(result.rate_per_s, null);
  const allowed = await runBench(t, url, ...args, '--fail-errors', '6');
  assert.equal(allowed.code, 0, allowed.stderr);
  assert.ok((allowed.result.rate_per_s ?? 0) > 0);
});

test('a connection that hangs since the warm-up is missed, though nothing of it counts', limits, async (t) => {
  const deaf = new WeakSet<WebSocket>();
  let connections = 0;
  const counts = { asked: 0, made: 0 };
  const echoing = await otherServer(t, (socket) => {
    connections += 1;
    if (connections === 2) deaf.add(socket);
    socket.on('message', (data, binary) => {
      if (!deaf.has(socket)) socket.send(data as Buffer, { binary });
    });
  });
  const args = ['-d', '200ms', '--warmup', '200ms', '--timeout', '1'];
  const echoed = await runBench(t, echoing, ...args, '-c', '3');
  assert.equal(echoed.code, 1);
  assert.ok(echoed.result.received > 0);
  assert.equal(echoed.result.sent, echoed.result.received, 'the hung connection sent nothing that counts');
  assert.deepEqual(echoed.result.errors.kinds, { timeout: 1 });
  assert.equal(echoed.result.rate_per_s, null);
  // Of two publishers, the first message of one is lost to one subscriber, and it sends no other.
  const relaying = await otherServer(
    t,
    relay(counts, (delivery) => (delivery === 0 ? 0 : 1)),
  );
  const relayed = await runBench(t, relaying, ...args, '--mode', 'fanout', '-c', '3', '--publishers', '2');
  assert.equal(relayed.code, 1);
  assert.equal(relayed.result.fanout?.completeness_pct, 100);
  assert.deepEqual(relayed.result.errors.kinds, { timeout: 1 });
});

test('what is given up while the server reads nothing is not sent again and again', limits, async (t) => {
  const url = await otherServer(t, (socket) => socket.pause());
  const args = ['-d', '2', '--warmup', '0', '-c', '1', '-p', '8', '--size', '1000000', '--timeout', '0.25'];
  const { result } = await runBench(t, url, ...args);
  assert.equal(result.received, 0);
  // About eight may wait, and the system's own buffers take some. Eight in each timeout would be 64.
  assert.ok(result.sent >= 8 && result.sent < 40, `${result.sent} messages were sent`);
  assert.equal(result.unanswered, result.sent);
  assert.deepEqual(result.errors.kinds, { timeout: result.sent });
});

test('what a server delivers twice counts once, and does not hide what it lost', limits, async (t) => {
  const counts = { asked: 0, made: 0 };
  const url = await otherServer(
    t,
    relay(counts, (delivery) => (delivery % 10 === 9 ? 0 : delivery % 10 === 5 ? 2 : 1)),
  );
  const { result } = await runBench(t, url, ...short, '--mode', 'fanout', '-c', '5', '--rate', '200', '--timeout', '1');
  assert.equal(result.fanout?.completeness_pct, 90);
  assert.equal(result.fanout?.duplicates, counts.asked / 10);
});
