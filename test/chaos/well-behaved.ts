import { WebSocket } from 'ws';
import { shardOf } from '../engine/shard-pairs.ts';

interface Numbered {
  readonly from: number;
  readonly epoch: number;
  readonly n: number;
}

const perChannel = 10;

/** What one client has said in one of its lives. */
interface Life {
  sent: number;
  /** Whether the server closed it, so that the last ones may not have been taken. */
  cut: boolean;
}

/**
 * Clients that number their messages and check those of the others. Ten share a channel. One that is closed with 1012
 * comes back and begins anew.
 */
export class Crowd {
  readonly #url: string;
  readonly #members: Member[] = [];
  readonly faults: string[] = [];
  /** Close codes that members saw, and of which shards. */
  readonly closes: { readonly code: number; readonly shard: number }[] = [];
  received = 0;
  #publishing = false;

  constructor(port: number) {
    this.#url = `ws://127.0.0.1:${port}/ws`;
  }

  async connect(count: number): Promise<void> {
    for (let i = 0; i < count; i++) this.#members.push(new Member(this, this.#url, i));
    for (const member of this.#members) await member.connect();
  }

  /** Every member says something now and then, until `stop`. */
  start(everyMs: number): void {
    this.#publishing = true;
    for (const [i, member] of this.#members.entries()) {
      const turn = (): void => {
        if (!this.#publishing) return;
        member.say();
        setTimeout(turn, everyMs);
      };
      setTimeout(turn, (i * everyMs) / this.#members.length);
    }
  }

  stop(): void {
    this.#publishing = false;
  }

  get isWhole(): boolean {
    return this.#members.every((member) => member.isReady);
  }

  /** A member on that shard, to do something to it. */
  on(shard: number): Member {
    const member = this.#members.find((one) => one.isReady && shardOf(one.id) === shard);
    if (member === undefined) throw new Error(`nobody is on shard ${shard}`);
    return member;
  }

  /** One member per shard. */
  shards(): readonly number[] {
    return [...new Set(this.#members.map((member) => shardOf(member.id)))];
  }

  /** Messages that should have come and have not; what was said in a life that was cut may be lost at its end. */
  missing(): readonly string[] {
    const missing: string[] = [];
    for (const receiver of this.#members) {
      for (const sender of this.#members) {
        if (sender.channel !== receiver.channel) continue;
        for (const [epoch, life] of sender.lives.entries()) {
          const seen = receiver.seen(sender.index, epoch);
          if (seen === undefined || life.cut) continue;
          if (seen !== life.sent - 1) {
            missing.push(`${receiver.index} has ${seen} of ${sender.index}/${epoch}, which sent ${life.sent}`);
          }
        }
      }
    }
    return missing;
  }

  end(): void {
    for (const member of this.#members) member.end();
  }
}

export class Member {
  readonly index: number;
  readonly channel: string;
  readonly lives: Life[] = [];
  id = '';
  isReady = false;
  readonly #crowd: Crowd;
  readonly #url: string;
  #socket: WebSocket | null = null;
  /** The last number seen per sender and life, in this life. */
  #last = new Map<string, number>();
  #ending = false;

  constructor(crowd: Crowd, url: string, index: number) {
    this.#crowd = crowd;
    this.#url = url;
    this.index = index;
    this.channel = `crowd-${Math.floor(index / perChannel)}`;
  }

  /** Resolves once it is subscribed. Tries until the server takes it. */
  async connect(): Promise<void> {
    for (;;) {
      if (await this.#tryConnect()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  say(): void {
    const life = this.lives.at(-1);
    if (!this.isReady || life === undefined) return;
    const data: Numbered = { from: this.index, epoch: this.lives.length - 1, n: life.sent };
    life.sent += 1;
    this.send({ type: 'publish', channel: this.channel, data });
  }

  send(message: object): void {
    this.#socket?.send(JSON.stringify(message));
  }

  /** The last number of a sender's life, if this member was there from the beginning of it; undefined: it was not. */
  seen(sender: number, epoch: number): number | undefined {
    return this.#last.get(`${sender}/${epoch}`);
  }

  end(): void {
    this.#ending = true;
    this.#socket?.close();
  }

  #tryConnect(): Promise<boolean> {
    const socket = new WebSocket(this.#url, { perMessageDeflate: false });
    this.#socket = socket;
    return new Promise((resolve) => {
      socket.on('error', () => resolve(false));
      socket.on('message', (bytes: Buffer) => {
        const message = JSON.parse(bytes.toString());
        if (message.type === 'error') this.#crowd.faults.push(`${this.index} was told ${bytes}`);
        else if (message.data === this.index && !this.isReady) {
          this.id = message.client_id;
          this.#last = new Map();
          this.lives.push({ sent: 0, cut: false });
          this.isReady = true;
          resolve(true);
        } else if (typeof message.data === 'object' && message.data !== null) this.#hear(message.data);
      });
      socket.on('open', () => {
        this.send({ type: 'subscribe', data: { channel: this.channel } });
        this.send({ type: 'publish', channel: this.channel, data: this.index });
      });
      socket.on('close', (code) => {
        resolve(false);
        const life = this.lives.at(-1);
        if (!this.isReady || life === undefined) return;
        this.isReady = false;
        life.cut = true;
        if (this.#ending) return;
        this.#crowd.closes.push({ code, shard: shardOf(this.id) });
        void this.connect();
      });
    });
  }

  #hear({ from, epoch, n }: Numbered): void {
    if (!this.isReady) return;
    this.#crowd.received += 1;
    const key = `${from}/${epoch}`;
    const last = this.#last.get(key);
    // A life that was under way when this one began is followed from where it is.
    if (last !== undefined && n !== last + 1) this.#crowd.faults.push(`${this.index} had ${last} of ${key}, then ${n}`);
    this.#last.set(key, n);
  }
}
