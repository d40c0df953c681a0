import type { Codec, CodecName } from './codec.ts';
import { flatbuffersCodec } from './flatbuffers-codec.ts';
import { jsonCodec } from './json-codec.ts';
import { msgpackCodec } from './msgpack-codec.ts';
import { protobufCodec } from './protobuf-codec.ts';

/** All codecs, in the order of their indices, so that `codecs[index]` is the codec of that index. */
export const codecs: readonly Codec[] = Object.freeze([jsonCodec, protobufCodec, flatbuffersCodec, msgpackCodec]);

/** By name. No prototype: a peer's `constructor` finds nothing. */
const byName: Readonly<Partial<Record<string, Codec>>> = Object.freeze(
  Object.assign(
    Object.create(null) as Partial<Record<CodecName, Codec>>,
    Object.fromEntries(codecs.map((codec) => [codec.name, codec])),
  ),
);

/** The codec of that name, or undefined if there is none. Names are exact: `JSON` is none. */
export function codecByName(name: string): Codec | undefined {
  return byName[name];
}

/** The codec with that index (`Codec.index`), or undefined if there is none. */
export function codecByIndex(index: number): Codec | undefined {
  return codecs[index];
}
