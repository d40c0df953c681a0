import { type Codec, type CodecName, codecs, type EncodableEnvelope, type Envelope } from '#dist/shared/codec/index.js';
import { compilePipeline } from '#dist/shared/security/index.js';
import { echoPath, fanoutPath, subscribeText } from '../peers/raw-talk.ts';
import { benchKeys, channel, echoType, joinType, placeType } from '../peers/shardwire-talk.ts';
import type { Dialect } from './contenders.ts';
import type { Mode } from './scenarios.ts';

/** A message that a client sends first, and how many answers it awaits. */
export interface Step {
  readonly payload: Uint8Array;
  readonly replies: number;
}

export interface ClientTalk {
  readonly subprotocol: string | null;
  readonly opcode: 'text' | 'binary';
  readonly setup: readonly Step[];
}

/** All that clients say to one server in one scenario. */
export interface Wire {
  readonly path: string;
  /** Messages that come by themselves after the handshake. */
  readonly awaitFirst: number;
  readonly keepalive: 'engineio' | null;
  /** Those that are counted take these in turn. */
  readonly clients: readonly [ClientTalk, ...ClientTalk[]];
  readonly publisher: ClientTalk;
  /** What an echo client and a publisher send. */
  readonly message: Uint8Array;
  /** Whether all messages that a subscriber gets are of one size: ours carry an id of varying length. */
  readonly hasOneSize: boolean;
  /** What is inside of a received message, in which the data must be found as it is. */
  readonly reveal: (payload: Uint8Array) => Uint8Array;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const asIs = (payload: Uint8Array): Uint8Array => payload;
const publishes = (mode: Mode): boolean => mode === 'fanout' || mode === 'latency';

/** Text of so many letters: valid as text, as a JSON string without escapes, and as bytes. */
export function dataOf(length: number): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  return letters.repeat(Math.ceil(length / letters.length)).slice(0, length);
}

function rawWire(mode: Mode, data: string): Wire {
  const publisher: ClientTalk = { subprotocol: null, opcode: 'text', setup: [] };
  const setup = publishes(mode) ? [{ payload: bytes(subscribeText), replies: 1 }] : [];
  return {
    path: publishes(mode) ? fanoutPath : echoPath,
    awaitFirst: 0,
    keepalive: null,
    clients: [{ ...publisher, setup }],
    publisher,
    message: bytes(data),
    hasOneSize: true,
    reveal: asIs,
  };
}

/** engine.io's open packet is awaited, then the default namespace is asked for. */
function socketioWire(mode: Mode, data: string): Wire {
  const client: ClientTalk = {
    subprotocol: null,
    opcode: 'text',
    setup: mode === 'connect' ? [] : [{ payload: bytes('40'), replies: 1 }],
  };
  return {
    path: '/socket.io/?EIO=4&transport=websocket',
    awaitFirst: mode === 'connect' ? 0 : 1,
    keepalive: 'engineio',
    clients: [client],
    publisher: client,
    message: bytes(`42${JSON.stringify([publishes(mode) ? 'publish' : 'm', data])}`),
    hasOneSize: true,
    reveal: asIs,
  };
}

function codecOf(name: CodecName): Codec {
  const codec = codecs.find((known) => known.name === name);
  if (codec === undefined) throw new Error(`no codec ${name}`);
  return codec;
}

function shardwireWire(dialect: Extract<Dialect, { kind: 'shardwire' }>, mode: Mode, data: string): Wire {
  const { isSealed, shards } = dialect;
  const pipeline = compilePipeline(isSealed ? benchKeys : {});
  const encode = (codec: CodecName, type: string, given: Partial<Envelope>): Uint8Array => {
    const envelope: EncodableEnvelope = { type, channel: '', data: null, timestamp: 0n, clientId: '', ...given };
    return pipeline.seal(codecOf(codec).encode(envelope));
  };
  const [first = 'json'] = dialect.codecs;
  const talk = (codec: CodecName, type: string | null, shard: number | null): ClientTalk => {
    const asked = shard === null ? null : bytes(String(shard));
    return {
      subprotocol: codec,
      opcode: codec === 'json' && !isSealed ? 'text' : 'binary',
      setup: type === null ? [] : [{ payload: encode(codec, type, { data: asked }), replies: 1 }],
    };
  };
  // Data of JSON messages is JSON: a string, with its quotes around the letters.
  const payload = bytes(first === 'json' ? JSON.stringify(data) : data);
  const subscriberType = publishes(mode) ? joinType : null;
  const [subscriberShard, publisherShard] = shards ?? [null, null];
  return {
    path: '/ws',
    awaitFirst: 0,
    keepalive: null,
    clients: [
      talk(first, subscriberType, subscriberShard),
      ...dialect.codecs.slice(1).map((codec) => talk(codec, subscriberType, subscriberShard)),
    ],
    publisher: talk(first, shards === null ? null : placeType, publisherShard),
    message: publishes(mode)
      ? encode(first, 'publish', { channel, data: payload })
      : encode(first, echoType, { data: payload }),
    hasOneSize: !publishes(mode),
    reveal: (received) => pipeline.open(received),
  };
}

export function wireOf(dialect: Dialect, mode: Mode, dataBytes: number): Wire {
  const data = dataOf(dataBytes);
  switch (dialect.kind) {
    case 'raw':
      return rawWire(mode, data);
    case 'socketio':
      return socketioWire(mode, data);
    case 'shardwire':
      return shardwireWire(dialect, mode, data);
  }
}
