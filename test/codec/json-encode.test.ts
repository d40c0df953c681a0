import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jsonCodec, Scratch } from '#dist/shared/codec/index.js';
import { bytesOf, decodeText, encodeText, envelopeOf, textOf } from './codec-fixture.ts';

describe('writing JSON messages', () => {
  test('type and data are always there, the other keys only if they say something', () => {
    assert.equal(encodeText({}), '{"type":"","data":null}');
    assert.equal(encodeText({ clientId: 'c' }), '{"type":"","data":null,"client_id":"c"}');
    assert.equal(encodeText({ channel: 'c', timestamp: 1n }), '{"type":"","channel":"c","data":null,"timestamp":1}');
  });

  test('data that is JSON is embedded as it is, whitespace included', () => {
    for (const data of ['1', ' 1 ', '\n{ "a" : [ ] }', '"\u2028<>&"', 'null', `"${'x'.repeat(70_000)}"`]) {
      assert.equal(encodeText({ type: 't', data: bytesOf(data) }), `{"type":"t","data":${data}}`);
    }
  });

  test('data that is not JSON goes as base64, empty bytes too', () => {
    const cases: readonly Uint8Array[] = [
      new Uint8Array(0),
      bytesOf('hi'),
      bytesOf('{} {}'),
      bytesOf('\ufeff{}'),
      Uint8Array.of(0, 255, 254),
      Uint8Array.from({ length: 4096 }, (_, i) => i & 255),
      new Uint8Array(100_000).fill(251),
    ];
    for (const data of cases) {
      const text = encodeText({ type: 't', data, timestamp: 7n });
      const base64 = Buffer.from(data).toString('base64');
      assert.equal(text, `{"type":"t","data":null,"data_base64":"${base64}","timestamp":7}`);
      assert.deepEqual(decodeText(text).data, data);
    }
  });

  test('what is known about data is trusted, so that it is looked at once per message', () => {
    assert.equal(
      encodeText({ data: bytesOf('{}'), dataIsJson: false }),
      '{"type":"","data":null,"data_base64":"e30="}',
    );
    assert.equal(encodeText({ data: bytesOf('{}'), dataIsJson: true }), '{"type":"","data":{}}');
    assert.equal(
      encodeText({ data: bytesOf('{'), dataIsJson: undefined }),
      '{"type":"","data":null,"data_base64":"ew=="}',
    );
    assert.equal(encodeText({ data: null, dataIsJson: false }), '{"type":"","data":null}');
  });

  test('strings are escaped as JSON.stringify does it, and lone surrogates give valid UTF-8', () => {
    const units = Array.from({ length: 0x100 }, (_, unit) => String.fromCharCode(unit));
    const odd = ['\u2028', '\ud800', '\udfff', 'a\ud83d', '\ude00\ud83d', '😀', '频道', '\ufeff', 'é'.repeat(1000)];
    for (const text of [...units, ...odd, 'plain', units.join('').repeat(30)]) {
      for (const name of [text, `${'x'.repeat(63)}${text}`]) {
        const expected = `{"type":${JSON.stringify(name)},"channel":${JSON.stringify(name)},"data":null,"client_id":${JSON.stringify(name)}}`;
        assert.equal(encodeText({ type: name, channel: name, clientId: name }), expected);
      }
    }
  });

  test('a timestamp is written exactly over all of int64', () => {
    for (const value of [1n, -1n, 9007199254740993n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      assert.equal(encodeText({ timestamp: value }), `{"type":"","data":null,"timestamp":${value}}`);
    }
  });

  test('with a scratch the result is a view of it until its next use; without, it is the caller’s own', () => {
    const scratch = new Scratch(16);
    const first = jsonCodec.encode(envelopeOf({ type: 'first' }), scratch);
    assert.equal(textOf(first), '{"type":"first","data":null}');
    const second = jsonCodec.encode(envelopeOf({ type: 'other' }), scratch);
    assert.equal(second.buffer, first.buffer);
    assert.equal(textOf(first), '{"type":"other","data":null}');

    const own = jsonCodec.encode(envelopeOf({ type: 'own' }));
    jsonCodec.encode(envelopeOf({ type: 'another' }));
    assert.equal(textOf(own), '{"type":"own","data":null}');
  });

  test('a scratch grows with its largest message and stays so', () => {
    const scratch = new Scratch(1);
    const data = bytesOf(`"${'x'.repeat(100_000)}"`);
    const large = jsonCodec.encode(envelopeOf({ type: 't', data }), scratch);
    assert.equal(large.length, data.length + 20);
    assert.equal(jsonCodec.encode(envelopeOf({}), scratch).buffer, large.buffer);
  });
});
