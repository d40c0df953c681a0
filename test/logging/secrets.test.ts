import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Engine, EngineOptions } from '#dist/main/index.js';
import { connect } from '../support/client.ts';
import { connectCodec } from '../support/codec-client.ts';
import { withEngine } from '../support/leaks.ts';
import { handshakeText, request, requestText } from '../support/raw-socket.ts';
import { connectSealed, sealWith } from '../support/sealed-client.ts';
import { until } from '../support/waiting.ts';
import { type CapturedLog, captureLog } from './captured-log.ts';

const handlers = new URL('./fixtures/careless.handlers.js', import.meta.url);

let marks = 0;
const used: string[] = [];
/** A text that is nowhere else; in no log either. */
function mark(): string {
  marks += 1;
  const text = `marked-${marks}-${randomBytes(6).toString('hex')}`;
  used.push(text);
  return text;
}

/** Fails if the log has a mark or a key, in any form in which bytes are written. */
function assertClean(log: CapturedLog, keys: readonly Uint8Array[] = []): void {
  const text = log.text();
  assert.ok(used.length > 0);
  // Parsers quote no more than the beginning of what they read.
  const quoted = log.lines().find((line) => JSON.stringify(line).includes('marked-'));
  assert.equal(quoted, undefined);
  for (const one of used) {
    assert.ok(!text.includes(Buffer.from(one).toString('base64').slice(0, 12)));
    assert.ok(!text.includes(Buffer.from(one).toString('hex')));
  }
  for (const key of keys) {
    for (const form of ['hex', 'base64', 'latin1'] as const) assert.ok(!text.includes(Buffer.from(key).toString(form)));
    assert.ok(!text.includes([...key].join(',')) && !text.includes(JSON.stringify({ ...key }).slice(1, -1)));
  }
}

async function withLog(
  options: EngineOptions,
  use: (engine: Engine, log: CapturedLog) => Promise<void>,
): Promise<CapturedLog> {
  used.length = 0;
  const log = captureLog('trace');
  await withEngine({ shards: 2, logger: log.logger, ...options }, (engine) => use(engine, log));
  return log;
}

describe('no secret and no payload is ever logged', () => {
  // But for the origin and the host of one that was refused, which are the names of web pages and of this server.
  it('of a handshake: headers, cookies, the query, the name, the subprotocol, whatever the answer', async () => {
    const log = await withLog({ handlers, duplicateName: 'reject' }, async (engine) => {
      const headers = { Cookie: `session=${mark()}`, Authorization: `Bearer ${mark()}`, 'X-Anything': mark() };
      const name = mark();
      const first = await connect(engine, { headers: { ...headers, 'X-Client-ID': name }, query: `token=${mark()}` });
      await first.sync();
      await (await connect(engine, { headers: { ...headers, 'X-Client-ID': name } })).closed;
      await request(engine.port, handshakeText({ headers: { ...headers, 'Sec-WebSocket-Protocol': mark() } }));
      await request(engine.port, handshakeText({ headers: { ...headers, Origin: 'http://elsewhere.example' } }));
      await request(engine.port, handshakeText({ headers: { ...headers, 'Sec-WebSocket-Key': mark() } }));
      await request(engine.port, requestText('GET', `/${mark()}?token=${mark()}`, headers));
      await first.close(4000, mark());
      await until(() => engine.stats().connections === 0, 'the end');
    });
    assertClean(log);
    assert.ok(log.lines().length >= 2, 'something was logged');
  });

  it('of messages: malformed, too large, of no type, refused, and those that handlers and listeners fail on', async () => {
    const log = await withLog({ handlers, replies: 'all', maxMessageBytes: 4_096 }, async (engine, { lines }) => {
      engine.on('message', (connection, message) => {
        if (message.type === 'listener-parse') message.data.json();
        if (message.type === 'listener-data') connection.send({ data: new Map([[message.data.text(), 1]]) });
        if (message.type === 'listener-name') engine.publish(message.data.text().repeat(100), { data: 1 });
        if (message.type === 'listener-field') engine.broadcast({ type: new Set([message.data.text()]) as never });
      });
      const client = await connect(engine);
      client.sendText(`{"type": ${mark()}`);
      client.sendText(mark());
      client.send({ type: mark(), data: mark() });
      client.send({ type: 'subscribe', data: { channel: mark().repeat(30) } });
      client.send({ type: 'publish', channel: mark().repeat(30), data: mark() });
      client.send({ type: 'subscribe', data: { channel: 'forbidden', secret: mark() } });
      client.send({ type: 'join_room', data: mark() });
      for (const type of [
        'bad-channel',
        'bad-data',
        'bad-key',
        'bad-close',
        'listener-data',
        'listener-name',
        'listener-field',
      ]) {
        client.send({ type, data: mark() });
      }
      await client.sync();
      const packed = await connectCodec(engine, 'msgpack');
      for (const type of ['parse', 'listener-parse', 'crash']) {
        packed.send({ type, channel: '', data: Buffer.from(`${mark()} is not JSON`), timestamp: 0n, clientId: '' });
      }
      await until(() => lines().some((line) => line.msg === 'a shard is lost'), 'the end of a shard');
      const large = await connect(engine);
      large.send({ type: 'x', data: mark().repeat(200) });
      assert.equal((await large.closed).code, 1009);
      await until(() => engine.stats().handlerErrors >= 9, 'the errors');
    });
    assertClean(log);
    const errors = log.lines().filter((line) => line.level === 50);
    assert.ok(errors.length >= 9, `${errors.length} errors were logged`);
  });

  it('of sealed messages: keys, what could not be opened, and keys that are none', async () => {
    const keys = { aesKey: new Uint8Array(randomBytes(32)), hmacKey: new Uint8Array(randomBytes(32)) };
    const wrong = { aesKey: new Uint8Array(randomBytes(32)), hmacKey: new Uint8Array(randomBytes(32)) };
    const log = await withLog({ handlers, security: keys }, async (engine) => {
      const client = await connectSealed(engine, { keys });
      await client.sync();
      client.send({ type: 'parse', data: Buffer.from(mark()) });
      client.sendRaw(sealWith(wrong, Buffer.from(mark())));
      client.sendRaw(Buffer.from(mark()));
      client.sendRaw(Buffer.from(mark()));
      assert.equal((await client.closed).code, 3502);
      assert.throws(() => engine.rotateKeys({ aesKey: new Uint8Array(31).fill(7) }), { code: 'ERR_KEY_INVALID' });
      engine.rotateKeys(wrong);
      const other = await connectSealed(engine, { keys: wrong });
      await other.sync();
    });
    assertClean(log, [...Object.values(keys), ...Object.values(wrong)]);
    assert.ok(log.lines().some((line) => line.msg === 'a frame could not be opened'));
  });

  it('of an error that the engine throws: what was given is there for programs, but not for loggers', () => {
    used.length = 0;
    const log = captureLog('trace');
    const secret = mark();
    return withEngine({ shards: 1 }, (engine) => {
      try {
        engine.publish('x', { data: new Map([[secret, secret]]) });
        assert.fail('it was accepted');
      } catch (err) {
        assert.ok((Reflect.get(err as object, 'given') as Map<string, string>).has(secret));
        log.logger.error({ err }, 'refused');
      }
      assert.equal(log.lines().length, 1);
      assertClean(log);
    });
  });
});
