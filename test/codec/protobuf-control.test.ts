import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { protobufCodec, protobufControl } from '#dist/shared/codec/protobuf-codec.js';
import { bytesOf, randomOf } from './codec-fixture.ts';
import { hex, junkOf, schema } from './protobuf-fixture.ts';

const roomMessage = schema.lookupType('hypgo.websocket.RoomMessage');

const undecodable = ['08', '0a', '0a05616263', '0801', '0a01ff', '0a0161ff', 'fffefdfc', '0a016108', '7b7d'].map(hex);

describe('control data in Protobuf', () => {
  test('the codec hands out its decoder', () => {
    assert.equal(protobufCodec.control, protobufControl);
  });

  test('a channel and a room are read, unknown fields are skipped and the last wins', () => {
    assert.equal(protobufControl.decodeChannel(hex('0a0161 1001 0a02c3a9')), 'é');
    assert.equal(protobufControl.decodeRoomId(hex('1203616263 0a0172')), 'r');
  });

  test('an empty or undecodable name is none', () => {
    for (const data of [...undecodable, hex(''), hex('0a00'), hex('0a01610a00'), hex('120161'), null]) {
      assert.equal(protobufControl.decodeChannel(data), undefined);
      assert.equal(protobufControl.decodeRoomId(data), undefined);
    }
  });

  test('JSON is not taken for a request', () => {
    assert.equal(protobufControl.decodeChannel(bytesOf('{"channel":"news"}')), undefined);
    assert.equal(protobufControl.decodeRoomId(bytesOf('{"room_id":"r"}')), undefined);
  });

  test('a room message is read as its schema writes it, its data being a view', () => {
    for (const [text, dataIsJson] of [
      ['{ "a": 1 }', true],
      ['{', false],
      ['\x00', false],
    ] as const) {
      const bytes = new Uint8Array(roomMessage.encode({ roomId: 'room_101', data: bytesOf(text) }).finish());
      const message = protobufControl.decodeRoomMessage(bytes);
      assert.deepEqual(message, { roomId: 'room_101', data: bytesOf(text), dataIsJson });
      assert.equal(message?.data?.buffer, bytes.buffer);
    }
  });

  test('a room message may have no data, and empty data is none', () => {
    const nil = { roomId: 'r', data: null, dataIsJson: true };
    assert.deepEqual(protobufControl.decodeRoomMessage(hex('0a0172')), nil);
    assert.deepEqual(protobufControl.decodeRoomMessage(hex('0a01721200')), nil);
  });

  test('a room message without a room, or undecodable, is none', () => {
    for (const data of [...undecodable, hex(''), hex('120161'), hex('0a00120161'), hex('0a01721001'), null]) {
      assert.equal(protobufControl.decodeRoomMessage(data), undefined);
    }
  });

  test('no bytes make a control decoder throw', () => {
    const random = randomOf(12);
    let rooms = 0;
    for (let i = 0; i < 20_000; i++) {
      const bytes = junkOf(random);
      const channel = protobufControl.decodeChannel(bytes);
      assert.equal(protobufControl.decodeRoomId(bytes), channel);
      if (protobufControl.decodeRoomMessage(bytes) !== undefined) rooms++;
    }
    assert.ok(rooms > 500 && rooms < 15_000, `${rooms} rooms`);
  });
});
