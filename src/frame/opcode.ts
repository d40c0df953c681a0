/** Opcodes of RFC 6455 section 5.2; 3–7 and 11–15 are reserved. */
export const opcode = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
} as const;

/** What a message can be. */
export type MessageOpcode = typeof opcode.text | typeof opcode.binary;

/** The three reserved bits as they lie in the first byte of a header. Every `rsv` of this module is a sum of these. */
export const reservedBit = { rsv1: 0x40, rsv2: 0x20, rsv3: 0x10 } as const;

/** The most payload bytes of a control frame (RFC 6455 section 5.5). */
export const controlLimitBytes = 125;

/** Limits for `maxMessageBytes` that have proved useful. */
export const readLimitBytes = { small: 65_536, standard: 1_048_576, large: 16_777_216 } as const;

/** Chunk sizes for `stream` that have proved useful. */
export const chunkSizeBytes = { lowMemory: 4_096, balanced: 8_192, streaming: 32_768 } as const;

/** Close, Ping, Pong and the reserved opcodes 11–15. */
export function isControl(code: number): boolean {
  return (code & 8) !== 0;
}
