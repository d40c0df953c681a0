import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WebSocket } from 'ws';
import type { LatencyReport } from '../../native-bench/driver/loadgen-report.ts';
import { echo, fileOf, measure, serveWs, skip } from './loadgen-fixture.ts';

const stallMs = 300;

/** Blocks this process's thread, and with it the server. */
function stall(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stallMs);
}

test('open loop: as many messages as the rate says, whatever the server does', { skip }, async (t) => {
  const { port } = await serveWs(t, echo);
  for (const [connections, threads, rate] of [
    [1, 1, 1000],
    [7, 2, 500],
  ]) {
    const result = await measure(
      port,
      `--connections ${connections} --threads ${threads} --rate ${rate} --warmup-ms 50 --duration-ms 200`,
    );
    const due = (rate ?? 0) * 0.2;
    assert.deepEqual([result.sent, result.received, result.latency_us?.count], [due, due, due]);
  }
});

test('open loop: a stall of the server counts for every message that was due in it', { skip }, async (t) => {
  let messages = 0;
  const stallOnce = (socket: WebSocket): void => {
    socket.on('message', () => {
      if (++messages === 50) stall();
    });
    echo(socket);
  };
  const { port } = await serveWs(t, stallOnce);
  const latencyOf = async (how: string): Promise<LatencyReport> => {
    messages = 0;
    const { latency_us, completeness_pct } = await measure(port, `--connections 1 --duration-ms 1000 ${how}`);
    assert.equal(completeness_pct, 100);
    assert.ok(latency_us !== null);
    return latency_us;
  };
  const closed = await latencyOf('');
  const open = await latencyOf('--rate 1000');
  // Both saw it once; only the open loop knows that 300 messages of 1,000 would have met it.
  for (const { max } of [closed, open]) assert.ok(max >= stallMs * 1000 * 0.99, `max ${max} µs`);
  assert.ok(open.p90 > closed.p90 * 2, `p90: ${open.p90} µs open, ${closed.p90} µs closed`);
  assert.ok(open.p99 > closed.p99 * 2, `p99: ${open.p99} µs open, ${closed.p99} µs closed`);
});

test('open loop: publishes that were due in a stall are late from the moment they were due', { skip }, async (t) => {
  const subscribers = new Set<WebSocket>();
  let publishes = 0;
  const { port } = await serveWs(t, (socket) => {
    socket.on('message', (data: Buffer) => {
      if (data.toString() === 'subscribe') {
        subscribers.add(socket);
        return;
      }
      if (++publishes === 20) stall();
      for (const subscriber of subscribers) subscriber.send(data);
    });
  });
  const result = await measure(
    port,
    `--mode fanout --connections 3 --rate 400 --duration-ms 500 --setup-file ${fileOf(t, 'subscribe')}`,
  );
  assert.deepEqual([result.publishes, result.completeness_pct], [200, 100]);
  assert.ok(result.latency_us !== null);
  // 120 of the 200 were due in the stall, evenly spread over it.
  assert.ok(result.latency_us.p90 > stallMs * 1000 * 0.5);
});

test('latency: a percentile is within one percent of the sample that it stands for', { skip }, async (t) => {
  let delayMs = 0;
  const { port } = await serveWs(t, (socket) => {
    // The second answer takes longer, by another amount in each run.
    socket.on('message', (data) => {
      delayMs += 7;
      setTimeout(() => socket.send(data), delayMs);
    });
  });
  for (let run = 0; run < 4; run++) {
    const { latency_us } = await measure(port, '--rate 20 --duration-ms 100');
    assert.ok(latency_us !== null && latency_us.count === 2);
    const { min, p50, p90, p99, p999, max } = latency_us;
    assert.ok(Math.abs(p50 - min) <= 0.01 * min, `p50 ${p50}, the lesser of two ${min}`);
    for (const high of [p90, p99, p999]) assert.ok(Math.abs(high - max) <= 0.01 * max, `${high}, the greater ${max}`);
    assert.ok(Math.abs(latency_us.mean - (min + max) / 2) <= 0.02);
  }
});
