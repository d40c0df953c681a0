import assert from 'node:assert/strict';
import { DeflatePeer } from '../support/deflate-peer.ts';
import { opcode } from '../support/raw-frames.ts';
import type { HttpReply, RawSocket } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';
import type { Peer, TransportFixture } from './transport-fixture.ts';

/** One of each kind that an adapter may tell apart. */
export const levels: readonly number[] = [1, 6, 9];

/** What browsers offer. */
export const usualOffer = 'permessage-deflate; client_max_window_bits';

export interface DeflatingPeer {
  readonly raw: RawSocket;
  readonly peer: Peer;
  readonly deflate: DeflatePeer;
}

/** What the server agreed to; null: nothing. */
export function answerOf(reply: HttpReply): string | null {
  return reply.headers.get('sec-websocket-extensions') ?? null;
}

/** Connects with an offer, which must be accepted. */
export async function connectDeflating(fixture: TransportFixture, offer: string = usualOffer): Promise<DeflatingPeer> {
  const { raw, peer, reply } = await fixture.connect({ headers: { 'Sec-WebSocket-Extensions': offer } });
  return { raw, peer, deflate: new DeflatePeer(answerOf(reply) ?? 'nothing') };
}

const words = ['tide', 'shard', 'ring', 'codec', 'frame', 'drain', 'room', 'channel', 'opcode', 'lane', 'pong', 'hub'];

/** Text that repeats itself at near and far distances, the same for the same seed. */
export function prose(length: number, seed = 1): string {
  let state = seed;
  let text = '';
  while (text.length < length) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    text += `${words[(state >> 8) % words.length]}${(state >> 16) % 50} `;
  }
  return text.slice(0, length);
}

/** Three messages each way, the second like the first: whoever breaks the terms is not understood. */
export async function converse({ raw, peer, deflate }: DeflatingPeer): Promise<void> {
  const said = [prose(6_000, 7), prose(6_000, 7), prose(40_000, 8)];
  for (const text of said) assert.match(peer.open.send(Buffer.from(text), false, true), /^(sent|buffered)$/);
  for (const text of said) {
    const frame = await raw.nextFrame();
    assert.equal(frame.rsv, 4);
    assert.equal(deflate.inflate(frame).toString(), text);
  }
  for (const text of said) raw.sendFrame({ opcode: opcode.text, payload: deflate.deflate(text), rsv: 4 });
  await until(() => peer.messages.length === said.length || peer.closes.length > 0, 'the messages');
  assert.deepEqual(
    peer.messages.map((message) => message.payload.toString()),
    said,
  );
}
