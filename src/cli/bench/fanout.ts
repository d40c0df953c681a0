import { DeliveryReader } from './answers.ts';
import type { BenchClient } from './client.ts';
import { Completion } from './completion.ts';
import { ConnectionGroup, countError, type PeerUse, type Recorders } from './connection-group.ts';
import { Outstanding } from './outstanding.ts';
import { Pacer } from './pacer.ts';
import type { Peer } from './peer.ts';
import type { BenchPlan } from './plan.ts';
import { Receipts } from './receipts.ts';
import { writeStamp } from './stamp.ts';
import { messageTemplate, subscription, type Template } from './template.ts';
import type { ClientThreadData, Completed, Schedule } from './thread-messages.ts';
import { now, wholeMicros } from './time.ts';

const probeEveryMs = 50;

interface Publisher {
  readonly peer: Peer;
  readonly number: number;
  readonly outstanding: Outstanding;
}

/** A connection that receives. */
interface Receiver {
  /** Index in this thread, from 0. */
  readonly slot: number;
  readonly reader: DeliveryReader;
  /** The publishers whose messages it must get. */
  readonly sources: readonly number[];
  isReached: boolean;
}

/** A few connections publish, all others receive. Publishers are numbered after the subscribers. */
export class FanoutClient implements BenchClient {
  readonly #plan: BenchPlan;
  readonly #data: ClientThreadData;
  readonly #recorders: Recorders;
  readonly #template: Template;
  readonly #group: ConnectionGroup;
  readonly #publishers = new Map<number, Publisher>();
  readonly #receivers = new Set<Receiver>();
  readonly #completion: Completion;
  #receipts: Receipts = new Receipts(0, 0);
  #schedule: Schedule | null = null;
  readonly #pacers: Pacer[] = [];
  #timers: NodeJS.Timeout[] = [];
  #unreached = 0;
  #onReached: () => void = () => undefined;

  constructor(data: ClientThreadData, recorders: Recorders) {
    const { plan, completion } = data;
    this.#plan = plan;
    this.#data = data;
    this.#recorders = recorders;
    this.#template = messageTemplate(plan);
    this.#group = new ConnectionGroup(plan, this.#template.isText, recorders);
    if (completion === null) throw new Error('a fan-out needs the memory of its completion');
    this.#completion = new Completion(completion, plan, (publisher, sequence) => this.#tell(publisher, sequence));
    for (const port of data.ports.values()) {
      port.on('message', ({ publisher, sequence }: Completed) => this.#onComplete(publisher, sequence));
    }
  }

  async open(numbers: readonly number[], stop: AbortSignal): Promise<void> {
    this.#receipts = new Receipts(numbers.length, this.#plan.publishers);
    const items = numbers.map((number, slot) => ({ number, slot }));
    await this.#group.open(items, stop, (peer, { number, slot }) => this.#use(peer, number, slot));
    this.#unreached = this.#receivers.size;
  }

  #use(peer: Peer, number: number, slot: number): PeerUse {
    const { connections, publishers, codec, self } = this.#plan;
    const own = number - connections;
    if (own >= 0) {
      this.#publishers.set(own, { peer, number: own, outstanding: new Outstanding(this.#plan.inFlight) });
      this.#recorders.progress.add('openPublishers', 1);
    }
    const first = own < 0 ? subscription(this.#plan, number) : null;
    if (first !== null) peer.send(first);
    const all = Array.from({ length: publishers }, (_, publisher) => publisher);
    const receives = own < 0 || codec === null;
    const receiver: Receiver = {
      slot,
      reader: new DeliveryReader(this.#plan, this.#template),
      sources: receives ? all.filter((publisher) => publisher !== own || self) : [],
      isReached: false,
    };
    if (receiver.sources.length > 0) this.#receivers.add(receiver);
    for (const source of receiver.sources) this.#completion.join(source);
    return {
      message: (message, bytes) => this.#onMessage(receiver, message, bytes),
      ended: () => this.#onEnded(receiver, own),
    };
  }

  /**
   * The first publisher sends probes until every receiver got one: only then are all subscriptions known to be in
   * force. Probes of other publishers go to the publishers that receive.
   */
  probe(): Promise<void> {
    for (const { peer, number } of this.#publishers.values()) {
      if (number > 1) continue;
      const timer = setInterval(() => {
        if (this.#schedule !== null || !peer.isOpen) clearInterval(timer);
        else this.#write(peer, number, 0, 0);
      }, probeEveryMs);
      this.#timers.push(timer);
    }
    return new Promise((resolve) => {
      this.#onReached = resolve;
      if (this.#unreached === 0) resolve();
    });
  }

  start(schedule: Schedule): void {
    this.#schedule = schedule;
    const { inFlight, ratePerSecond, timeoutMs } = this.#plan;
    this.#timers.push(setInterval(() => this.#giveUp(), Math.max(5, Math.min(100, timeoutMs / 4))));
    if (ratePerSecond > 0) {
      this.#startPacer(schedule);
      return;
    }
    for (const publisher of this.#publishers.values()) {
      for (let count = 0; count < inFlight; count++) this.#publish(publisher, now());
    }
  }

  /** The publishers of all threads share the rate, however many are in this thread. */
  #startPacer(schedule: Schedule): void {
    const { ratePerSecond, publishers } = this.#plan;
    for (const publisher of this.#publishers.values()) {
      const pace = { ratePerSecond, threads: publishers };
      const pacer = new Pacer(schedule, pace, publisher.number, (dueMs) => this.#publishDue(publisher, dueMs));
      this.#pacers.push(pacer);
      pacer.start();
    }
  }

  #isCounted(timeMs: number): boolean {
    return this.#recorders.progress.isCounted(timeMs);
  }

  #write(peer: Peer, publisher: number, sequence: number, timeMs: number): number {
    const { bytes, stampAt } = this.#template;
    writeStamp(bytes, stampAt, { publisher, sequence, timeMs });
    return peer.send(bytes);
  }

  #publish({ peer, number, outstanding }: Publisher, givenMs: number): void {
    // Sender and receivers must agree on whether it counts.
    const timeMs = wholeMicros(givenMs);
    const sequence = outstanding.add(timeMs);
    this.#completion.begin(number, sequence);
    const bytes = this.#write(peer, number, sequence, timeMs);
    const { tally, progress } = this.#recorders;
    if (!this.#isCounted(timeMs)) {
      progress.add('warmingUp', 1);
      return;
    }
    tally.counts.sent += 1;
    tally.counts.bytesOut += bytes;
    progress.add('sent', 1);
  }

  #publishDue(publisher: Publisher, dueMs: number): void {
    if (this.#maySend(publisher)) {
      if (this.#isCounted(dueMs)) this.#recorders.tally.late(dueMs, now());
      this.#publish(publisher, dueMs);
    } else if (this.#isCounted(dueMs)) {
      this.#recorders.tally.counts.rateMissed += 1;
    }
  }

  #onMessage(receiver: Receiver, message: Uint8Array, bytes: number): void {
    const { reader, sources, slot } = receiver;
    const { tally, progress } = this.#recorders;
    const reading = reader.read(message);
    if (reading === 'error') {
      countError(this.#recorders, reader.errorKind, `the server answered with ${reader.errorKind}`);
      return;
    }
    const { publisher, sequence, timeMs } = reader.stamp;
    if (reading === 'other' || !sources.includes(publisher)) {
      if (this.#schedule !== null) tally.counts.unexpected += 1;
      return;
    }
    if (timeMs === 0) {
      this.#reached(receiver);
      return;
    }
    const before = this.#receipts.last(slot, publisher);
    const receipt = this.#receipts.add(slot, publisher, sequence);
    if (receipt === 'duplicate') {
      tally.counts.duplicates += 1;
      return;
    }
    if (receipt === 'late') tally.counts.outOfOrder += 1;
    if (this.#isCounted(timeMs)) {
      tally.answered(timeMs, now(), bytes);
      progress.add('received', 1);
    }
    if (receipt === 'new') this.#completion.passed(publisher, before, sequence);
  }

  #reached(receiver: Receiver): void {
    if (receiver.isReached) return;
    receiver.isReached = true;
    this.#unreached -= 1;
    if (this.#unreached === 0) this.#onReached();
  }

  #onEnded(receiver: Receiver, own: number): void {
    if (own >= 0) this.#recorders.progress.add('openPublishers', -1);
    if (!this.#receivers.delete(receiver)) return;
    for (const source of receiver.sources) this.#completion.leave(source, this.#receipts.last(receiver.slot, source));
    if (!receiver.isReached) this.#reached(receiver);
  }

  /** Tells the publisher's thread. */
  #tell(publisher: number, sequence: number): void {
    const thread = (this.#plan.connections + publisher) % this.#plan.threads;
    if (thread === this.#data.index) this.#onComplete(publisher, sequence);
    else this.#data.ports.get(thread)?.postMessage({ publisher, sequence } satisfies Completed);
  }

  #onComplete(number: number, sequence: number): void {
    const publisher = this.#publishers.get(number);
    const timeMs = publisher?.outstanding.answer(sequence) ?? 0;
    if (publisher === undefined || timeMs === 0) return;
    this.#settle([timeMs]);
    this.#follow(publisher, now());
  }

  /** A closed loop: the next publish follows when everybody has the last one. */
  #follow(publisher: Publisher, atMs: number): void {
    const schedule = this.#schedule;
    if (schedule === null || this.#plan.ratePerSecond > 0 || atMs >= schedule.untilMs) return;
    if (this.#maySend(publisher)) this.#publish(publisher, atMs);
  }

  #maySend({ peer, outstanding }: Publisher): boolean {
    return peer.isOpen && outstanding.hasRoom && peer.hasRoom(this.#template.bytes.length);
  }

  #giveUp(): void {
    const atMs = now();
    if (this.#schedule === null) return;
    const { measureFromMs, untilMs } = this.#schedule;
    // Counted messages that are in flight at the end reduce the completeness.
    const isOver = atMs >= untilMs;
    const latestMs = Math.min(atMs - this.#plan.timeoutMs, isOver ? measureFromMs : atMs);
    for (const publisher of this.#publishers.values()) {
      const { outstanding } = publisher;
      const times = outstanding.giveUp(latestMs);
      this.#settle(times);
      const text = `a publish did not reach everybody within ${this.#plan.timeoutMs} ms`;
      if (times.length > 0) countError(this.#recorders, 'timeout', text, times.length);
      // Also for messages that could not be sent in time.
      for (let count = outstanding.count; count < this.#plan.inFlight; count++) this.#follow(publisher, atMs);
    }
  }

  /** Publishes are finished, including the warm-up, which does not count in the completeness. */
  #settle(times: readonly number[]): void {
    this.#recorders.progress.add('warmingUp', -times.filter((timeMs) => !this.#isCounted(timeMs)).length);
  }

  get isBehind(): boolean {
    return this.#pacers.some((pacer) => !pacer.isOver);
  }

  async finish(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const pacer of this.#pacers) this.#recorders.tally.counts.rateMissed += pacer.abandon();
    await this.#group.finish();
    for (const port of this.#data.ports.values()) port.close();
  }
}
