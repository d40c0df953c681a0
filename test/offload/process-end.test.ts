import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { within } from '../support/waiting.ts';

interface End {
  readonly code: number | string;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function run(way: string): Promise<End> {
  const file = fileURLToPath(new URL('./fixtures/process-end.js', import.meta.url));
  const end = new Promise<End>((resolve) => {
    execFile(process.execPath, [file, way], { timeout: 240_000, killSignal: 'SIGKILL' }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, signal: error?.signal ?? undefined, stdout, stderr }),
    );
  });
  return within(end, `the process to end (${way})`, 250_000);
}

describe('the end of a process with an offload pool', () => {
  for (const [way, running] of [
    ['exit-starting', 2],
    ['exit-busy', 2],
    ['idle-exit', 0],
  ] as const) {
    it(`${way}: process.exit() keeps its code`, async () => {
      assert.deepEqual(await run(way), { code: 3, signal: undefined, stdout: `in work ${running}\n`, stderr: '' });
    });
  }

  it('an uncaught error in main exits 1 with that error, while threads are busy', async () => {
    const end = await run('throw-busy');
    assert.deepEqual([end.code, end.signal], [1, undefined]);
    assert.match(end.stderr, /on purpose/);
  });

  it('close() ends busy threads, and the process ends by itself', async () => {
    const end = await run('close-busy');
    assert.deepEqual(end, { code: 0, signal: undefined, stdout: 'in work 2\nclosed null null null\n', stderr: '' });
  });

  it('idle threads of a pool that nobody closes do not keep the process', async () => {
    const end = await run('idle-open');
    assert.deepEqual(end, { code: 0, signal: undefined, stdout: 'in work 0\n', stderr: '' });
  });

  it('busy threads of a pool that nobody closes keep it until they end or are ended', async () => {
    const end = await run('busy-open');
    assert.deepEqual([end.code, end.signal, end.stderr], [0, undefined, '']);
    assert.match(end.stdout, /^in work 2\n(a thread of the offload pool failed; the shard does its work\n)+$/);
  });
});
