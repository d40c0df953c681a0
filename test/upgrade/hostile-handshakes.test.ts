import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import type { EngineOptions } from '#dist/main/index.js';
import { openRaw, secureRawSockets } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';
import { first, trust } from '../tls/tls-fixture.ts';
import { playAll } from './hostile-clients.ts';

/** A busy machine takes long to start threads. */
const startMs = 120_000;

/** Of upgrades on a machine so busy that the shard's request to itself, which corks them, took longer than it may. */
const corkWarning = /^Warning: uWS\.HttpResponse writes must be made from within a corked callback\..*\n/gm;

interface Stats {
  readonly connections: number;
  readonly connectionsOpened: number;
  readonly connectionsClosed: number;
}

interface Report {
  readonly port?: number;
  readonly stats?: Stats;
}

/** `HANDSHAKES=200000 HANDSHAKE_SEED=7 npm test -- hostile` makes it a long run of other clients. */
const clients = Number(process.env['HANDSHAKES'] ?? 2_000);
const seed = Number(process.env['HANDSHAKE_SEED'] ?? 1);

class EngineProcess {
  readonly #child: ChildProcess;
  readonly #reports: Report[] = [];
  readonly exit: Promise<readonly [number | null, string | null]>;
  isOver = false;
  stderr = '';

  constructor(options: EngineOptions) {
    const file = new URL('./fixtures/late-engine.js', import.meta.url);
    this.#child = fork(file, [JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.stderr += bytes.toString();
    });
    this.#child.on('message', (report) => this.#reports.push(report as Report));
    this.exit = once(this.#child, 'close').then(([code, signal]) => {
      this.isOver = true;
      return [code as number | null, signal as string | null] as const;
    });
  }

  port(): Promise<number> {
    return until(() => this.#reports[0]?.port, 'the port of the engine', startMs);
  }

  stats(): Promise<Stats> {
    const before = this.#reports.length;
    this.#child.send('stats');
    return until(() => this.#reports[before]?.stats, 'the statistics of the engine');
  }

  async stop(): Promise<void> {
    if (!this.isOver && this.#child.connected) this.#child.send('stop');
    await this.exit;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

interface Way {
  readonly name: string;
  readonly options: EngineOptions;
  readonly isTls?: boolean;
  /** Of all clients. */
  readonly share: number;
}

const deflate = { compression: { level: 5 } } as const;
const ways: readonly Way[] = [
  { name: 'handed over by main', options: { acceptor: 'handover' }, share: 0.4 },
  { name: 'accepted by a shard', options: { acceptor: 'shard' }, share: 0.25 },
  { name: 'with compression', options: { acceptor: 'handover', ...deflate }, share: 0.25 },
  { name: 'over TLS', options: { tls: { cert: first.cert, key: first.key } }, isTls: true, share: 0.1 },
];

describe('hostile handshakes with late answers', () => {
  for (const { name, options, isTls = false, share } of ways) {
    const count = Math.ceil(clients * share);
    test(`${count} of them, ${name}, leave the engine alive, serving others, and with nothing open`, async () => {
      const engine = new EngineProcess(options);
      try {
        const port = await engine.port();
        const tls = isTls ? trust : null;
        const answers = await playAll(port, seed, count, tls, () => engine.isOver);
        assert.equal(engine.isOver, false, `the engine ended: ${JSON.stringify(await Promise.race([engine.exit, 0]))}`);
        assert.equal(answers.clients, count);
        // Good ones and bad ones were among them.
        for (const status of [101, 400]) assert.ok((answers.statuses.get(status) ?? 0) > 0, `none got ${status}`);
        await until(async () => {
          const { connections, connectionsOpened, connectionsClosed } = await engine.stats();
          return connections === 0 && connectionsOpened === connectionsClosed;
        }, 'all connections to be closed');
        if (isTls) secureRawSockets(trust);
        const raw = await openRaw(port);
        assert.equal((await raw.handshake({ target: '/ws?late=turn' })).status, 101);
        raw.sendJson({ type: 'hello' });
        assert.equal((await raw.nextJson()).type, 'welcome');
        raw.destroy();
        await engine.stop();
        assert.deepEqual([await engine.exit, engine.stderr.replaceAll(corkWarning, '')], [[0, null], '']);
      } finally {
        engine.kill();
      }
    });
  }
});
