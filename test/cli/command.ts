import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

export const commandFile: string = fileURLToPath(import.meta.resolve('#dist/cli/shardwire.js'));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running `shardwire` process; ended with its test at the latest. */
export class Command {
  stdout = '';
  stderr = '';
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;

  constructor(t: TestContext, args: readonly string[]) {
    this.#child = spawn(process.execPath, [commandFile, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    // `close` comes after the last output, unlike `exit`.
    this.ended = once(this.#child, 'close').then(([code, signal]: unknown[]) => ({
      code: typeof code === 'number' ? code : null,
      signal: (signal ?? null) as NodeJS.Signals | null,
    }));
    t.after(async () => {
      this.signal('SIGKILL');
      await this.ended;
    });
  }

  /** Closes the pipe that stdout goes to. */
  stopReading(): void {
    this.#child.stdout?.destroy();
  }

  signal(name: NodeJS.Signals): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(name);
  }

  /** Resolves once `pattern` is on stdout, with what it matched. Rejects if the process ends before. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const over = new AbortController();
    const gone = this.ended.then(() => over.abort());
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match !== null) return match;
      const { stdout } = this.#child;
      assert.ok(stdout !== null);
      const more = once(stdout, 'data', { signal: over.signal }).catch(() => undefined);
      await Promise.race([more, gone]);
      if (over.signal.aborted && !pattern.test(this.stdout)) {
        assert.fail(`ended without printing ${pattern}: ${this.stdout}${this.stderr}`);
      }
    }
  }
}

/** A `shardwire serve` on a free port; resolves once it tells its WebSocket address, such as `127.0.0.1:4711`. */
export async function serve(t: TestContext, ...args: string[]): Promise<{ command: Command; authority: string }> {
  const command = new Command(t, ['serve', '--port', '0', ...args]);
  const [, authority] = await command.printed(/ws:\/\/(\S+?)\//);
  assert.ok(authority !== undefined);
  return { command, authority };
}

/** Runs a command that ends by itself. */
export async function runCommand(
  t: TestContext,
  ...args: string[]
): Promise<Ended & { stdout: string; stderr: string }> {
  const command = new Command(t, args);
  const ended = await command.ended;
  return { ...ended, stdout: command.stdout, stderr: command.stderr };
}
