import { copyOf } from './bytes.ts';
import type { CheckedConfig, PipelineConfig } from './config.ts';
import { checkConfig, requireSomeKey, requireSubprotocol } from './config.ts';
import { badFormat, keyInvalid, unknownKey } from './failures.ts';
import { aadOf, bindingOf, type FrameVersion, headerBytes, headerOf, readHead, readHelloId } from './frame.ts';
import { checkKeySet, type KeySet, requireKeyId } from './keys.ts';
import { CounterSource, ReplayCheck } from './replay-counters.ts';
import { requireClientNonce } from './server-session.ts';

/** What a client says about one connection in version 2 or 3. At least one key must be there. */
export interface ClientSessionConfig extends Omit<PipelineConfig, 'flagged' | 'side'> {
  /** Such as `json+seal3`: version 3. Without it the session is one of version 2, which servers refuse by default. */
  subprotocol?: string;
  /** The id of `aesKey` and `hmacKey`, 0–255; default 0. */
  keyId?: number;
  /** An older set that is still accepted. */
  previous?: KeySet;
  /** The 16 bytes that went into the URL: see createClientNonce. */
  clientNonce: Uint8Array;
}

const sessionKeys: readonly string[] = [
  'aesKey',
  'hmacKey',
  'signThenEncrypt',
  'compress',
  'maxOpenBytes',
  'keyId',
  'previous',
  'clientNonce',
  'subprotocol',
];

/** The checked configuration of a session. */
export interface ClientSetup {
  readonly config: CheckedConfig;
  readonly current: KeySet;
  readonly previous: KeySet | null;
  readonly clientNonce: Uint8Array;
  readonly version: FrameVersion;
}

/** @throws EngineError ERR_KEY_INVALID, ERR_OPTION_INVALID */
export function checkClientConfig(given: ClientSessionConfig): ClientSetup {
  const config = checkConfig(given, sessionKeys);
  requireSomeKey(config);
  const { keyId = 0, previous, clientNonce, subprotocol } = given;
  if (subprotocol !== undefined) requireSubprotocol(subprotocol, '+seal3');
  requireKeyId(keyId);
  requireClientNonce(clientNonce);
  const current: KeySet = Object.freeze({ id: keyId, aesKey: config.aesKey, hmacKey: config.hmacKey });
  const older = previous === undefined ? null : checkKeySet(previous, 'previous');
  if (older !== null) requireOtherId(older.id, keyId, 'previous.id');
  return {
    config,
    current,
    previous: older,
    clientNonce: copyOf(clientNonce),
    version: subprotocol === undefined ? 2 : 3,
  };
}

function requireOtherId(id: number, currentId: number, path: string): void {
  if (id === currentId) throw keyInvalid(path, String(id), 'another id than that of the current keys');
}

/** Something that seals and opens with a set of keys, by the set's id. */
interface Keyed<Body> {
  readonly id: number;
  readonly body: Body;
}

/** A frame of the server, read but not opened. */
export interface PendingFrame<Body> {
  readonly keys: Body;
  readonly counter: number;
  /** A view of the frame. */
  readonly body: Uint8Array;
  readonly aad: Uint8Array;
  /** The connection id of a hello. */
  readonly helloId: Uint8Array | null;
}

/** The client's side of one connection in version 2 or 3, without sealing and opening, which may be asynchronous. */
export class ClientState<Body> {
  readonly #version: FrameVersion;
  readonly #clientNonce: Uint8Array;
  readonly #counters: CounterSource = new CounterSource(0);
  readonly #replayCheck: ReplayCheck = new ReplayCheck();
  #current: Keyed<Body>;
  #previous: Keyed<Body> | null;
  #connectionId: string | null = null;
  /** Both are known with the hello. */
  #incoming: Uint8Array | null = null;
  #outgoing: Uint8Array | null = null;

  constructor(
    { version, clientNonce }: Pick<ClientSetup, 'version' | 'clientNonce'>,
    current: Keyed<Body>,
    previous: Keyed<Body> | null,
  ) {
    this.#version = version;
    this.#clientNonce = clientNonce;
    this.#current = current;
    this.#previous = previous;
  }

  get connectionId(): string | null {
    return this.#connectionId;
  }

  get missing(): number {
    return this.#replayCheck.missing;
  }

  read(frame: Uint8Array): PendingFrame<Body> {
    const { isHello, keyId, counter } = readHead(frame, this.#version);
    const header = frame.subarray(0, headerBytes);
    if (isHello) {
      if (counter !== 0) throw badFormat('a hello has the counter 0');
      this.#replayCheck.check(counter);
      const helloId = readHelloId(frame);
      const aad = aadOf(bindingOf('from server', helloId, this.#clientNonce), header);
      return {
        keys: this.#keysOf(keyId),
        counter,
        body: frame.subarray(headerBytes + 1 + helloId.length),
        aad,
        helloId,
      };
    }
    if (this.#incoming === null) throw badFormat('the first frame of a server is its hello');
    this.#replayCheck.check(counter);
    const aad = aadOf(this.#incoming, header);
    return { keys: this.#keysOf(keyId), counter, body: frame.subarray(headerBytes), aad, helloId: null };
  }

  /** After the frame was opened: its payload, or null if it was the hello. */
  accept({ counter, helloId }: PendingFrame<Body>, payload: Uint8Array): Uint8Array | null {
    if (helloId === null) {
      this.#replayCheck.accept(counter);
      return payload;
    }
    if (payload.length > 0) throw badFormat('a hello has no payload');
    this.#replayCheck.accept(counter);
    this.#incoming = bindingOf('from server', helloId, this.#clientNonce);
    this.#outgoing = bindingOf('from client', helloId, this.#clientNonce);
    this.#connectionId = String.fromCharCode(...helloId);
    return null;
  }

  /** What the next frame needs beside its payload. */
  next(): { readonly keys: Body; readonly prefix: Uint8Array; readonly aad: Uint8Array } {
    if (this.#outgoing === null) throw badFormat("nothing may be sealed before the server's hello was opened");
    const { id, body } = this.#current;
    const prefix = headerOf(this.#version, false, id, this.#counters.take());
    return { keys: body, prefix, aad: aadOf(this.#outgoing, prefix) };
  }

  /** @throws EngineError ERR_KEY_INVALID if the current keys have this id */
  requireNewId(id: number): void {
    requireOtherId(id, this.#current.id, 'keys.id');
  }

  /** From now on seals with these keys, and accepts them and those before. */
  rotate(keys: Keyed<Body>): void {
    this.requireNewId(keys.id);
    this.#previous = this.#current;
    this.#current = keys;
  }

  #keysOf(id: number): Body {
    if (id === this.#current.id) return this.#current.body;
    if (id === this.#previous?.id) return this.#previous.body;
    throw unknownKey(id);
  }
}
