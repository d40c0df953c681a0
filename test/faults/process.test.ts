import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

interface End {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(way: string): Promise<End> {
  const file = fileURLToPath(new URL('./fixtures/failing-process.js', import.meta.url));
  const child = spawn(process.execPath, ['--expose-gc', file, way], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })));
}

// Design, trap 1: a thread that ends while its App is open aborts the process with code 134.
describe('a process whose shards fail', () => {
  for (const acceptor of ['handover', 'shard']) {
    it(`again and again under traffic, with the acceptor ${acceptor}, ends with 0 and keeps no memory`, async () => {
      const { code, signal, stdout, stderr } = await run(acceptor);
      assert.deepEqual([code, signal, stderr], [0, null, '']);
      const { restarts, early, late } = JSON.parse(stdout) as { restarts: number; early: number; late: number };
      assert.equal(restarts, 20);
      // A thread that was kept would be 10 MB or more, of which there would be 16.
      assert.ok(late < early + 100_000_000, `${early} bytes after 4 restarts, ${late} after 20`);
    });
  }

  it('keeps the code of process.exit() in a listener of shard-lost, at any moment of the replacement', async () => {
    for (const ms of [0, 30, 60]) {
      const { code, signal, stderr } = await run(`exit-after-${ms}`);
      assert.deepEqual([code, signal, stderr], [9, null, '']);
    }
  });
});
