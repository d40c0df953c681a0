import assert from 'node:assert/strict';
import { once } from 'node:events';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { startEngine } from '#dist/main/index.js';
import { connect } from '../support/client.ts';
import type { FleetReport } from './fixtures/subscriber-fleet.ts';

const subscribers = 1_000;
const messages = 10_000;
const channel = 'ticker';
/** Messages that may be under way; it keeps socket buffers small, as a paced publisher would. */
const window = 400;

/** Clients that come, subscribe, listen for a moment and go, until told to stop. Gives how many came. */
async function churn(port: number, stop: { now: boolean }): Promise<number> {
  let came = 0;
  while (!stop.now) {
    const client = await connect({ port });
    came += 1;
    client.send({ type: 'subscribe', data: { channel } });
    client.send({ type: 'join_room', data: { room_id: `room-${came % 7}` } });
    await sleep(5);
    if (came % 2 === 0) client.terminate();
    else await client.close();
    await client.closed;
  }
  return came;
}

it('a message published from main reaches 1,000 subscribers on 4 shards exactly once and in order, while clients come and go', async () => {
  const engine = await startEngine({ shards: 4, host: '127.0.0.1', port: 0, replies: 'all' });
  const fleet = new Worker(new URL('./fixtures/subscriber-fleet.js', import.meta.url), {
    workerData: { port: engine.port, sockets: subscribers, channel },
  });
  let latest: FleetReport = { ready: false, received: 0, faults: [] };
  const gone = once(fleet, 'exit');
  await new Promise<void>((resolve) => {
    fleet.on('message', (report: FleetReport) => {
      latest = report;
      if (report.ready) resolve();
    });
  });
  for (const shard of engine.stats().shards) {
    assert.ok(shard.connections > subscribers / 8, `shard ${shard.shard} has ${shard.connections} connections`);
  }

  const stop = { now: false };
  const churning = Promise.all([1, 2, 3, 4].map(() => churn(engine.port, stop)));
  for (let sequence = 0; sequence < messages; sequence++) {
    while (sequence - latest.received / subscribers > window) await sleep(1);
    assert.equal(engine.publish(channel, { data: sequence }), 'queued');
  }
  while (latest.received < subscribers * messages && latest.faults.length === 0) await sleep(5);
  stop.now = true;
  const came = (await churning).reduce((sum, count) => sum + count, 0);

  // Anything delivered twice would still be on its way: give it the time to arrive.
  await sleep(100);
  fleet.postMessage('report');
  await gone;
  assert.deepEqual(latest.faults, []);
  assert.equal(latest.received, subscribers * messages);
  assert.ok(came > 20, `only ${came} clients came and went`);
  const stats = engine.stats();
  assert.equal(stats.publishes, messages);
  assert.equal(stats.messagesDropped, 0);
  assert.ok(stats.encodes <= messages * 4 + came * 2 + subscribers, 'encoded at most once per shard');
  await engine.close();
});
