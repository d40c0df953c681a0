import type { ControlDecoder } from './control.ts';
import type { EncodableEnvelope, Envelope } from './envelope.ts';
import type { Scratch } from './scratch.ts';

/** The codecs' names. They are also the values of `Sec-WebSocket-Protocol`. */
export type CodecName = 'json' | 'protobuf' | 'flatbuffers' | 'msgpack';

/** A codec's index in tables and ring records: json 0, protobuf 1, flatbuffers 2, msgpack 3. */
export type CodecIndex = 0 | 1 | 2 | 3;

/** Turns envelopes into message payloads and back. Holds no state between calls. */
export interface Codec {
  readonly name: CodecName;
  readonly index: CodecIndex;
  /** Whether messages go out in binary frames; false: text frames. */
  readonly binary: boolean;
  /** Reads the `data` of control messages. */
  readonly control: ControlDecoder;

  /**
   * The message's bytes. With a scratch the result is a view of it, valid until the scratch's next use; without, it is
   * the caller's to keep. Never throws for an envelope of the declared types.
   */
  encode(envelope: EncodableEnvelope, scratch?: Scratch): Uint8Array;

  /**
   * Reads one whole message. `data` may be a view of `bytes`: copy it to keep it longer than them.
   *
   * @throws EngineError with code ERR_MESSAGE_MALFORMED, naming what is wrong and at which byte; never anything else.
   */
  decode(bytes: Uint8Array): Envelope;
}
