/**
 * Every code that an error of this package can carry. A code is stable: programs may compare it; texts may change.
 * error-table.ts has a row for each code, and docs/errors.md a heading.
 */
export type ErrorCode =
  // What the program that embeds the engine did.
  | 'ERR_OPTION_INVALID'
  | 'ERR_LISTEN_FAILED'
  | 'ERR_SHARD_START_FAILED'
  | 'ERR_HANDLERS_INVALID'
  | 'ERR_PLACEMENT_UNSUPPORTED'
  | 'ERR_MESSAGE_INVALID'
  | 'ERR_CLOSE_CODE_INVALID'
  | 'ERR_SECURITY_OFF'
  | 'ERR_REJECTION_INVALID'
  | 'ERR_UPGRADE_RESULT_INVALID'
  | 'ERR_TLS_INVALID'
  | 'ERR_TRANSPORT_UNAVAILABLE'
  | 'ERR_TLS_OFF'
  | 'ERR_TLS_RELOAD_UNSUPPORTED'
  | 'ERR_INSIDE_WORKER'
  | 'ERR_TEXT_INVALID'
  // What a client sent.
  | 'ERR_MESSAGE_MALFORMED'
  | 'ERR_TYPE_UNKNOWN'
  | 'ERR_CHANNEL_INVALID'
  | 'ERR_ROOM_INVALID'
  | 'ERR_NOT_A_MEMBER'
  | 'ERR_FORBIDDEN'
  | 'ERR_LIMIT_CHANNELS'
  | 'ERR_LIMIT_ROOMS'
  | 'ERR_LIMIT_MEMBERSHIP_BYTES'
  | 'ERR_OVERLOADED'
  | 'ERR_INTERNAL'
  // What was wrong with a handshake.
  | 'ERR_HANDSHAKE_METHOD'
  | 'ERR_HANDSHAKE_PATH'
  | 'ERR_HANDSHAKE_HOST'
  | 'ERR_HANDSHAKE_CONNECTION'
  | 'ERR_HANDSHAKE_UPGRADE'
  | 'ERR_HANDSHAKE_VERSION'
  | 'ERR_HANDSHAKE_KEY'
  | 'ERR_HANDSHAKE_ORIGIN'
  | 'ERR_HANDSHAKE_SUBPROTOCOL'
  | 'ERR_HANDSHAKE_NONCE'
  | 'ERR_HANDSHAKE_CERTIFICATE'
  | 'ERR_NAME_INVALID'
  | 'ERR_HANDSHAKE_REFUSED'
  | 'ERR_HANDSHAKE_TIMEOUT'
  | 'ERR_LIMIT_HANDSHAKES'
  | 'ERR_LIMIT_CONNECTIONS'
  | 'ERR_LIMIT_CONNECTIONS_PER_ADDRESS'
  | 'ERR_LIMIT_HEAP'
  | 'ERR_SHUTTING_DOWN'
  | 'ERR_HANDSHAKE_HOST_UNKNOWN'
  | 'ERR_LIMIT_HANDSHAKES_PER_ADDRESS'
  // Sealed messages.
  | 'ERR_KEY_INVALID'
  | 'ERR_CRYPTO_UNAVAILABLE'
  | 'ERR_SEAL_TOO_SHORT'
  | 'ERR_SEAL_DECRYPT'
  | 'ERR_SEAL_SIGNATURE'
  | 'ERR_SEAL_FORMAT'
  | 'ERR_SEAL_TOO_LARGE'
  | 'ERR_SEAL_REPLAYED'
  | 'ERR_SEAL_KEY_UNKNOWN'
  | 'ERR_HANDSHAKE_MALFORMED'
  | 'ERR_HANDSHAKE_HTTP_VERSION'
  | 'ERR_HANDSHAKE_TOO_LARGE'
  | 'ERR_HANDSHAKE_ABORTED'
  // What a frame connection met (shardwire/frame).
  | 'ERR_FRAME_OPCODE'
  | 'ERR_FRAME_RESERVED_BITS'
  | 'ERR_FRAME_LENGTH'
  | 'ERR_FRAME_CONTROL'
  | 'ERR_FRAME_MASK'
  | 'ERR_FRAME_SEQUENCE'
  | 'ERR_FRAME_CLOSE_BODY'
  | 'ERR_FRAME_UTF8'
  | 'ERR_FRAME_DEFLATE'
  | 'ERR_FRAME_TOO_LONG'
  | 'ERR_FRAME_MESSAGE_TOO_LONG'
  | 'ERR_FRAME_TRUNCATED'
  | 'ERR_FRAME_CONNECTION_LOST'
  | 'ERR_FRAME_CLOSED'
  | 'ERR_FRAME_BUSY'
  | 'ERR_FRAME_OVERLOADED'
  | 'ERR_FRAME_WRITE_STALLED'
  | 'ERR_FRAME_PONG_MISSED'
  | 'ERR_FRAME_CLOSE_TIMEOUT'
  // What a dialer met (shardwire/frame).
  | 'ERR_DIAL_URL'
  | 'ERR_DIAL_CONNECT'
  | 'ERR_DIAL_TIMEOUT'
  | 'ERR_DIAL_STATUS'
  | 'ERR_DIAL_RESPONSE'
  | 'ERR_DIAL_ACCEPT'
  | 'ERR_DIAL_SUBPROTOCOL'
  | 'ERR_DIAL_EXTENSION'
  // Inside a shard.
  | 'ERR_RING_CORRUPT'
  | 'ERR_SHARD_FAILED'
  | 'ERR_SHARD_STALLED'
  | 'ERR_SHARD_RESTARTING'
  | 'ERR_SHARD_OUT_OF_MEMORY';

/** What an error can say beyond its code and text. */
export interface EngineErrorDetail {
  /** Path of the option or field, such as `limits.channelNameBytes`. */
  readonly path?: string;
  /** What was given there. */
  readonly given?: unknown;
  /** What would have been accepted, in words. */
  readonly allowed?: string;
  readonly cause?: unknown;
}

/**
 * The one error class of this package. Recognise it by `code`, never by `instanceof`: an error that crossed a thread
 * boundary is a copy of another class.
 */
export class EngineError extends Error {
  override readonly name: string = 'EngineError';
  readonly code: ErrorCode;
  readonly path: string | undefined;
  /** Not enumerable: it may be a message's data, and loggers write what they can enumerate. */
  declare readonly given: unknown;
  readonly allowed: string | undefined;

  constructor(code: ErrorCode, message: string, detail: EngineErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.path = detail.path;
    if (detail.given !== undefined) Object.defineProperty(this, 'given', { value: detail.given });
    this.allowed = detail.allowed;
  }
}

/** A property of anything thrown, if it is a string. Never throws, whatever was thrown. */
function textOf(error: unknown, key: 'code' | 'message' | 'stack'): string | undefined {
  try {
    const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, key) : undefined;
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The `code` of anything thrown, or undefined. Works for errors of other threads, classes and libraries. */
export function errorCode(error: unknown): string | undefined {
  return textOf(error, 'code');
}

/** The text of anything thrown. */
export function errorText(error: unknown): string {
  const text = textOf(error, 'message');
  if (text !== undefined) return text;
  try {
    return String(error);
  } catch {
    return 'something that has no text was thrown';
  }
}

/** The stack of anything thrown, or undefined. */
export function errorStack(error: unknown): string | undefined {
  return textOf(error, 'stack');
}
