import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { type EngineLogger, type EngineOptions, startEngine } from '#dist/main/index.js';
import { connect } from '../support/client.ts';
import { assertNothingLeft, openResources, withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';

const local: EngineOptions = { shards: 3, host: '127.0.0.1', port: 0 };

/** A handler module, as the URL of its text. */
function moduleOf(text: string): string {
  return `data:text/javascript,${encodeURIComponent(text)}`;
}

/** The start fails like this, and leaves nothing behind. */
async function assertFails(options: EngineOptions, expected: object): Promise<void> {
  const before = openResources();
  await assert.rejects(startEngine({ ...local, ...options }), expected);
  await assertNothingLeft(before);
}

async function withPortInUse(use: (port: number) => Promise<void>): Promise<void> {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const address = other.address();
  try {
    await use(typeof address === 'object' && address !== null ? address.port : 0);
  } finally {
    await new Promise<void>((resolve) => other.close(() => resolve()));
  }
}

describe('a start that fails leaves nothing behind', () => {
  test('a wrong option: ERR_OPTION_INVALID as a rejection, not a throw', async () => {
    const before = openResources();
    await assert.rejects(startEngine({ port: -1 }), { code: 'ERR_OPTION_INVALID', path: 'port', given: -1 });
    await assert.rejects(startEngine(0), { code: 'ERR_OPTION_INVALID', path: 'shards' });
    await assertNothingLeft(before);
  });

  for (const acceptor of ['auto', 'shard'] as const) {
    test(`a port in use: ERR_LISTEN_FAILED, with the acceptor '${acceptor}'`, async () => {
      await withPortInUse((port) => assertFails({ port, acceptor }, { code: 'ERR_LISTEN_FAILED' }));
    });

    test(`the port of another engine: ERR_LISTEN_FAILED, with the acceptor '${acceptor}'`, async () => {
      await withEngine({ acceptor }, async (engine) => {
        await assertFails({ port: engine.port, acceptor }, { code: 'ERR_LISTEN_FAILED' });
        await (await connect(engine)).sync();
      });
    });
  }

  test('an address that is not of this machine, or none at all: ERR_LISTEN_FAILED', async () => {
    await assertFails({ host: '192.0.2.1' }, { code: 'ERR_LISTEN_FAILED' });
    await assertFails({ host: '256.256.256.256' }, { code: 'ERR_LISTEN_FAILED' });
  });

  const broken: readonly (readonly [string, string, RegExp])[] = [
    ['that is not there', 'file:///nowhere/at-all.handlers.js', /cannot be loaded/],
    ['with a syntax error', moduleOf('export default {'), /cannot be loaded/],
    ['that throws while it loads', moduleOf('throw new Error("no database")'), /no database/],
    ['without a default export', moduleOf('export const message = () => {};'), /gives no handlers/],
    ['whose default is null', moduleOf('export default null'), /gives no handlers/],
    ['with a handler of an unknown name', moduleOf('export default { onMessage() {} }'), /"onMessage" is no handler/],
    ['with a handler that is no function', moduleOf('export default { message: 1 }'), /"message" is not a function/],
    ['whose factory throws', moduleOf('export default () => { throw new Error("no key") }'), /no key/],
    ['whose factory rejects', moduleOf('export default async () => { throw new Error("no key") }'), /no key/],
    ['whose factory gives nothing', moduleOf('export default () => {}'), /gives no handlers/],
    [
      'that fails in one shard only',
      moduleOf('export default ({ shard }) => { if (shard === 1) throw new Error("not here"); return {}; }'),
      /not here/,
    ],
  ];
  for (const [what, handlers, message] of broken) {
    test(`a handler module ${what}: ERR_HANDLERS_INVALID`, async () => {
      await assertFails({ handlers }, { code: 'ERR_HANDLERS_INVALID', message });
    });
  }

  test('a handler module that ends its thread: the start fails', async () => {
    const handlers = moduleOf(
      'import process from "node:process"; setTimeout(() => { throw new Error("later") }); await new Promise(() => {});',
    );
    await assertFails({ handlers }, { message: /later/ });
  });

  test('after a failed start the port is free for the next one', async () => {
    await withPortInUse(async (port) => {
      await assertFails({ port }, { code: 'ERR_LISTEN_FAILED' });
    });
    await withEngine({ shards: 1 }, async (engine) => {
      assert.ok(engine.port > 0);
      assert.equal(engine.shards, 1);
    });
  });
});

describe('the logger', () => {
  test('is called as its own methods, for faults of listeners and of handlers in any shard', async () => {
    const lines: string[] = [];
    class Logger {
      readonly #lines = lines;
      debug(): void {
        this.#lines.push('debug');
      }
      info(): void {
        this.#lines.push('info');
      }
      warn(_fields: object, text: string): void {
        this.#lines.push(`warn ${text}`);
      }
      error(_fields: object, text: string): void {
        this.#lines.push(`error ${text}`);
      }
    }
    const handlers = moduleOf('export default { message() { throw new Error("in a shard") } }');
    await withEngine({ logger: new Logger() as unknown as EngineLogger, handlers }, async (engine) => {
      engine.on('connect', () => {
        throw new Error('in main');
      });
      const client = await connect(engine);
      client.send({ type: 'anything' });
      await until(() => lines.length === 2, 'two lines');
      assert.deepEqual(lines.sort(), [
        'error a listener of "connect" failed',
        'error message handler failed: in a shard',
      ]);
      assert.equal(engine.stats().handlerErrors, 2);
    });
  });
});
