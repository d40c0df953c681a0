import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import { describe, it } from 'node:test';
import { socketDescriptors, withEngine } from '../support/leaks.ts';
import { fc } from '../support/properties.ts';
import { openRaw, requestText } from '../support/raw-socket.ts';
import { pause, until, within } from '../support/waiting.ts';
import { connectSecurely, first, openTls, second } from './tls-fixture.ts';

const tls = { cert: first.cert, key: first.key };
const other = { cert: second.cert, key: second.key };

/** The library gives a connection about this long for its handshakes. */
const handshakeMs = 40_000;

/** The beginning of a ClientHello that never goes on. */
const halfHello = Buffer.from('16030100f8010000f40303', 'hex');

describe('what is no TLS, on a port that speaks it', () => {
  it('plain HTTP and plain WebSockets are ended, and counted', () =>
    withEngine({ tls }, async (engine) => {
      for (const text of [requestText('GET', '/healthz'), 'GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n']) {
        const raw = await openRaw(engine.port);
        raw.write(text);
        await raw.ended();
        assert.ok(!raw.unread.toString('latin1').startsWith('HTTP'), 'it was answered without TLS');
      }
      await until(() => engine.stats().handshakesAbandoned === 2, 'both to be counted');
      assert.equal(engine.stats().httpRequests, 0);
    }));

  it('no bytes whatsoever hurt those who behave, through reloads too', () =>
    withEngine({ tls }, async (engine) => {
      const good = await connectSecurely(engine);
      await good.subscribe('c');
      const before = socketDescriptors();
      const beginning = fc.constantFrom(
        '',
        '16030100',
        '16030300',
        '1603010200010001fc0303',
        '150301000202',
        '17030300',
      );
      let reloads = 0;
      const oneNoise = fc.asyncProperty(
        beginning,
        fc.uint8Array({ maxLength: 600 }),
        fc.nat(2),
        async (hex, rest, end) => {
          const raw = await openRaw(engine.port);
          raw.write(Buffer.concat([Buffer.from(hex, 'hex'), rest]));
          if (end === 0) raw.reset();
          else if (end === 1) raw.socket.end();
          else {
            await pause(1);
            raw.destroy();
          }
          reloads += 1;
          if (reloads % 10 === 0) await engine.reloadTls(reloads % 20 === 0 ? tls : other);
        },
      );
      await fc.assert(oneNoise, { numRuns: 200 });
      for (let i = 0; i < 20; i++) {
        const raw = await openRaw(engine.port);
        raw.write(randomBytes(100_000));
        await raw.ended();
      }
      engine.publish('c', { data: 'well' });
      assert.equal((await good.next()).data, 'well');
      await until(() => socketDescriptors() <= before, 'every socket to be closed');
    }));

  it('noise inside of TLS, or behind its handshake, ends that connection only', () =>
    withEngine({ tls }, async (engine) => {
      const good = await connectSecurely(engine);
      const inside = await openTls(engine.port);
      const tcp = connectTcp(engine.port, '127.0.0.1');
      const behind = await openTls(engine.port, { socket: tcp });
      const ends = [inside, behind].map((socket) => {
        socket.resume();
        return within(new Promise((resolve) => socket.once('close', resolve)), 'the end of noise', handshakeMs);
      });
      inside.write(randomBytes(5_000));
      tcp.write(randomBytes(5_000));
      await Promise.all(ends);
      await good.sync();
    }));

  it('half a handshake, a whole one without a request, and one that drips do not stay', () =>
    withEngine({ tls }, async (engine) => {
      const silent = await openRaw(engine.port);
      const half = await openRaw(engine.port);
      half.write(halfHello);
      const idle = await openTls(engine.port);
      idle.resume();
      const idleEnded = new Promise((resolve) => idle.once('close', resolve));
      const drip = await openRaw(engine.port);
      drip.write(halfHello);
      const dripping = setInterval(() => drip.write(Buffer.from([0])), 500);
      try {
        await Promise.all([
          silent.ended(handshakeMs),
          half.ended(handshakeMs),
          drip.ended(handshakeMs),
          within(idleEnded, 'the end of a connection without a request', handshakeMs),
        ]);
      } finally {
        clearInterval(dripping);
      }
      await until(() => engine.stats().handshakesAbandoned === 4, 'all to be counted');
    }));

  it('half handshakes do not hold a former certificate, nor the end of the engine', () =>
    withEngine({ tls }, async (engine) => {
      const half = await Promise.all(Array.from({ length: 50 }, () => openRaw(engine.port)));
      for (const raw of half) raw.write(halfHello);
      await engine.reloadTls(other);
      await (await connectSecurely(engine)).sync();
      await engine.close();
      await Promise.all(half.map((raw) => raw.ended()));
    }));
});
