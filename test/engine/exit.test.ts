import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly stdout: string;
}

/** What the traffic fixture prints. */
const busy = 'in traffic\n';

/** Runs a fixture; `whenBusy` is called once messages flow. */
function run(way: string, whenBusy: (pid: number) => void = () => undefined, fixture = 'traffic'): Promise<End> {
  const file = fileURLToPath(new URL(`./fixtures/${fixture}.js`, import.meta.url));
  const child = spawn(process.execPath, [file, way], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  let stdout = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    if (chunk.toString().includes('in traffic') && child.pid !== undefined) whenBusy(child.pid);
  });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, stderr, stdout })));
}

// Design, trap 1: a thread that ends while its App is open aborts the process with code 134.
describe('the end of a process in the middle of traffic', () => {
  it('close() ends every thread, and the process exits 0 by itself', async () => {
    assert.deepEqual(await run('close'), { code: 0, signal: null, stderr: '', stdout: busy });
  });

  it('process.exit() keeps its code and aborts nothing', async () => {
    for (let i = 0; i < 3; i++)
      assert.deepEqual(await run('exit'), { code: 3, signal: null, stderr: '', stdout: busy });
  });

  it('SIGTERM without a handler ends it by that signal', async () => {
    const end = await run('wait', (pid) => process.kill(pid, 'SIGTERM'));
    assert.deepEqual(end, { code: null, signal: 'SIGTERM', stderr: '', stdout: busy });
  });

  it('an uncaught error in main exits 1 with that error, not with an abort', async () => {
    const end = await run('throw');
    assert.equal(end.code, 1);
    assert.match(end.stderr, /on purpose/);
    assert.doesNotMatch(end.stderr, /uv_loop_close|Assertion/);
  });

  it('process.exit() while a shard is blocked still keeps its code', async () => {
    assert.deepEqual(await run('blocked'), { code: 4, signal: null, stderr: '', stdout: busy });
  });

  it('a shard that never comes back makes drain reject, with either acceptor, and does not keep the process', async () => {
    const ends = await Promise.all(['handover', 'shard'].map((acceptor) => run(acceptor, undefined, 'stalled')));
    for (const end of ends) {
      assert.deepEqual([end.code, end.signal, end.stderr, end.stdout], [6, null, '', 'ERR_SHARD_STALLED\n']);
    }
  });
});
