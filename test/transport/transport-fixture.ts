import { createServer, type Server } from 'node:net';
import { descriptorOf, findDuplicate } from '#dist/shared/base/descriptors.js';
import type {
  CloseCause,
  CreateTransport,
  Exchange,
  HttpAnswer,
  Socket,
  Transport,
  TransportEvents,
  TransportOptions,
  TransportRequest,
  UpgradeDecision,
} from '#dist/worker/transport/transport.js';
import { assertNothingLeft, openResources } from '../support/leaks.ts';
import {
  destroyRawSockets,
  type HttpReply,
  openRaw,
  type RawSocket,
  type RawSocketOptions,
  type RequestOptions,
} from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';

/** Where the library behind an adapter can do less than RFC 6455 or the port would like. */
export interface TransportLimits {
  /** Frames that a client sends, against the RFC, in the packet of its handshake; 'not kept': lost or refused. */
  readonly earlyFrames: 'kept' | 'not kept';
  /** Whether the first line of a request may come in more than one packet. */
  readonly requestLine: 'in pieces' | 'whole';
  /** The cause that is reported for compressed data that cannot be inflated, however short. */
  readonly brokenDeflate: 'protocolError' | 'tooBig';
  /** Deflate data whose last block says so, as RFC 7692 section 7.2.3.4 allows; 'refused': ends the connection. */
  readonly finalBlocks: 'read' | 'refused';
  /** Codes of a client's Close frame that are told: all that may be sent, or none of 1012 to 3999. */
  readonly closeCodes: 'all' | 'without 1012 to 3999';
  /** Frames whose length is written longer than it need be, against RFC 6455 section 5.2. */
  readonly longLengths: 'refused' | 'taken';
}

/** What a test attaches to a connection: it keeps everything that the transport reports about it. */
export class Peer {
  /** The query of its handshake. */
  readonly label: string;
  socket: Socket | null = null;
  opens = 0;
  drains = 0;
  /** How often its socket was told to be gone. */
  gone = 0;
  /** Pings and pongs. */
  signs = 0;
  /** Messages that were dropped. */
  drops = 0;
  readonly messages: { readonly payload: Buffer; readonly binary: boolean }[] = [];
  readonly closes: { readonly code: number; readonly reason: string; readonly cause: CloseCause }[] = [];

  constructor(label: string) {
    this.label = label;
  }

  /** The transport's socket; a test that asks for it has seen the open. */
  get open(): Socket {
    if (this.socket === null) throw new Error(`peer ${this.label} was not opened`);
    return this.socket;
  }
}

/** What a test wants to happen inside the events; the default upgrade accepts. */
export interface Hooks {
  upgrade?(
    request: TransportRequest,
    peer: Peer,
    exchange: Exchange,
  ): UpgradeDecision<Peer> | Promise<UpgradeDecision<Peer>>;
  request?(request: TransportRequest): HttpAnswer | Promise<HttpAnswer>;
  open?(peer: Peer): void;
  message?(peer: Peer, payload: Uint8Array, binary: boolean): void;
  dropped?(peer: Peer): void;
  close?(peer: Peer): void;
  gone?(peer: Peer): void;
}

export function accept(attachment: Peer, subprotocol: string | null = null): UpgradeDecision<Peer> {
  return { accept: true, attachment, subprotocol };
}

export function refuse(
  status: number,
  body: string,
  headers: readonly (readonly [string, string])[] = [],
): UpgradeDecision<Peer> {
  return { accept: false, answer: { status, body, headers: new Map(headers) } };
}

const defaults: TransportOptions = {
  path: '/ws',
  hardMessageBytes: 1_048_576,
  maxBackpressureBytes: 1_048_576,
  idleTimeoutSeconds: 60,
  tls: null,
  compression: null,
};

/** A transport in this thread with recorded events, and a port that leads to it. */
export class TransportFixture {
  readonly transport: Transport;
  readonly hooks: Hooks;
  port = 0;
  readonly peers: Peer[] = [];
  readonly requests: TransportRequest[] = [];
  readonly errors: unknown[] = [];
  readonly discarded: Peer[] = [];
  readonly starved: boolean[] = [];
  abandoned = 0;
  /** Sockets that were cut because their peers did not end them. */
  cut = 0;
  /** Every event, whatever its kind. */
  events = 0;
  #server: Server | null = null;
  #labels = 0;

  constructor(create: CreateTransport, options: Partial<TransportOptions>, hooks: Hooks) {
    this.hooks = hooks;
    this.transport = create<Peer>({ ...defaults, ...options }, this.#events());
  }

  /** Sockets are accepted by Node and handed over by descriptor; by the transport itself where that cannot be done. */
  async start(host: string): Promise<void> {
    const duplicate = findDuplicate();
    if (duplicate === null) {
      this.port = await this.transport.listen(host, 0, []);
      return;
    }
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
      const descriptor = duplicate(descriptorOf(socket));
      socket.destroy();
      this.transport.adopt(descriptor);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const address = server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Connects, does a handshake and waits for its open. */
  async connect(
    options: RequestOptions & RawSocketOptions = {},
  ): Promise<{ raw: RawSocket; peer: Peer; reply: HttpReply }> {
    this.#labels += 1;
    const label = `n=${this.#labels}`;
    const raw = await openRaw(this.port, options);
    const reply = await raw.handshake({ target: `/ws?${label}`, ...options });
    if (reply.status !== 101) throw new Error(`the handshake was answered with ${reply.status}: ${reply.body}`);
    const peer = await until(
      () => this.peers.find((one) => (options.target === undefined ? one.label === label : true) && one.opens > 0),
      'the open of a connection',
    );
    return { raw, peer, reply };
  }

  async stop(): Promise<void> {
    this.transport.close();
    destroyRawSockets();
    const server = this.#server;
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #events(): TransportEvents<Peer> {
    const { hooks } = this;
    return {
      upgrade: (request, exchange) => {
        this.events += 1;
        this.requests.push(request);
        const peer = new Peer(request.query);
        this.peers.push(peer);
        return hooks.upgrade === undefined ? accept(peer) : hooks.upgrade(request, peer, exchange);
      },
      request: (request) => {
        this.events += 1;
        this.requests.push(request);
        return hooks.request?.(request) ?? { status: 404, headers: new Map(), body: 'none\n' };
      },
      open: (peer, socket) => {
        this.events += 1;
        peer.opens += 1;
        peer.socket = socket;
        hooks.open?.(peer);
      },
      message: (peer, payload, binary) => {
        this.events += 1;
        peer.messages.push({ payload: Buffer.from(payload), binary });
        hooks.message?.(peer, payload, binary);
      },
      alive: (peer) => {
        this.events += 1;
        peer.signs += 1;
      },
      drain: (peer) => {
        this.events += 1;
        peer.drains += 1;
      },
      dropped: (peer, messages) => {
        this.events += 1;
        peer.drops += messages;
        hooks.dropped?.(peer);
      },
      close: (peer, code, reason, cause) => {
        this.events += 1;
        peer.closes.push({ code, reason, cause });
        hooks.close?.(peer);
      },
      gone: (peer) => {
        peer.gone += 1;
        hooks.gone?.(peer);
      },
      cut: () => {
        this.cut += 1;
      },
      abandoned: () => {
        this.events += 1;
        this.abandoned += 1;
      },
      discarded: (peer) => {
        this.events += 1;
        this.discarded.push(peer);
      },
      error: (error) => {
        this.events += 1;
        this.errors.push(error);
      },
      starved: (isStarved) => {
        this.events += 1;
        this.starved.push(isStarved);
      },
    };
  }
}

export interface FixtureOptions extends Partial<TransportOptions> {
  readonly hooks?: Hooks;
  readonly host?: string;
}

/** Lends a running transport; fails if anything of it is open afterwards. */
export async function withTransport(
  create: CreateTransport,
  { hooks = {}, host = '127.0.0.1', ...options }: FixtureOptions,
  use: (fixture: TransportFixture) => Promise<void>,
): Promise<void> {
  const before = openResources();
  const fixture = new TransportFixture(create, options, hooks);
  try {
    await fixture.start(host);
    await use(fixture);
  } finally {
    await fixture.stop();
  }
  await assertNothingLeft(before);
}
