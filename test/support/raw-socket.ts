import { createHash, randomBytes } from 'node:crypto';
import { connect as connectSocket, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { closeOf, closePayload, type FrameToSend, frameBytes, opcode, type RawFrame, takeFrame } from './raw-frames.ts';
import { resetSocket } from './reset-socket.ts';
import { Signal } from './waiting.ts';

export interface HttpReply {
  readonly status: number;
  /** Names in lower case; repeated ones joined with ', '. */
  readonly headers: ReadonlyMap<string, string>;
  /** '' for 101. */
  readonly body: string;
  /** Header lines as they came. */
  readonly lines: readonly string[];
}

/** A header of null is left out, one of several values is sent once per value. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | null>>;

export interface RequestOptions {
  readonly method?: string;
  /** With the query. Default `/ws`. */
  readonly target?: string;
  /** Override the headers of a good handshake; names in any case. */
  readonly headers?: RequestHeaders;
}

export interface RawSocketOptions {
  readonly host?: string;
  readonly localAddress?: string;
  /** Whether its own side stays open when the peer has ended its side. */
  readonly allowHalfOpen?: boolean;
}

export const sampleKey = 'dGhlIHNhbXBsZSBub25jZQ==';

const openSockets = new Set<Socket>();

let tlsOptions: ConnectionOptions | null = null;

/** From here on every raw socket of this process does a handshake of TLS first. */
export function secureRawSockets(options: ConnectionOptions): void {
  tlsOptions = options;
}

/** Ends whatever sockets a test has left open. */
export function destroyRawSockets(): void {
  for (const socket of openSockets) socket.destroy();
}

/** The accept value of RFC 6455 section 4.2.2. */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** The bytes of a good handshake with `headers` changed as asked. */
export function handshakeText({ method = 'GET', target = '/ws', headers = {} }: RequestOptions = {}): string {
  const good: Record<string, string> = {
    Host: '127.0.0.1',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': sampleKey,
    'Sec-WebSocket-Version': '13',
  };
  const asked = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const lines = Object.entries(good)
    .filter(([name]) => !asked.has(name.toLowerCase()))
    .map(([name, value]) => `${name}: ${value}`);
  for (const [name, value] of Object.entries(headers)) {
    if (value === null) continue;
    for (const one of typeof value === 'string' ? [value] : value) lines.push(`${name}: ${one}`);
  }
  return `${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** A plain request, without the headers of a handshake. */
export function requestText(method: string, target: string, headers: RequestHeaders = {}): string {
  const none = { Upgrade: null, Connection: null, 'Sec-WebSocket-Key': null, 'Sec-WebSocket-Version': null };
  return handshakeText({ method, target, headers: { ...none, ...headers } });
}

/** A TCP client that sends whatever bytes a test wants, and reads HTTP replies and frames. */
export class RawSocket {
  readonly socket: Socket;
  /** Every frame so far, also those that `nextFrame` gave. */
  readonly frames: RawFrame[] = [];
  /** Bytes that have come and are no part of a whole reply or frame. */
  unread: Buffer = Buffer.alloc(0);
  /** The peer has sent its FIN, or the connection is gone. */
  isEnded = false;
  /** It ended with an error, such as ECONNRESET. */
  error: Error | null = null;
  #framing = false;
  #nextFrame = 0;
  readonly #signal = new Signal();
  readonly #tcp: Socket;

  /** `tcp`: what is below, where `socket` speaks TLS. */
  constructor(socket: Socket, tcp: Socket = socket) {
    this.socket = socket;
    this.#tcp = tcp;
    openSockets.add(socket);
    socket.on('data', (bytes: Buffer) => {
      this.unread = this.unread.length === 0 ? bytes : Buffer.concat([this.unread, bytes]);
      if (this.#framing) this.#takeFrames();
      this.#signal.notify();
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    const end = (): void => {
      this.isEnded = true;
      this.#signal.notify();
    };
    socket.on('end', end);
    socket.on('close', () => {
      openSockets.delete(socket);
      end();
    });
  }

  write(bytes: Uint8Array | string): void {
    this.socket.write(bytes);
  }

  sendFrame(frame: FrameToSend): void {
    this.socket.write(frameBytes(frame));
  }

  sendText(text: string): void {
    this.sendFrame({ opcode: opcode.text, payload: text });
  }

  sendJson(value: unknown): void {
    this.sendText(JSON.stringify(value));
  }

  sendBinary(payload: Uint8Array): void {
    this.sendFrame({ opcode: opcode.binary, payload });
  }

  sendPing(payload: string): void {
    this.sendFrame({ opcode: opcode.ping, payload });
  }

  sendClose(code: number, reason = ''): void {
    this.sendFrame({ opcode: opcode.close, payload: closePayload(code, reason) });
  }

  /** The next HTTP reply, whole. After a 101 everything that follows is frames. `head`: a reply to HEAD has no body. */
  async reply(timeoutMs?: number, head = false): Promise<HttpReply> {
    return this.#signal.wait(
      () => this.#takeReply(head),
      () => `a reply, have ${JSON.stringify(this.unread.toString('latin1').slice(0, 200))}`,
      timeoutMs,
    );
  }

  /** Sends a handshake, with `early` in the same packet, and reads the reply. */
  handshake(options: RequestOptions & { readonly early?: Uint8Array } = {}): Promise<HttpReply> {
    const text = Buffer.from(handshakeText(options), 'latin1');
    this.write(options.early === undefined ? text : Buffer.concat([text, options.early]));
    return this.reply();
  }

  /** Frames in the order of their coming. Rejects if the connection ends before. */
  nextFrame(timeoutMs?: number): Promise<RawFrame> {
    return this.#signal.wait(
      () => {
        const frame = this.frames[this.#nextFrame];
        if (frame !== undefined) this.#nextFrame += 1;
        else if (this.isEnded) throw this.error ?? new Error('the connection ended before the next frame');
        return frame;
      },
      () => 'a frame',
      timeoutMs,
    );
  }

  /** The payload of the next text frame, as JSON. */
  async nextJson(timeoutMs?: number): Promise<{ type: string; channel?: string; data: unknown; client_id?: string }> {
    for (;;) {
      const frame = await this.nextFrame(timeoutMs);
      if (frame.opcode === opcode.text) return JSON.parse(frame.payload.toString());
    }
  }

  /** Skips to the peer's Close frame. */
  async closeFrame(timeoutMs?: number): Promise<{ code: number; reason: string }> {
    for (;;) {
      const frame = await this.nextFrame(timeoutMs);
      if (frame.opcode === opcode.close) return closeOf(frame);
    }
  }

  /** Resolves once the peer has ended the connection, in order or not. */
  async ended(timeoutMs?: number): Promise<void> {
    await this.#signal.wait(
      () => (this.isEnded ? true : undefined),
      () => 'the end of the connection',
      timeoutMs,
    );
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Ends with a TCP reset instead of a FIN. */
  reset(): void {
    resetSocket(this.socket, this.#tcp);
  }

  #takeFrames(): void {
    for (;;) {
      const taken = takeFrame(this.unread);
      if (taken === undefined) return;
      this.unread = taken.rest;
      this.frames.push(taken.frame);
    }
  }

  #takeReply(head: boolean): HttpReply | undefined {
    const end = this.unread.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.isEnded) throw this.error ?? new Error('the connection ended before the reply');
      return undefined;
    }
    const [statusLine = '', ...lines] = this.unread.toString('latin1', 0, end).split('\r\n');
    const headers = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      const before = headers.get(name);
      headers.set(name, before === undefined ? value : `${before}, ${value}`);
    }
    const status = Number(statusLine.split(' ')[1]);
    const length = head || status === 101 ? 0 : Number(headers.get('content-length') ?? 0);
    const start = end + 4;
    if (this.unread.length < start + length) {
      if (this.isEnded) throw new Error('the connection ended inside the reply');
      return undefined;
    }
    const body = this.unread.toString('utf8', start, start + length);
    this.unread = this.unread.subarray(start + length);
    if (status === 101) {
      this.#framing = true;
      this.#takeFrames();
    }
    return { status, headers, body, lines: [statusLine, ...lines] };
  }
}

/** Connects; sends nothing. */
export function openRaw(port: number, options: RawSocketOptions = {}): Promise<RawSocket> {
  const { host = '127.0.0.1', localAddress, allowHalfOpen = false } = options;
  return new Promise((resolve, reject) => {
    const socket = connectSocket({
      host,
      port,
      noDelay: true,
      allowHalfOpen,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    const isTls = tlsOptions !== null;
    const raw = isTls ? new RawSocket(connectTls({ ...tlsOptions, socket }), socket) : new RawSocket(socket);
    raw.socket.once('error', reject);
    raw.socket.once(isTls ? 'secureConnect' : 'connect', () => {
      raw.socket.removeListener('error', reject);
      resolve(raw);
    });
  });
}

/** Connects and does a handshake, which must succeed. */
export async function openWebSocket(port: number, options: RequestOptions & RawSocketOptions = {}): Promise<RawSocket> {
  const raw = await openRaw(port, options);
  const reply = await raw.handshake(options);
  if (reply.status !== 101) throw new Error(`the handshake was answered with ${reply.status}: ${reply.body}`);
  return raw;
}

/** One request on a connection of its own, answered in full. */
export async function request(port: number, text: string): Promise<HttpReply> {
  const raw = await openRaw(port);
  raw.write(text);
  try {
    return await raw.reply(undefined, text.startsWith('HEAD '));
  } finally {
    raw.destroy();
  }
}

/** A handshake key that is as good as any. */
export function freshKey(): string {
  return randomBytes(16).toString('base64');
}
