import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Runs the traffic fixture; `whenBusy` is called once messages flow. */
function run(way: string, whenBusy: (pid: number) => void = () => undefined): Promise<End> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./fixtures/traffic.js', import.meta.url)), way], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdout.on('data', (chunk: Buffer) => {
    if (chunk.toString().includes('in traffic') && child.pid !== undefined) whenBusy(child.pid);
  });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, stderr })));
}

// Design, trap 1: a thread that ends while its App is open aborts the process with code 134.
describe('the end of a process in the middle of traffic', () => {
  it('close() ends every thread, and the process exits 0 by itself', async () => {
    assert.deepEqual(await run('close'), { code: 0, signal: null, stderr: '' });
  });

  it('process.exit() keeps its code and aborts nothing', async () => {
    for (let i = 0; i < 3; i++) assert.deepEqual(await run('exit'), { code: 3, signal: null, stderr: '' });
  });

  it('SIGTERM without a handler ends it by that signal', async () => {
    const end = await run('wait', (pid) => process.kill(pid, 'SIGTERM'));
    assert.deepEqual(end, { code: null, signal: 'SIGTERM', stderr: '' });
  });

  it('an uncaught error in main exits 1 with that error, not with an abort', async () => {
    const end = await run('throw');
    assert.equal(end.code, 1);
    assert.match(end.stderr, /on purpose/);
    assert.doesNotMatch(end.stderr, /uv_loop_close|Assertion/);
  });

  it('process.exit() while a shard is blocked still keeps its code', async () => {
    assert.deepEqual(await run('blocked'), { code: 4, signal: null, stderr: '' });
  });
});
