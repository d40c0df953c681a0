export type { Codec, CodecIndex, CodecName } from './codec.ts';
export type { ControlDecoder, RoomMessage } from './control.ts';
export type { Envelope } from './envelope.ts';
export { jsonCodec } from './json-codec.ts';
export { jsonControl } from './json-control.ts';
export { isJson, maxJsonDepth } from './json-scan.ts';
export { codecByIndex, codecByName, codecs } from './registry.ts';
export { Scratch } from './scratch.ts';
