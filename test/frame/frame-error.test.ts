import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chunkSizeBytes, closeCodeFor, frameErrorFamily, opcode, readLimitBytes } from '#dist/frame/index.js';
import { EngineError, type ErrorCode } from '#dist/shared/errors/index.js';
import { errorOf } from './frame-fixture.ts';
import { linked } from './raw-peer.ts';

describe('errors of frames', () => {
  test('have a family and a close code', () => {
    const table: [ErrorCode, string | undefined, number][] = [
      ['ERR_FRAME_OPCODE', 'protocol', 1002],
      ['ERR_FRAME_RESERVED_BITS', 'protocol', 1002],
      ['ERR_FRAME_LENGTH', 'protocol', 1002],
      ['ERR_FRAME_CONTROL', 'protocol', 1002],
      ['ERR_FRAME_MASK', 'protocol', 1002],
      ['ERR_FRAME_SEQUENCE', 'protocol', 1002],
      ['ERR_FRAME_CLOSE_BODY', 'protocol', 1002],
      ['ERR_FRAME_UTF8', 'protocol', 1007],
      ['ERR_FRAME_DEFLATE', 'protocol', 1007],
      ['ERR_FRAME_TOO_LONG', 'limit', 1009],
      ['ERR_FRAME_MESSAGE_TOO_LONG', 'limit', 1009],
      ['ERR_FRAME_CONNECTION_LOST', undefined, 1011],
    ];
    for (const [code, family, closeCode] of table) {
      // As it would come from another thread: recognised by its code.
      for (const error of [new EngineError(code, 'x'), { code }]) {
        assert.equal(frameErrorFamily(error), family, code);
        assert.equal(closeCodeFor(error), closeCode, code);
      }
    }
    for (const other of [new Error('x'), null, 'text']) assert.equal(closeCodeFor(other), 1011);
  });
});

describe('constants and defaults', () => {
  test('have fixed values, and a connection uses them unless told otherwise', async () => {
    assert.deepEqual(readLimitBytes, { small: 65_536, standard: 1_048_576, large: 16_777_216 });
    assert.deepEqual(chunkSizeBytes, { lowMemory: 4_096, balanced: 8_192, streaming: 32_768 });
    assert.deepEqual(Object.values(opcode), [0, 1, 2, 8, 9, 10]);
    const { connection, peer } = linked();
    void connection.stream(Buffer.alloc(5_000));
    assert.equal((await peer.frame()).payload.length, 4_096);
    peer.send({ opcode: 2, payload: Buffer.alloc(1_048_576) });
    assert.equal((await connection.readMessage())?.payload.length, 1_048_576);
    peer.send({ opcode: 2, payload: Buffer.alloc(1_048_577) });
    assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_MESSAGE_TOO_LONG');
  });

  test('options that make no sense are refused', async () => {
    const wrong: [Parameters<typeof linked>[0], string][] = [
      [{ role: 'proxy' as 'server' }, 'role'],
      [{ maxMessageBytes: -1 }, 'maxMessageBytes'],
      [{ maxFrameBytes: 1.5 }, 'maxFrameBytes'],
      [{ readAheadBytes: 0 }, 'readAheadBytes'],
      [{ maxBufferedBytes: 0 }, 'maxBufferedBytes'],
      [{ closeTimeoutMs: 0 }, 'closeTimeoutMs'],
      [{ writeTimeoutMs: Number.NaN }, 'writeTimeoutMs'],
      [{ reservedBits: 0x80 }, 'reservedBits'],
    ];
    for (const [options, path] of wrong) {
      const error = await errorOf(() => linked(options));
      assert.deepEqual([error.code, error.path], ['ERR_OPTION_INVALID', path]);
    }
  });
});
