import assert from 'node:assert/strict';
import {
  type ClientSession,
  type ClientSessionConfig,
  createClientNonce,
  createClientSession,
  type Direction,
  derivedKey,
  type KeySet,
  type PipelineConfig,
  runJob,
  ServerSession,
} from '#dist/shared/security/index.js';

/** The keys of the vectors in docs/protocol.md. */
export const aesKey: Uint8Array = Uint8Array.from({ length: 32 }, (_, index) => index);
export const hmacKey: Uint8Array = new TextEncoder().encode('my-hmac-secret');
export const otherAesKey: Uint8Array = aesKey.toReversed();
export const otherHmacKey: Uint8Array = new TextEncoder().encode('my-hmac-secret2');

/** Every way to apply keys that leaves a change noticed. */
export const keyedModes: Readonly<Record<string, PipelineConfig>> = {
  'sign then encrypt': { aesKey, hmacKey },
  'encrypt then sign': { aesKey, hmacKey, signThenEncrypt: false },
  'AES only': { aesKey },
  'HMAC only': { hmacKey },
};

/** The same modes, plain and with the flag, compressing and not. */
export const pipelines: readonly (readonly [name: string, config: PipelineConfig])[] = Object.entries(
  keyedModes,
).flatMap(([name, config]) => [
  [name, config] as const,
  [`${name}, flagged`, { ...config, flagged: true }] as const,
  [`${name}, compressed`, { ...config, compress: { thresholdBytes: 0 } }] as const,
]);

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export function bytesOfHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The codes that opening may end with, whatever the bytes. */
const openingCodes: ReadonlySet<unknown> = new Set([
  'ERR_SEAL_TOO_SHORT',
  'ERR_SEAL_DECRYPT',
  'ERR_SEAL_SIGNATURE',
  'ERR_SEAL_FORMAT',
  'ERR_SEAL_TOO_LARGE',
  'ERR_SEAL_REPLAYED',
  'ERR_SEAL_KEY_UNKNOWN',
]);

/** The code of the refusal, or `opened`. Fails on any error that no opening may end with. */
export function outcomeOf(open: () => unknown): string {
  try {
    open();
  } catch (error) {
    return refusalCode(error);
  }
  return 'opened';
}

export async function webOutcomeOf(open: () => Promise<unknown>): Promise<string> {
  try {
    await open();
  } catch (error) {
    return refusalCode(error);
  }
  return 'opened';
}

function refusalCode(error: unknown): string {
  const { name, code } = error as { name?: unknown; code?: unknown };
  assert.equal(name, 'EngineError', String(error));
  assert.ok(openingCodes.has(code), String(error));
  return String(code);
}

/** All bytes with one bit changed, one after the other. */
export function* flipped(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Uint8Array.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    yield changed;
  }
}

/** All proper beginnings of the bytes, and the bytes with something before or behind them. */
export function* resized(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length++) yield bytes.slice(0, length);
  for (const extra of [Uint8Array.of(0), Uint8Array.of(1), new Uint8Array(16), new Uint8Array(32).fill(255), bytes]) {
    yield Uint8Array.from([...bytes, ...extra]);
    yield Uint8Array.from([...extra, ...bytes]);
  }
}

/** Opens or seals a whole frame as an engine does: the session counts, a job seals. */
export interface ServerEnd {
  hello(): Uint8Array;
  seal(payload: Uint8Array, deflateLevel?: number): Uint8Array;
  open(frame: Uint8Array): Uint8Array;
}

/** The keys of one direction of a subprotocol. */
export function derivedSet({ id, ...keys }: KeySet, subprotocol: string, direction: Direction): KeySet {
  return {
    id,
    aesKey: keys.aesKey && derivedKey(keys.aesKey, subprotocol, direction, 'aes-256-gcm'),
    hmacKey: keys.hmacKey && derivedKey(keys.hmacKey, subprotocol, direction, 'hmac-sha256'),
  };
}

/** The first set seals; all of them open. With a subprotocol their keys are derived for it, and the session has version 3. */
export function serverEnd(
  session: ServerSession,
  sets: readonly KeySet[],
  signThenEncrypt = true,
  subprotocol: string | null = null,
): ServerEnd {
  const bound = (keys: KeySet, direction: Direction): KeySet =>
    subprotocol === null ? keys : derivedSet(keys, subprotocol, direction);
  const [current] = sets;
  assert.ok(current !== undefined);
  const common = { signThenEncrypt, flagged: true } as const;
  const seal = (
    { prefix, aad }: { prefix: Uint8Array; aad: Uint8Array },
    source: Uint8Array,
    deflateLevel: number,
  ): Uint8Array =>
    runJob({ ...common, op: 'seal', source, keys: bound(current, 'from server'), deflateLevel, prefix, aad });
  return {
    hello: () => seal(session.hello(current.id), new Uint8Array(0), 0),
    seal: (payload, deflateLevel = 0) => seal(session.next(current.id), payload, deflateLevel),
    open(frame) {
      const { keyId, counter, body, aad } = session.read(frame);
      const keys = sets.find(({ id }) => id === keyId);
      assert.ok(keys !== undefined, `key id ${keyId}`);
      const opening = bound(keys, 'from client');
      const payload = runJob({ ...common, op: 'open', source: body, keys: opening, maxBytes: 1_000_000, aad });
      session.accept(counter);
      return payload;
    },
  };
}

/** The keys of a mode as a set. */
export function keySetOf(id: number, config: PipelineConfig): KeySet {
  return { id, aesKey: config.aesKey ?? null, hmacKey: config.hmacKey ?? null };
}

export const connectionId = '1-03a0b7e0-1';
export const sessionKeys: KeySet = { id: 7, aesKey, hmacKey: null };

export interface Ends {
  readonly client: ClientSession;
  readonly server: ServerEnd;
  readonly session: ServerSession;
  readonly hello: Uint8Array;
}

/** Both ends of a connection; the hello was made, but is not opened unless `isGreeted`. */
export function connected(config: Partial<ClientSessionConfig> = {}, isGreeted = true, id = connectionId): Ends {
  const clientNonce = config.clientNonce ?? createClientNonce();
  const session = new ServerSession(id, clientNonce);
  const server = serverEnd(session, [sessionKeys]);
  const client = createClientSession({ aesKey, keyId: 7, clientNonce, ...config });
  const hello = server.hello();
  if (isGreeted) assert.equal(client.open(hello), null);
  return { client, server, session, hello };
}
