import { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { threadId } from 'node:worker_threads';
import { opcode, reservedBit } from '../../../frame/opcode.ts';
import type { TlsMaterial } from '../../../shared/config/tls.ts';
import { GuardedEvents } from '../guarded-events.ts';
import type { Transport, TransportEvents, TransportOptions } from '../transport.ts';
import { createAgreeOnDeflate } from './deflate-agreement.ts';
import { EndedSockets } from './ended-sockets.ts';
import { IdleSweep } from './idle-sweep.ts';
import { DescriptorReceiver, Listener } from './listener.ts';
import { findNativeSend } from './native-send.ts';
import { type ConnectionHost, NodeConnection } from './node-connection.ts';
import type { NodeSocket } from './node-socket.ts';
import type { Outbox } from './outbox.ts';
import { secureContextOf } from './secure-context.ts';
import { ownFrame, Slab } from './slab.ts';
import { TcpStream } from './tcp-stream.ts';
import { Topics } from './topics.ts';

const fin = 0x80;

/** The transport of our own: Node's sockets and the frame toolkit behind the transport port. Runs on every Node. */
export class NodeTransport<A> implements Transport {
  readonly #guarded: GuardedEvents<A>;
  readonly #host: ConnectionHost<A>;
  readonly #slab = new Slab();
  readonly #connections = new Set<NodeConnection<A>>();
  readonly #endedSockets: EndedSockets<A>;
  readonly #sweep: IdleSweep<A>;
  readonly #topics = new Topics<NodeSocket<A>>();
  /** Outboxes with something for the end of this turn. */
  #outboxes: Outbox[] = [];
  #endsTurn = false;
  #secureContext: SecureContext | null;
  readonly #asksForCertificates: boolean;
  #receiver: DescriptorReceiver | null = null;
  #listener: Listener | null = null;

  constructor(options: TransportOptions, events: TransportEvents<A>) {
    this.#guarded = new GuardedEvents(events);
    const guarded = this.#guarded;
    this.#secureContext = options.tls === null ? null : secureContextOf(options.tls);
    this.#asksForCertificates = options.tls !== null && options.tls.ca !== null;
    this.#endedSockets = new EndedSockets(() => guarded.guard(() => events.cut()));
    this.#sweep = new IdleSweep(this.#connections, options.idleTimeoutSeconds);
    this.#host = {
      guarded,
      slab: this.#slab,
      // TLS records can only be written by the stream.
      send: options.tls === null ? findNativeSend() : null,
      topics: this.#topics,
      path: options.path,
      hardMessageBytes: options.hardMessageBytes,
      maxBackpressureBytes: options.maxBackpressureBytes,
      agreeOnDeflate: createAgreeOnDeflate(options.compression),
      asksForCertificates: this.#asksForCertificates,
      wrote: (outbox) => this.#wrote(outbox),
      ending: (socket) => {
        if (!this.#guarded.closed) this.#endedSockets.add(socket);
      },
      forget: (connection) => {
        this.#connections.delete(connection);
        if (connection.socket !== null) this.#endedSockets.delete(connection.socket);
      },
    };
  }

  get handle(): unknown {
    this.#receiver ??= new DescriptorReceiver(threadId, (descriptor) => this.adopt(descriptor));
    return this.#receiver.name;
  }

  adopt(descriptor: number): void {
    if (this.#secureContext !== null) {
      this.#adoptTls(new Socket({ fd: descriptor, readable: true, writable: true, allowHalfOpen: true }));
      return;
    }
    TcpStream.ofDescriptor(descriptor, (tcp) => this.#connection(tcp, descriptor, null));
  }

  publish(topic: string, payload: Uint8Array, binary: boolean, compress: boolean): void {
    const members = this.#topics.membersOf(topic);
    if (members === undefined || this.#guarded.closed) return;
    const first = fin | (binary ? opcode.binary : opcode.text);
    if (compress) this.#publishCompressed(members, first, payload);
    else this.#publishPlain(members, first, payload);
  }

  async listen(host: string, port: number, handles: readonly unknown[]): Promise<number> {
    const listener = new Listener(this.#receiver?.name ?? null, {
      adopt: (descriptor) => this.adopt(descriptor),
      adoptSocket: (socket) => this.#adoptSocket(socket),
      starved: (isStarved) => this.#host.guarded.guard(() => this.#host.guarded.to.starved(isStarved)),
    });
    for (const handle of handles) listener.meet(handle);
    const found = await listener.listen(host, port);
    this.#listener = listener;
    return found;
  }

  meet(handle: unknown): void {
    this.#listener?.meet(handle);
  }

  forget(handle: unknown): void {
    this.#listener?.forget(handle);
  }

  stopListening(): void {
    this.#listener?.stop();
  }

  renewTls(tls: TlsMaterial): void {
    if (!this.#guarded.closed) this.#secureContext = secureContextOf(tls);
  }

  close(): void {
    if (this.#guarded.closed) return;
    this.#guarded.closed = true;
    this.#listener?.close();
    this.#receiver?.close();
    this.#endedSockets.close();
    this.#sweep.stop();
    for (const connection of this.#connections) connection.cut();
    this.#connections.clear();
  }

  #connection(tcp: TcpStream, descriptor: number, tls: TLSSocket | null): NodeConnection<A> {
    const connection = new NodeConnection(tcp, descriptor, tls, this.#host);
    this.#connections.add(connection);
    this.#sweep.start();
    return connection;
  }

  #adoptSocket(socket: Socket): void {
    socket.allowHalfOpen = true;
    if (this.#secureContext === null) {
      TcpStream.ofStream(socket, (tcp) => this.#connection(tcp, -1, null));
      socket.resume();
    } else {
      this.#adoptTls(socket);
    }
  }

  #adoptTls(socket: Socket): void {
    const secureContext = this.#secureContext as SecureContext;
    const requestCert = this.#asksForCertificates;
    // Judged below: one who shows no certificate may still ask whether the server is well.
    const tls = new TLSSocket(socket, { isServer: true, secureContext, requestCert, rejectUnauthorized: false });
    tls.on('secure', () => {
      if (requestCert && tls.getPeerX509Certificate() !== undefined && verifyError(tls) !== null) tls.destroy();
    });
    TcpStream.ofStream(tls, (tcp) => this.#connection(tcp, -1, tls));
  }

  #publishPlain(members: ReadonlySet<NodeSocket<A>>, first: number, payload: Uint8Array): void {
    if (payload.length > Slab.mostBytes) {
      const frame = ownFrame(first, payload);
      for (const member of members) member.sendPrepared(0, 0, frame);
      return;
    }
    if (!this.#slab.hasRoomFor(payload.length)) this.#endTurn();
    const start = this.#slab.frame(first, payload);
    const { end } = this.#slab;
    for (const member of members) member.sendPrepared(start, end, null);
  }

  /** Members that keep no context share their frames; the others need one each. */
  #publishCompressed(members: ReadonlySet<NodeSocket<A>>, first: number, payload: Uint8Array): void {
    const compressedFirst = first | reservedBit.rsv1;
    let plain: Buffer | null = null;
    const shared = new Map<number, Buffer>();
    for (const member of members) {
      const window = member.compressedFor;
      if (window === null) {
        plain ??= ownFrame(first, payload);
        member.sendPrepared(0, 0, plain);
        continue;
      }
      if (window < 0) {
        if (member.mayTake()) member.sendPrepared(0, 0, ownFrame(compressedFirst, member.deflate(payload)));
        continue;
      }
      const frame = shared.get(window) ?? ownFrame(compressedFirst, member.deflate(payload));
      shared.set(window, frame);
      member.sendPrepared(0, 0, frame);
    }
  }

  #wrote(outbox: Outbox): void {
    this.#outboxes.push(outbox);
    if (this.#endsTurn) return;
    this.#endsTurn = true;
    setImmediate(() => {
      this.#endsTurn = false;
      this.#endTurn();
    });
  }

  /** Everything that waits is written; the slab is free again. */
  #endTurn(): void {
    const outboxes = this.#outboxes;
    this.#outboxes = [];
    for (const outbox of outboxes) outbox.endTurn();
    this.#slab.reset();
  }
}

/** What is wrong with the certificate that a client has shown; null: nothing. Node has no public name for it. */
function verifyError(tls: TLSSocket): unknown {
  const handle: unknown = Reflect.get(tls, '_handle');
  const verify: unknown =
    typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'verifyError') : undefined;
  return typeof verify === 'function' ? (Reflect.apply(verify, handle, []) ?? null) : null;
}
