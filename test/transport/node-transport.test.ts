import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NodeTransport } from '#dist/worker/transport/node/node-transport.js';
import type { CreateTransport } from '#dist/worker/transport/transport.js';
import { handshakeText, openRaw } from '../support/raw-socket.ts';
import { pause } from '../support/waiting.ts';
import { describeTransport } from './contract.ts';
import { withTransport } from './transport-fixture.ts';

const create: CreateTransport = (options, events) => new NodeTransport(options, events);

describeTransport('NodeTransport', create, {
  earlyFrames: 'kept',
  requestLine: 'in pieces',
  brokenDeflate: 'protocolError',
  finalBlocks: 'read',
  closeCodes: 'all',
  longLengths: 'refused',
});

const ofProxy = 'PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\n';

describe('NodeTransport behind a proxy', () => {
  it('tells the address that the proxy gave, in whatever pieces it comes', () =>
    withTransport(create, {}, async (fixture) => {
      for (const cut of [0, 3, ofProxy.length - 1, ofProxy.length, ofProxy.length + 5]) {
        const text = ofProxy + handshakeText();
        const raw = await openRaw(fixture.port);
        raw.write(text.slice(0, cut));
        await pause(5);
        raw.write(text.slice(cut));
        assert.equal((await raw.reply()).status, 101);
        assert.equal(fixture.requests.at(-1)?.proxiedAddress, '10.0.0.1');
      }
    }));

  it('believes one header only: a second one is from the client', () =>
    withTransport(create, {}, async (fixture) => {
      const forged = ofProxy.replace('10.0.0.1', '66.6.6.6') + handshakeText();
      for (const wait of [0, 30]) {
        const raw = await openRaw(fixture.port);
        raw.write(ofProxy);
        await pause(wait);
        raw.write(forged);
        assert.equal((await raw.reply()).status, 400);
      }
      assert.deepEqual(fixture.requests, []);
      assert.equal(fixture.abandoned, 2);
    }));
});

describe('NodeTransport at the end of a connection', () => {
  it('sends a Close frame behind all that a slow peer has not read, however long it takes to read it', () =>
    withTransport(create, { idleTimeoutSeconds: 0, maxBackpressureBytes: 67_108_864 }, async (fixture) => {
      const { raw, peer } = await fixture.connect();
      raw.socket.pause();
      const chunk = Buffer.alloc(65_536, 1);
      let sent = 0;
      while (peer.open.bufferedBytes < 8_388_608) {
        peer.open.send(chunk, true, false);
        sent += 1;
      }
      peer.open.end(3008, 'too slow');
      // Longer than a request may take.
      const end = performance.now() + 14_000;
      const stopAfterEach = (): void => void raw.socket.pause();
      raw.socket.on('data', stopAfterEach);
      while (performance.now() < end) {
        raw.socket.resume();
        await pause(200);
      }
      assert.ok(raw.frames.length < sent, 'the peer is too fast for this test');
      raw.socket.off('data', stopAfterEach);
      raw.socket.resume();
      assert.deepEqual(await raw.closeFrame(), { code: 3008, reason: 'too slow' });
      assert.equal(raw.frames.length, sent + 1);
      assert.equal(fixture.cut, 0);
    }));
});
