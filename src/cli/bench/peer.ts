import { type Dialed, type DialOptions, dial, type FrameConnection, opcode } from '../../frame/index.ts';
import { EngineError } from '../../shared/errors/index.ts';
import {
  type ClientSession,
  compilePipeline,
  createClientNonce,
  createClientSession,
  encodeClientNonce,
} from '../../shared/security/index.ts';
import { type BenchPlan, bounds, type SealPlan } from './plan.ts';

/** Upper bound of what a frame and sealing add to a message. */
const overheadBytes = 128;

interface Sealing {
  /** In the query of the URL; null: none. */
  readonly nonce: string | null;
  seal(message: Uint8Array): Uint8Array;
  /** Null: the hello of a session, which is no message. */
  open(sealed: Uint8Array): Uint8Array | null;
}

function keysOf({ aesKey, hmacKey, signThenEncrypt }: SealPlan) {
  return {
    ...(aesKey === null ? {} : { aesKey }),
    ...(hmacKey === null ? {} : { hmacKey }),
    signThenEncrypt,
  };
}

function sealingOf(plan: SealPlan): Sealing {
  const { form } = plan;
  const bound = form === 'seal3' || form === 'deflate2' ? { subprotocol: `${plan.codec}+${form}` } : {};
  if (form === 'seal3' || form === 'seal2') {
    const clientNonce = createClientNonce();
    const session: ClientSession = createClientSession({ ...keysOf(plan), ...bound, clientNonce });
    return {
      nonce: encodeClientNonce(clientNonce),
      seal: (message) => session.seal(message),
      open: (sealed) => session.open(sealed),
    };
  }
  const pipeline = compilePipeline({ ...keysOf(plan), ...bound, flagged: form !== 'classic' });
  return { nonce: null, seal: (message) => pipeline.seal(message), open: (sealed) => pipeline.open(sealed) };
}

/** Settings that all handshakes of this plan share. */
export function dialOptions(plan: BenchPlan): DialOptions {
  const headers = new Map<string, string[]>();
  for (const [name, value] of plan.headers) headers.set(name, [...(headers.get(name) ?? []), value]);
  const [host] = [...headers.keys()].filter((name) => name.toLowerCase() === 'host');
  const hostName = host === undefined ? undefined : headers.get(host)?.[0];
  if (host !== undefined) headers.delete(host);
  return {
    subprotocols: plan.subprotocol === null ? [] : [plan.subprotocol],
    headers: Object.fromEntries(headers),
    ...(hostName === undefined ? {} : { host: hostName }),
    timeoutMs: plan.timeoutMs,
    ...(plan.insecure ? { tls: { rejectUnauthorized: false } } : {}),
    connection: {
      // The envelope, base64 and sealing make a message longer than its payload.
      maxMessageBytes: 2 * plan.sizeBytes + 1_048_576,
      // More than there is room for, with any envelope.
      maxBufferedBytes: (plan.inFlight + 1) * (2 * plan.sizeBytes + 2_048),
      closeTimeoutMs: bounds.closeMs,
      // An open loop must see a server that stops reading for a while; the run's own end bounds it.
      writeTimeoutMs: 0,
    },
  };
}

/** One connection to the server. */
export class Peer {
  readonly #connection: FrameConnection;
  readonly #sealing: Sealing | null;
  readonly #kind: typeof opcode.text | typeof opcode.binary;
  readonly #inFlight: number;
  isOpen = true;

  private constructor({ connection }: Dialed, sealing: Sealing | null, isText: boolean, inFlight: number) {
    this.#connection = connection;
    this.#sealing = sealing;
    this.#kind = isText && sealing === null ? opcode.text : opcode.binary;
    this.#inFlight = inFlight;
  }

  /** Resolves when messages may be sent. `signal` ends the wait. */
  static async open(plan: BenchPlan, isText: boolean, signal: AbortSignal): Promise<Peer> {
    const sealing = plan.seal === null ? null : sealingOf(plan.seal);
    const url = new URL(plan.url);
    if (sealing?.nonce != null) url.searchParams.set('client_nonce', sealing.nonce);
    const dialed = await dial(url, { ...dialOptions(plan), signal });
    const peer = new Peer(dialed, sealing, isText, plan.inFlight);
    if (sealing?.nonce != null) await peer.#hello(plan.timeoutMs, signal);
    return peer;
  }

  /** Nothing may be sealed before the server's hello was opened. */
  async #hello(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const connection = this.#connection;
    const late = new EngineError('ERR_DIAL_TIMEOUT', `no hello came within ${timeoutMs} ms`);
    const giveUp = (): void => connection.destroy(late);
    const timer = setTimeout(giveUp, timeoutMs);
    signal.addEventListener('abort', giveUp);
    try {
      const first = await connection.readMessage();
      if (first === null) throw new EngineError('ERR_FRAME_CLOSED', 'the server closed before its hello');
      if (this.#sealing?.open(first.payload) !== null) {
        throw new EngineError('ERR_SEAL_FORMAT', 'the first frame of a server is its hello');
      }
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    }
  }

  /**
   * Whether at most the messages that may be in flight, of this many bytes each, wait to be written. There are more if
   * the server does not read, and messages were given up.
   */
  hasRoom(bytes: number): boolean {
    return this.#connection.bufferedBytes <= this.#inFlight * (bytes + overheadBytes);
  }

  /** Bytes given to the connection. The code that counts messages in flight bounds them. */
  send(message: Uint8Array): number {
    const payload = this.#sealing === null ? message : this.#sealing.seal(message);
    void this.#connection.writeMessage(payload, this.#kind);
    return payload.length;
  }

  /**
   * Reads until the connection ends. `onMessage` gets each opened message and its bytes as they came; a frame that
   * cannot be opened goes to `onFault`. Resolves with the close code, or rejects with the reason why the connection was
   * lost.
   */
  async read(
    onMessage: (message: Uint8Array, bytes: number) => void,
    onFault: (error: unknown) => void,
  ): Promise<number> {
    const sealing = this.#sealing;
    try {
      for await (const { payload } of this.#connection) {
        if (sealing === null) {
          onMessage(payload, payload.length);
          continue;
        }
        let opened: Uint8Array | null;
        try {
          opened = sealing.open(payload);
        } catch (error) {
          onFault(error);
          continue;
        }
        if (opened !== null) onMessage(opened, payload.length);
      }
      this.isOpen = false;
      return (await this.#connection.closed).code;
    } finally {
      this.isOpen = false;
    }
  }

  /** Takes at most `bounds.closeMs`, plus the time that the peer blocks earlier writes. */
  async close(): Promise<void> {
    const late = setTimeout(() => this.#connection.destroy(), bounds.closeMs);
    await this.#connection.close();
    clearTimeout(late);
  }
}
