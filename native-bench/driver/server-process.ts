import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Contender } from './contenders.ts';
import { places } from './places.ts';

const readyLine = z.object({ port: z.number().int().positive(), pid: z.number().int().positive() });
const startMs = 20_000;
const endMs = 5_000;

/** A contender's server in a process of its own. */
export class ServerProcess {
  readonly port: number;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  constructor(child: ChildProcess, ready: { port: number; pid: number }, exited: Promise<unknown>) {
    this.port = ready.port;
    this.pid = ready.pid;
    this.#child = child;
    this.#exited = exited;
  }

  /** Null while it runs. */
  get ending(): string | null {
    const { exitCode, signalCode } = this.#child;
    return exitCode === null && signalCode === null ? null : `the server ended with ${exitCode ?? signalCode}`;
  }

  /** Asks it to end, and ends it if it does not. */
  async stop(): Promise<void> {
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), endMs);
    this.#child.stdin?.end();
    await this.#exited;
    clearTimeout(limit);
  }
}

/** How to start servers: what a contender's runtime is here. */
export interface Runtimes {
  /** Path of Bun's binary; null: there is none. */
  readonly bun: string | null;
}

/** Starts a contender's server. `gc`: each of its threads collects its garbage all the time, to measure memory. */
export async function startServer(
  contender: Contender,
  runtimes: Runtimes,
  extra: readonly string[],
  gc: boolean,
): Promise<ServerProcess> {
  const script = resolve(places.peers, contender.script);
  const isBun = contender.runtime === 'bun';
  const command = isBun ? runtimes.bun : process.execPath;
  if (command === null) throw new Error('Bun is not here');
  const before = gc && !isBun ? ['--expose-gc', '--max-semi-space-size=1'] : [];
  const after = gc && isBun ? ['--gc'] : [];
  const child = spawn(command, [...before, script, ...contender.args, ...extra, ...after], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2_048);
  });
  child.stdin.on('error', () => undefined);
  const exited = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      complaint += String(error);
      resolve();
    });
    child.once('exit', () => resolve());
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), startMs);
  try {
    const first = await Promise.race([once(child.stdout.setEncoding('utf8'), 'data'), exited]);
    if (first === undefined) throw new Error(`${contender.name} does not start: ${complaint.trim().slice(-400)}`);
    // Read on, so that a server that writes more is not held up.
    child.stdout.resume();
    return new ServerProcess(child, readyLine.parse(JSON.parse(String(first[0]))), exited);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(limit);
  }
}
