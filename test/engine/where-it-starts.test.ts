import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';

const startAndServe = `
  import { startEngine } from '${new URL('../../../dist/main/index.js', import.meta.url).href}';
  const engine = await startEngine({ shards: 2, port: 0, host: '127.0.0.1' });
  const { status } = await fetch('http://127.0.0.1:' + engine.port + '/readyz');
  await engine.close();
  console.log(status);
`;

async function run(args: readonly string[], input: string): Promise<string> {
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return `${code}: ${text.trim()}`;
}

function workerWith(insideWorker: boolean, then: 'close' | 'exit'): Worker {
  return new Worker(new URL('./fixtures/inside-worker.js', import.meta.url), { workerData: { insideWorker, then } });
}

describe('an engine starts', () => {
  it('in a program that is text, with --input-type=module', async () => {
    assert.equal(await run(['--input-type=module', '-e', startAndServe], ''), '0: 200');
    assert.equal(await run(['--input-type=module', '-'], startAndServe), '0: 200');
  });

  it('in a worker thread only if told, and then the thread may be terminated after close()', async () => {
    const untold = workerWith(false, 'close');
    assert.deepEqual(await once(untold, 'message'), ['ERR_INSIDE_WORKER']);
    await once(untold, 'exit');
    const told = workerWith(true, 'close');
    assert.deepEqual(await once(told, 'message'), ['closed']);
    await told.terminate();
  });

  it('in a worker thread that leaves by process.exit(), which closes the sockets first', async () => {
    assert.deepEqual(await once(workerWith(true, 'exit'), 'exit'), [3]);
  });
});
