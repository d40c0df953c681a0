import type { TLSSocket } from 'node:tls';
import { fullAddress } from '../../../shared/base/ip-address.ts';
import type { Exchange, HttpAnswer, TransportRequest, UpgradeDecision } from '../transport.ts';
import type { AgreeOnDeflate } from './deflate-agreement.ts';
import { answerText, switchingText } from './http-answer.ts';
import { NodeSocket, type NodeSocketHost } from './node-socket.ts';
import { readProxyHeader } from './proxy-header.ts';
import { mostHeadBytes, readRequestHead } from './request-head.ts';
import type { StreamReader, TcpStream } from './tcp-stream.ts';

/** What all connections of a transport share. */
export interface ConnectionHost<A> extends NodeSocketHost<A> {
  readonly path: string;
  readonly agreeOnDeflate: AgreeOnDeflate;
  /** Clients are asked for certificates. */
  readonly asksForCertificates: boolean;
  /** Its stream is gone. */
  forget(connection: NodeConnection<A>): void;
}

const headEnd: Buffer = Buffer.from('\r\n\r\n');
/** What a client may send before its handshake is answered. Then nothing is read until the answer. */
const mostEarlyBytes = 65_536;
/** The length of a handshake's key. A request with another length is answered like one without WebSocket headers. */
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
  /** What has come of the head. */
  #bytes: Buffer = noBytes;
  /** As a proxy gave it ahead of the request; null: it is not known yet whether one did. */
  #proxiedAddress: string | null = null;
  /** Frames that came before the answer. */
  readonly #early: Buffer[] = [];
  #earlyBytes = 0;
  #exchange: Exchange | null = null;
  socket: NodeSocket<A> | null = null;
  #isGone = false;
  /** Looks of the sweep at which nothing had moved. */
  idleLooks = 0;
  #seenBytes = 0;

  /** `descriptor` is -1 where writes must go through the stream. `tls` is null for plain TCP. */
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
    if (this.#stage === 'deciding') {
      this.#keepEarly(Buffer.from(bytes.subarray(start, end)));
      return;
    }
    this.#bytes = Buffer.concat([this.#bytes, bytes.subarray(start, end)]);
    if (this.#isPastProxy()) this.#readHead();
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
    if (this.#host.guarded.closed) {
      // A decision that comes later is answered with `discarded`.
      this.#exchange = null;
      return;
    }
    if (socket !== null) {
      socket.lost();
      this.#host.guarded.guard(() => this.#host.guarded.to.gone(socket.attachment));
      return;
    }
    if (this.#stage === 'answered') return;
    const onGone = this.#exchange?.onGone ?? null;
    if (this.#exchange !== null) this.#exchange.onGone = null;
    if (onGone !== null) this.#host.guarded.guard(onGone);
    this.#host.guarded.guard(() => this.#host.guarded.to.abandoned());
  }

  /** Reads a proxy's header once, at the very beginning: a second one would come from the client. */
  #isPastProxy(): boolean {
    if (this.#proxiedAddress !== null) return true;
    const proxied = readProxyHeader(this.#bytes);
    if (proxied === 'more') return false;
    if (proxied === 'malformed') {
      this.#refuse(400);
      return false;
    }
    this.#proxiedAddress = proxied.address;
    this.#bytes = this.#bytes.subarray(proxied.bytes);
    return true;
  }

  #keepEarly(bytes: Buffer): void {
    this.#early.push(bytes);
    this.#earlyBytes += bytes.length;
    if (this.#earlyBytes > mostEarlyBytes) this.tcp.pause();
  }

  #readHead(): void {
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
    const early = this.#bytes.subarray(headBytes);
    this.#bytes = noBytes;
    this.#stage = 'deciding';
    if (early.length > 0) this.#keepEarly(early);
    const { asksForCertificates } = this.#host;
    const request: TransportRequest = {
      ...head,
      remoteAddress: fullAddress(this.tcp.stream.remoteAddress ?? ''),
      proxiedAddress: this.#proxiedAddress ?? '',
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
    // Read before the handler is called, because it may change the request.
    const offers = request.headers.get('sec-websocket-extensions');
    const settle = (decision: UpgradeDecision<A>): void => this.#settle(decision, key, offers);
    this.#ask(() => this.#host.guarded.to.upgrade(request, exchange), settle);
  }

  #answerRequest(request: TransportRequest): void {
    this.#ask(
      () => this.#host.guarded.to.request(request),
      (answer) => this.#answer(answer),
    );
  }

  #ask<T extends object>(ask: () => T | Promise<T>, settle: (answer: T) => void): void {
    const fail = (error: unknown): void => {
      this.#host.guarded.to.error(error);
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
    if (this.#isGone || this.tcp.stream.destroyed || this.#host.guarded.closed) {
      this.#host.guarded.guard(() => this.#host.guarded.to.discarded(attachment));
      return;
    }
    const agreement = this.#host.agreeOnDeflate(offers);
    const socket = new NodeSocket(attachment, this.tcp, this.#descriptor, this.#host, agreement?.create() ?? null);
    this.socket = socket;
    this.#stage = 'open';
    socket.begin(switchingText(key, subprotocol, agreement?.answer ?? null));
    this.tcp.resume();
    for (const early of this.#early.splice(0)) socket.read(early, 0, early.length);
  }

  #answer(answer: HttpAnswer): void {
    if (this.#isGone || this.#stage === 'answered' || this.#host.guarded.closed) return;
    this.#stage = 'answered';
    this.#early.length = 0;
    this.tcp.stream.end(answerText(answer));
    this.tcp.resume();
  }

  /** Answers bytes that are no valid request. They count as an abandoned request. */
  #refuse(status: 400 | 431 | 505): void {
    this.#bytes = noBytes;
    this.tcp.stream.end(answerText({ status, headers: new Map(), body: '' }));
    this.#stage = 'answered';
    this.#host.guarded.guard(() => this.#host.guarded.to.abandoned());
  }
}

/** Whether what has come so far may be the beginning of a request line. */
function mayBeRequest(bytes: Buffer): boolean {
  const first = bytes[0];
  return first === undefined || (first >= 0x21 && first <= 0x7e) || first === 0x0d || first === 0x0a;
}
