import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { EngineOptions, EngineStats } from '#dist/main/index.js';
import { until, within } from '../support/waiting.ts';

export interface EngineReport {
  readonly event: 'ready' | 'report' | 'restarted' | 'restart-failed';
  readonly port?: number;
  readonly stats?: EngineStats;
  readonly descriptors?: number | null;
  readonly text?: string;
}

/** What the system gives the engine's process. */
export interface Surroundings {
  /** Soft limit of open files. */
  readonly descriptors?: number;
  /** Bytes of /dev/shm. It takes the rights of root. */
  readonly sharedMemoryBytes?: number;
}

const fixture = fileURLToPath(new URL('./fixtures/attacked-engine.js', import.meta.url));

function commandLine({ descriptors, sharedMemoryBytes }: Surroundings): string[] {
  const limit = descriptors === undefined ? '' : `ulimit -Sn ${descriptors} && `;
  const run = `${limit}exec "$0" --expose-gc "$1" "$2"`;
  if (sharedMemoryBytes === undefined) return ['sh', '-c', run];
  return ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=${sharedMemoryBytes} tmpfs /dev/shm && ${run}`];
}

/** An engine in a process of its own. */
export class EngineProcess {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  readonly #reports: EngineReport[] = [];

  constructor(options: EngineOptions, surroundings: Surroundings = {}) {
    const [command = 'sh', ...args] = commandLine(surroundings);
    this.child = spawn(command, [...args, process.execPath, fixture, JSON.stringify(options)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.child.on('message', (report) => this.#reports.push(report as EngineReport));
    this.exit = once(this.child, 'exit').then(([code, signal]) => (signal === null ? code : null));
  }

  /** Rejects once the process has ended. */
  next(event: EngineReport['event'], after = 0): Promise<EngineReport> {
    return until(() => {
      const { exitCode, signalCode } = this.child;
      if (exitCode !== null || signalCode !== null) throw new Error(`the engine ended: ${exitCode ?? signalCode}`);
      return this.#reports.slice(after).find((report) => report.event === event);
    }, `${event} of the engine`);
  }

  async ask(order: 'report' | 'restart'): Promise<EngineReport> {
    const before = this.#reports.length;
    this.child.send(order);
    if (order === 'report') return this.next('report', before);
    return Promise.any([this.next('restarted', before), this.next('restart-failed', before)]);
  }

  /** Gives the exit code; null: a signal ended it. */
  async stop(): Promise<number | null> {
    this.child.send('stop');
    return within(this.exit, 'the end of the engine');
  }

  kill(): void {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
  }
}
