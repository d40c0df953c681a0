import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { shardOf } from '../engine/shard-pairs.ts';
import { connect } from '../support/client.ts';
import { heldUp } from '../support/steady-machine.ts';
import { pause, until, within } from '../support/waiting.ts';
import { Crowd } from './well-behaved.ts';

interface EngineReport {
  readonly event: 'ready' | 'shard-lost' | 'shard-restarted' | 'memory' | 'stats';
  readonly port?: number;
  readonly shard?: number;
  readonly bytes?: number;
  readonly stats?: { readonly handlerErrors: number; readonly connections: number; readonly channels: number };
}

const crowdSize = 200;
const sayEveryMs = 100;

class EngineProcess {
  readonly child: ChildProcess;
  readonly reports: EngineReport[] = [];
  readonly exit: Promise<number | null>;

  constructor() {
    this.child = fork(new URL('./fixtures/chaos-engine.js', import.meta.url), { execArgv: ['--expose-gc'] });
    this.child.on('message', (report) => this.reports.push(report as EngineReport));
    this.exit = once(this.child, 'exit').then(([code]) => code as number | null);
  }

  next(event: EngineReport['event'], after = 0, timeoutMs = 120_000): Promise<EngineReport> {
    return until(
      () => this.reports.slice(after).find((report) => report.event === event),
      `${event} of the engine`,
      timeoutMs,
    );
  }

  ask(order: 'memory' | 'stats'): Promise<EngineReport> {
    const before = this.reports.length;
    this.child.send(order);
    return this.next(order, before);
  }
}

/** Somebody who comes to that shard brings it down. Members that were closed may be elsewhere by then. */
async function crash(port: number, shard: number): Promise<void> {
  for (;;) {
    const client = await connect({ port });
    if (shardOf(await client.sync()) === shard) {
      client.send({ type: 'crash' });
      return;
    }
    client.terminate();
  }
}

async function collect(engine: EngineProcess, crowd: Crowd): Promise<number> {
  for (const shard of crowd.shards()) crowd.on(shard).send({ type: 'collect' });
  await pause(300);
  return (await engine.ask('memory')).bytes ?? 0;
}

describe('chaos', () => {
  const name =
    'bad clients, throwing handlers and a shard that fails twice cost well-behaved clients of other shards nothing';
  // Clients that are kept from reading are slow ones, and closed as such.
  it(name, { skip: heldUp }, async () => {
    const engine = new EngineProcess();
    let rowdies: ChildProcess | null = null;
    let end = (): void => undefined;
    try {
      const { port = 0 } = await engine.next('ready');
      const crowd = new Crowd(port);
      end = () => crowd.end();
      await crowd.connect(crowdSize);
      crowd.start(sayEveryMs);
      await pause(3_000);
      const atFirst = await collect(engine, crowd);

      rowdies = fork(new URL('./fixtures/rowdies.js', import.meta.url), [String(port)]);
      await once(rowdies, 'message');
      const victim = crowd.shards()[1] ?? 0;
      for (let time = 0; time < 2; time++) {
        await pause(8_000);
        const before = engine.reports.length;
        await crash(port, victim);
        assert.equal((await engine.next('shard-lost', before)).shard, victim);
        assert.equal((await engine.next('shard-restarted', before)).shard, victim);
        await until(() => crowd.isWhole, 'those that were closed to come back', 120_000);
      }
      await pause(8_000);
      const { stats } = await engine.ask('stats');
      assert.ok((stats?.handlerErrors ?? 0) > 0, 'handlers threw');
      rowdies.send('stop');
      await within(once(rowdies, 'exit'), 'the end of the bad clients', 120_000);
      rowdies = null;

      await pause(3_000);
      crowd.stop();
      await until(() => crowd.missing().length === 0, 'the last messages').catch(() => undefined);
      assert.deepEqual(crowd.missing(), []);
      assert.deepEqual(crowd.faults, []);
      assert.ok(crowd.received > 100_000 / sayEveryMs);
      for (const close of crowd.closes) assert.deepEqual(close, { code: 1012, shard: victim });
      assert.ok(crowd.closes.length > 0);

      const atLast = await until(
        async () => {
          const bytes = await collect(engine, crowd);
          return bytes < atFirst * 1.2 && bytes;
        },
        `memory to return to about ${atFirst}`,
        30_000,
      );
      assert.ok(atLast < atFirst * 1.2);
      const { stats: rest } = await engine.ask('stats');
      assert.equal(rest?.connections, crowdSize);
      crowd.end();
      await until(async () => (await engine.ask('stats')).stats?.connections === 0, 'the last to leave');
      assert.equal((await engine.ask('stats')).stats?.channels, 0);
      engine.child.send('stop');
      assert.equal(await within(engine.exit, 'the end of the engine', 120_000), 0);
    } finally {
      end();
      rowdies?.kill('SIGKILL');
      if (engine.child.exitCode === null) engine.child.kill('SIGKILL');
    }
  });
});
