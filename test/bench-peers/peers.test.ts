import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compilePipeline } from '#dist/shared/security/index.js';
import { benchKeys } from '../../native-bench/peers/shardwire-talk.ts';
import { type PeerClient, PeerProcess } from './peer-process.ts';

const payload = 'p'.repeat(128);
const large = 'l'.repeat(1_048_576);

for (const script of ['uws', 'uws-sharded', 'ws'] as const) {
  describe(`the peer ${script}`, () => {
    it('echoes text, bytes and a megabyte as they are', async (t) => {
      const peer = await PeerProcess.start(t, script);
      const client = await peer.connect(t, '/echo');
      assert.equal(await client.ask(payload), payload);
      assert.equal(await client.ask(large), large);
      client.socket.send(Buffer.from([0, 255, 1]));
      assert.deepEqual(await client.next(), Buffer.from([0, 255, 1]));
    });
  });
}

for (const script of ['uws', 'ws'] as const) {
  it(`${script} brings every publish to every subscriber, once and in order, and to nobody else`, async (t) => {
    const peer = await PeerProcess.start(t, script);
    const subscribers: PeerClient[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await peer.connect(t, '/fanout');
      assert.equal(await client.ask('subscribe'), 'subscribed');
      subscribers.push(client);
    }
    const publisher = await peer.connect(t, '/fanout');
    const publishes = ['one', 'x'.repeat(126), 'y'.repeat(70_000), 'last'];
    for (const text of publishes) publisher.socket.send(text);
    for (const client of subscribers) {
      for (const text of publishes) assert.equal(await client.text(), text);
      assert.deepEqual(client.unread, []);
    }
    // Its own answer comes behind whatever it would have been sent before.
    assert.equal(await publisher.ask('subscribe'), 'subscribed');
  });
}

it('each shard of bare uWebSockets.js reaches only its own part of the audience', async (t) => {
  const peer = await PeerProcess.start(t, 'uws-sharded', ['--shards', '2']);
  const subscribers: PeerClient[] = [];
  for (let i = 0; i < 4; i++) {
    const client = await peer.connect(t, '/fanout');
    await client.ask('subscribe');
    subscribers.push(client);
  }
  // Connections are dealt out in turn, so these two are on different shards.
  for (const name of ['first shard', 'second shard']) (await peer.connect(t, '/fanout')).socket.send(name);
  const got = [];
  for (const client of subscribers) got.push(await client.text());
  assert.deepEqual(got.sort(), ['first shard', 'first shard', 'second shard', 'second shard']);
  assert.ok(subscribers.every(({ unread }) => unread.length === 0));
});

it('Socket.IO speaks its own protocol over a bare WebSocket', async (t) => {
  const peer = await PeerProcess.start(t, 'socketio');
  const enter = async (): Promise<PeerClient> => {
    const client = await peer.connect(t, '/socket.io/?EIO=4&transport=websocket');
    assert.match(await client.text(), /^0\{"sid":/);
    assert.match(await client.ask('40'), /^40\{"sid":/);
    return client;
  };
  const [publisher, first, second] = [await enter(), await enter(), await enter()];
  const message = `42${JSON.stringify(['m', payload])}`;
  assert.equal(await publisher.ask(message), message);
  const big = `42${JSON.stringify(['m', large])}`;
  assert.equal(await publisher.ask(big), big);
  publisher.socket.send(`42${JSON.stringify(['publish', payload])}`);
  assert.equal(await first.text(), message);
  assert.equal(await second.text(), message);
  // An answer comes behind the publish, which therefore did not come to its publisher.
  assert.equal(await publisher.ask('42["m","mine"]'), '42["m","mine"]');
});

describe('the peer shardwire', () => {
  it('echoes in a handler, and publishes through the hub to every shard', async (t) => {
    const peer = await PeerProcess.start(t, 'shardwire', ['--shards', '2']);
    const subscribers: PeerClient[] = [];
    for (let i = 0; i < 6; i++) {
      const client = await peer.connect(t, '/ws', 'json');
      assert.equal(JSON.parse(await client.ask('{"type":"join"}')).type, 'ready');
      subscribers.push(client);
    }
    const publisher = await peer.connect(t, '/ws', 'json');
    const echoed = JSON.parse(await publisher.ask(JSON.stringify({ type: 'echo', data: payload })));
    assert.deepEqual([echoed.type, echoed.data], ['echo', payload]);
    for (const data of ['a', 'b']) {
      publisher.socket.send(JSON.stringify({ type: 'publish', channel: 'bench', data }));
    }
    for (const client of subscribers) {
      assert.equal(JSON.parse(await client.text()).data, 'a');
      assert.equal(JSON.parse(await client.text()).data, 'b');
      assert.deepEqual(client.unread, []);
    }
  });

  it('closes whoever asks for a shard and is on another', async (t) => {
    const peer = await PeerProcess.start(t, 'shardwire', ['--shards', '2']);
    const outcomes = new Set<string>();
    for (let tries = 0; tries < 200 && outcomes.size < 2; tries++) {
      const client = await peer.connect(t, '/ws', 'json');
      const closed = new Promise<string>((resolve) => client.socket.once('close', (code) => resolve(String(code))));
      client.socket.send('{"type":"join","data":1}');
      outcomes.add(await Promise.race([closed, client.text().then((text) => JSON.parse(text).type as string)]));
      client.socket.terminate();
    }
    assert.deepEqual([...outcomes].sort(), ['4000', 'ready']);
  });

  it('takes and sends sealed messages only, with the keys of the benchmark', async (t) => {
    const peer = await PeerProcess.start(t, 'shardwire', ['--sealed']);
    const client = await peer.connect(t, '/ws', 'json');
    const pipeline = compilePipeline(benchKeys);
    const message = Buffer.from(JSON.stringify({ type: 'echo', data: payload }));
    client.socket.send(pipeline.seal(message));
    const answer = await client.next();
    assert.ok(!answer.includes(payload));
    assert.equal(JSON.parse(Buffer.from(pipeline.open(answer)).toString()).data, payload);
  });
});

describe('every peer', () => {
  for (const script of ['uws', 'uws-sharded', 'ws', 'socketio', 'shardwire']) {
    it(`ends in good order: ${script}`, async (t) => {
      const byInput = await PeerProcess.start(t, script);
      byInput.endInput();
      assert.deepEqual(await byInput.exited, [0, null]);
      const bySignal = await PeerProcess.start(t, script);
      bySignal.signal('SIGTERM');
      assert.deepEqual(await bySignal.exited, [0, null]);
    });
  }
});
