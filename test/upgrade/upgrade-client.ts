import type { Engine } from '#dist/main/index.js';
import { type Client, connect } from '../support/client.ts';
import { type HttpReply, openRaw, type RequestOptions } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';

export const deciding: URL = new URL('./fixtures/deciding.handlers.js', import.meta.url);

/** What the handlers of `deciding` know of a connection. */
export interface AboutMe {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly name: string;
  readonly codec: string;
  readonly remoteAddress: string;
  /** Of all handshakes in the connection's shard. */
  readonly aborted: readonly string[];
  /** How many of them were left undecided. */
  readonly begun: number;
  readonly prototype: boolean;
}

export async function aboutMe(client: Client): Promise<AboutMe> {
  client.send({ type: 'about-me' });
  return (await client.next(({ type }) => type === 'about-you')).data as AboutMe;
}

/** Resolves once so many handshakes have been left undecided in the shard of a client. */
export async function begun(client: Client, count: number): Promise<void> {
  await until(async () => (await aboutMe(client)).begun === count, `${count} undecided handshakes`);
}

/** Connects, asks what is known of the connection, and ends it. */
export async function seenAs(
  engine: Engine,
  query: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<AboutMe> {
  const client = await connect(engine, { query, headers });
  const about = await aboutMe(client);
  await client.close();
  return about;
}

/** The reply to a handshake with a query of `deciding`. */
export async function shake(engine: Engine, query: string, options: RequestOptions = {}): Promise<HttpReply> {
  const raw = await openRaw(engine.port);
  const reply = await raw.handshake({ target: `/ws?${query}`, ...options });
  if (reply.status !== 101) await raw.ended();
  raw.destroy();
  return reply;
}
