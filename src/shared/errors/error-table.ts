import type { ErrorCode } from './engine-error.ts';

/** What is fixed about an error code. */
export interface ErrorFacts {
  /** When the code is used, in one sentence. The text of an error says more about the case at hand. */
  readonly meaning: string;
  /** The status of the HTTP answer whose body begins with the code. */
  readonly status?: number;
  /** The status in the second case that docs/errors.md describes. */
  readonly otherStatus?: number;
  /** The code of the Close frame that a peer of the frame toolkit gets. */
  readonly closeCode?: number;
}

/** Every code. The tables of docs/errors.md have the same sentences and numbers; a test compares them. */
export const errorTable: Readonly<Record<ErrorCode, ErrorFacts>> = {
  // Codes that the program gets.
  ERR_OPTION_INVALID: { meaning: 'An option or argument is not allowed, or there is no such option.' },
  ERR_LISTEN_FAILED: { meaning: 'The engine cannot listen on the address.' },
  ERR_SHARD_START_FAILED: { meaning: 'A shard ended before it was ready, or was not ready in time.' },
  ERR_HANDLERS_INVALID: { meaning: 'The handler module cannot be loaded, or gives no valid handlers.' },
  ERR_PLACEMENT_UNSUPPORTED: { meaning: 'The system or the acceptor does not support the placement.' },
  ERR_INSIDE_WORKER: { meaning: 'The engine was started in a worker thread without `insideWorker`.' },
  ERR_MESSAGE_INVALID: { meaning: 'The message to send is not one that can be encoded.' },
  ERR_CLOSE_CODE_INVALID: { meaning: 'The close code or the close reason may not be sent.' },
  ERR_REJECTION_INVALID: { meaning: 'An argument of `reject` is not allowed.' },
  ERR_UPGRADE_RESULT_INVALID: { meaning: 'The `upgrade` handler returned a value that is no decision.' },
  ERR_SECURITY_OFF: { meaning: 'A key was given to an engine that has no `security` option.' },
  ERR_TRANSPORT_UNAVAILABLE: { meaning: 'The option `transport` demands uWebSockets.js, and it cannot be loaded.' },
  ERR_TLS_INVALID: { meaning: 'The certificate, the key, the passphrase or the authorities cannot be used.' },
  ERR_TLS_OFF: { meaning: 'A certificate was given to an engine that has no `tls` option.' },
  ERR_TLS_RELOAD_UNSUPPORTED: { meaning: 'The certificate cannot be replaced while a shard accepts connections.' },
  ERR_TEXT_INVALID: { meaning: 'A text has half of a surrogate pair in it.' },

  // Codes of shards.
  ERR_SHARD_FAILED: { meaning: 'A shard ended by an uncaught error, or by `process.exit()`.' },
  ERR_SHARD_STALLED: { meaning: 'A shard did not answer or did not end in time.' },
  ERR_SHARD_RESTARTING: { meaning: 'The shard is being restarted or replaced already.' },
  ERR_SHARD_OUT_OF_MEMORY: { meaning: 'A shard ended itself because its heap was full.' },
  ERR_RING_CORRUPT: { meaning: 'A record in a ring is damaged.' },

  // Codes of sealed messages.
  ERR_KEY_INVALID: { meaning: 'A key, or the id of one, has the wrong type or length.' },
  ERR_CRYPTO_UNAVAILABLE: { meaning: 'This runtime lacks a function that the call needs.' },
  ERR_SEAL_TOO_SHORT: { meaning: 'The bytes are too few for a sealed message.' },
  ERR_SEAL_DECRYPT: { meaning: 'The message cannot be decrypted with this key.' },
  ERR_SEAL_SIGNATURE: { meaning: 'The signature of the message is wrong.' },
  ERR_SEAL_FORMAT: { meaning: 'The bytes do not have the form of a sealed message.' },
  ERR_SEAL_TOO_LARGE: { meaning: 'The message is larger than may be sealed or opened.' },
  ERR_SEAL_REPLAYED: { meaning: 'The message came before, or out of order.' },
  ERR_SEAL_KEY_UNKNOWN: { meaning: 'The message names keys that this end does not have.' },

  // Codes of the frame toolkit.
  ERR_FRAME_OPCODE: { meaning: 'The peer sent a reserved opcode.', closeCode: 1002 },
  ERR_FRAME_RESERVED_BITS: { meaning: 'A reserved bit is set that was not negotiated.', closeCode: 1002 },
  ERR_FRAME_LENGTH: { meaning: 'The length of a frame is not encoded as it must be.', closeCode: 1002 },
  ERR_FRAME_CONTROL: { meaning: 'A control frame is too long or fragmented.', closeCode: 1002 },
  ERR_FRAME_MASK: { meaning: 'A client sent a frame without a mask, or a server one with a mask.', closeCode: 1002 },
  ERR_FRAME_SEQUENCE: { meaning: 'A frame does not continue or begin a message as it must.', closeCode: 1002 },
  ERR_FRAME_CLOSE_BODY: { meaning: 'The body of a Close frame is not valid.', closeCode: 1002 },
  ERR_FRAME_UTF8: { meaning: 'A text message or a close reason is not UTF-8.', closeCode: 1007 },
  ERR_FRAME_DEFLATE: { meaning: 'A compressed message cannot be inflated.', closeCode: 1007 },
  ERR_FRAME_TOO_LONG: { meaning: 'A frame is longer than allowed.', closeCode: 1009 },
  ERR_FRAME_MESSAGE_TOO_LONG: { meaning: 'A message is longer than allowed.', closeCode: 1009 },
  ERR_FRAME_TRUNCATED: { meaning: 'The stream ended within a frame or message.' },
  ERR_FRAME_CONNECTION_LOST: { meaning: 'The stream failed, or ended without a Close frame.' },
  ERR_FRAME_CLOSED: { meaning: 'The connection was closed before the write was done.' },
  ERR_FRAME_BUSY: { meaning: 'A read was called while another one was waiting.' },
  ERR_FRAME_OVERLOADED: { meaning: 'Too many bytes wait to be written.' },
  ERR_FRAME_WRITE_STALLED: { meaning: 'The peer has read nothing for too long.' },
  ERR_FRAME_PONG_MISSED: { meaning: 'The peer did not answer a ping in time.', closeCode: 1011 },
  ERR_FRAME_CLOSE_TIMEOUT: { meaning: 'The peer did not finish the closing handshake in time.' },

  // Codes of the dialer.
  ERR_DIAL_URL: { meaning: 'The address cannot be dialled.' },
  ERR_DIAL_CONNECT: { meaning: 'The TCP or TLS connection failed.' },
  ERR_DIAL_TIMEOUT: { meaning: 'Connecting and the handshake took too long.' },
  ERR_DIAL_STATUS: { meaning: 'The server answered with another status than 101.' },
  ERR_DIAL_RESPONSE: { meaning: 'The answer is not a valid upgrade to WebSocket.' },
  ERR_DIAL_ACCEPT: { meaning: 'The answer does not fit the key of the handshake.' },
  ERR_DIAL_SUBPROTOCOL: { meaning: 'The server chose a subprotocol that was not offered.' },
  ERR_DIAL_EXTENSION: { meaning: 'The server chose an extension that was not offered.' },

  // Codes that clients get.
  ERR_MESSAGE_MALFORMED: { meaning: "The message does not follow the rules of the connection's subprotocol." },
  ERR_TYPE_UNKNOWN: { meaning: 'The server has no handler for this type of message.' },
  ERR_CHANNEL_INVALID: { meaning: "The channel's name is missing, empty, too long or in the wrong place." },
  ERR_ROOM_INVALID: { meaning: "The room's name is missing, empty or too long, or the data has the wrong form." },
  ERR_NOT_A_MEMBER: { meaning: 'Only members may send to a room.' },
  ERR_FORBIDDEN: { meaning: 'The `authorize` handler did not allow it.' },
  ERR_LIMIT_CHANNELS: { meaning: 'The connection is in as many channels as it may be.' },
  ERR_LIMIT_ROOMS: { meaning: 'The connection is in as many rooms as it may be.' },
  ERR_LIMIT_MEMBERSHIP_BYTES: { meaning: "The names of the connection's channels and rooms are too long together." },
  ERR_OVERLOADED: { meaning: 'The server could not take the message now.', status: 503 },
  ERR_INTERNAL: { meaning: 'The engine or the `upgrade` handler failed.', status: 500 },

  // Codes of refused handshakes.
  ERR_HANDSHAKE_METHOD: { meaning: 'The method of the request is not allowed.', status: 405 },
  ERR_HANDSHAKE_PATH: { meaning: 'Nothing is served at this path.', status: 404 },
  ERR_HANDSHAKE_HOST: { meaning: 'The `Host` header is not given exactly once.', status: 400 },
  ERR_HANDSHAKE_HOST_UNKNOWN: { meaning: 'The `Host` header names another host.', status: 421 },
  ERR_HANDSHAKE_CONNECTION: { meaning: 'The `Connection` header does not ask for an upgrade.', status: 400 },
  ERR_HANDSHAKE_UPGRADE: { meaning: 'The `Upgrade` header does not contain `websocket`.', status: 400 },
  ERR_HANDSHAKE_VERSION: { meaning: '`Sec-WebSocket-Version` is not 13.', status: 426, otherStatus: 400 },
  ERR_HANDSHAKE_KEY: { meaning: '`Sec-WebSocket-Key` is not the base64 form of 16 bytes.', status: 400 },
  ERR_HANDSHAKE_ORIGIN: { meaning: "The page's origin is not allowed.", status: 403 },
  ERR_HANDSHAKE_SUBPROTOCOL: { meaning: 'The server serves none of the offered subprotocols.', status: 400 },
  ERR_HANDSHAKE_NONCE: { meaning: 'The subprotocol needs `client_nonce` in the query.', status: 400 },
  ERR_HANDSHAKE_CERTIFICATE: { meaning: 'The client has shown no certificate.', status: 403 },
  ERR_NAME_INVALID: { meaning: 'The client id is too long or not in the right encoding.', status: 400 },
  ERR_HANDSHAKE_REFUSED: { meaning: 'The `upgrade` handler or a hook refused the handshake.', status: 403 },
  ERR_HANDSHAKE_TIMEOUT: { meaning: 'The handshake took too long.', status: 503, otherStatus: 408 },
  ERR_LIMIT_HANDSHAKES: { meaning: 'Too many handshakes are undecided in the shard.', status: 503 },
  ERR_LIMIT_HANDSHAKES_PER_ADDRESS: { meaning: 'Too many handshakes of the address are undecided.', status: 429 },
  ERR_LIMIT_CONNECTIONS: { meaning: 'The engine has as many connections as it may have.', status: 503 },
  ERR_LIMIT_CONNECTIONS_PER_ADDRESS: { meaning: 'The address has as many connections as it may have.', status: 429 },
  ERR_LIMIT_HEAP: { meaning: 'The heap of the shard is nearly full.', status: 503 },
  ERR_SHUTTING_DOWN: { meaning: 'The server, or this shard of it, is ending.', status: 503 },
  ERR_HANDSHAKE_MALFORMED: { meaning: 'The request has the wrong form, or a body.', status: 400 },
  ERR_HANDSHAKE_HTTP_VERSION: { meaning: 'The request is not HTTP/1.1.', status: 505 },
  ERR_HANDSHAKE_TOO_LARGE: { meaning: "The request's head is too large.", status: 431 },
  ERR_HANDSHAKE_ABORTED: { meaning: 'The stream ended or failed within the handshake.', status: 400 },
};

/** The row of any text; undefined: the text is no code of this package. */
export function errorFacts(code: string | undefined): ErrorFacts | undefined {
  return code !== undefined && Object.hasOwn(errorTable, code) ? errorTable[code as ErrorCode] : undefined;
}
