import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import type { CreateTransport } from '#dist/worker/transport/transport.js';
import { openRaw, openWebSocket } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';
import { TransportFixture, withTransport } from './transport-fixture.ts';

export function describeListening(create: CreateTransport): void {
  describe('accepting by itself', () => {
    test('listen on port 0 answers with the port, and serves there', async () => {
      await withTransport(create, {}, async (fixture) => {
        const port = await fixture.transport.listen('127.0.0.1', 0, []);
        assert.ok(port > 0 && port < 65_536);
        const raw = await openWebSocket(port);
        raw.sendText('hello');
        await until(() => fixture.peers[0]?.messages.length === 1, 'the message');
      });
    });

    test('listen on a port in use rejects with ERR_LISTEN_FAILED', async () => {
      const other = createServer();
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const address = other.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      try {
        await withTransport(create, {}, async (fixture) => {
          await assert.rejects(fixture.transport.listen('127.0.0.1', port, []), { code: 'ERR_LISTEN_FAILED' });
        });
      } finally {
        await new Promise<void>((resolve) => other.close(() => resolve()));
      }
    });

    test('a port that another transport listens on is in use as well', async () => {
      await withTransport(create, {}, async (fixture) => {
        const port = await fixture.transport.listen('127.0.0.1', 0, []);
        await withTransport(create, {}, async (second) => {
          await assert.rejects(second.transport.listen('127.0.0.1', port, []), { code: 'ERR_LISTEN_FAILED' });
        });
      });
    });

    test('connections are handed round robin to the transports behind the handles', async () => {
      await withTransport(create, {}, async (first) => {
        const second = new TransportFixture(create, {}, {});
        try {
          const handles = [first.transport.handle, second.transport.handle].map((handle) => structuredClone(handle));
          const port = await first.transport.listen('127.0.0.1', 0, handles);
          for (let i = 0; i < 6; i++) await openWebSocket(port);
          await until(() => first.peers.length + second.peers.length === 6, 'six connections');
          assert.deepEqual([first.peers.length, second.peers.length], [3, 3]);
        } finally {
          first.transport.close();
          await second.stop();
        }
      });
    });

    test('a transport that is met later gets its share, and one that is forgotten gets none', async () => {
      await withTransport(create, {}, async (first) => {
        const second = new TransportFixture(create, {}, {});
        try {
          const port = await first.transport.listen('127.0.0.1', 0, [structuredClone(first.transport.handle)]);
          for (let i = 0; i < 2; i++) await openWebSocket(port);
          await until(() => first.peers.length === 2, 'two connections');
          first.transport.meet(structuredClone(second.transport.handle));
          for (let i = 0; i < 4; i++) await openWebSocket(port);
          await until(() => first.peers.length + second.peers.length === 6, 'four more');
          assert.deepEqual([first.peers.length, second.peers.length], [4, 2]);
          first.transport.forget(structuredClone(second.transport.handle));
          for (let i = 0; i < 3; i++) await openWebSocket(port);
          await until(() => first.peers.length === 7, 'three more');
          assert.equal(second.peers.length, 2);
          // Once more is harmless.
          first.transport.forget(structuredClone(second.transport.handle));
          await openWebSocket(port);
          await until(() => first.peers.length === 8, 'one more');
        } finally {
          first.transport.close();
          await second.stop();
        }
      });
    });

    test('after stopListening nobody new comes in, and those who are there stay', async () => {
      await withTransport(create, {}, async (fixture) => {
        const port = await fixture.transport.listen('127.0.0.1', 0, []);
        const raw = await openWebSocket(port);
        fixture.transport.stopListening();
        fixture.transport.stopListening();
        await assert.rejects(openRaw(port), { code: 'ECONNREFUSED' });
        raw.sendPing('still here');
        assert.equal((await raw.nextFrame()).payload.toString(), 'still here');
      });
    });

    test('an adopted socket whose peer has gone already is abandoned or served, and harms nobody', async () => {
      await withTransport(create, {}, async (fixture) => {
        for (let i = 0; i < 20; i++) {
          const raw = await openRaw(fixture.port);
          if (i % 2 === 0) raw.reset();
          else raw.destroy();
        }
        const { peer } = await fixture.connect();
        await until(() => fixture.abandoned === 20, 'the others to be abandoned');
        assert.equal(peer.closes.length, 0);
      });
    });
  });
}
