import type { Engine } from '#dist/main/index.js';
import { type Client, connect } from '../support/client.ts';
import { opcode } from '../support/raw-frames.ts';
import { openWebSocket, type RawSocket } from '../support/raw-socket.ts';
import { pause, until } from '../support/waiting.ts';

export const handlers: URL = new URL('./fixtures/slow.handlers.js', import.meta.url);

const filler = 'x'.repeat(20_000);
let published = 0;

/** Numbered messages on `flood`, until `done`. */
export async function flood(engine: Engine, done: () => boolean): Promise<void> {
  for (let i = 0; i < 20_000 && !done(); i++) {
    engine.publish('flood', { data: [published++, filler] });
    if (i % 8 === 7) await pause(1);
  }
  if (!done()) throw new Error('20,000 messages were not enough');
}

/** Connects a client that has subscribed to `flood` and reads nothing. */
export async function openSleeper(engine: Engine, name: string): Promise<RawSocket> {
  const raw = await openWebSocket(engine.port, { target: `/ws?client_id=${name}` });
  const { controlRefused } = engine.stats();
  raw.sendJson({ type: 'subscribe', data: { channel: 'flood' } });
  // Refused, once the subscription is done.
  raw.sendJson({ type: 'broadcast' });
  await until(() => engine.stats().controlRefused > controlRefused, 'the subscription');
  raw.socket.pause();
  return raw;
}

/** A client that hears what the handlers publish on `log`. */
export async function openObserver(engine: Engine): Promise<{ readonly client: Client; log(kind: string): unknown[] }> {
  const client = await connect(engine);
  await client.subscribe('log');
  const log = (kind: string): unknown[] =>
    client.all.map((message) => message.data).filter((entry) => Array.isArray(entry) && entry[0] === kind);
  return { client, log };
}

/** The numbers of the flood that a client got, in the order of their coming. */
export function numbersOf(raw: RawSocket): number[] {
  return raw.frames
    .filter((frame) => frame.opcode === opcode.text)
    .map((frame) => JSON.parse(frame.payload.toString()).data as unknown)
    .filter((data) => Array.isArray(data))
    .map((data) => Number(data[0]));
}

/** Whether numbers follow each other without a gap. */
export function isUnbroken(numbers: readonly number[]): boolean {
  return numbers.every((number, at) => at === 0 || number === (numbers[at - 1] ?? 0) + 1);
}
