import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { EngineOptions } from '#dist/main/index.js';
import { connectionsThatFit, descriptorLimit } from '#dist/main/options/descriptor-limit.js';
import { compileOptions } from '#dist/main/options/options.js';
import { type Client, connect as connectClient } from '../support/client.ts';
import { until, within } from '../support/waiting.ts';

interface Facts {
  readonly state: string;
  readonly acceptErrors: number;
  readonly residentBytes: number;
  readonly connections: number;
  readonly limitConnections: number;
  readonly log: readonly string[];
}

/** An engine in a process with so many descriptors. */
class FewDescriptors {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  port = 0;

  private constructor(descriptors: number, options: EngineOptions) {
    const file = fileURLToPath(new URL('./fixtures/few-descriptors.js', import.meta.url));
    const command = `ulimit -n ${descriptors}; exec "$0" "$@"`;
    this.#child = spawn('sh', ['-c', command, process.execPath, file, JSON.stringify(options)]);
    this.#child.stderr.resume();
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  static async start(descriptors: number, options: EngineOptions): Promise<FewDescriptors> {
    const engine = new FewDescriptors(descriptors, { shards: 2, port: 0, host: '127.0.0.1', ...options });
    engine.port = (await engine.#next()) as number;
    return engine;
  }

  async #next(): Promise<unknown> {
    const { value, done } = await within(this.#lines.next(), 'a line of the engine', 60_000);
    assert.equal(done ?? false, false, 'the process has ended');
    return JSON.parse(value);
  }

  async ask(question: 'stats'): Promise<Facts>;
  async ask(question: 'metrics' | 'take' | 'give'): Promise<unknown>;
  async ask(question: string): Promise<unknown> {
    this.#child.stdin.write(`${question}\n`);
    return await this.#next();
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    await ended;
  }
}

function idleSockets(port: number, count: number): Socket[] {
  return Array.from({ length: count }, () => connect(port, '127.0.0.1').on('error', () => undefined));
}

/** Once clients are served again. */
function served(port: number): Promise<Client> {
  const tried = async (): Promise<Client | undefined> => {
    const client = connectClient({ port });
    return await client.catch(() => undefined);
  };
  return until(tried, 'a client to be served');
}

const skip = process.platform === 'linux' ? false : 'only on Linux opening a file tells of the memory';

describe('a process without descriptors', { skip }, () => {
  it('still gives its statistics and its metrics, with the memory that was known last', async () => {
    const engine = await FewDescriptors.start(256, {});
    try {
      const before = await engine.ask('stats');
      assert.ok(before.residentBytes > 0);
      assert.ok(Number(await engine.ask('take')) > 0);
      const during = await engine.ask('stats');
      assert.equal(during.state, 'ready');
      assert.ok(during.residentBytes > 0);
      assert.match(String(await engine.ask('metrics')), /shardwire_resident_memory_bytes [1-9]/);
    } finally {
      await engine.end();
    }
  });

  for (const acceptor of ['auto', 'shard'] as const) {
    it(`counts and logs that it accepts nobody, cuts those that wait, and serves again, with the acceptor ${acceptor}`, async () => {
      const engine = await FewDescriptors.start(160, { acceptor });
      try {
        const idle = idleSockets(engine.port, 200);
        const cut = new Set<Socket>();
        for (const socket of idle) socket.on('close', () => cut.add(socket));
        await until(async () => (await engine.ask('stats')).acceptErrors > 0, 'it to be counted');
        await until(() => cut.size > 0, 'those that wait to be cut');
        const { log, state } = await engine.ask('stats');
        assert.equal(state, 'ready');
        assert.ok(
          log.some((line) => /no descriptor is left|could not be accepted/.test(line)),
          log.join('\n'),
        );
        for (const socket of idle) socket.destroy();
        (await served(engine.port)).terminate();
      } finally {
        await engine.end();
      }
    });
  }
});

describe('the default of limits.connections', () => {
  it('is four fifths of what the process may open, less where few are left for itself, and none without a limit', () => {
    assert.equal(connectionsThatFit(null, 4), null);
    assert.equal(connectionsThatFit(10_000, 4), 8_000);
    assert.equal(connectionsThatFit(140, 2), 68);
    assert.equal(connectionsThatFit(10, 2), 1);
    assert.equal(connectionsThatFit(999_999_999, 2), 10_000_000);
  });

  it('holds for the limit of this process, and a null turns it off', () => {
    const limit = descriptorLimit();
    assert.equal(compileOptions({ shards: 3 }).config.limits.connections, connectionsThatFit(limit, 3));
    assert.equal(compileOptions({ shards: 3, limits: { connections: null } }).config.limits.connections, null);
    assert.equal(compileOptions({ shards: 3, limits: { connections: 7 } }).config.limits.connections, 7);
    if (process.platform === 'linux') assert.ok(limit === null || limit >= 64, `${limit}`);
  });

  it('refuses with 503 before descriptors run out, and the process keeps some for itself', async () => {
    const engine = await FewDescriptors.start(160, {});
    const limit = connectionsThatFit(160, 2) ?? 0;
    const clients: Client[] = [];
    try {
      while (clients.length < limit) clients.push(await connectClient({ port: engine.port }));
      await assert.rejects(connectClient({ port: engine.port }));
      const { acceptErrors, connections, limitConnections } = await engine.ask('stats');
      assert.deepEqual([acceptErrors, connections, limitConnections], [0, limit, 1]);
      assert.ok(Number(await engine.ask('take')) > 0);
    } finally {
      for (const client of clients) client.terminate();
      await engine.end();
    }
  });
});
