import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Scratch } from '#dist/shared/codec/index.js';
import { msgpackCodec } from '#dist/shared/codec/msgpack-codec.js';
import { bytesOf, envelopeOf, saidBy } from './codec-fixture.ts';
import { bytesOfHex, hexOf } from './msgpack-fixture.ts';

const vectors = {
  M0: {
    fields: {
      type: 'message',
      channel: 'news',
      data: bytesOf('{"a":1}'),
      timestamp: 1700000000123456789n,
      clientId: 'client-1',
    },
    hex:
      '85a474797065a76d657373616765a76368616e6e656ca46e657773a464617461c4077b2261223a317da974696d657374616d70' +
      'd317979cfe3d85cd15a9636c69656e745f6964a8636c69656e742d31',
  },
  M1: {
    fields: { type: 'ping' },
    hex:
      '85a474797065a470696e67a76368616e6e656ca0a464617461c0a974696d657374616d70d30000000000000000' +
      'a9636c69656e745f6964a0',
  },
  M2: {
    fields: { type: 'subscribe', data: bytesOf('{"channel":"news"}') },
    hex:
      '85a474797065a9737562736372696265a76368616e6e656ca0a464617461c4127b226368616e6e656c223a226e657773227d' +
      'a974696d657374616d70d30000000000000000a9636c69656e745f6964a0',
  },
};

describe('MessagePack golden vectors', () => {
  for (const [name, { fields, hex }] of Object.entries(vectors)) {
    test(`${name} is written to the byte`, () => {
      assert.equal(hexOf(msgpackCodec.encode(envelopeOf(fields))), hex);
      assert.equal(hexOf(msgpackCodec.encode(envelopeOf(fields), new Scratch(1))), hex);
    });

    test(`${name} is read to the bit`, () => {
      assert.deepEqual(saidBy(msgpackCodec.decode(bytesOfHex(hex))), saidBy(envelopeOf(fields)));
    });

    test(`${name} cut off anywhere is malformed`, () => {
      const whole = bytesOfHex(hex);
      for (let length = 0; length < whole.length; length++) {
        assert.throws(() => msgpackCodec.decode(whole.subarray(0, length)), { code: 'ERR_MESSAGE_MALFORMED' });
      }
    });
  }

  test('the codec says what it is', () => {
    const { name, index, binary, control } = msgpackCodec;
    assert.deepEqual({ name, index, binary }, { name: 'msgpack', index: 3, binary: true });
    assert.equal(control.decodeChannel(bytesOf('{"channel":"news"}')), 'news');
  });

  test('M2 asks for its channel in JSON', () => {
    const { data } = msgpackCodec.decode(bytesOfHex(vectors.M2.hex));
    assert.equal(msgpackCodec.control.decodeChannel(data), 'news');
  });
});
