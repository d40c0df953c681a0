import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import {
  checkCloseCode,
  closeStatus,
  compileCloseFrame,
  compileFrame,
  encodeCloseBody,
  parseCloseBody,
  preparedFrames,
  readMaskKey,
} from '#dist/frame/index.js';
import { fc } from '../support/properties.ts';
import { hex, hexOf, thrownBy } from './frame-fixture.ts';

describe('close codes', () => {
  test('that may come are 1000–1003, 1007–1014 and 3000–4999', () => {
    const allowed = (code: number): boolean =>
      (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    for (let code = 0; code < 65_536; code++) {
      assert.equal(checkCloseCode(code) === null, allowed(code), `code ${code}`);
    }
  });

  test('are refused with the reason why', () => {
    const why = (code: number): string => checkCloseCode(code)?.message ?? '';
    assert.match(why(0), /not in use/);
    assert.match(why(999), /not in use/);
    for (const code of [1005, 1006, 1015]) assert.match(why(code), /never sent/);
    assert.match(why(1004), /no meaning yet/);
    assert.match(why(1016), /not defined/);
    assert.match(why(2999), /not defined/);
    assert.match(why(5000), /out of range/);
    assert.match(why(65_535), /out of range/);
  });
});

describe('a close body', () => {
  test('comes back as it was', () => {
    const codes = fc.constantFrom(1000, 1001, 1003, 1007, 1014, 3000, 3999, 4000, 4999);
    fc.assert(
      fc.property(codes, fc.string({ unit: 'grapheme', maxLength: 30 }), (code, reason) => {
        const body = encodeCloseBody(code, reason);
        const parsed = parseCloseBody(body);
        if (Buffer.byteLength(reason) > 123) return;
        assert.deepEqual(parsed, { code, reason });
      }),
    );
  });

  test('is cut at a boundary of a character to 125 bytes', () => {
    for (const reason of ['é'.repeat(100), `a${'é'.repeat(100)}`, '€'.repeat(60), '😀'.repeat(40), 'x'.repeat(200)]) {
      const body = encodeCloseBody(1000, reason);
      assert.ok(body.length <= 125 && body.length > 121, `${body.length}`);
      assert.ok(isUtf8(body.subarray(2)), reason);
      const parsed = parseCloseBody(body);
      assert.ok('reason' in parsed && reason.startsWith(parsed.reason));
    }
  });

  test('that is empty says 1005, one of a byte is wrong', () => {
    assert.deepEqual(parseCloseBody(hex('')), { code: closeStatus.none, reason: '' });
    const short = parseCloseBody(hex('03'));
    assert.equal('code' in short && short.code, 'ERR_FRAME_CLOSE_BODY');
  });

  test('with a reason that is not UTF-8, or with a wrong code, is wrong', () => {
    const bad = parseCloseBody(hex('03e8 ceba e1bd b9cf 83ce bcce b5ed a080'));
    assert.equal('code' in bad && bad.code, 'ERR_FRAME_UTF8');
    const code = parseCloseBody(hex('03ec'));
    assert.equal('code' in code && code.code, 'ERR_FRAME_CLOSE_BODY');
  });

  test('is not made for a code that may not be sent', () => {
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535, 1000.5, Number.NaN]) {
      const error = thrownBy(() => encodeCloseBody(code));
      assert.equal(error.code, 'ERR_CLOSE_CODE_INVALID');
      assert.equal(error.path, 'code');
    }
  });
});

describe('compiled frames', () => {
  test('are the bytes that RFC 6455 section 5.5 gives', () => {
    assert.equal(hexOf(preparedFrames.ping), '8900');
    assert.equal(hexOf(preparedFrames.pong), '8a00');
    assert.equal(hexOf(preparedFrames.close), '8800');
    assert.equal(hexOf(preparedFrames.closeWith.get(1000) ?? hex('')), '880203e8');
    assert.equal(hexOf(compileCloseFrame(1001, 'bye')), '880503e9627965');
  });

  test('are masked in a copy, with the payload left as it was', () => {
    // The masked "Hello" of RFC 6455 section 5.7.
    const payload = Buffer.from('Hello');
    const frame = compileFrame({ opcode: 1, payload, maskKey: readMaskKey(hex('37fa213d')) });
    assert.equal(hexOf(frame), '818537fa213d7f9f4d5158');
    assert.equal(payload.toString(), 'Hello');
    assert.equal(hexOf(compileFrame({ opcode: 1, payload: Buffer.from('Hel'), fin: false })), '010348656c');
    assert.equal(hexOf(compileFrame({ opcode: 0, payload: Buffer.from('lo') })), '80026c6f');
    assert.equal(hexOf(compileFrame({ opcode: 2, rsv: 0x40 })), 'c200');
    assert.equal(hexOf(compileFrame({ opcode: 2, payload: new Uint8Array(256) })).slice(0, 8), '827e0100');
    assert.equal(
      hexOf(compileFrame({ opcode: 2, payload: new Uint8Array(65_536) })).slice(0, 20),
      '827f0000000000010000',
    );
  });

  test('of control frames obey their limits', () => {
    assert.equal(thrownBy(() => compileFrame({ opcode: 9, payload: new Uint8Array(126) })).code, 'ERR_FRAME_CONTROL');
    assert.equal(thrownBy(() => compileFrame({ opcode: 9, fin: false })).code, 'ERR_FRAME_CONTROL');
    assert.equal(compileFrame({ opcode: 9, payload: new Uint8Array(125) }).length, 127);
  });
});
