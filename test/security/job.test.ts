import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { MessageChannel, Worker } from 'node:worker_threads';
import { deflateRawSync } from 'node:zlib';
import { type OpenJob, type PipelineConfig, runJob, type SealJob } from '#dist/shared/security/index.js';
import { within } from '../support/waiting.ts';
import { aesKey, bytesOf, hmacKey, keyedModes, keySetOf, otherAesKey, outcomeOf } from './security-fixture.ts';

const prefix = bytesOf('prefix');
const aad = bytesOf('where this belongs');

function sealJob(source: Uint8Array, fields: Partial<SealJob> = {}): SealJob {
  const keys = { id: 0, aesKey, hmacKey };
  return {
    op: 'seal',
    source,
    keys,
    signThenEncrypt: true,
    flagged: false,
    deflateLevel: 0,
    prefix: null,
    aad: null,
    ...fields,
  };
}

function openJob(source: Uint8Array, fields: Partial<OpenJob> = {}): OpenJob {
  const keys = { id: 0, aesKey, hmacKey };
  return { op: 'open', source, keys, signThenEncrypt: true, flagged: false, maxBytes: 1_000_000, aad: null, ...fields };
}

/** Every combination of what a job may say, with the source as it is and in shared memory. */
function* combinations(): Generator<{ name: string; seal: Partial<SealJob>; open: Partial<OpenJob>; shared: boolean }> {
  for (const [name, mode] of Object.entries<PipelineConfig>({ ...keyedModes, 'no key': {} })) {
    for (const flagged of [false, true]) {
      for (const deflateLevel of flagged ? [0, 1, 9] : [0]) {
        for (const bound of [null, aad]) {
          for (const shared of [false, true]) {
            const both = {
              keys: keySetOf(0, mode),
              signThenEncrypt: mode.signThenEncrypt ?? true,
              flagged,
              aad: bound,
            };
            yield {
              name: `${name}, ${flagged ? `flagged, level ${deflateLevel}` : 'plain'}, ${bound ? 'bound' : 'free'}`,
              seal: { ...both, deflateLevel },
              open: both,
              shared,
            };
          }
        }
      }
    }
  }
}

function inMemory(bytes: Uint8Array, shared: boolean): Uint8Array {
  const buffer = shared ? new SharedArrayBuffer(bytes.length + 7) : new ArrayBuffer(bytes.length + 7);
  const view = new Uint8Array(buffer, 3, bytes.length);
  view.set(bytes);
  return view;
}

/** What the caller may transfer: memory of its own, not the source's, and hardly larger than the result. */
function assertOwn(result: Uint8Array, source: Uint8Array, name: string): void {
  assert.ok(result.buffer instanceof ArrayBuffer, name);
  assert.notEqual(result.buffer, source.buffer, name);
  assert.ok(result.buffer.byteLength - result.length <= 64, `${name}: ${result.buffer.byteLength}`);
  assert.equal(Object.getPrototypeOf(result), Uint8Array.prototype, name);
}

describe('a job', () => {
  test('of any kind gives what was sealed, and a result that can be transferred', () => {
    for (const { name, seal, open, shared } of combinations()) {
      for (const length of [0, 1, 100, 5000, 70_000]) {
        const payload = Uint8Array.from({ length }, (_, index) => (index >> 4) & 255);
        const source = inMemory(payload, shared);
        const sealed = runJob(sealJob(source, seal));
        assertOwn(sealed, source, name);
        const received = inMemory(sealed, shared);
        const opened = runJob(openJob(received, open));
        assertOwn(opened, received, name);
        assert.deepEqual(opened, payload, name);
        assert.deepEqual(Uint8Array.from(source), payload, name);
      }
    }
  });

  test('with a prefix writes it in clear before the body', () => {
    for (const { name, seal, open } of combinations()) {
      const sealed = runJob(sealJob(bytesOf('payload'), { ...seal, prefix }));
      assert.deepEqual(sealed.slice(0, prefix.length), prefix, name);
      assert.deepEqual(runJob(openJob(sealed.subarray(prefix.length), open)), bytesOf('payload'), name);
    }
  });

  test('bound to one place does not open in another', () => {
    for (const mode of Object.values(keyedModes)) {
      const keys = keySetOf(0, mode);
      const signThenEncrypt = mode.signThenEncrypt ?? true;
      const sealed = runJob(sealJob(bytesOf('payload'), { keys, signThenEncrypt, aad }));
      for (const other of [null, new Uint8Array(0), aad.subarray(1), Uint8Array.of(...aad, 0)]) {
        const job = openJob(sealed, { keys, signThenEncrypt, aad: other });
        assert.match(
          outcomeOf(() => runJob(job)),
          /^ERR_SEAL_(DECRYPT|SIGNATURE)$/,
        );
      }
    }
  });

  test('deflates only where a flag can say so', () => {
    const zeros = new Uint8Array(5000);
    assert.equal(runJob(sealJob(zeros, { deflateLevel: 6 })).length, 5060);
    assert.ok(runJob(sealJob(zeros, { deflateLevel: 6, flagged: true })).length < 200);
  });

  test('opens no more than its bound', () => {
    const sealed = runJob(sealJob(new Uint8Array(5000), { deflateLevel: 6, flagged: true }));
    assert.equal(runJob(openJob(sealed, { flagged: true, maxBytes: 5000 })).length, 5000);
    const job = openJob(sealed, { flagged: true, maxBytes: 4999 });
    assert.equal(
      outcomeOf(() => runJob(job)),
      'ERR_SEAL_TOO_LARGE',
    );
  });

  test('that inflates much into several pieces still gives one buffer', () => {
    const keys = keySetOf(0, {});
    for (const length of [100, 1000, 4095, 4097, 65_536, 65_537, 1_000_000]) {
      const source = Uint8Array.of(1, ...deflateRawSync(new Uint8Array(length)));
      const opened = runJob(openJob(source, { keys, flagged: true }));
      assert.equal(opened.length, length);
      assertOwn(opened, source, String(length));
    }
  });

  test('that cannot be right is refused with a code', () => {
    const wrong: readonly (readonly [job: SealJob | OpenJob, code: string])[] = [
      [sealJob('text' as never), 'ERR_MESSAGE_INVALID'],
      [sealJob(prefix, { deflateLevel: 10, flagged: true }), 'ERR_OPTION_INVALID'],
      [sealJob(prefix, { deflateLevel: -1 }), 'ERR_OPTION_INVALID'],
      [openJob(prefix, { maxBytes: 0 }), 'ERR_OPTION_INVALID'],
      [openJob(prefix, { maxBytes: Number.NaN }), 'ERR_OPTION_INVALID'],
      [openJob('text' as never), 'ERR_SEAL_FORMAT'],
      [openJob(prefix, { keys: { id: 0, aesKey: prefix, hmacKey: null } }), 'ERR_KEY_INVALID'],
    ];
    for (const [job, code] of wrong) assert.throws(() => runJob(job), { code });
  });

  test('is the same job in another thread, with keys and shared memory sent along', async () => {
    const program = `
      const { parentPort, workerData } = require('node:worker_threads');
      import(workerData).then(({ runJob }) => parentPort.on('message', (job) => {
        try {
          const result = runJob(job);
          parentPort.postMessage(result, [result.buffer]);
        } catch (error) {
          parentPort.postMessage(error.code);
        }
      }));`;
    const worker = new Worker(program, {
      eval: true,
      workerData: import.meta.resolve('#dist/shared/security/index.js'),
    });
    const answerTo = async (job: SealJob | OpenJob): Promise<unknown> => {
      const answer = once(worker, 'message');
      worker.postMessage(job);
      const [message] = await within(answer, 'the answer of the thread');
      return message;
    };
    try {
      for (const { name, seal, open, shared } of combinations()) {
        const payload = inMemory(new Uint8Array(9000).fill(97), shared);
        const sealed = await answerTo(sealJob(payload, seal));
        assert.ok(sealed instanceof Uint8Array, name);
        assert.deepEqual(runJob(openJob(sealed, open)), new Uint8Array(9000).fill(97), name);
        const opened = await answerTo(openJob(inMemory(sealed, shared), open));
        assert.deepEqual(opened, new Uint8Array(9000).fill(97), name);
      }
      const other = { id: 0, aesKey: otherAesKey, hmacKey: null };
      assert.equal(await answerTo(openJob(runJob(sealJob(prefix)), { keys: other })), 'ERR_SEAL_DECRYPT');
    } finally {
      await within(worker.terminate(), 'the end of the thread');
    }
  });

  test('leaves a transferred result empty and nothing else harmed', () => {
    const { port1, port2 } = new MessageChannel();
    const source = bytesOf('payload');
    const first = runJob(sealJob(source));
    const second = runJob(sealJob(source));
    port1.postMessage(first, [first.buffer as ArrayBuffer]);
    assert.equal(first.length, 0);
    assert.deepEqual(runJob(openJob(second)), source);
    port1.close();
    port2.close();
  });
});
