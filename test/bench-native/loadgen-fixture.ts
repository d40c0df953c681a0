import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { type LoadgenReport, loadgenReport } from '../../native-bench/driver/loadgen-report.ts';
import { heldUp } from '../support/steady-machine.ts';
import { within } from '../support/waiting.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
export const buildScript: string = join(root, 'native-bench/build-loadgen.sh');
export const program: string = join(root, 'build/native-bench/loadgen');

/** A reason where the system cannot build it; a build that fails is a failed test file. */
function buildOnce(): false | string {
  const built = spawnSync(buildScript, { encoding: 'utf8' });
  if (built.status === 2) return built.stderr.trim();
  assert.equal(built.status, 0, built.stderr);
  return false;
}

/** For the `skip` of every test that runs the load generator. */
export const skip: false | string = heldUp || buildOnce();

/** What it prints: what the driver reads of it, and what it was asked for. */
export interface Measured extends Omit<LoadgenReport, 'server'> {
  readonly mode: string;
  readonly connections: number;
  readonly threads: number;
  readonly warmup_ms: number;
  /** Null: it was told of no server. */
  readonly server: LoadgenReport['server'] | null;
}

export const noErrors = { connect: 0, handshake: 0, protocol: 0, closed: 0 } as const;

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it to its end, whatever that is. */
export async function loadgen(port: number, args: string): Promise<Finished> {
  return await loadgenWith(['--port', `${port}`, ...args.split(' ').filter((arg) => arg !== '')]);
}

export async function loadgenWith(args: readonly string[]): Promise<Finished> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  try {
    const [code] = await within(once(child, 'close'), `loadgen ${args.join(' ')}`, 120_000);
    return { code: typeof code === 'number' ? code : null, stdout, stderr };
  } finally {
    child.kill('SIGKILL');
  }
}

/** The one line that it printed. */
export function parsed({ stdout, stderr }: Finished): Measured {
  assert.match(stdout, /^\{.*\}\n$/, `one line of JSON, not: ${stdout}${stderr}`);
  const measured = JSON.parse(stdout) as Measured;
  // The driver always tells of a server.
  if (measured.server !== null) loadgenReport.parse(measured);
  return measured;
}

/** Runs it; it must succeed and say nothing but its result. */
export async function measure(port: number, args: string): Promise<Measured> {
  const finished = await loadgen(port, args);
  assert.deepEqual([finished.code, finished.stderr], [0, '']);
  return parsed(finished);
}

/** Runs it; it must fail with one line that matches. */
export async function refused(port: number, args: string, line: RegExp): Promise<Finished> {
  const finished = await loadgen(port, args);
  assert.equal(finished.code, 1, finished.stdout);
  assert.match(finished.stderr, /^loadgen: [^\n]+\n$/);
  assert.match(finished.stderr, line);
  return finished;
}

/** A file with these bytes; gone with the test. */
export function fileOf(t: TestContext, bytes: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'loadgen-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'payload');
  writeFileSync(file, bytes);
  return file;
}

/** A `ws` server on a free port, ended with the test; `serve` gets every connection. */
export async function serveWs(
  t: TestContext,
  serve: (socket: WebSocket, server: WebSocketServer) => void,
  options: ServerOptions = {},
): Promise<{ readonly port: number; readonly server: WebSocketServer }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
  server.on('connection', (socket) => {
    // A client that is gone is the end of a run.
    socket.on('error', () => undefined);
    serve(socket, server);
  });
  t.after(async () => {
    for (const socket of server.clients) socket.terminate();
    server.close();
    await once(server, 'close');
  });
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { port: address.port, server };
}

/** Answers every message with itself. */
export function echo(socket: WebSocket): void {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
}
