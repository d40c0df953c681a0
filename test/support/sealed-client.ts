import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { type Codec, type CodecName, codecByName, type Envelope } from '#dist/shared/codec/index.js';
import { Signal, within } from './waiting.ts';

export interface Keys {
  readonly aesKey?: Uint8Array;
  readonly hmacKey?: Uint8Array;
  readonly signThenEncrypt?: boolean;
}

export type SubprotocolForm = 'classic' | 'deflate' | 'seal2' | 'deflate2' | 'seal3';

const noBytes = Buffer.alloc(0);

/** AES-256-GCM as `[nonce 12][ciphertext][tag 16]`. Written after docs/protocol.md, with nothing of the engine's. */
function encrypt(plain: Uint8Array, key: Uint8Array, aad: Buffer): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(sealed: Buffer, key: Uint8Array, aad: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
}

function mac(data: Uint8Array, key: Uint8Array, aad: Buffer): Buffer {
  return createHmac('sha256', key).update(aad).update(data).digest();
}

export function sealWith(keys: Keys, plain: Uint8Array, aad: Buffer = noBytes): Buffer {
  const { aesKey, hmacKey, signThenEncrypt = true } = keys;
  const sign = (data: Buffer): Buffer =>
    hmacKey === undefined ? data : Buffer.concat([mac(data, hmacKey, aad), data]);
  const lock = (data: Buffer): Buffer => (aesKey === undefined ? data : encrypt(data, aesKey, aad));
  const bytes = Buffer.from(plain);
  return signThenEncrypt ? lock(sign(bytes)) : sign(lock(bytes));
}

export function openWith(keys: Keys, sealed: Buffer, aad: Buffer = noBytes): Buffer {
  const { aesKey, hmacKey, signThenEncrypt = true } = keys;
  const check = (data: Buffer): Buffer => {
    if (hmacKey === undefined) return data;
    const rest = data.subarray(32);
    if (!timingSafeEqual(data.subarray(0, 32), mac(rest, hmacKey, aad))) throw new Error('wrong signature');
    return rest;
  };
  const unlock = (data: Buffer): Buffer => (aesKey === undefined ? data : decrypt(data, aesKey, aad));
  return signThenEncrypt ? check(unlock(sealed)) : unlock(check(sealed));
}

/** The keys for one direction of a subprotocol: docs/protocol.md, "Derived keys". */
export function derivedFor(keys: Keys, subprotocol: string, direction: 'from client' | 'from server'): Keys {
  const derive = (key: Uint8Array, use: string): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', key, Buffer.alloc(0), `shardwire ${subprotocol} ${direction} ${use}`, 32));
  return {
    ...keys,
    ...(keys.aesKey === undefined ? {} : { aesKey: derive(keys.aesKey, 'aes-256-gcm') }),
    ...(keys.hmacKey === undefined ? {} : { hmacKey: derive(keys.hmacKey, 'hmac-sha256') }),
  };
}

/** A client of any codec that seals by itself, in every form that a subprotocol can ask for. */
export class SealedClient {
  readonly codec: Codec;
  readonly form: SubprotocolForm;
  readonly socket: WebSocket;
  /** What to seal and open with; may be replaced at any time. */
  keys: Keys;
  /** For `seal3` and `seal2`: id to keys, for frames that name another id than `keyId`. */
  keyId = 0;
  readonly otherKeys = new Map<number, Keys>();
  readonly all: Envelope[] = [];
  /** As they came. */
  readonly frames: Buffer[] = [];
  /** Whether each frame was binary. */
  readonly kinds = new Set<boolean>();
  /** Flags in front of payloads, in their order. */
  readonly flags: number[] = [];
  readonly faults: Error[] = [];
  /** Known once the hello came. */
  connectionId = '';
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly nonce: Buffer;
  isClosed = false;
  #counter = 0n;
  #lastCounter = -1n;
  #unread = 0;
  readonly #signal = new Signal();

  constructor(codec: Codec, form: SubprotocolForm, socket: WebSocket, keys: Keys, nonce: Buffer) {
    this.codec = codec;
    this.form = form;
    this.socket = socket;
    this.keys = keys;
    this.nonce = nonce;
    socket.on('error', () => undefined);
    socket.on('message', (payload: Buffer, binary: boolean) => {
      this.kinds.add(binary);
      this.frames.push(payload);
      try {
        const plain = this.#open(payload);
        if (plain !== null) this.all.push(codec.decode(new Uint8Array(plain)));
      } catch (error) {
        this.faults.push(error as Error);
      }
      this.#signal.notify();
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.isClosed = true;
        resolve({ code, reason: reason.toString() });
        this.#signal.notify();
      });
    });
  }

  /** The frame of an envelope, ready to be sent; every call counts. */
  frameOf(fields: Partial<Envelope>, deflate = false): Buffer {
    const envelope: Envelope = {
      type: '',
      channel: '',
      data: null,
      timestamp: 0n,
      clientId: '',
      id: 0,
      offset: 0,
      ...fields,
    };
    return this.frameOfBytes(this.codec.encode(envelope), deflate);
  }

  frameOfBytes(bytes: Uint8Array, deflate = false): Buffer {
    const keys = this.#keysFor(this.keys, 'from client');
    if (this.form === 'classic') return sealWith(keys, bytes);
    const flagged = Buffer.concat([Buffer.of(deflate ? 1 : 0), deflate ? deflateRawSync(bytes) : bytes]);
    if (!this.#hasSession) return sealWith(keys, flagged);
    const header = this.#header(this.#counter);
    this.#counter += 1n;
    return Buffer.concat([header, sealWith(keys, flagged, this.#aad(header, 'c'))]);
  }

  send(fields: Partial<Envelope>, deflate = false): void {
    this.socket.send(this.frameOf(fields, deflate), { binary: true });
  }

  sendRaw(frame: Uint8Array): void {
    this.socket.send(frame, { binary: true });
  }

  /** A control message with JSON data; in Protobuf a message whose first field is the name. */
  control(type: string, name: string): void {
    const key = type.endsWith('_room') ? 'room_id' : 'channel';
    const json = Buffer.from(JSON.stringify({ [key]: name }));
    const field = Buffer.concat([Buffer.of(0x0a, Buffer.byteLength(name)), Buffer.from(name)]);
    this.send({ type, data: this.codec.name === 'protobuf' ? field : json });
  }

  /** The next message that was not given yet. Rejects once none can come. */
  next(): Promise<Envelope> {
    return this.#signal.wait(
      () => {
        const envelope = this.all[this.#unread];
        if (envelope !== undefined) this.#unread += 1;
        else if (this.isClosed) throw new Error('the connection has ended');
        else if (this.faults[0] !== undefined) throw this.faults[0];
        return envelope;
      },
      () => `a message for a sealed ${this.codec.name} client`,
    );
  }

  /** Subscribes, and resolves once that is so. */
  async subscribe(channel: string): Promise<void> {
    this.control('subscribe', channel);
    await this.sync();
  }

  /** Everything sent before has been handled once this resolves. Gives the connection's id. */
  async sync(): Promise<string> {
    const channel = `probe-${randomBytes(8).toString('hex')}`;
    this.control('subscribe', channel);
    this.send({ type: 'publish', channel, data: Buffer.from('0') });
    this.control('unsubscribe', channel);
    const probe = await this.#signal.wait(
      () => {
        const found = this.all.find((message) => message.channel === channel);
        if (found === undefined && this.isClosed) throw new Error('the connection has ended');
        if (found === undefined && this.faults[0] !== undefined) throw this.faults[0];
        return found;
      },
      () => 'the answer to a probe',
    );
    this.all.splice(this.all.indexOf(probe), 1);
    return probe.clientId;
  }

  waitFor<T>(check: () => T | undefined, what: string): Promise<T> {
    return this.#signal.wait(check, () => what);
  }

  get #hasSession(): boolean {
    return this.form === 'seal2' || this.form === 'seal3';
  }

  #keysFor(keys: Keys, direction: 'from client' | 'from server'): Keys {
    const isDerived = this.form === 'deflate2' || this.form === 'seal3';
    return isDerived ? derivedFor(keys, `${this.codec.name}+${this.form}`, direction) : keys;
  }

  #header(counter: bigint, flags = 0): Buffer {
    const header = Buffer.alloc(11);
    header[0] = this.form === 'seal3' ? 3 : 2;
    header[1] = flags;
    header[2] = this.keyId;
    header.writeBigUInt64BE(counter, 3);
    return header;
  }

  #aad(header: Buffer, direction: 'c' | 's'): Buffer {
    const id = Buffer.from(this.connectionId, 'latin1');
    return Buffer.concat([header, Buffer.from(direction), Buffer.of(id.length), id, this.nonce]);
  }

  #open(frame: Buffer): Buffer | null {
    if (this.form === 'classic') return openWith(this.keys, frame);
    if (!this.#hasSession) return this.#payload(openWith(this.#keysFor(this.keys, 'from server'), frame));
    const header = frame.subarray(0, 11);
    const isHello = header[1] === 1;
    let start = 11;
    if (isHello) {
      const length = frame.readUInt8(11);
      this.connectionId = frame.toString('latin1', 12, 12 + length);
      start = 12 + length;
    }
    const counter = header.readBigUInt64BE(3);
    if (counter <= this.#lastCounter) throw new Error(`counter ${counter} after ${this.#lastCounter}`);
    const id = header.readUInt8(2);
    const keys = id === this.keyId ? this.keys : this.otherKeys.get(id);
    if (keys === undefined) throw new Error(`unknown key id ${id}`);
    const payload = this.#payload(
      openWith(this.#keysFor(keys, 'from server'), frame.subarray(start), this.#aad(header, 's')),
    );
    this.#lastCounter = counter;
    if (isHello) this.flags.pop();
    return isHello ? null : payload;
  }

  #payload(flagged: Buffer): Buffer {
    const flag = flagged.readUInt8(0);
    this.flags.push(flag);
    return flag === 1 ? inflateRawSync(flagged.subarray(1)) : flagged.subarray(1);
  }
}

export interface SealedConnectOptions {
  readonly codec?: CodecName;
  readonly form?: SubprotocolForm;
  readonly keys?: Keys;
  readonly headers?: Readonly<Record<string, string>>;
  readonly nonce?: Buffer;
  readonly keyId?: number;
}

const clients = new Set<WebSocket>();

export function terminateSealedClients(): void {
  for (const client of clients) client.terminate();
  clients.clear();
}

/** Connects, and for `seal3` and `seal2` waits for the hello. */
export async function connectSealed(
  engine: { readonly port: number },
  {
    codec: name = 'json',
    form = 'classic',
    keys = {},
    headers = {},
    nonce = randomBytes(16),
    keyId = 0,
  }: SealedConnectOptions = {},
): Promise<SealedClient> {
  const codec = codecByName(name);
  if (codec === undefined) throw new Error(`there is no codec ${name}`);
  const subprotocol = form === 'classic' ? name : `${name}+${form}`;
  const query = form === 'seal2' || form === 'seal3' ? `?client_nonce=${nonce.toString('base64url')}` : '';
  const url = `ws://127.0.0.1:${engine.port}/ws${query}`;
  const socket = new WebSocket(url, [subprotocol], { perMessageDeflate: false, headers: { ...headers } });
  clients.add(socket);
  socket.once('close', () => clients.delete(socket));
  const client = new SealedClient(codec, form, socket, keys, nonce);
  client.keyId = keyId;
  await within(
    new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('error', reject);
    }),
    `a ${subprotocol} connection`,
  );
  if (form === 'seal2' || form === 'seal3') {
    await client.waitFor(() => {
      if (client.isClosed) throw new Error('the connection ended before the hello');
      return client.connectionId === '' ? client.faults[0] : client.connectionId;
    }, 'the hello');
  }
  return client;
}
