import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type DeflateOptions, dial, type FrameConnection, upgrade, upgradeRequest } from '#dist/frame/index.js';
import { closePayload, type FrameToSend, frameBytes, opcode, type RawFrame } from '../support/raw-frames.ts';
import { acceptOf, handshakeText } from '../support/raw-socket.ts';
import { pause, Signal } from '../support/waiting.ts';

/** The echo programs of the guide: a server on sockets, one behind node:http, and a client. */
export const subjects = ['net', 'http', 'dial'] as const;
export type Subject = (typeof subjects)[number];

/** A message or pong that comes. */
export type Came = readonly [number, string | Buffer];

/** How the bytes travel: TCP may cut and join them as it likes. */
export const ways = ['at once', 'frame by frame', 'byte by byte'] as const;
export type Way = (typeof ways)[number];

/**
 * The far end of one connection, on a real socket, with nothing of the toolkit in it. It takes frames apart byte by byte
 * and is strict: whatever an honest peer must not send is a fault.
 */
export class WirePeer {
  readonly socket: Socket;
  readonly #masks: boolean;
  readonly #signal = new Signal();
  readonly #reservedBits: number;
  #unread: Buffer;
  #within = false;
  /** Data messages and pongs that came, each `opcode, payload`; fragments are put together. */
  readonly came: [number, Buffer][] = [];
  /** Reserved bits of the first frame of each of `came`. */
  readonly bits: number[] = [];
  /** Payload of the Close frame. */
  close: Buffer | null = null;
  end: 'open' | 'ended' | 'reset' = 'open';
  /** Whether this end had ended its direction when the subject ended its own. */
  endedFirst: 'subject' | 'peer' | null = null;
  fault: string | null = null;

  constructor(socket: Socket, subject: Subject, rest: Buffer, reservedBits = 0) {
    this.socket = socket;
    this.#masks = subject !== 'dial';
    this.#reservedBits = reservedBits;
    this.#unread = rest;
    socket.on('data', (bytes: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, bytes]);
      this.#takeFrames();
      this.#signal.notify();
    });
    const over = (how: 'ended' | 'reset') => (): void => {
      if (this.end === 'open') this.end = how;
      this.endedFirst ??= 'subject';
      this.#signal.notify();
    };
    socket.on('end', over('ended')).on('error', over('reset')).on('close', over('ended'));
    socket.resume();
  }

  bytes(frame: FrameToSend): Buffer {
    return frameBytes({ masked: this.#masks, ...frame });
  }

  finish(): void {
    this.endedFirst ??= 'peer';
    this.socket.end();
  }

  #takeFrames(): void {
    for (let frame = this.#take(); frame !== null && this.fault === null; frame = this.#take()) {
      this.fault = this.#faultOf(frame);
      if (frame.opcode === opcode.close) this.close = frame.payload;
      else if (frame.opcode === opcode.continuation) {
        const last = this.came.at(-1);
        if (last !== undefined) last[1] = Buffer.concat([last[1], frame.payload]);
      } else {
        this.came.push([frame.opcode, frame.payload]);
        this.bits.push(frame.rsv);
      }
      if (frame.opcode < 8) this.#within = !frame.fin;
    }
  }

  #faultOf(frame: RawFrame): string | null {
    if (this.close !== null) return 'a frame after the Close frame';
    if (frame.masked === this.#masks) return 'the mask is wrong for the role';
    if (![0, 1, 2, 8, 9, 10].includes(frame.opcode)) return `opcode ${frame.opcode}`;
    if (frame.opcode >= 8) {
      if (frame.rsv !== 0 || !frame.fin || frame.payload.length > 125) return 'a malformed control frame';
      return frame.opcode === opcode.close && frame.payload.length === 1 ? 'a Close frame of one byte' : null;
    }
    if (this.#within !== (frame.opcode === opcode.continuation)) return 'a frame out of sequence';
    if ((frame.rsv & ~(this.#within ? 0 : this.#reservedBits)) !== 0) return `reserved bits ${frame.rsv}`;
    return null;
  }

  #take(): RawFrame | null {
    const bytes = this.#unread;
    if (bytes.length < 2) return null;
    const short = (bytes[1] as number) & 0x7f;
    const masked = (bytes[1] as number) >= 0x80;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (bytes.length < 2 + lengthBytes) return null;
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    if ((short === 126 && length < 126) || (short === 127 && length < 65_536))
      this.fault ??= 'a length that is not minimal';
    const start = 2 + lengthBytes + (masked ? 4 : 0);
    if (bytes.length < start + length) return null;
    const payload = Buffer.from(bytes.subarray(start, start + length));
    if (masked)
      for (let i = 0; i < length; i++) payload[i] = (payload[i] as number) ^ (bytes[start - 4 + (i & 3)] as number);
    this.#unread = bytes.subarray(start + length);
    const first = bytes[0] as number;
    return { fin: first >= 0x80, rsv: (first >> 4) & 7, opcode: first & 15, masked, payload };
  }

  /** Waits until `done`, or until the subject has ended the stream. */
  async until(done: () => boolean, what: string): Promise<void> {
    await this.#signal.wait(
      () => (done() || this.end !== 'open' ? true : undefined),
      () => what,
    );
    if (this.fault !== null) assert.fail(`the program sent ${this.fault}`);
  }
}

async function echo(connection: FrameConnection): Promise<void> {
  for await (const { payload, opcode: kind } of connection) await connection.writeMessage(payload, kind);
}

/** Reads a head off a socket; what stands behind it is given back. */
async function readHead(socket: Socket): Promise<{ head: string; rest: Buffer }> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const at = bytes.indexOf('\r\n\r\n');
    if (at >= 0) return { head: bytes.toString('latin1', 0, at + 2), rest: bytes.subarray(at + 4) };
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    socket.pause();
    bytes = Buffer.concat([bytes, chunk]);
  }
}

function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`\r\n${name}: *(.*)\r\n`, 'i').exec(head)?.[1];
}

export interface Opened {
  readonly peer: WirePeer;
  /** What a server answered to `extensions`. */
  readonly answer: string | undefined;
}

export interface Programs {
  /** `extensions`: what is offered to a server, or what a client is answered. */
  open(subject: Subject, extensions?: string): Promise<Opened>;
  close(): Promise<void>;
}

export async function programs(deflate: DeflateOptions | null, maxMessageBytes: number): Promise<Programs> {
  const options = { deflate, connection: { maxMessageBytes } };
  const sockets = new Set<Socket>();
  // What a program rejects with is the business of the cases, which look at the wire.
  const ignore = (): void => undefined;
  const overNet = createServer((socket) => {
    upgrade(socket, options)
      .then(({ connection }) => echo(connection))
      .catch(ignore);
  });
  const overHttp = createHttpServer().on('upgrade', (request, socket, head) => {
    upgradeRequest(request, socket, head, options)
      .then(({ connection }) => echo(connection))
      .catch(ignore);
  });
  const forClients = createServer({ noDelay: true, allowHalfOpen: true });
  /** Who waits for the client that was sent to a path. */
  const expected = new Map<string, (came: { socket: Socket; head: string; rest: Buffer }) => void>();
  forClients.on('connection', (socket: Socket) => {
    void readHead(socket).then(({ head, rest }) => expected.get(head.split(' ')[1] ?? '')?.({ socket, head, rest }));
  });
  const all: readonly Server[] = [overNet, overHttp, forClients];
  for (const server of all) {
    server.on('connection', (socket: Socket) => sockets.add(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const portOf = (server: Server): number => (server.address() as AddressInfo).port;

  async function toServer(subject: Subject, extensions: string | undefined): Promise<Opened> {
    const port = portOf(subject === 'net' ? overNet : overHttp);
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    sockets.add(socket);
    socket.write(handshakeText({ headers: { 'Sec-WebSocket-Extensions': extensions ?? null } }));
    const { head, rest } = await readHead(socket);
    assert.match(head, /^HTTP\/1\.1 101 /);
    const answer = headerOf(head, 'Sec-WebSocket-Extensions');
    return { peer: new WirePeer(socket, subject, rest, answer === undefined ? 0 : 4), answer };
  }

  async function toClient(extensions: string | undefined): Promise<Opened> {
    const path = `/${expected.size}`;
    const came = new Promise<{ socket: Socket; head: string; rest: Buffer }>((resolve) => expected.set(path, resolve));
    dial(`ws://127.0.0.1:${portOf(forClients)}${path}`, options)
      .then((dialed) => echo(dialed.connection))
      .catch(ignore);
    const { socket, head, rest } = await came;
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
    lines.push(`Sec-WebSocket-Accept: ${acceptOf(headerOf(head, 'Sec-WebSocket-Key') ?? '')}`);
    if (extensions !== undefined) lines.push(`Sec-WebSocket-Extensions: ${extensions}`);
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    return { peer: new WirePeer(socket, 'dial', rest, extensions === undefined ? 0 : 4), answer: extensions };
  }

  return {
    open: (subject, extensions) => (subject === 'dial' ? toClient(extensions) : toServer(subject, extensions)),
    async close() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(all.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

export async function send(peer: WirePeer, frames: readonly FrameToSend[], way: Way): Promise<void> {
  const bytes = frames.map((frame) => peer.bytes(frame));
  const whole = Buffer.concat(bytes);
  if (way === 'at once') peer.socket.write(whole);
  else {
    const pieces = way === 'frame by frame' ? bytes : Array.from(whole, (byte) => Buffer.of(byte));
    for (const piece of pieces) {
      peer.socket.write(piece);
      await new Promise(setImmediate);
    }
  }
}

/** Sends a Close frame if need be, and looks at how both the handshake and the stream come to their end. */
export async function finish(peer: WirePeer, subject: Subject, code: number | undefined): Promise<void> {
  if (code === undefined) peer.socket.write(peer.bytes({ opcode: opcode.close, payload: closePayload(1000, 'done') }));
  await peer.until(() => peer.close !== null, 'a Close frame');
  assert.ok(peer.close !== null, `the stream was ${peer.end} without a Close frame`);
  assert.equal(peer.close.length < 2 ? 1005 : peer.close.readUInt16BE(0), code ?? 1000);
  if (subject === 'dial') {
    // The server is to end the stream first (RFC 6455 section 7.1.1), and that is this end.
    await pause(1);
    assert.equal(peer.end, 'open', 'a client leaves the end of the stream to the server');
    peer.finish();
  }
  await peer.until(() => false, 'the end of the stream');
  assert.equal(peer.end, 'ended');
  assert.equal(peer.endedFirst, subject === 'dial' ? 'peer' : 'subject');
  peer.socket.end();
}

export function assertCame(peer: WirePeer, wanted: readonly Came[]): void {
  const brief = (all: readonly Came[]): string[] => all.map(([kind, payload]) => `${kind} of ${payload.length}`);
  assert.deepEqual(brief(peer.came), brief(wanted));
  for (const [i, [, payload]] of wanted.entries()) {
    assert.ok(peer.came[i]?.[1].equals(Buffer.from(payload)), `payload ${i}`);
  }
}
