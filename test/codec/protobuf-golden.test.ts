import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { protobufCodec } from '#dist/shared/codec/protobuf-codec.js';
import { bytesOf, envelopeOf, saidBy } from './codec-fixture.ts';
import { hex, hexOf, schema } from './protobuf-fixture.ts';

const vectors = {
  M0: {
    fields: {
      type: 'message',
      channel: 'news',
      data: bytesOf('{"a":1}'),
      timestamp: 1700000000123456789n,
      clientId: 'client-1',
    },
    digits: '0a076d65737361676512046e6577731a077b2261223a317d20959a97ece39fe7cb172a08636c69656e742d31',
  },
  M1: { fields: { type: 'ping' }, digits: '0a0470696e67' },
  'M2 with JSON data': {
    fields: { type: 'subscribe', data: bytesOf('{"channel":"news"}') },
    digits: '0a097375627363726962651a127b226368616e6e656c223a226e657773227d',
  },
  'M2 with a ChannelRequest': {
    fields: { type: 'subscribe', data: hex('0a046e657773') },
    digits: '0a097375627363726962651a060a046e657773',
  },
  M3: {
    fields: { type: 'message', channel: 'c', data: bytesOf('{ "h" : "<b>&\u2028</b>" }'), timestamp: -1n },
    digits: '0a076d6573736167651201631a177b20226822203a20223c623e26e280a83c2f623e22207d20ffffffffffffffffff01',
  },
  M5: {
    // The data has its quotes here.
    fields: { type: 'é', channel: '频道', data: bytesOf('"é"'), timestamp: 5n, clientId: 'c' },
    digits: '0a02c3a91206e9a291e981931a0422c3a92220052a0163',
  },
};

describe('Protobuf golden vectors', () => {
  for (const [name, { fields, digits }] of Object.entries(vectors)) {
    test(`${name} is written to the byte`, () => {
      assert.equal(hexOf(protobufCodec.encode(envelopeOf(fields))), digits);
    });

    test(`${name} is read to the bit`, () => {
      assert.deepEqual(saidBy(protobufCodec.decode(hex(digits))), saidBy(envelopeOf(fields)));
    });
  }

  test('an empty message is no bytes, and no bytes are an empty message', () => {
    assert.equal(protobufCodec.encode(envelopeOf({})).length, 0);
    assert.deepEqual(saidBy(protobufCodec.decode(new Uint8Array(0))), saidBy(envelopeOf({})));
  });

  test('ChannelRequest and RoomRequest are read, and their schema writes them so', () => {
    const { control } = protobufCodec;
    assert.equal(control.decodeChannel(hex('0a046e657773')), 'news');
    assert.equal(control.decodeRoomId(hex('0a08726f6f6d5f313031')), 'room_101');
    const channelRequest = schema.lookupType('hypgo.websocket.ChannelRequest');
    const roomRequest = schema.lookupType('hypgo.websocket.RoomRequest');
    assert.equal(hexOf(channelRequest.encode({ channel: 'news' }).finish()), '0a046e657773');
    assert.equal(hexOf(roomRequest.encode({ roomId: 'room_101' }).finish()), '0a08726f6f6d5f313031');
  });

  test('the subscription that a client sends carries its channel', () => {
    const { data } = protobufCodec.decode(hex(vectors['M2 with a ChannelRequest'].digits));
    assert.equal(protobufCodec.control.decodeChannel(data), 'news');
  });
});
