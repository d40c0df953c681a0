import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ControlDecoder, jsonCodec, jsonControl } from '#dist/shared/codec/index.js';
import { bytesOf, jsonTextOf, mutated, randomOf, textOf } from './codec-fixture.ts';

const control: ControlDecoder = jsonCodec.control;

const undecodable = [
  '',
  ' ',
  '"news"',
  '["news"]',
  '1',
  '{',
  '{"channel":"a"',
  '{"channel":"a","room_id":"a"}x',
  '\ufeff{}',
];

describe('control data in JSON', () => {
  test('the codec hands out its decoder', () => {
    assert.equal(control, jsonControl);
  });

  test('a channel is read as an envelope’s members are', () => {
    assert.equal(control.decodeChannel(bytesOf('{"channel":"news"}')), 'news');
    assert.equal(control.decodeChannel(bytesOf(' { "x" : [1] , "Channel" : "\\u00e9" } ')), 'é');
    assert.equal(control.decodeChannel(bytesOf('{"channel":"a","CHANNEL":"b","channel":null}')), 'b');
  });

  test('an empty or undecodable channel is none', () => {
    for (const text of [
      ...undecodable,
      '{}',
      'null',
      '{"channel":""}',
      '{"channel":null}',
      '{"channel":1}',
      '{"room_id":"r"}',
    ]) {
      assert.equal(control.decodeChannel(bytesOf(text)), undefined, text);
    }
    assert.equal(control.decodeChannel(null), undefined);
    assert.equal(control.decodeChannel(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)), undefined);
  });

  test('a room is read, and an empty or undecodable one is none', () => {
    assert.equal(control.decodeRoomId(bytesOf('{"room_id":"room_101"}')), 'room_101');
    assert.equal(control.decodeRoomId(bytesOf('{"ROOM_ID":"r"}')), 'r');
    for (const text of [...undecodable, '{}', 'null', '{"room_id":""}', '{"room_id":[]}', '{"channel":"c"}']) {
      assert.equal(control.decodeRoomId(bytesOf(text)), undefined, text);
    }
    assert.equal(control.decodeRoomId(null), undefined);
  });

  test('a room message carries the bytes of its data as they are', () => {
    const bytes = bytesOf('{"room_id":"r","data": { "a" : 1.0 } }');
    const message = control.decodeRoomMessage(bytes);
    assert.ok(message?.data);
    assert.equal(message.roomId, 'r');
    assert.equal(textOf(message.data), '{ "a" : 1.0 }');
    assert.equal(message.data.buffer, bytes.buffer);
    assert.equal(message.dataIsJson, true);
  });

  test('a room message may have no data, or data in base64', () => {
    const nil = { roomId: 'r', data: null, dataIsJson: true };
    assert.deepEqual(control.decodeRoomMessage(bytesOf('{"room_id":"r"}')), nil);
    assert.deepEqual(control.decodeRoomMessage(bytesOf('{"data":null,"room_id":"r"}')), nil);
    const binary = { roomId: 'r', data: Uint8Array.of(0, 255), dataIsJson: false };
    assert.deepEqual(control.decodeRoomMessage(bytesOf('{"room_id":"r","data_base64":"AP8="}')), binary);
  });

  test('a room message without a room, or undecodable, is none', () => {
    const without = [
      '{"data":1}',
      '{"room_id":"","data":1}',
      '{"room_id":"r","data_base64":"?"}',
      '{"room_id":"r","data":}',
    ];
    for (const text of [...undecodable, ...without, 'null']) {
      assert.equal(control.decodeRoomMessage(bytesOf(text)), undefined, text);
    }
    assert.equal(control.decodeRoomMessage(null), undefined);
  });

  test('no bytes make a control decoder throw', () => {
    const random = randomOf(11);
    for (let i = 0; i < 20_000; i++) {
      const text = `{"room_id":"r","channel":"c","data":${jsonTextOf(random, 1)},"data_base64":"aGk="}`;
      const bytes = mutated(random, bytesOf(text));
      control.decodeChannel(bytes);
      control.decodeRoomId(bytes);
      control.decodeRoomMessage(bytes);
    }
  });
});
