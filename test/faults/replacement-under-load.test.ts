import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clientPerShard, shardOf } from '../engine/shard-pairs.ts';
import type { Client } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';
import { clientOn, coming, handlers } from './lost-shards.ts';

type Numbered = readonly [publisher: string, number: number, padding: string];

/** The numbers that a client has of each publisher, in the order in which they came. */
function numbersByPublisher(client: Client): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const { type, data } of client.all) {
    if (type !== 'message') continue;
    const [publisher, number] = data as Numbered;
    const numbers = found.get(publisher) ?? [];
    numbers.push(number);
    found.set(publisher, numbers);
  }
  return found;
}

function assertWithoutGap(numbers: readonly number[], from: number, what: string): void {
  const gap = numbers.findIndex((number, i) => number !== from + i);
  if (gap >= 0) assert.fail(`${what}: ${numbers[gap]} at place ${gap}, ${from + gap} was due`);
}

describe('replacement under load', () => {
  it('with rings that are full and messages in pieces: survivors miss nothing, newcomers miss nothing from their first on', () =>
    withEngine(
      {
        shards: 4,
        handlers,
        maxMessageBytes: 65_536,
        maxBackpressureBytes: 67_108_864,
        ring: { bytes: 65_536, spillBytes: 33_554_432 },
        restart: { maxRestarts: 100, backoffMs: 1 },
      },
      async (engine) => {
        const clients = await clientPerShard(engine);
        for (const client of clients) await client.subscribe('load');
        const survivors = clients.filter((client) => shardOf(client.id) !== 2);
        const sent = new Map<string, number>(['main', ...survivors.map(({ id }) => id)].map((name) => [name, 0]));
        const next = (name: string): Numbered => {
          const number = sent.get(name) ?? 0;
          sent.set(name, number + 1);
          // One in ten is larger than a quarter of the ring.
          return [name, number, 'x'.repeat(number % 10 === 9 ? 20_000 : 500)];
        };
        const publishing = setInterval(() => {
          for (let i = 0; i < 4; i++) assert.equal(engine.publish('load', { data: next('main') }), 'queued');
          for (const client of survivors) client.send({ type: 'publish', channel: 'load', data: next(client.id) });
        }, 4);
        const newcomers: Client[] = [];
        try {
          let victim = clients[2];
          for (let round = 0; round < 6; round++) {
            const restarted = coming(engine, 'shard-restarted');
            // By turns in good order and not.
            if (round % 2 === 0) victim?.send({ type: 'crash' });
            else await engine.restartShard(2, { graceMs: 100 });
            await restarted;
            victim = await clientOn(engine, 2);
            await victim.subscribe('load');
            newcomers.push(victim);
          }
          const more = (sent.get('main') ?? 0) + 100;
          await until(() => (sent.get('main') ?? 0) > more, 'more messages');
        } finally {
          clearInterval(publishing);
        }
        const last = newcomers.at(-1);
        assert.ok(last);
        for (const client of [...survivors, last]) {
          await until(
            () =>
              [...numbersByPublisher(client)].every(([name, numbers]) => numbers.at(-1) === (sent.get(name) ?? 0) - 1),
            'the last message of each publisher',
          );
        }
        for (const client of survivors) {
          const found = numbersByPublisher(client);
          for (const [name, count] of sent) {
            assert.equal(found.get(name)?.length, count, `messages of ${name}`);
            assertWithoutGap(found.get(name) ?? [], 0, `${name} at a survivor`);
          }
        }
        for (const newcomer of newcomers) {
          for (const [name, numbers] of numbersByPublisher(newcomer)) {
            assertWithoutGap(numbers, numbers[0] ?? 0, `${name} at a newcomer`);
          }
        }
        assert.equal(engine.stats().overloaded, 0);
      },
    ));
});
