import { checkSealed, isBytes } from './bytes.ts';
import { badFormat, optionInvalid, replayed } from './failures.ts';
import {
  aadOf,
  bindingOf,
  clientNonceBytes,
  connectionIdBytes,
  type FrameVersion,
  headerBytes,
  headerOf,
  readHead,
} from './frame.ts';
import { kindOf, requireKeyId } from './keys.ts';
import { CounterSource, ReplayCheck } from './replay-counters.ts';

/** What a frame to the client needs beside its payload: see SealJob. */
export interface OutgoingFrame {
  readonly prefix: Uint8Array;
  readonly aad: Uint8Array;
}

/** A client's frame, read but not opened: see OpenJob. */
export interface IncomingFrame {
  readonly keyId: number;
  readonly counter: number;
  /** A view of the frame. */
  readonly body: Uint8Array;
  readonly aad: Uint8Array;
}

/**
 * The server's side of one connection in version 2 or 3: it counts frames and binds them to the connection. Keys and bodies
 * are the caller's, those of version 3 derived ones: it seals and opens with `runJob`, here or in another thread.
 */
export class ServerSession {
  readonly #version: FrameVersion;
  readonly #id: Uint8Array;
  readonly #outgoing: Uint8Array;
  readonly #incoming: Uint8Array;
  // Counter 0 is the hello's.
  readonly #counters: CounterSource = new CounterSource(1);
  readonly #replayCheck: ReplayCheck = new ReplayCheck();
  #isGreeted = false;

  /**
   * `connectionId`: 1 to 255 ASCII characters; `clientNonce`: the 16 bytes that the client chose.
   * @throws EngineError ERR_OPTION_INVALID
   */
  constructor(connectionId: string, clientNonce: Uint8Array, version: FrameVersion = 2) {
    requireClientNonce(clientNonce);
    this.#version = version;
    this.#id = connectionIdBytes(connectionId);
    this.#outgoing = bindingOf('from server', this.#id, clientNonce);
    this.#incoming = bindingOf('from client', this.#id, clientNonce);
  }

  /** How many of the client's counters were passed over. */
  get missing(): number {
    return this.#replayCheck.missing;
  }

  /** The first frame, whose payload is empty. Only once. */
  hello(keyId: number): OutgoingFrame {
    requireKeyId(keyId);
    if (this.#isGreeted) throw replayed('the hello of this connection was made before');
    this.#isGreeted = true;
    const header = headerOf(this.#version, true, keyId, 0);
    const prefix = new Uint8Array(headerBytes + 1 + this.#id.length);
    prefix.set(header);
    prefix[headerBytes] = this.#id.length;
    prefix.set(this.#id, headerBytes + 1);
    return { prefix, aad: aadOf(this.#outgoing, header) };
  }

  /**
   * Any later frame. Frames must be sent in the order of these calls.
   * @throws EngineError ERR_SEAL_REPLAYED after 2^53 - 1 frames, ERR_KEY_INVALID
   */
  next(keyId: number): OutgoingFrame {
    requireKeyId(keyId);
    const prefix = headerOf(this.#version, false, keyId, this.#counters.take());
    return { prefix, aad: aadOf(this.#outgoing, prefix) };
  }

  /** @throws EngineError ERR_SEAL_FORMAT, ERR_SEAL_REPLAYED */
  read(frame: Uint8Array): IncomingFrame {
    checkSealed(frame);
    const { isHello, keyId, counter } = readHead(frame, this.#version);
    if (isHello) throw badFormat('only a server sends a hello');
    this.#replayCheck.check(counter);
    const aad = aadOf(this.#incoming, frame.subarray(0, headerBytes));
    return { keyId, counter, body: frame.subarray(headerBytes), aad };
  }

  /**
   * Remembers a counter. Only for a frame whose body was opened.
   * @throws EngineError ERR_SEAL_REPLAYED if that counter, or a later one, was accepted since the frame was read
   */
  accept(counter: number): void {
    this.#replayCheck.accept(counter);
  }
}

export function requireClientNonce(nonce: unknown): asserts nonce is Uint8Array {
  if (!isBytes(nonce) || nonce.length !== clientNonceBytes) {
    throw optionInvalid('clientNonce', kindOf(nonce), `a Uint8Array of exactly ${clientNonceBytes} bytes`);
  }
}
