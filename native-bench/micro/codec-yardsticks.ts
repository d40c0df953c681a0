import { Decoder, decode, Encoder, encode } from '@msgpack/msgpack';
import { Builder, ByteBuffer } from 'flatbuffers';
import { Packr } from 'msgpackr';
import protobuf from 'protobufjs';
import type { CodecName, Envelope } from '#dist/shared/codec/index.js';

/** One way to do something once. What it returns depends on all of its work, so that none is optimised away. */
export interface Contender {
  readonly name: string;
  readonly run: () => number;
}

export interface Yardsticks {
  /** To bytes that the caller may keep. */
  readonly encode: readonly Contender[];
  /** To bytes in memory that is used again; none where the library has no such thing. */
  readonly encodeReused: readonly Contender[];
  /** To an object; returns the length of its type. */
  readonly decode: readonly Contender[];
}

let kept: unknown;

/** Keeps a value until the next one, so that all of it must be made. */
export function keep<T>(value: T): T {
  kept = value;
  return value;
}

/** Whether anything was kept. */
export function hasKept(): boolean {
  return kept !== undefined;
}

/** The bare libraries, as their documentation uses them, with this envelope and with what our codec wrote for it. */
export function yardsticksOf(codec: CodecName, envelope: Envelope, bytes: Uint8Array): Yardsticks {
  switch (codec) {
    case 'json':
      return jsonYardsticks(envelope, bytes);
    case 'protobuf':
      return protobufYardsticks(envelope, bytes);
    case 'flatbuffers':
      return flatbuffersYardsticks(envelope, bytes);
    case 'msgpack':
      return msgpackYardsticks(envelope, bytes);
  }
}

function payloadOf({ data }: Envelope): Uint8Array {
  return data ?? new Uint8Array(0);
}

function jsonYardsticks(envelope: Envelope, bytes: Uint8Array): Yardsticks {
  const { type, channel, timestamp, clientId } = envelope;
  const data: unknown = JSON.parse(Buffer.from(payloadOf(envelope)).toString());
  const object = { type, channel, data, timestamp: Number(timestamp), client_id: clientId };
  const buffer = Buffer.from(bytes);
  return {
    encode: [{ name: 'JSON.stringify + Buffer.from', run: () => Buffer.from(JSON.stringify(object)).length }],
    encodeReused: [],
    decode: [{ name: 'toString + JSON.parse', run: () => keep(JSON.parse(buffer.toString()) as Envelope).type.length }],
  };
}

function protobufYardsticks(envelope: Envelope, bytes: Uint8Array): Yardsticks {
  const message = new protobuf.Type('WsMessage')
    .add(new protobuf.Field('type', 1, 'string'))
    .add(new protobuf.Field('channel', 2, 'string'))
    .add(new protobuf.Field('data', 3, 'bytes'))
    .add(new protobuf.Field('timestamp', 4, 'int64'))
    .add(new protobuf.Field('clientId', 5, 'string'));
  new protobuf.Root().define('bench').add(message);
  const { type, channel, clientId } = envelope;
  const data = payloadOf(envelope);
  const timestamp = longOf(envelope.timestamp);
  const object = { type, channel, data, timestamp, clientId };
  const { Reader, Writer } = protobuf;
  return {
    encode: [
      { name: 'protobufjs Type.encode', run: () => message.encode(object).finish().length },
      {
        name: 'protobufjs Writer',
        run: () =>
          Writer.create()
            .uint32(0x0a)
            .string(type)
            .uint32(0x12)
            .string(channel)
            .uint32(0x1a)
            .bytes(data)
            .uint32(0x20)
            .int64(timestamp)
            .uint32(0x2a)
            .string(clientId)
            .finish().length,
      },
    ],
    encodeReused: [],
    decode: [
      {
        name: 'protobufjs Type.decode',
        run: () => keep(message.decode(bytes) as unknown as typeof object).type.length,
      },
      { name: 'protobufjs Reader', run: () => keep(readWithReader(Reader.create(bytes))).type.length },
    ],
  };
}

function longOf(value: bigint): protobuf.Long {
  return new protobuf.util.Long(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)), false);
}

/** As the code that `pbjs --target static-module` makes reads. */
function readWithReader(reader: protobuf.Reader): Record<'type' | 'channel' | 'clientId', string> & {
  data: Uint8Array;
  timestamp: unknown;
} {
  const none: Uint8Array = new Uint8Array(0);
  const message = { type: '', channel: '', data: none, timestamp: 0 as unknown, clientId: '' };
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    switch (tag >>> 3) {
      case 1:
        message.type = reader.string();
        break;
      case 2:
        message.channel = reader.string();
        break;
      case 3:
        message.data = reader.bytes();
        break;
      case 4:
        message.timestamp = reader.int64();
        break;
      case 5:
        message.clientId = reader.string();
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

function flatbuffersYardsticks(envelope: Envelope, bytes: Uint8Array): Yardsticks {
  const reused = new Builder(1024);
  const build = (builder: Builder): number => {
    const clientId = builder.createString(envelope.clientId);
    const data = builder.createByteVector(payloadOf(envelope));
    const channel = builder.createString(envelope.channel);
    const type = builder.createString(envelope.type);
    builder.startObject(5);
    builder.addFieldOffset(0, type, 0);
    builder.addFieldOffset(1, channel, 0);
    builder.addFieldOffset(2, data, 0);
    builder.addFieldInt64(3, envelope.timestamp, 0n);
    builder.addFieldOffset(4, clientId, 0);
    builder.finish(builder.endObject());
    return builder.asUint8Array().length;
  };
  const read = (): number => {
    const buffer = new ByteBuffer(bytes);
    const table = buffer.readInt32(buffer.position()) + buffer.position();
    const text = (field: number): string => String(buffer.__string(table + buffer.__offset(table, 4 + 2 * field)));
    const at = table + buffer.__offset(table, 8);
    const data = bytes.subarray(buffer.__vector(at), buffer.__vector(at) + buffer.__vector_len(at));
    const timestamp = buffer.readInt64(table + buffer.__offset(table, 10));
    return keep({ type: text(0), channel: text(1), data, timestamp, clientId: text(4) }).type.length;
  };
  return {
    encode: [{ name: 'flatbuffers new Builder', run: () => build(new Builder(1024)) }],
    encodeReused: [
      {
        name: 'flatbuffers Builder, cleared',
        run: () => {
          reused.clear();
          return build(reused);
        },
      },
    ],
    decode: [{ name: 'flatbuffers accessors', run: read }],
  };
}

function msgpackYardsticks(envelope: Envelope, bytes: Uint8Array): Yardsticks {
  const { type, channel, data, timestamp, clientId } = envelope;
  const object = { type, channel, data, timestamp, client_id: clientId };
  const options = { useBigInt64: true };
  const encoder = new Encoder(options);
  const decoder = new Decoder(options);
  const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'bigint' });
  return {
    encode: [
      { name: '@msgpack/msgpack encode', run: () => encode(object, options).length },
      { name: '@msgpack/msgpack Encoder', run: () => encoder.encode(object).length },
      { name: 'msgpackr pack', run: () => packr.pack(object).length },
    ],
    encodeReused: [{ name: '@msgpack/msgpack encodeSharedRef', run: () => encoder.encodeSharedRef(object).length }],
    decode: [
      { name: '@msgpack/msgpack decode', run: () => keep(decode(bytes, options) as Envelope).type.length },
      { name: '@msgpack/msgpack Decoder', run: () => keep(decoder.decode(bytes) as Envelope).type.length },
      { name: 'msgpackr unpack', run: () => keep(packr.unpack(bytes) as Envelope).type.length },
    ],
  };
}
