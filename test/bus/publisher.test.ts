import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Publisher } from '#dist/shared/bus/publisher.js';
import { Counters, counter } from '#dist/shared/memory/counters.js';
import { createEngineMemory, mainThread } from '#dist/shared/memory/engine-memory.js';
import { RingConsumer, RingProducer } from '#dist/shared/ring/index.js';
import { openPublishers, type PublishingEngine, type PublishingOptions } from './publisher-fixture.ts';

function withPublishers(options: PublishingOptions, body: (engine: PublishingEngine) => void): void {
  const engine = openPublishers(options);
  try {
    body(engine);
  } finally {
    engine.close();
  }
}

function shardsOf(engine: PublishingEngine): PublishingEngine['shards'][number][] {
  return [...engine.shards];
}

describe('the publisher of main', () => {
  it('reaches every shard, with the default type of each audience', () =>
    withPublishers({}, (engine) => {
      const { main, readAll } = engine;
      assert.equal(main.publisher.publishMessage('channel', 'news', { data: 1 }), 'queued');
      assert.equal(main.publisher.publishMessage('room', 'lobby', { data: 2 }), 'queued');
      assert.equal(main.publisher.publishMessage('everyone', '', { data: 3, channel: 'own' }), 'queued');
      readAll();
      for (const { received } of shardsOf(engine)) {
        assert.deepEqual(received.all, ['channel news: 1', 'room lobby: 2', 'everyone : 3']);
        assert.deepEqual(
          received.envelopes.map(({ type, channel }) => [type, channel]),
          [
            ['message', 'news'],
            ['room', 'lobby'],
            ['broadcast', 'own'],
          ],
        );
      }
      assert.deepEqual(main.received.all, []);
      assert.equal(main.counters.get(counter.publishes), 3);
    }));

  it('reaches the one shard of a connection, and none that is not there', () =>
    withPublishers({ unreachable: [0] }, (engine) => {
      const { main, readAll } = engine;
      const [zero, one] = shardsOf(engine);
      assert.equal(main.publisher.sendMessage('1-abc-1', { data: 'hello' }), 'queued');
      assert.equal(main.publisher.orderDisconnect('1-abc-1', 4000, 'bye'), 'queued');
      for (const id of ['0-abc-1', '2-abc-1', 'nobody', '', '-1-abc-1']) {
        assert.equal(main.publisher.sendMessage(id, {}), 'not-found', id);
        assert.equal(main.publisher.orderDisconnect(id, 1000, ''), 'not-found', id);
      }
      assert.equal(main.publisher.sendMessage(undefined as unknown as string, {}), 'not-found');
      readAll();
      assert.deepEqual(zero?.received.all, []);
      assert.deepEqual(one?.received.all, ['connection 1-abc-1: "hello"', 'close 1-abc-1: 4000 bye']);
      assert.equal(main.counters.get(counter.publishes), 0, 'what is for one is no publish');
    }));
});

describe('the publisher of a shard', () => {
  it('serves its own members directly, and those of other shards by its ring', () =>
    withPublishers({}, (engine) => {
      const [zero, one] = shardsOf(engine);
      assert.ok(zero && one);
      assert.equal(zero.publisher.publishMessage('channel', 'news', { data: 1 }), 'queued');
      assert.deepEqual(zero.received.all, ['channel news: 1']);
      assert.deepEqual(one.received.all, []);
      engine.readAll();
      assert.deepEqual(zero.received.all, ['channel news: 1'], 'its own ring brings it nothing');
      assert.deepEqual(one.received.all, ['channel news: 1']);
      assert.deepEqual(one.received.envelopes, zero.received.envelopes);
      assert.equal(zero.counters.get(counter.publishes), 1);
      assert.equal(one.counters.get(counter.publishes), 0);
    }));

  it('serves its own connections directly', () =>
    withPublishers({}, (engine) => {
      const [zero, one] = shardsOf(engine);
      assert.ok(zero && one);
      zero.publisher.sendMessage('0-abc-1', { data: 'here' });
      zero.publisher.orderDisconnect('0-abc-1', 1000, '');
      zero.publisher.sendMessage('1-abc-1', { data: 'there' });
      assert.deepEqual(zero.received.all, ['connection 0-abc-1: "here"', 'close 0-abc-1: 1000 ']);
      assert.deepEqual(one.received.all, []);
      engine.readAll();
      assert.deepEqual(one.received.all, ['connection 1-abc-1: "there"']);
      assert.equal(zero.received.all.length, 2);
    }));

  it('writes nothing if there is no other shard', () =>
    withPublishers({ shards: 1 }, (engine) => {
      const [only] = shardsOf(engine);
      assert.ok(only);
      assert.equal(only.publisher.publishMessage('everyone', '', { data: 1 }), 'queued');
      assert.deepEqual(only.received.all, ['everyone : 1']);
      assert.equal(only.bus.producer.depthBytes, 0);
    }));

  it('writes notices that only main reads', () =>
    withPublishers({}, (engine) => {
      const [zero, one] = shardsOf(engine);
      assert.ok(zero && one);
      const facts = { id: '0-abc-1', name: 'é', codec: 'json', remoteAddress: '::1' } as const;
      const envelope = {
        type: 'x',
        channel: '',
        data: Buffer.from('1'),
        timestamp: 5n,
        clientId: '0-abc-1',
        id: 0,
        offset: 0,
      };
      zero.isClosed = true;
      assert.equal(zero.publisher.writeConnectNotice(facts), 'queued');
      assert.equal(zero.publisher.writeMessageNotice({ ...envelope, dataIsJson: true }), 'queued');
      assert.equal(zero.publisher.writeDisconnectNotice({ id: '0-abc-1', code: 1006, reason: '' }), 'queued');
      engine.readAll();
      assert.deepEqual(engine.main.received.all, [
        'connected 0-abc-1: é json ::1',
        'message of 0-abc-1: 1',
        'disconnected 0-abc-1: 1006 ',
      ]);
      assert.deepEqual([...zero.received.all, ...one.received.all], []);
    }));
});

describe('every publisher', () => {
  it('answers with `closed` once it is, but still refuses what is no message', () =>
    withPublishers({}, (engine) => {
      for (const thread of [engine.main, ...engine.shards]) {
        thread.isClosed = true;
        const { publisher } = thread;
        assert.equal(publisher.publishMessage('channel', 'news', {}), 'closed');
        assert.equal(publisher.sendMessage('0-abc-1', {}), 'closed');
        assert.equal(publisher.orderDisconnect('nobody', 1000, ''), 'closed');
        assert.throws(() => publisher.sendMessage('0-abc-1', { data: new Map() }), { code: 'ERR_MESSAGE_INVALID' });
        assert.throws(() => publisher.orderDisconnect('nobody', 1005, ''), { code: 'ERR_CLOSE_CODE_INVALID' });
      }
      engine.readAll();
      assert.deepEqual(
        engine.shards.flatMap(({ received }) => received.all),
        [],
      );
    }));

  it('refuses what is no name of a channel or room', () =>
    withPublishers({}, ({ main }) => {
      for (const name of ['', 'n'.repeat(17), 'é'.repeat(9)]) {
        assert.throws(() => main.publisher.publishMessage('channel', name, {}), { code: 'ERR_CHANNEL_INVALID' });
        assert.throws(() => main.publisher.publishMessage('room', name, {}), { code: 'ERR_ROOM_INVALID' });
      }
      assert.equal(main.publisher.publishMessage('channel', 'n'.repeat(16), {}), 'queued');
      assert.equal(main.counters.get(counter.publishes), 1);
    }));

  it('refuses as a whole what its ring has no room for: nobody gets it, and it is counted', () =>
    withPublishers({ ringBytes: 4_096, spillBytes: 1_000 }, (engine) => {
      const data = Buffer.alloc(500);
      for (const thread of [engine.main, ...engine.shards]) {
        const { publisher, counters, received } = thread;
        let queued = 0;
        while (publisher.publishMessage('channel', 'news', { data }) === 'queued') queued += 1;
        assert.ok(queued >= 5, `only ${queued} were queued`);
        const other = thread === engine.shards[1] ? '0-abc-1' : '1-abc-1';
        assert.equal(publisher.sendMessage(other, { data }), 'overloaded');
        assert.equal(counters.get(counter.publishes), queued);
        assert.equal(counters.get(counter.overloaded), 2);
        assert.equal(received.all.length, thread === engine.main ? 0 : queued);
      }
    }));
});

describe('the records of a publisher', () => {
  it('are for the threads that have somebody to give them to, and keep their bytes', () => {
    const memory = createEngineMemory(2, 4_096);
    const ring = memory.rings[1];
    assert.ok(ring !== undefined);
    const received = { deliverToAudience() {}, deliverToConnection() {}, closeConnection() {} };
    const readers = [mainThread, 2].map((thread) => new RingConsumer(ring, thread, { relieve: () => undefined }));
    for (const reader of readers) reader.attend();
    const publisher = new Publisher({
      producer: new RingProducer(ring, { spillBytes: 4_096, wake: () => undefined }),
      counters: new Counters(memory, 1),
      shards: 2,
      nameLimitBytes: 16,
      ownShard: { shard: 0, delivery: received },
      isClosed: () => false,
      canReach: () => true,
    });
    const message = { type: 't', data: Uint8Array.of(255), timestamp: 258n, clientId: 'c' };
    publisher.publishMessage('channel', 'news', message);
    publisher.publishMessage('room', 'lobby', message);
    publisher.publishMessage('everyone', '', message);
    publisher.sendMessage('1-a-1', { ...message, channel: 'é' });
    publisher.orderDisconnect('1-a-1', 1000, 'x');
    publisher.writeConnectNotice({ id: '0-a-1', name: '', codec: 'json', remoteAddress: '::1' });
    publisher.writeMessageNotice({ ...message, channel: '', id: 0, offset: 0, dataIsJson: true });
    publisher.writeDisconnectNotice({ id: '0-a-1', code: 1000, reason: '' });
    const seen = readers.map((reader) => {
      const records: string[] = [];
      reader.drain(100, 4_096, (kind, bytes, offset, length) => {
        records.push(`${kind} ${Buffer.from(bytes.slice(offset, offset + length)).toString('latin1')}`);
      });
      return records;
    });
    /** Flags and five lengths, as words; then the timestamp and the texts. */
    const record = (kind: number, words: readonly number[], texts: string): string => {
      const header = Buffer.alloc(32);
      for (const [place, word] of words.entries()) header.writeUInt32LE(word, place * 4);
      header.writeBigInt64LE(258n, 24);
      return `${kind} ${header.toString('latin1')}${texts}`;
    };
    const json = (kind: number, value: object): string => `${kind} ${JSON.stringify(value)}`;
    assert.deepEqual(seen, [
      [
        json(6, { id: '0-a-1', name: '', codec: 'json', remoteAddress: '::1' }),
        record(7, [3, 0, 1, 0, 1, 1], 'tc\xff'),
        json(8, { id: '0-a-1', code: 1000, reason: '' }),
      ],
      [
        record(1, [9, 4, 1, 0, 1, 1], 'newstc\xff'),
        record(2, [9, 5, 1, 0, 1, 1], 'lobbytc\xff'),
        record(3, [1, 0, 1, 0, 1, 1], 'tc\xff'),
        record(4, [1, 5, 1, 2, 1, 1], '1-a-1t\xc3\xa9c\xff'),
        json(5, { id: '1-a-1', code: 1000, reason: 'x' }),
      ],
    ]);
  });

  it('have 8 bytes more for an id and for an offset, and are read as they were written', () =>
    withPublishers({}, (engine) => {
      const [zero, one] = shardsOf(engine);
      assert.ok(zero && one);
      const fields = { type: 't', channel: 'news', data: Uint8Array.of(0x31), timestamp: 5n, clientId: 'c' };
      const numbers = [
        [0, 0],
        [7, 0],
        [0, 42],
        [1, 2 ** 32],
        [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
      ] as const;
      const lengths: number[] = [];
      for (const [id, offset] of numbers) {
        const envelope = { ...fields, id, offset, dataIsJson: true };
        const before = zero.bus.producer.depthBytes;
        assert.equal(zero.publisher.sendEnvelope('1-abc-1', envelope), 'queued');
        lengths.push(zero.bus.producer.depthBytes - before);
        assert.equal(zero.publisher.publishEnvelope('channel', 'news', envelope), 'queued');
        assert.equal(zero.publisher.writeMessageNotice(envelope), 'queued');
      }
      const [plain = 0] = lengths;
      assert.deepEqual(
        lengths.map((length) => length - plain),
        [0, 8, 8, 16, 16],
      );
      engine.readAll();
      const expected = numbers.map(([id, offset]) => ({ ...fields, id, offset, dataIsJson: true }));
      const kept = (count: number): unknown[] => expected.flatMap((envelope) => new Array(count).fill(envelope));
      assert.deepEqual(one.received.envelopes, kept(2));
      assert.deepEqual(engine.main.received.envelopes, kept(1));
      assert.deepEqual(zero.received.envelopes, kept(1), 'the members of its own shard');
    }));

  it('to a connection of its own shard take an id without a record', () =>
    withPublishers({}, (engine) => {
      const [zero] = shardsOf(engine);
      assert.ok(zero);
      const fields = { type: 'reply', channel: '', data: null, timestamp: 5n, clientId: '', id: 7, offset: 0 };
      assert.equal(zero.publisher.sendEnvelope('0-abc-1', fields), 'queued');
      assert.equal(zero.bus.producer.depthBytes, 0);
      assert.deepEqual(zero.received.envelopes, [fields]);
      assert.equal(zero.publisher.sendEnvelope('9-abc-1', fields), 'not-found');
    }));
});
