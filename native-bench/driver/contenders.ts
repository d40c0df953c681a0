import type { CodecName } from '#dist/shared/codec/index.js';

export type PeerName = 'uws' | 'uws-sharded' | 'ws' | 'socketio' | 'bun' | 'shardwire';

/** What a client says to a server. */
export type Dialect =
  | { readonly kind: 'raw' }
  | { readonly kind: 'socketio' }
  | {
      readonly kind: 'shardwire';
      /** Subscribers take these in turn; whoever sends takes the first. */
      readonly codecs: readonly CodecName[];
      readonly isSealed: boolean;
      /** Shards that the subscriber and the publisher must be on; null: any. */
      readonly shards: readonly [number, number] | null;
    };

/** One server, set up in one way. */
export interface Contender {
  readonly name: string;
  readonly peer: PeerName;
  /** For tables. */
  readonly title: string;
  readonly runtime: 'node' | 'bun';
  /** Compiled file with the server, seen from the folder of the peers. */
  readonly script: string;
  readonly args: readonly string[];
  /** Threads that can be busy with connections. */
  readonly threads: number;
  readonly dialect: Dialect;
  /** Whether a publish reaches every subscriber; false: only those of the publisher's shard. */
  readonly reachesAll: boolean;
  /** Whether `--quick` measures it. */
  readonly isQuick: boolean;
}

const raw: Dialect = { kind: 'raw' };
const base = { runtime: 'node', args: [], threads: 1, dialect: raw, reachesAll: true, isQuick: true } as const;

interface OurSetUp {
  readonly title: string;
  readonly codecs: readonly CodecName[];
  readonly shards?: number;
  readonly isSealed?: boolean;
  readonly place?: readonly [number, number];
  readonly isQuick?: boolean;
}

function ours(name: string, setUp: OurSetUp): Contender {
  const { title, codecs, shards = 1, isSealed = false, place = null, isQuick = true } = setUp;
  return {
    ...base,
    name,
    peer: 'shardwire',
    title,
    script: 'shardwire.js',
    args: ['--shards', String(shards), ...(isSealed ? ['--sealed'] : [])],
    threads: shards,
    dialect: { kind: 'shardwire', codecs, isSealed, shards: place },
    isQuick,
  };
}

function sharded(shards: number): Contender {
  return {
    ...base,
    name: `uws-sharded-${shards}`,
    peer: 'uws-sharded',
    title: `bare uWebSockets.js, ${shards} threads`,
    script: 'uws-sharded.js',
    args: ['--shards', String(shards)],
    threads: shards,
    reachesAll: false,
  };
}

const json = ['json'] as const;
const all = ['json', 'msgpack', 'protobuf', 'flatbuffers'] as const;

/** Every server that a scenario may name, by name, on a machine with so many processors. */
export function contendersFor(cores: number): ReadonlyMap<string, Contender> {
  const list: Contender[] = [
    { ...base, name: 'uws', peer: 'uws', title: 'bare uWebSockets.js', script: 'uws.js' },
    sharded(2),
    { ...base, name: 'ws', peer: 'ws', title: 'ws', script: 'ws.js' },
    {
      ...base,
      name: 'socketio',
      peer: 'socketio',
      title: 'Socket.IO',
      script: 'socketio.js',
      dialect: { kind: 'socketio' },
      isQuick: false,
    },
    { ...base, name: 'bun', peer: 'bun', title: 'Bun', script: 'bun.js', runtime: 'bun' },
    ours('shardwire-json', { title: 'shardwire, JSON', codecs: json }),
    ours('shardwire-msgpack', { title: 'shardwire, MessagePack', codecs: ['msgpack'] }),
    ours('shardwire-protobuf', { title: 'shardwire, Protobuf', codecs: ['protobuf'], isQuick: false }),
    ours('shardwire-flatbuffers', { title: 'shardwire, FlatBuffers', codecs: ['flatbuffers'], isQuick: false }),
    ours('shardwire-mixed', { title: 'shardwire, four codecs', codecs: all }),
    ours('shardwire-sealed', { title: 'shardwire, JSON, sealed', codecs: json, isSealed: true }),
    ours('shardwire-2', { title: 'shardwire, JSON, 2 shards', codecs: json, shards: 2 }),
    ours('shardwire-together', { title: 'both on one shard', codecs: json, shards: 2, place: [0, 0] }),
    ours('shardwire-apart', { title: 'on two shards', codecs: json, shards: 2, place: [0, 1] }),
  ];
  if (cores > 2) {
    list.push(sharded(cores));
    const title = `shardwire, JSON, ${cores} shards`;
    list.push(ours(`shardwire-${cores}`, { title, codecs: json, shards: cores }));
  }
  return new Map(list.map((contender) => [contender.name, contender]));
}
