import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jsonCodec } from '#dist/shared/codec/index.js';
import { bytesOf, decodeText, encodeText, envelopeOf, saidBy, textOf } from './codec-fixture.ts';

const vectors = {
  M0: {
    fields: {
      type: 'message',
      channel: 'news',
      data: bytesOf('{"a":1}'),
      timestamp: 1700000000123456789n,
      clientId: 'client-1',
    },
    text: '{"type":"message","channel":"news","data":{"a":1},"timestamp":1700000000123456789,"client_id":"client-1"}',
  },
  M1: { fields: { type: 'ping' }, text: '{"type":"ping","data":null}' },
  M2: {
    fields: { type: 'subscribe', data: bytesOf('{"channel":"news"}') },
    text: '{"type":"subscribe","data":{"channel":"news"}}',
  },
  // The data is the two bytes of é without quotes, which is no JSON: Go cannot write it for JSON clients.
  M5: {
    fields: { type: 'é', channel: '频道', data: bytesOf('é'), timestamp: 5n, clientId: 'c' },
    text: '{"type":"é","channel":"频道","data":null,"data_base64":"w6k=","timestamp":5,"client_id":"c"}',
  },
};

describe('JSON golden vectors', () => {
  for (const [name, { fields, text }] of Object.entries(vectors)) {
    test(`${name} is written to the byte`, () => {
      assert.equal(encodeText(fields), text);
    });

    test(`${name} is read to the bit`, () => {
      assert.deepEqual(saidBy(decodeText(text)), saidBy(envelopeOf(fields)));
    });
  }

  // Go compacts and escapes what is inside data: our bytes differ from its, and mean the same.
  const goText =
    '{"type":"message","channel":"c","data":{"h":"\\u003cb\\u003e\\u0026\\u2028\\u003c/b\\u003e"},"timestamp":-1}';
  const raw = '{ "h" : "<b>&\u2028</b>" }';

  test('M3 keeps the whitespace of its data and means what Go wrote', () => {
    const ours = encodeText({ type: 'message', channel: 'c', data: bytesOf(raw), timestamp: -1n });
    assert.equal(ours, `{"type":"message","channel":"c","data":${raw},"timestamp":-1}`);
    assert.deepEqual(JSON.parse(ours), JSON.parse(goText));
  });

  test('M3 as Go writes it is read with the bytes that Go wrote', () => {
    const envelope = decodeText(goText);
    assert.equal(envelope.timestamp, -1n);
    assert.ok(envelope.data);
    assert.equal(textOf(envelope.data), '{"h":"\\u003cb\\u003e\\u0026\\u2028\\u003c/b\\u003e"}');
    assert.deepEqual(JSON.parse(textOf(envelope.data)), JSON.parse(raw));
    assert.equal(textOf(jsonCodec.encode(envelope)), goText);
  });
});
