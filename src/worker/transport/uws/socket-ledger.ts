import { findNativeSockets, type NativeSockets, type SocketIdentity } from './native-sockets.ts';

const lookMs = 20;
/** A socket is cut if its peer has not closed its side this long after our FIN. */
const cutMs = 1_000;
/** Sockets that one check may ask the kernel about, in total and of one peer. Each costs half a microsecond. */
const looksInAll = 512;
const looksPerPeer = 64;
/** For a peer with at most this many sockets, the end of one is checked at once. */
const fewSockets = 32;
/**
 * Where sockets cannot be inspected: the library cuts an ended socket within this time, unless the peer keeps reading.
 */
const blindMs = 20_000;
/** Listing all sockets of the thread takes at most a twentieth of its time. */
const listingRest = 20;

interface KnownSocket {
  readonly descriptor: number;
  readonly cookie: number;
  /** When it was first seen ending, as `performance.now()`; 0: not yet. */
  endingAt: number;
}

/** The open WebSockets of one peer, and its ended ones whose sockets may still exist. */
interface Peer<A> {
  /** The peer's known sockets. Some may be gone; all existing ones are among them. */
  readonly sockets: Set<KnownSocket>;
  /** Where the last check stopped. */
  cursor: IterableIterator<KnownSocket> | null;
  open: number;
  /** Ended WebSockets, the oldest first. */
  readonly ended: A[];
}

export interface LedgerEvents<A> {
  /** The socket of an ended WebSocket no longer exists. */
  gone(attachment: A): void;
  /** A socket was cut, because its peer had not closed its side. */
  cut(): void;
}

/**
 * Finds out when the sockets of ended WebSockets no longer exist, and cuts sockets whose peers do not close their side.
 * The socket library reports neither: it forgets a WebSocket with its Close frame, and waits 16 to 20 s for the peer.
 *
 * The library does not tell which WebSocket has which descriptor. So sockets are counted by peer (the address at the
 * other end of TCP). Of a peer's sockets, those that are not its open WebSockets are ended ones or requests. That many
 * of its ended WebSockets still wait; the others are reported as gone, the oldest first. A request that is being served
 * can delay one report for as long as it takes, but no socket is ever reported too early.
 *
 * A descriptor number may belong to another socket by the time it is checked: the kernel's cookie shows that. Only this
 * thread closes its descriptors, so nothing changes between the check and the cut.
 */
export class SocketLedger<A> {
  readonly #events: LedgerEvents<A>;
  readonly #native: NativeSockets | null;
  readonly #byDescriptor = new Map<number, { readonly known: KnownSocket; readonly peer: string }>();
  readonly #peers = new Map<string, Peer<A>>();
  /** Peers with ended WebSockets, the least recently checked first. */
  readonly #waiting = new Map<string, Peer<A>>();
  /** Used where sockets cannot be inspected. */
  #blind: { readonly attachment: A; readonly until: number }[] = [];
  #timer: NodeJS.Timeout | null = null;
  /** New sockets came whose descriptors the thread was not told. */
  #hasUnknown = false;
  #nextListing = 0;
  #adopting = false;
  /** Local ports of the adapter's own sockets in this loop. */
  readonly #ownPorts = new Set<number>();

  constructor(events: LedgerEvents<A>, native: NativeSockets | null = findNativeSockets()) {
    this.#events = events;
    this.#native = native;
  }

  /** `take` gives a descriptor to the library. */
  adopt(descriptor: number, take: () => void): void {
    const identity = this.#native?.identify(descriptor) ?? null;
    if (identity !== null) this.#add(descriptor, identity);
    this.#adopting = true;
    try {
      take();
    } finally {
      this.#adopting = false;
    }
  }

  /** The library has a new socket. */
  arrived(): void {
    if (!this.#adopting) this.#hasUnknown = true;
  }

  /** Sockets with this local port do not belong to clients. */
  ignore(localPort: number): void {
    this.#ownPorts.add(localPort);
  }

  opened(peer: string): void {
    this.#peerOf(peer).open += 1;
  }

  /** A WebSocket has ended. Call it once for each. */
  ended(peer: string, attachment: A): void {
    const found = this.#peerOf(peer);
    found.open -= 1;
    if (this.#native === null) this.#blind.push({ attachment, until: performance.now() + blindMs });
    else {
      found.ended.push(attachment);
      // Most sockets that end without a Close frame no longer exist by now.
      if (!this.#hasUnknown && found.sockets.size <= fewSockets) this.#look(peer, found, fewSockets);
      if (found.ended.length === 0) return;
      this.#waiting.set(peer, found);
    }
    this.#timer ??= setInterval(() => this.#lookAtAll(), lookMs).unref();
  }

  /** From here on nothing is reported. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#waiting.clear();
    this.#peers.clear();
    this.#byDescriptor.clear();
    this.#blind = [];
  }

  #lookAtAll(): void {
    if (this.#native === null) this.#releaseBlind();
    else if (!this.#hasUnknown || this.#findUnknown(this.#native)) {
      let budget = looksInAll;
      let peers = this.#waiting.size;
      for (const [address, peer] of this.#waiting) {
        if (budget <= 0 || peers <= 0) break;
        peers -= 1;
        budget -= 1 + this.#look(address, peer, Math.min(budget, looksPerPeer));
        // This peer's next check comes after the others'.
        this.#waiting.delete(address);
        if (peer.ended.length > 0) this.#waiting.set(address, peer);
      }
    }
    if (this.#waiting.size > 0 || this.#blind.length > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  /**
   * Checks at most this many sockets of a peer, and reports the WebSockets whose sockets are gone. Returns the number
   * of checks.
   */
  #look(address: string, peer: Peer<A>, budget: number): number {
    const now = performance.now();
    const most = Math.min(budget, peer.sockets.size);
    let looks = 0;
    for (; looks < most; looks++) {
      peer.cursor ??= peer.sockets.values();
      const next = peer.cursor.next();
      if (next.done === true) peer.cursor = null;
      else this.#lookAt(next.value, address, now);
    }
    let gone = peer.ended.length - Math.max(0, peer.sockets.size - peer.open);
    for (; gone > 0; gone--) {
      const attachment = peer.ended.shift();
      if (attachment !== undefined) this.#events.gone(attachment);
    }
    this.#forgetIfEmpty(address, peer);
    return looks;
  }

  #lookAt(known: KnownSocket, address: string, now: number): void {
    const phase = this.#native?.phase(known.descriptor, known.cookie) ?? 'gone';
    if (phase === 'gone') this.#remove(known, address);
    else if (phase === 'ending') {
      if (known.endingAt === 0) known.endingAt = now;
      if (now - known.endingAt < cutMs) return;
      // The library finds the end of the stream, and closes a socket that it has shut down itself.
      this.#native?.endReading(known.descriptor);
      this.#events.cut();
      known.endingAt = now;
    }
  }

  /** Looks for the sockets that came without a descriptor. False: not now. */
  #findUnknown(native: NativeSockets): boolean {
    const begun = performance.now();
    if (begun < this.#nextListing) return false;
    for (const descriptor of native.descriptors()) {
      const identity = native.identify(descriptor);
      if (identity === null || this.#ownPorts.has(identity.localPort)) continue;
      if (this.#byDescriptor.get(descriptor)?.known.cookie !== identity.cookie) this.#add(descriptor, identity);
    }
    this.#hasUnknown = false;
    const now = performance.now();
    this.#nextListing = now + (now - begun) * listingRest;
    return true;
  }

  #add(descriptor: number, { cookie, peer }: SocketIdentity): void {
    // The former socket with this descriptor no longer exists.
    const former = this.#byDescriptor.get(descriptor);
    if (former !== undefined) this.#remove(former.known, former.peer);
    const known: KnownSocket = { descriptor, cookie, endingAt: 0 };
    this.#byDescriptor.set(descriptor, { known, peer });
    this.#peerOf(peer).sockets.add(known);
  }

  #remove(known: KnownSocket, address: string): void {
    if (this.#byDescriptor.get(known.descriptor)?.known === known) this.#byDescriptor.delete(known.descriptor);
    const peer = this.#peers.get(address);
    if (peer === undefined) return;
    peer.sockets.delete(known);
    this.#forgetIfEmpty(address, peer);
  }

  #forgetIfEmpty(address: string, peer: Peer<A>): void {
    if (peer.sockets.size === 0 && peer.open <= 0 && peer.ended.length === 0) this.#peers.delete(address);
  }

  #peerOf(address: string): Peer<A> {
    let peer = this.#peers.get(address);
    if (peer === undefined) {
      peer = { sockets: new Set(), cursor: null, open: 0, ended: [] };
      this.#peers.set(address, peer);
    }
    return peer;
  }

  #releaseBlind(): void {
    const now = performance.now();
    let over = 0;
    for (const { attachment, until } of this.#blind) {
      if (until > now) break;
      over += 1;
      this.#events.gone(attachment);
    }
    if (over > 0) this.#blind.splice(0, over);
  }
}
