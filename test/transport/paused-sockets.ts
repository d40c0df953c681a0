import assert from 'node:assert/strict';
import type { CreateTransport } from '#dist/worker/transport/transport.js';
import type { RawSocket } from '../support/raw-socket.ts';
import { pause, until } from '../support/waiting.ts';
import { type Peer, withTransport } from './transport-fixture.ts';

const chunk = new Uint8Array(16_384).fill(120);

/** Sends to a peer that does not read, until bytes wait for it. */
function fill(peer: Peer): void {
  for (let i = 0; i < 4_096; i++) if (peer.open.send(chunk, true, false) === 'buffered') return;
  assert.fail('the peer takes everything');
}

async function isHeardToTheEnd(raw: RawSocket, peer: Peer): Promise<void> {
  raw.sendText('late');
  await until(() => peer.messages.length === 1, 'the message after the pause');
  raw.socket.resume();
  raw.destroy();
  await until(() => peer.closes.length === 1, 'the end of the connection');
}

/** Bytes come to wait for the peer while it is paused. */
export function bytesAfterThePause(create: CreateTransport): Promise<void> {
  return withTransport(create, { maxBackpressureBytes: 67_108_864 }, async (fixture) => {
    const { raw, peer } = await fixture.connect();
    raw.socket.pause();
    peer.open.pause();
    fill(peer);
    peer.open.resume();
    await isHeardToTheEnd(raw, peer);
  });
}

/** Bytes wait for the peer when it is paused, and none when it is resumed. */
export function bytesBeforeThePause(create: CreateTransport): Promise<void> {
  return withTransport(create, { maxBackpressureBytes: 67_108_864 }, async (fixture) => {
    const { raw, peer } = await fixture.connect();
    raw.socket.pause();
    fill(peer);
    peer.open.pause();
    raw.socket.resume();
    await until(async () => {
      await pause(5);
      peer.open.send(new Uint8Array(1), true, false);
      return peer.open.bufferedBytes === 0;
    }, 'the peer to read everything');
    peer.open.resume();
    await isHeardToTheEnd(raw, peer);
  });
}
