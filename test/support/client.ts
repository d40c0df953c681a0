import type { ConnectionOptions } from 'node:tls';
import { WebSocket } from 'ws';
import { errorCode } from '#dist/shared/errors/index.js';
import { type ClientSocket, FrameSocket } from './frame-socket.ts';
import { Signal, within } from './waiting.ts';

/** An envelope as a JSON client sees it. */
export interface ClientMessage {
  readonly type: string;
  readonly channel?: string;
  readonly data: unknown;
  /** Exact, unlike what `JSON.parse` makes of it; 0n: absent. */
  readonly timestamp: bigint;
  readonly client_id?: string;
  readonly data_base64?: string;
  /** The frame's payload. */
  readonly text: string;
}

export interface ConnectOptions {
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Without the question mark. */
  readonly query?: string;
  readonly path?: string;
  /** Address of this machine to connect from. */
  readonly localAddress?: string;
  /** permessage-deflate to offer, and the least that is compressed; nothing by default. */
  readonly deflate?: { readonly thresholdBytes?: number };
  /** What speaks WebSocket: our own toolkit by default, `ws` where a client that we have not written is the point. */
  readonly library?: 'shardwire' | 'ws';
  /** Connect with TLS, and with these settings of it. */
  readonly tls?: ConnectionOptions;
}

export interface CloseEvent {
  readonly code: number;
  readonly reason: string;
}

const openClients = new Set<ClientSocket>();

/** Ends whatever clients a test has left open. */
export function terminateClients(): void {
  for (const client of openClients) client.terminate();
}

function parse(text: string): ClientMessage {
  const envelope = JSON.parse(text);
  // The envelope's own timestamp stands behind its data, so it is the last one outside of strings.
  const literals = [...text.matchAll(/"timestamp":(-?\d+)/g)];
  return { ...envelope, timestamp: BigInt(literals.at(-1)?.[1] ?? 0), text };
}

let probes = 0;

/** A client of the JSON codec. */
export class Client {
  readonly socket: ClientSocket;
  /** Everything that came, also what `next` gave; without the messages of `sync`. */
  readonly all: ClientMessage[] = [];
  /** Resolves however the connection ends. */
  readonly closed: Promise<CloseEvent>;
  /** Known once `sync` has been awaited. */
  id = '';
  #closeEvent: CloseEvent | null = null;
  readonly #unread: ClientMessage[] = [];
  readonly #probes = new Map<string, ClientMessage>();
  readonly #signal = new Signal();

  constructor(socket: ClientSocket) {
    this.socket = socket;
    openClients.add(socket);
    socket.on('message', (payload: Buffer) => this.#take(parse(payload.toString())));
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        openClients.delete(socket);
        this.#closeEvent = { code, reason: reason.toString() };
        resolve(this.#closeEvent);
        this.#signal.notify();
      });
    });
  }

  /** The subprotocol that the server chose, '' if none. */
  get protocol(): string {
    return this.socket.protocol;
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  sendText(text: string): void {
    this.socket.send(text);
  }

  /**
   * The first message, of those that `next` has not given yet, that fits; the others stay. Rejects if the connection
   * ends before.
   */
  next(predicate: (message: ClientMessage) => boolean = () => true, timeoutMs?: number): Promise<ClientMessage> {
    return this.#signal.wait(
      () => {
        const place = this.#unread.findIndex(predicate);
        if (place >= 0) return this.#unread.splice(place, 1)[0];
        return this.#whileOpen();
      },
      () => `a message, ${this.#unread.length} others came`,
      timeoutMs,
    );
  }

  /**
   * Everything sent before has been handled by the server once this resolves, and everything that the server sent
   * before has arrived. Works where clients may subscribe and publish. Gives the connection's id.
   */
  async sync(timeoutMs?: number): Promise<string> {
    probes += 1;
    const channel = `probe-${process.pid}-${probes}`;
    this.send({ type: 'subscribe', data: { channel } });
    this.send({ type: 'publish', channel, data: null });
    this.send({ type: 'unsubscribe', data: { channel } });
    const { client_id: id = '' } = await this.#signal.wait(
      () => this.#probes.get(channel) ?? this.#whileOpen(),
      () => 'the answer to a probe',
      timeoutMs,
    );
    this.id = id;
    return id;
  }

  /** Subscribes, and resolves once it is so. */
  async subscribe(...channels: readonly string[]): Promise<void> {
    for (const channel of channels) this.send({ type: 'subscribe', data: { channel } });
    await this.sync();
  }

  /** Joins, and resolves once it is so. */
  async joinRoom(...rooms: readonly string[]): Promise<void> {
    for (const room of rooms) this.send({ type: 'join_room', data: { room_id: room } });
    await this.sync();
  }

  close(code = 1000, reason = ''): Promise<CloseEvent> {
    this.socket.close(code, reason);
    return within(this.closed, 'the end of a client');
  }

  terminate(): void {
    this.socket.terminate();
  }

  /** Nothing, while more may come; throws once the connection has ended, so that nobody waits for what cannot come. */
  #whileOpen(): undefined {
    if (this.#closeEvent === null) return undefined;
    const { code, reason } = this.#closeEvent;
    throw new Error(`the connection ended with ${code} ${reason}`);
  }

  #take(message: ClientMessage): void {
    if (message.channel?.startsWith(`probe-${process.pid}-`) === true) {
      this.#probes.set(message.channel, message);
    } else {
      this.all.push(message);
      this.#unread.push(message);
    }
    this.#signal.notify();
  }
}

function openSocket(url: string, options: ConnectOptions): ClientSocket {
  const { library = 'shardwire', deflate, protocols = [], headers = {}, localAddress, tls } = options;
  const from = localAddress === undefined ? {} : { localAddress };
  if (library === 'shardwire') {
    return new FrameSocket(url, { protocols, headers, deflate: deflate ?? null, ...from, ...(tls && { tls }) });
  }
  const { thresholdBytes: threshold = 1_024 } = deflate ?? {};
  const perMessageDeflate = deflate === undefined ? false : { threshold };
  return new WebSocket(url, [...protocols], { ...tls, ...from, headers: { ...headers }, perMessageDeflate });
}

/**
 * Connects to an engine on this machine, or to a URL. Rejects with the server's status if it refuses, with the system's
 * error if there is no connection.
 */
export function connect(to: { readonly port: number } | string, options: ConnectOptions = {}): Promise<Client> {
  const { query, path = '/ws', tls } = options;
  const base = typeof to === 'string' ? to : `${tls === undefined ? 'ws' : 'wss'}://127.0.0.1:${to.port}${path}`;
  const url = query === undefined ? base : `${base}?${query}`;
  const socket = openSocket(url, options);
  // From the beginning: the first message may come in the packet of the handshake's answer.
  const client = new Client(socket);
  return within(
    new Promise((resolve, reject) => {
      socket.once('open', () => resolve(client));
      socket.once('error', (error) => reject(errorCode(error) === 'ERR_DIAL_CONNECT' ? error.cause : error));
    }),
    `the answer of ${url}`,
  );
}
