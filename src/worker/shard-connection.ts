import { checkClose, cutReason } from '../shared/close.ts';
import type { Codec, CodecName } from '../shared/codec/index.ts';
import { closeCode } from '../shared/errors/index.ts';
import { type OutgoingMessage, outgoingEnvelope } from '../shared/message.ts';
import type { NamedKind } from '../shared/names.ts';
import type { FanOut } from './fan-out.ts';
import type { Connection } from './handlers.ts';
import type { Hub } from './hub.ts';
import type { SendVerdict, Socket } from './transport/transport.ts';

/** What a connection needs of its shard. */
export interface ConnectionHost {
  readonly hub: Hub;
  readonly fanOut: FanOut;
}

/** Facts settled by the handshake. */
export interface ConnectionFacts {
  readonly id: string;
  readonly name: string;
  readonly codec: Codec;
  readonly remoteAddress: string;
}

/** Shared by all connections with nothing waiting, which is nearly all of them. */
export const nothing: Uint8Array[] = [];

/** A connection in the thread of its shard: what handlers see, and what the shard keeps about it. */
export class ShardConnection implements Connection {
  readonly id: string;
  readonly name: string;
  readonly remoteAddress: string;
  readonly codecImpl: Codec;
  readonly codecIndex: number;
  /** Null before the handshake is answered and after the end. */
  socket: Socket | null = null;
  /** How many things are awaited before the next message may be handled: a `connect` or `authorize` handler, a name. */
  holds = 0;
  /** Messages that wait meanwhile. */
  pending: Uint8Array[] = nothing;
  pendingBytes = 0;
  /** Whether it counts: its name, if that must be unique, is its own. */
  isAdmitted = false;
  /** Malformed messages in a row. */
  malformed = 0;
  #closing = false;
  #metadata: Record<string, unknown> | null = null;
  #channels: Set<string> | null = null;
  #rooms: Set<string> | null = null;
  readonly #host: ConnectionHost;

  constructor(facts: ConnectionFacts, host: ConnectionHost) {
    this.id = facts.id;
    this.name = facts.name;
    this.remoteAddress = facts.remoteAddress;
    this.codecImpl = facts.codec;
    this.codecIndex = facts.codec.index;
    this.#host = host;
  }

  get codec(): CodecName {
    return this.codecImpl.name;
  }

  get metadata(): Record<string, unknown> {
    // Without a prototype: keys often come from clients.
    this.#metadata ??= Object.create(null) as Record<string, unknown>;
    return this.#metadata;
  }

  get channels(): readonly string[] {
    return this.#channels === null ? [] : [...this.#channels];
  }

  get rooms(): readonly string[] {
    return this.#rooms === null ? [] : [...this.#rooms];
  }

  get bufferedBytes(): number {
    return this.socket?.bufferedBytes ?? 0;
  }

  get isOpen(): boolean {
    return this.socket !== null && !this.#closing;
  }

  get isHeld(): boolean {
    return this.holds > 0;
  }

  /** Names of the channels or rooms, for the hub. Most connections never need the set. */
  memberships(kind: NamedKind): Set<string> {
    if (kind === 'channel') {
      this.#channels ??= new Set();
      return this.#channels;
    }
    this.#rooms ??= new Set();
    return this.#rooms;
  }

  send(message: OutgoingMessage): SendVerdict {
    const envelope = outgoingEnvelope(message, 'message');
    return this.isOpen ? this.#host.fanOut.send(this, envelope) : 'closed';
  }

  subscribe(channel: string): boolean {
    return this.#host.hub.join('channel', channel, this);
  }

  unsubscribe(channel: string): boolean {
    return this.#host.hub.leave('channel', channel, this);
  }

  joinRoom(room: string): boolean {
    return this.#host.hub.join('room', room, this);
  }

  leaveRoom(room: string): boolean {
    return this.#host.hub.leave('room', room, this);
  }

  close(code: number = closeCode.normal, reason = ''): void {
    checkClose(code, reason);
    if (!this.isOpen) return;
    this.#closing = true;
    this.socket?.end(code, cutReason(reason));
  }
}
