import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reject } from '#dist/worker/handlers/api.js';
import { answerOfRejection } from '#dist/worker/handlers/rejection.js';

describe('reject', () => {
  test('makes an answer with status, headers and body', () => {
    const answer = answerOfRejection(reject(429, { headers: { 'Retry-After': '7' }, body: 'later' }));
    assert.deepEqual(answer, {
      status: 429,
      headers: new Map([
        ['Retry-After', '7'],
        ['Content-Type', 'text/plain; charset=utf-8'],
      ]),
      body: 'later',
    });
  });

  test('what it did not make is no answer', () => {
    assert.equal(answerOfRejection({ status: 403, headers: new Map(), body: '' }), null);
  });

  test('takes no status but 400 to 599', () => {
    for (const status of [399, 600, 200, 101, 0, -1, 404.5, Number.NaN, '404', null, undefined]) {
      assert.throws(() => reject(status as number), { code: 'ERR_REJECTION_INVALID', path: 'status' }, String(status));
    }
    for (const status of [400, 599]) assert.equal(answerOfRejection(reject(status))?.status, status);
  });

  test('takes no header that would be more than one, or that is not its own to set', () => {
    const bad: readonly (readonly [string, unknown])[] = [
      ['X-A', 'a\r\nX-B: b'],
      ['X-A', 'a\nb'],
      ['X-A', 'a\rb'],
      ['X-A', 'a\0b'],
      ['X-A', 'ü'],
      ['X-A', 1],
      ['X-A', null],
      ['X-A', ['a', 'b']],
      ['X-A\r\nX-B', 'a'],
      ['X A', 'a'],
      ['', 'a'],
      ['X:A', 'a'],
      ['Content-Length', '0'],
      ['transfer-encoding', 'chunked'],
      ['CONNECTION', 'keep-alive'],
      ['Upgrade', 'websocket'],
    ];
    for (const [name, value] of bad) {
      const headers = { [name]: value } as Record<string, string>;
      assert.throws(() => reject(403, { headers }), { code: 'ERR_REJECTION_INVALID' }, `${name}: ${String(value)}`);
    }
    for (const headers of [null, 'X-A: b', 1]) {
      assert.throws(() => reject(403, { headers: headers as never }), {
        code: 'ERR_REJECTION_INVALID',
        path: 'headers',
      });
    }
  });

  test('takes text as its body', () => {
    for (const body of [null, 1, new Uint8Array(1), {}]) {
      assert.throws(() => reject(403, { body: body as string }), { code: 'ERR_REJECTION_INVALID', path: 'body' });
    }
  });
});
