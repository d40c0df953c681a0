import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineLogger } from '#dist/main/index.js';
import { compileOptions } from '#dist/main/options/options.js';
import type { FromShard } from '#dist/shared/bus/ipc.js';
import { ShardLog } from '#dist/worker/handlers/shard-log.js';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { connectSealed } from '../support/sealed-client.ts';
import { until } from '../support/waiting.ts';
import { captureLog, pinoLevel } from './captured-log.ts';

const recording = new URL('../engine/fixtures/recording.handlers.js', import.meta.url);
const key = new Uint8Array(32).fill(1);

describe('what is logged of connections', () => {
  it('at level debug their beginning and end, with the id, the code and who ended it', async () => {
    const log = captureLog('debug');
    await withEngine({ logger: log.logger }, async (engine) => {
      const client = await connect(engine);
      const id = await client.sync();
      await client.close(4005, 'bye');
      const ended = await until(() => log.lines().find((line) => line.msg === 'a connection has ended'), 'the end');
      const opened = await until(() => log.lines().find((line) => line.msg === 'a connection was opened'), 'the line');
      const { level, connection, shard, codec, address } = opened;
      const ofShard = Number.parseInt(id, 36);
      assert.deepEqual([level, connection, shard, codec, address], [pinoLevel.debug, id, ofShard, 'json', '127.0.0.1']);
      assert.deepEqual(
        [ended.level, ended.connection, ended['code'], ended['cause'], ended['shard']],
        [pinoLevel.debug, id, 4005, 'closed', ofShard],
      );
    });
  });

  it('at other levels nothing, and shards do not even send it', async () => {
    for (const level of ['info', 'warn', 'error', 'silent']) {
      assert.equal(compileOptions({ logger: captureLog(level).logger }).config.logsConnections, false, level);
    }
    for (const level of ['debug', 'trace']) {
      assert.equal(compileOptions({ logger: captureLog(level).logger }).config.logsConnections, true, level);
    }
    const silent = (): void => undefined;
    const plain = { debug: silent, info: silent, warn: silent, error: silent };
    const logs = (more: object): boolean => {
      return compileOptions({ logger: { ...plain, ...more } as EngineLogger }).config.logsConnections;
    };
    assert.deepEqual([logs({}), logs({ level: 'debug' }), logs({ level: 'info' })], [false, true, false]);
    assert.deepEqual(
      [logs({ level: 'info', isLevelEnabled: () => true }), logs({ isLevelEnabled: () => 1 })],
      [true, false],
    );
    assert.equal(compileOptions({}).config.logsConnections, false);
    const log = captureLog('info');
    await withEngine({ logger: log.logger }, async (engine) => {
      const client = await connect(engine);
      await client.sync();
      await client.close();
      await until(() => engine.stats().connectionsClosed === 1, 'the end');
    });
    assert.deepEqual(log.lines(), []);
  });

  it('lines that concern a connection have its id', async () => {
    const log = captureLog('info');
    await withEngine({ handlers: recording, logger: log.logger, security: { aesKey: key } }, async (engine) => {
      const client = await connectSealed(engine, { keys: { aesKey: key } });
      const id = await client.sync();
      client.send({ type: 'throw' });
      client.sendRaw(Buffer.alloc(100));
      await until(() => log.lines().length === 2, 'both lines');
      for (const line of log.lines()) assert.equal(line.connection, id, line.msg);
      const levels = log.lines().map((line) => line.level);
      assert.deepEqual(levels, [pinoLevel.error, pinoLevel.warn]);
    });
  });
});

describe('the way of a line', () => {
  it('a flood of debug lines takes no place from errors, and both are bounded', () => {
    const posted: FromShard[] = [];
    const log = new ShardLog(0, (message) => posted.push(message));
    const levels = (level: string): number =>
      posted.filter((message) => typeof message === 'object' && message.kind === 'log' && message.level === level)
        .length;
    for (let i = 0; i < 500; i++) log.write('debug', 'a connection was opened');
    for (let i = 0; i < 10; i++) log.write('error', 'something is wrong');
    assert.equal(levels('error'), 10);
    // A second may have begun in between.
    assert.ok(levels('debug') >= 50 && levels('debug') <= 100);
    for (let i = 0; i < 500; i++) log.write('error', 'a flood');
    assert.ok(levels('error') <= 110);
  });

  it('a logger that throws harms nobody', async () => {
    const broken = (): void => {
      throw new Error('the disk is full');
    };
    const logger = {
      level: 'debug',
      debug: broken,
      info: broken,
      warn: broken,
      error: broken,
    } as unknown as EngineLogger;
    await withEngine({ handlers: recording, logger }, async (engine) => {
      const client = await connect(engine);
      const id = await client.sync();
      client.send({ type: 'throw' });
      await until(() => engine.stats().handlerErrors === 1, 'the error');
      assert.equal(await client.sync(), id);
      assert.equal(engine.stats().state, 'ready');
    });
  });

  it('a logger keeps its `this`', async () => {
    class Lines {
      readonly level = 'debug';
      readonly kept: string[] = [];
      debug(_fields: object, text: string): void {
        this.kept.push(text);
      }
      info(_fields: object, text: string): void {
        this.kept.push(text);
      }
      warn(_fields: object, text: string): void {
        this.kept.push(text);
      }
      error(_fields: object, text: string): void {
        this.kept.push(text);
      }
    }
    const lines = new Lines();
    await withEngine({ logger: lines as unknown as EngineLogger }, async (engine) => {
      const client = await connect(engine);
      await client.sync();
      await until(() => lines.kept.includes('a connection was opened'), 'the line');
    });
  });
});
