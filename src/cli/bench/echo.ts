import { EchoReader } from './answers.ts';
import type { BenchClient } from './client.ts';
import { ConnectionGroup, countError, type Recorders } from './connection-group.ts';
import { Outstanding } from './outstanding.ts';
import { Pacer } from './pacer.ts';
import type { Peer } from './peer.ts';
import type { BenchPlan } from './plan.ts';
import { writeSequence } from './stamp.ts';
import { messageTemplate, subscription, type Template } from './template.ts';
import type { Schedule } from './thread-messages.ts';
import { now } from './time.ts';

interface Echoer {
  readonly number: number;
  readonly reader: EchoReader;
  readonly peer: Peer;
  readonly outstanding: Outstanding;
}

/** Each connection sends messages, and each message comes back. */
export class EchoClient implements BenchClient {
  readonly #plan: BenchPlan;
  readonly #index: number;
  readonly #recorders: Recorders;
  readonly #template: Template;
  readonly #group: ConnectionGroup;
  readonly #echoers: Echoer[] = [];
  #schedule: Schedule | null = null;
  #giveUps: NodeJS.Timeout | undefined;
  #turn = 0;

  #pacer: Pacer | null = null;

  constructor(plan: BenchPlan, index: number, recorders: Recorders) {
    this.#plan = plan;
    this.#index = index;
    this.#recorders = recorders;
    this.#template = messageTemplate(plan);
    this.#group = new ConnectionGroup(plan, this.#template.isText, recorders);
  }

  open(numbers: readonly number[], stop: AbortSignal): Promise<void> {
    return this.#group.open(numbers, stop, (peer, number) => {
      const reader = new EchoReader(this.#plan, this.#template);
      const echoer: Echoer = { number, reader, peer, outstanding: new Outstanding(this.#plan.inFlight) };
      this.#echoers.push(echoer);
      const first = subscription(this.#plan, number);
      if (first !== null) peer.send(first);
      return {
        message: (message, bytes) => this.#onMessage(echoer, message, bytes),
        ended: () => this.#settle(echoer.outstanding.giveUp(Number.POSITIVE_INFINITY).length),
      };
    });
  }

  start(schedule: Schedule): void {
    this.#schedule = schedule;
    const { inFlight, ratePerSecond, timeoutMs } = this.#plan;
    this.#giveUps = setInterval(() => this.#giveUp(), Math.max(5, Math.min(100, timeoutMs / 4)));
    if (ratePerSecond > 0) {
      this.#pacer = new Pacer(schedule, this.#plan, this.#index, (dueMs) => this.#sendDue(dueMs));
      this.#pacer.start();
      return;
    }
    for (const echoer of this.#echoers) {
      for (let count = 0; count < inFlight; count++) this.#send(echoer, now());
    }
  }

  #isCounted(timeMs: number): boolean {
    return this.#recorders.progress.isCounted(timeMs);
  }

  #send({ number, peer, outstanding }: Echoer, timeMs: number): void {
    const { bytes, stampAt, channelAt } = this.#template;
    const sequence = outstanding.add(timeMs);
    if (stampAt >= 0) writeSequence(bytes, stampAt, sequence);
    if (channelAt >= 0) writeSequence(bytes, channelAt, number);
    const sentBytes = peer.send(bytes);
    const { tally, progress } = this.#recorders;
    progress.add('sent', 1);
    if (!this.#isCounted(timeMs)) return;
    tally.counts.sent += 1;
    tally.counts.bytesOut += sentBytes;
  }

  /** An open loop sends on all connections in turn, and does not wait for slow ones. */
  #sendDue(dueMs: number): void {
    const echoer = this.#echoers[this.#turn % this.#echoers.length];
    this.#turn += 1;
    if (echoer !== undefined && this.#maySend(echoer)) {
      if (this.#isCounted(dueMs)) this.#recorders.tally.late(dueMs, now());
      this.#send(echoer, dueMs);
    } else if (this.#isCounted(dueMs)) {
      this.#recorders.tally.counts.rateMissed += 1;
    }
  }

  #onMessage(echoer: Echoer, message: Uint8Array, bytes: number): void {
    const { tally } = this.#recorders;
    const { outstanding, reader } = echoer;
    const reading = reader.read(message);
    if (reading === 'other') {
      // Messages that a server sends unasked at the start are ignored.
      if (this.#schedule !== null) tally.counts.unexpected += 1;
      return;
    }
    const timeMs = reading === 'numbered' ? outstanding.answer(reader.sequence) : outstanding.answerOldest();
    const atMs = now();
    if (reading === 'error') {
      countError(this.#recorders, reader.errorKind, `the server answered with ${reader.errorKind}`);
      if (timeMs > 0) this.#settle(1);
    } else if (timeMs === 0) {
      // The message was given up before, or the server answered twice.
      tally.counts.unexpected += 1;
      return;
    } else {
      this.#settle(1);
      if (this.#isCounted(timeMs)) {
        tally.answered(timeMs, atMs, bytes);
        this.#recorders.progress.add('received', 1);
      }
    }
    this.#follow(echoer, atMs);
  }

  /** A closed loop: the next message follows the answer. */
  #follow(echoer: Echoer, atMs: number): void {
    const schedule = this.#schedule;
    if (schedule === null || this.#plan.ratePerSecond > 0 || atMs >= schedule.untilMs) return;
    if (this.#maySend(echoer)) this.#send(echoer, atMs);
  }

  #maySend({ peer, outstanding }: Echoer): boolean {
    return peer.isOpen && outstanding.hasRoom && peer.hasRoom(this.#template.bytes.length);
  }

  #giveUp(): void {
    const atMs = now();
    for (const echoer of this.#echoers) {
      const { outstanding } = echoer;
      const { length } = outstanding.giveUp(atMs - this.#plan.timeoutMs);
      if (length > 0) countError(this.#recorders, 'timeout', `no answer within ${this.#plan.timeoutMs} ms`, length);
      this.#settle(length);
      // Also for messages that could not be sent in time.
      for (let count = outstanding.count; count < this.#plan.inFlight; count++) this.#follow(echoer, atMs);
    }
  }

  /** This many messages are finished, including the warm-up: a warm-up message that hangs must be noticed too. */
  #settle(messages: number): void {
    this.#recorders.progress.add('settled', messages);
  }

  get isBehind(): boolean {
    return this.#pacer?.isOver === false;
  }

  async finish(): Promise<void> {
    clearInterval(this.#giveUps);
    const { counts } = this.#recorders.tally;
    counts.rateMissed += this.#pacer?.abandon() ?? 0;
    counts.unanswered = counts.sent - counts.received;
    await this.#group.finish();
  }
}
