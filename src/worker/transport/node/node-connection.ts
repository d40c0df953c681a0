import type { TLSSocket } from 'node:tls';
import type { Exchange, HttpAnswer, TransportRequest, UpgradeDecision } from '../transport.ts';
import type { AgreeOnDeflate } from './deflate-agreement.ts';
import { answerText, switchingText } from './http-answer.ts';
import { NodeSocket, type NodeSocketHost } from './node-socket.ts';
import { fullAddress } from './peer-address.ts';
import { readProxyHeader } from './proxy-header.ts';
import { mostHeadBytes, readRequestHead } from './request-head.ts';
import type { StreamReader, TcpStream } from './tcp-stream.ts';

/** What all connections of a transport share. */
export interface ConnectionHost<A> extends NodeSocketHost<A> {
  readonly path: string;
  readonly agreeOnDeflate: AgreeOnDeflate;
  /** Clients are asked for certificates. */
  readonly asksForCertificates: boolean;
  /** The transport is closed: nothing is told any more but what is given back. */
  readonly isClosed: boolean;
  /** Its stream is gone. */
  forget(connection: NodeConnection<A>): void;
}

const headEnd: Buffer = Buffer.from('\r\n\r\n');
/** What a client may send before its handshake is answered. Then nothing is read until the answer. */
const mostEarlyBytes = 65_536;
/** The key of a handshake has so many characters; what has another one is a request like others. */
const keyLength = 24;
const noBytes: Buffer = Buffer.alloc(0);

type Stage = 'head' | 'deciding' | 'answered' | 'open';

/** A socket from the first byte to the last: it carries one request, which may make a WebSocket of it. */
export class NodeConnection<A> implements StreamReader {
  readonly tcp: TcpStream;
  readonly #host: ConnectionHost<A>;
  readonly #descriptor: number;
  readonly #tls: TLSSocket | null;
  #stage: Stage = 'head';
  /** What came and was not dealt with: a part of the head, or frames before the answer. */
  #bytes: Buffer = noBytes;
  #proxiedAddress = '';
  #exchange: Exchange | null = null;
  socket: NodeSocket<A> | null = null;
  /** Whether its socket was told of to the owner, who wants to hear of the end. */
  #isGone = false;
  /** Looks of the sweep at which nothing had moved. */
  idleLooks = 0;
  #seenBytes = 0;

  /** `descriptor` is -1 where the stream is not to be gone around. `tls` is null for plain TCP. */
  constructor(tcp: TcpStream, descriptor: number, tls: TLSSocket | null, host: ConnectionHost<A>) {
    this.tcp = tcp;
    this.#descriptor = descriptor;
    this.#tls = tls;
    this.#host = host;
  }

  /** Its transport is closed. */
  cut(): void {
    this.socket?.silence();
    this.tcp.destroy();
  }

  get isOpen(): boolean {
    return this.#stage === 'open' && this.socket?.isOver === false;
  }

  /** Bytes in either direction since the last call: whether anything has moved. */
  hasMoved(): boolean {
    const { bytesRead, bytesWritten } = this.tcp.stream;
    const all = bytesRead + bytesWritten - this.tcp.stream.writableLength;
    const moved = all !== this.#seenBytes;
    this.#seenBytes = all;
    return moved;
  }

  read(bytes: Buffer, start: number, end: number): void {
    if (this.socket !== null) {
      this.socket.read(bytes, start, end);
      return;
    }
    if (this.#stage === 'answered') return;
    this.#bytes = Buffer.concat([this.#bytes, bytes.subarray(start, end)]);
    if (this.#stage === 'head') this.#readHead();
    else if (this.#bytes.length > mostEarlyBytes) this.tcp.pause();
  }

  ended(): void {
    if (this.socket !== null) this.socket.lost();
    else this.tcp.destroy();
  }

  gone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#host.forget(this);
    const socket = this.socket;
    if (this.#host.isClosed) {
      // Whoever decides about it later gives back what it was decided for.
      this.#exchange = null;
      return;
    }
    if (socket !== null) {
      socket.lost();
      this.#host.guard(() => this.#host.events.gone(socket.attachment));
      return;
    }
    if (this.#stage === 'answered') return;
    const onGone = this.#exchange?.onGone ?? null;
    if (this.#exchange !== null) this.#exchange.onGone = null;
    if (onGone !== null) this.#host.guard(onGone);
    this.#host.guard(() => this.#host.events.abandoned());
  }

  #readHead(): void {
    const proxied = readProxyHeader(this.#bytes);
    if (proxied === 'more') return;
    if (proxied === 'malformed') {
      this.#refuse(400);
      return;
    }
    if (proxied.bytes > 0) {
      this.#proxiedAddress = proxied.address;
      this.#bytes = this.#bytes.subarray(proxied.bytes);
    }
    const end = this.#bytes.indexOf(headEnd);
    if (end > mostHeadBytes || (end < 0 && this.#bytes.length > mostHeadBytes)) this.#refuse(431);
    else if (end >= 0) this.#readRequest(this.#bytes.toString('latin1', 0, end), end + headEnd.length);
    else if (!mayBeRequest(this.#bytes)) this.#refuse(400);
  }

  #readRequest(text: string, headBytes: number): void {
    const head = readRequestHead(text);
    if (typeof head === 'number') {
      this.#refuse(head);
      return;
    }
    this.#bytes = this.#bytes.subarray(headBytes);
    this.#stage = 'deciding';
    const { asksForCertificates } = this.#host;
    const request: TransportRequest = {
      ...head,
      remoteAddress: fullAddress(this.tcp.stream.remoteAddress ?? ''),
      proxiedAddress: this.#proxiedAddress,
      clientCertificate: asksForCertificates ? (this.#tls?.getPeerX509Certificate()?.toString() ?? '') : null,
    };
    const key = head.headers.get('sec-websocket-key') ?? '';
    if (head.method === 'GET' && head.path === this.#host.path && key.length === keyLength) this.#decide(request, key);
    else this.#answerRequest(request);
  }

  /** A handshake. Somebody decides, at once or later. */
  #decide(request: TransportRequest, key: string): void {
    const exchange: Exchange = { onGone: null };
    this.#exchange = exchange;
    // Read now: whoever decides may keep the request, and write into it.
    const offers = request.headers.get('sec-websocket-extensions');
    const settle = (decision: UpgradeDecision<A>): void => this.#settle(decision, key, offers);
    this.#ask(() => this.#host.events.upgrade(request, exchange), settle);
  }

  #answerRequest(request: TransportRequest): void {
    this.#ask(
      () => this.#host.events.request(request),
      (answer) => this.#answer(answer),
    );
  }

  #ask<T extends object>(ask: () => T | Promise<T>, settle: (answer: T) => void): void {
    const fail = (error: unknown): void => {
      this.#host.events.error(error);
      this.#answer({ status: 500, headers: new Map(), body: 'ERR_INTERNAL: the request failed\n' });
    };
    try {
      const answer = ask();
      if (answer instanceof Promise) answer.then(settle).catch(fail);
      else settle(answer);
    } catch (error) {
      fail(error);
    }
  }

  #settle(decision: UpgradeDecision<A>, key: string, offers: string | undefined): void {
    this.#exchange = null;
    if (!decision.accept) {
      this.#answer(decision.answer);
      return;
    }
    const { attachment, subprotocol } = decision;
    if (this.#isGone || this.tcp.stream.destroyed || this.#host.isClosed) {
      this.#host.guard(() => this.#host.events.discarded(attachment));
      return;
    }
    const agreement = this.#host.agreeOnDeflate(offers);
    const socket = new NodeSocket(attachment, this.tcp, this.#descriptor, this.#host, agreement?.create() ?? null);
    this.socket = socket;
    this.#stage = 'open';
    socket.begin(switchingText(key, subprotocol, agreement?.answer ?? null));
    const early = this.#bytes;
    this.#bytes = noBytes;
    this.tcp.resume();
    if (early.length > 0) socket.read(early, 0, early.length);
  }

  #answer(answer: HttpAnswer): void {
    if (this.#isGone || this.#stage === 'answered' || this.#host.isClosed) return;
    this.#stage = 'answered';
    this.#bytes = noBytes;
    this.tcp.stream.end(answerText(answer));
    this.tcp.resume();
  }

  /** Not a request: it is answered all the same, and counts as abandoned. */
  #refuse(status: 400 | 431 | 505): void {
    this.#bytes = noBytes;
    this.tcp.stream.end(answerText({ status, headers: new Map(), body: '' }));
    this.#stage = 'answered';
    this.#host.guard(() => this.#host.events.abandoned());
  }
}

/** Whether what has come so far may be the beginning of a request line. */
function mayBeRequest(bytes: Buffer): boolean {
  const first = bytes[0];
  return first === undefined || (first >= 0x21 && first <= 0x7e) || first === 0x0d || first === 0x0a;
}
