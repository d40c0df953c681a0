import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { TestContext } from 'node:test';
import { type WebSocket, WebSocketServer } from 'ws';
import type { BenchResult } from '#dist/cli/bench/result.js';
import { runCommand } from './command.ts';

export interface BenchRun {
  readonly code: number | null;
  readonly stderr: string;
  readonly result: BenchResult;
}

/** Short, and all of it counts. */
export const short = ['-d', '300ms', '--warmup', '0'] as const;

/** Runs `shardwire bench … --json` to its end. */
export async function runBench(t: TestContext, url: string, ...args: readonly string[]): Promise<BenchRun> {
  const { code, stdout, stderr } = await runCommand(t, 'bench', url, '--json', ...args);
  assert.match(stdout, /^\{.*\}\n$/, `one line of JSON; stderr: ${stderr}`);
  return { code, stderr, result: JSON.parse(stdout) };
}

/** The same, of a run that must go well. */
export async function goodBench(t: TestContext, url: string, ...args: readonly string[]): Promise<BenchResult> {
  const { code, stderr, result } = await runBench(t, url, ...args);
  assert.equal(stderr, '');
  assert.equal(code, 0);
  assert.deepEqual(result.failures, []);
  assert.equal(result.errors.total, 0);
  return result;
}

/** A server of another make; gone with its test. */
export async function otherServer(
  t: TestContext,
  onConnection: (socket: WebSocket, all: ReadonlySet<WebSocket>) => void,
  onRequest: (request: IncomingMessage) => void = () => undefined,
): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  server.on('connection', (socket, request) => {
    onRequest(request);
    socket.on('error', () => undefined);
    onConnection(socket, server.clients);
  });
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return `ws://127.0.0.1:${address.port}/`;
}

export function echo(socket: WebSocket): void {
  socket.on('message', (data, binary) => socket.send(data as Buffer, { binary }));
}
