import type { Codec } from './codec.ts';
import { jsonCodec } from './json-codec.ts';

/** The codecs that this build has, in the order of their indices. */
export const codecs: readonly Codec[] = Object.freeze([jsonCodec]);

/** The codec of that name, or undefined if there is none. Names are exact: `JSON` is none. */
export function codecByName(name: string): Codec | undefined {
  for (const codec of codecs) {
    if (codec.name === name) return codec;
  }
  return undefined;
}

/** The codec with that index (`Codec.index`), or undefined if there is none. */
export function codecByIndex(index: number): Codec | undefined {
  for (const codec of codecs) {
    if (codec.index === index) return codec;
  }
  return undefined;
}
