import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CounterName, Engine } from '#dist/main/index.js';
import { type Client, connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';

interface ErrorData {
  readonly code: string;
  readonly message: string;
  readonly for: string;
}

const isError = (message: { readonly type: string }): boolean => message.type === 'error';

async function nextError(client: Client): Promise<ErrorData> {
  return (await client.next(isError)).data as ErrorData;
}

/** Two bystanders that talk through the engine, and go on doing so afterwards. */
async function withBystanders(engine: Engine, use: () => Promise<void>): Promise<void> {
  const [speaker, listener] = [await connect(engine), await connect(engine)];
  await listener.subscribe('bystanders');
  let sent = 0;
  const talking = setInterval(() => {
    speaker.send({ type: 'publish', channel: 'bystanders', data: sent });
    sent += 1;
  }, 2);
  await use();
  clearInterval(talking);
  await until(() => listener.all.length === sent, 'everything the bystanders said');
  assert.deepEqual(
    listener.all.map((message) => message.data),
    Array.from({ length: sent }, (_, i) => i),
  );
}

describe('bad input has a defined answer, is counted, and costs nobody else anything', () => {
  const cases: readonly {
    readonly what: string;
    readonly payload: string | Buffer;
    readonly code: string;
    readonly for: string;
    readonly counter: CounterName;
  }[] = [
    {
      what: 'text that is not JSON',
      payload: 'hello',
      code: 'ERR_MESSAGE_MALFORMED',
      for: '',
      counter: 'messagesMalformed',
    },
    { what: 'an empty message', payload: '', code: 'ERR_MESSAGE_MALFORMED', for: '', counter: 'messagesMalformed' },
    {
      what: 'JSON that is cut',
      payload: '{"type":"publish"',
      code: 'ERR_MESSAGE_MALFORMED',
      for: '',
      counter: 'messagesMalformed',
    },
    {
      what: 'trailing garbage',
      payload: '{"type":"x"}}',
      code: 'ERR_MESSAGE_MALFORMED',
      for: '',
      counter: 'messagesMalformed',
    },
    { what: 'an array', payload: '[1]', code: 'ERR_MESSAGE_MALFORMED', for: '', counter: 'messagesMalformed' },
    {
      what: 'a type that is a number',
      payload: '{"type":5}',
      code: 'ERR_MESSAGE_MALFORMED',
      for: '',
      counter: 'messagesMalformed',
    },
    {
      what: 'a timestamp that is a fraction',
      payload: '{"type":"x","timestamp":1.5}',
      code: 'ERR_MESSAGE_MALFORMED',
      for: '',
      counter: 'messagesMalformed',
    },
    {
      what: 'a thousand brackets',
      payload: `{"type":"x","data":${'['.repeat(1_000)}}`,
      code: 'ERR_MESSAGE_MALFORMED',
      for: '',
      counter: 'messagesMalformed',
    },
    {
      what: 'a binary frame of noise',
      payload: Buffer.from([0xff, 0xfe, 0x00]),
      code: 'ERR_MESSAGE_MALFORMED',
      for: '',
      counter: 'messagesMalformed',
    },
    {
      what: 'invalid UTF-8 in a binary frame',
      payload: Buffer.from('7b2274797065223a22ff227d', 'hex'),
      code: 'ERR_MESSAGE_MALFORMED',
      for: '',
      counter: 'messagesMalformed',
    },
    {
      what: 'an unknown type',
      payload: '{"type":"dance"}',
      code: 'ERR_TYPE_UNKNOWN',
      for: 'dance',
      counter: 'messagesUnknownType',
    },
    { what: 'no type', payload: '{}', code: 'ERR_TYPE_UNKNOWN', for: '', counter: 'messagesUnknownType' },
    {
      what: 'subscribe without data',
      payload: '{"type":"subscribe"}',
      code: 'ERR_CHANNEL_INVALID',
      for: 'subscribe',
      counter: 'controlRefused',
    },
    {
      what: 'subscribe to an empty channel',
      payload: '{"type":"subscribe","data":{"channel":""}}',
      code: 'ERR_CHANNEL_INVALID',
      for: 'subscribe',
      counter: 'controlRefused',
    },
    {
      what: 'subscribe to a number',
      payload: '{"type":"subscribe","data":{"channel":7}}',
      code: 'ERR_CHANNEL_INVALID',
      for: 'subscribe',
      counter: 'controlRefused',
    },
    {
      what: 'the channel in the wrong place',
      payload: '{"type":"subscribe","channel":"news"}',
      code: 'ERR_CHANNEL_INVALID',
      for: 'subscribe',
      counter: 'controlRefused',
    },
    {
      what: 'a channel name that is too long',
      payload: JSON.stringify({ type: 'subscribe', data: { channel: 'x'.repeat(256) } }),
      code: 'ERR_CHANNEL_INVALID',
      for: 'subscribe',
      counter: 'controlRefused',
    },
    {
      what: 'publish without a channel',
      payload: '{"type":"publish","data":1}',
      code: 'ERR_CHANNEL_INVALID',
      for: 'publish',
      counter: 'controlRefused',
    },
    {
      what: 'publish to a name that is too long',
      payload: JSON.stringify({ type: 'publish', channel: 'x'.repeat(256) }),
      code: 'ERR_CHANNEL_INVALID',
      for: 'publish',
      counter: 'controlRefused',
    },
    {
      what: 'join_room without a room',
      payload: '{"type":"join_room","data":{}}',
      code: 'ERR_ROOM_INVALID',
      for: 'join_room',
      counter: 'controlRefused',
    },
    {
      what: 'room without a room',
      payload: '{"type":"room","data":{"data":1}}',
      code: 'ERR_ROOM_INVALID',
      for: 'room',
      counter: 'controlRefused',
    },
    {
      what: 'a message to a room one is not in',
      payload: '{"type":"room","data":{"room_id":"r"}}',
      code: 'ERR_NOT_A_MEMBER',
      for: 'room',
      counter: 'controlRefused',
    },
    {
      what: 'a broadcast',
      payload: '{"type":"broadcast","data":1}',
      code: 'ERR_FORBIDDEN',
      for: 'broadcast',
      counter: 'controlRefused',
    },
  ];

  it('every refused message is answered with its code, and the connection stays', () =>
    withEngine({}, (engine) =>
      withBystanders(engine, async () => {
        const client = await connect(engine);
        for (const bad of cases) {
          const before = engine.stats()[bad.counter];
          client.socket.send(bad.payload);
          const error = await nextError(client);
          assert.equal(error.code, bad.code, bad.what);
          assert.equal(error.for, bad.for, bad.what);
          assert.notEqual(error.message, '', bad.what);
          assert.equal(engine.stats()[bad.counter], before + 1, bad.what);
          // Keeps the count of malformed messages in a row at one.
          await client.sync();
        }
        assert.equal(client.all.length, cases.length);
      }),
    ));

  it('a malformed message names what is wrong and where', () =>
    withEngine({}, async (engine) => {
      const client = await connect(engine);
      client.sendText('{"type":"x","data":tru}');
      assert.match((await nextError(client)).message, /byte \d+/);
    }));

  it('JSON in a binary frame is accepted as JSON', () =>
    withEngine({}, async (engine) => {
      const client = await connect(engine);
      await client.subscribe('c');
      client.socket.send(Buffer.from('{"TYPE":"publish","Channel":"c","data":[1],"unknown":{}}'));
      assert.deepEqual((await client.next()).data, [1]);
    }));

  it('malformed messages in a row end the connection with 3501 once there are too many', () =>
    withEngine({ limits: { malformedMessages: 5 } }, async (engine) => {
      const client = await connect(engine);
      for (let i = 0; i < 4; i++) client.sendText('?');
      await client.sync();
      for (let i = 0; i < 4; i++) client.sendText('?');
      await client.sync();
      for (let i = 0; i < 5; i++) client.sendText('?');
      assert.deepEqual(await client.closed, { code: 3501, reason: 'too many malformed messages' });
      assert.equal(engine.stats().messagesMalformed, 13);
    }));

  it('a message over the limit is answered with 1009, one far over it is cut off, and both are counted', () =>
    withEngine({}, (engine) =>
      withBystanders(engine, async () => {
        const atLimit = await connect(engine);
        await atLimit.subscribe('c');
        const around = JSON.stringify({ type: 'publish', channel: 'c', data: '' }).length;
        const frame = (bytes: number): string =>
          JSON.stringify({ type: 'publish', channel: 'c', data: 'x'.repeat(bytes - around) });
        atLimit.sendText(frame(524_288));
        assert.equal(((await atLimit.next()).data as string).length, 524_288 - around);
        atLimit.sendText(frame(524_289));
        assert.equal((await atLimit.closed).code, 1009);
        const over = await connect(engine);
        over.sendText(frame(600_000));
        assert.equal((await over.closed).code, 1009);
        const far = await connect(engine);
        far.sendText('x'.repeat(8_000_000));
        assert.equal((await far.closed).code, 1006);
        await until(() => engine.stats().messagesTooLarge === 3, 'all to be counted');
      }),
    ));

  it('a connection may be in so many channels and rooms and no more', () =>
    withEngine({ limits: { channelsPerConnection: 3, roomsPerConnection: 2 } }, async (engine) => {
      const client = await connect(engine);
      for (let i = 0; i < 4; i++) client.send({ type: 'subscribe', data: { channel: `c${i}` } });
      assert.deepEqual([(await nextError(client)).code, engine.stats().channels], ['ERR_LIMIT_CHANNELS', 3]);
      for (let i = 0; i < 3; i++) client.send({ type: 'join_room', data: { room_id: `r${i}` } });
      assert.deepEqual([(await nextError(client)).code, engine.stats().rooms], ['ERR_LIMIT_ROOMS', 2]);
      client.send({ type: 'unsubscribe', data: { channel: 'c0' } });
      client.send({ type: 'subscribe', data: { channel: 'c3' } });
      client.send({ type: 'publish', channel: 'c3', data: 'in' });
      assert.equal((await client.next()).data, 'in');
    }));

  it('with replies off nothing is answered, but everything is counted', () =>
    withEngine({ replies: 'off' }, async (engine) => {
      const client = await connect(engine);
      for (const bad of cases) {
        client.socket.send(bad.payload);
        await client.sync();
      }
      assert.deepEqual(client.all, []);
      const { messagesMalformed, messagesUnknownType, controlRefused } = engine.stats();
      assert.equal(messagesMalformed + messagesUnknownType + controlRefused, cases.length);
    }));

  it('with replies all, what was done is acknowledged in order', () =>
    withEngine({ replies: 'all' }, async (engine) => {
      const client = await connect(engine);
      client.send({ type: 'subscribe', data: { channel: 'c' } });
      client.send({ type: 'join_room', data: { room_id: 'r' } });
      client.send({ type: 'unsubscribe', data: { channel: 'c' } });
      client.send({ type: 'dance' });
      await client.next(isError);
      assert.deepEqual(
        client.all.map((message) => [message.type, message.data]),
        [
          ['ok', { for: 'subscribe', target: 'c' }],
          ['ok', { for: 'join_room', target: 'r' }],
          ['ok', { for: 'unsubscribe', target: 'c' }],
          ['error', { code: 'ERR_TYPE_UNKNOWN', message: 'nothing handles messages of this type', for: 'dance' }],
        ],
      );
    }));
});
