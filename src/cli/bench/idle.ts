import type { BenchClient } from './client.ts';
import { ConnectionGroup, type Recorders } from './connection-group.ts';
import type { BenchPlan } from './plan.ts';
import { messageTemplate } from './template.ts';

/** Connections that stay, answer pings and do nothing else. */
export class IdleClient implements BenchClient {
  readonly #group: ConnectionGroup;
  readonly #recorders: Recorders;
  readonly isBehind = false;

  constructor(plan: BenchPlan, recorders: Recorders) {
    this.#group = new ConnectionGroup(plan, messageTemplate(plan).isText, recorders);
    this.#recorders = recorders;
  }

  open(numbers: readonly number[], stop: AbortSignal): Promise<void> {
    const { counts } = this.#recorders.tally;
    return this.#group.open(numbers, stop, () => ({
      message: (_message, bytes) => {
        counts.bytesIn += bytes;
        counts.unexpected += 1;
      },
      ended: () => undefined,
    }));
  }

  start(): void {}

  finish(): Promise<void> {
    return this.#group.finish();
  }
}
