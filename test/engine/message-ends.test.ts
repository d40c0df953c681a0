import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { Engine, EngineOptions } from '#dist/main/index.js';
import { type CounterName, counterNames } from '#dist/shared/memory/counters.js';
import { withEngine } from '../support/leaks.ts';
import { openWebSocket, type RawSocket } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';

/** One way in which a message can end, and its counter. */
interface End {
  readonly counter: CounterName;
  readonly options?: EngineOptions;
  make(engine: Engine, client: RawSocket): void;
}

const throwing = `data:text/javascript,${encodeURIComponent("export default { message() { throw new Error('no'); } };")}`;

const ends: readonly End[] = [
  { counter: 'publishes', make: (_engine, client) => client.sendJson({ type: 'publish', channel: 'a', data: 1 }) },
  {
    counter: 'messagesTooLarge',
    options: { maxMessageBytes: 128 },
    make: (_engine, client) => client.sendText('x'.repeat(129)),
  },
  { counter: 'protocolErrors', make: (_engine, client) => client.sendFrame({ opcode: 3 }) },
  {
    counter: 'rateLimited',
    options: { limits: { messagesPerSecond: 1 } },
    make: (_engine, client) => {
      for (let i = 0; i < 3; i++) client.sendText('{"type":"x"}');
    },
  },
  { counter: 'messagesMalformed', make: (_engine, client) => client.sendText('{') },
  { counter: 'messagesUnknownType', make: (_engine, client) => client.sendText('{"type":"x"}') },
  { counter: 'controlRefused', make: (_engine, client) => client.sendJson({ type: 'broadcast', data: 1 }) },
  {
    counter: 'handlerErrors',
    options: { handlers: throwing },
    make: (_engine, client) => client.sendText('{"type":"x"}'),
  },
  { counter: 'undeliverable', make: (engine) => void engine.send(goneId, { data: 1 }) },
];

/** Of nobody: the shard and its number are well-formed, and no connection has it. */
const goneId = '0-zz-zz';

/** Ends that take more to bring about, and the test that does so. */
const elsewhere: Readonly<Partial<Record<CounterName, string>>> = {
  messagesAbandoned: 'test/engine/waiting-messages.test.ts',
  turnsOverrun: 'test/limits/turns.test.ts',
  overloaded: 'test/engine/overload.test.ts',
  openFailedDecrypt: 'test/sealed/failures.test.ts',
  openFailedSignature: 'test/sealed/failures.test.ts',
  openFailedFormat: 'test/sealed/failures.test.ts',
  openFailedReplay: 'test/sealed/failures.test.ts',
  messagesDropped: 'test/slow/drops.test.ts',
  batchesDropped: 'test/slow/drops.test.ts',
  slowConsumersClosed: 'test/slow/close-frame.test.ts',
  shardBackpressureClosed: 'test/slow/shard-backpressure.test.ts',
};

const root = new URL('../../../', import.meta.url);

/** Counters in the last column of the table of docs/operations.md. */
function documented(): string[] {
  const page = readFileSync(new URL('docs/operations.md', root), 'utf8');
  const section = page.slice(page.indexOf('## How a message can end'));
  const rows = section.slice(0, section.indexOf('\n## ', 3)).split('\n');
  const cells = rows.filter((row) => row.startsWith('| ')).map((row) => row.split('|').at(-2) ?? '');
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name));
}

describe('every way in which a message can end has its counter', () => {
  test('docs/operations.md lists just those that are tried here or elsewhere', () => {
    const tried = [...ends.map(({ counter }) => counter), ...Object.keys(elsewhere)];
    assert.deepEqual([...new Set(documented())].sort(), tried.sort());
    for (const name of tried) assert.ok((counterNames as readonly string[]).includes(name), name);
    for (const [name, file] of Object.entries(elsewhere)) {
      assert.ok(readFileSync(new URL(file, root), 'utf8').includes(name), `${file} says nothing of ${name}`);
    }
  });

  for (const { counter, options, make } of ends) {
    test(counter, () =>
      withEngine({ shards: 1, ...options }, async (engine) => {
        const client = await openWebSocket(engine.port);
        assert.equal(engine.stats()[counter], 0);
        make(engine, client);
        await until(() => engine.stats()[counter] >= 1, counter);
      }),
    );
  }
});
