import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileOptions } from '#dist/main/options/options.js';
import { codecs } from '#dist/shared/codec/index.js';
import type { Counters } from '#dist/shared/memory/counters.js';
import { type ConnectionPort, ShardConnection } from '#dist/worker/connection/shard-connection.js';
import { Hub } from '#dist/worker/outbound/hub.js';
import type { Socket } from '#dist/worker/transport/transport.js';

/** Topics that a socket is in, and all that it ever was in. */
class TopicSocket implements Socket {
  readonly bufferedBytes = 0;
  readonly topics = new Set<string>();
  readonly all: string[] = [];
  send(): 'sent' {
    return 'sent';
  }
  subscribe(topic: string): void {
    this.topics.add(topic);
    this.all.push(topic);
  }
  unsubscribe(topic: string): void {
    this.topics.delete(topic);
  }
  ping(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  terminate(): void {}
}

interface Member {
  readonly connection: ShardConnection;
  readonly socket: TopicSocket;
}

function createHub(): Hub {
  return new Hub(compileOptions().config.limits, { set: () => undefined } as unknown as Counters);
}

function enter(hub: Hub, codecIndex = 0): Member {
  const [codec] = codecs.filter(({ index }) => index === codecIndex);
  assert.ok(codec !== undefined);
  const facts = {
    id: '0-0-0',
    name: '',
    codec,
    remoteAddress: '127.0.0.1',
    sealing: 'classic' as const,
    clientNonce: null,
    metadata: null,
  };
  const connection = new ShardConnection(facts, { takesKeys: false } as ConnectionPort);
  const socket = new TopicSocket();
  connection.socket = socket;
  hub.enter(connection);
  return { connection, socket };
}

describe('the native topics of channels and rooms', () => {
  it('are short and hold nothing that a client has chosen', () => {
    const hub = createHub();
    const { connection, socket } = enter(hub);
    const names = Array.from({ length: 100 }, (_, i) => `${'colliding'.repeat(20)}${i}`);
    for (const name of names) {
      hub.join('channel', name, connection);
      hub.join('room', name, connection);
    }
    assert.equal(socket.topics.size, 201);
    for (const topic of socket.topics) assert.match(topic, /^[0-7][0-9a-z]{1,10}$/);
  });

  it('begin at another place in each hub, so that nobody outside can tell which topic is whose', () => {
    const firsts = new Set<string | undefined>();
    for (let i = 0; i < 20; i++) firsts.add(enter(createHub()).socket.all[0]);
    assert.ok(firsts.size > 1);
  });

  it('are shared by the members of one codec, and by nobody else', () => {
    const hub = createHub();
    const members = [enter(hub), enter(hub), enter(hub, 1), enter(hub, 2)];
    for (const { connection } of members) hub.join('channel', 'news', connection);
    for (const { connection } of members) hub.join('room', 'news', connection);
    const [a, b, c, d] = members.map(({ socket }) => [...socket.topics]);
    assert.deepEqual(a, b);
    assert.equal(new Set([...(a ?? []), ...(c ?? []), ...(d ?? [])]).size, 9);
  });

  it('are never used again: a channel that was gone has another one when it comes back', () => {
    const hub = createHub();
    const { connection, socket } = enter(hub);
    for (let i = 0; i < 1_000; i++) {
      assert.ok(hub.join('channel', 'news', connection));
      assert.ok(hub.leave('channel', 'news', connection));
    }
    assert.equal(new Set(socket.all).size, 1_001);
    assert.equal(socket.topics.size, 1, 'that of everyone');
  });
});
