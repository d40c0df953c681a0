import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Forwarded } from '#dist/worker/handshake/client-address.js';
import { createHostCheck, type HostPolicy } from '#dist/worker/handshake/host-check.js';
import type { TransportRequest } from '#dist/worker/transport/transport.js';
import { withEngine } from '../support/leaks.ts';
import { openRaw, requestText } from '../support/raw-socket.ts';

const loopback: HostPolicy = { host: '127.0.0.1', hosts: null, tls: null };

function requestFor(host: string | undefined, more: Readonly<Record<string, string>> = {}): TransportRequest {
  const headers = new Map(Object.entries(more));
  if (host !== undefined) headers.set('host', host);
  return {
    method: 'GET',
    path: '/ws',
    query: '',
    headers,
    remoteAddress: '127.0.0.1',
    proxiedAddress: '',
    clientCertificate: null,
  };
}

function isTaken(policy: HostPolicy, host: string | undefined, forwarded: Forwarded | null = null, more = {}): boolean {
  const answer = createHostCheck(policy)(requestFor(host, more), forwarded);
  if (answer !== null) assert.deepEqual([answer.status, answer.code], [421, 'ERR_HANDSHAKE_HOST_UNKNOWN']);
  return answer === null;
}

describe('the Host of a request', () => {
  for (const host of ['127.0.0.1', 'localhost', '::1', '127.1.2.3']) {
    test(`where the engine listens on ${host}: the loopback by its own names, with any port, and nothing else`, () => {
      const policy = { ...loopback, host };
      for (const name of [
        'localhost',
        'LocalHost:8080',
        'localhost.',
        '127.0.0.1',
        '127.0.0.1:80',
        '[::1]',
        '[::1]:1',
      ]) {
        assert.equal(isTaken(policy, name), true, name);
      }
      for (const name of [
        'evil.example',
        'evil.example:8080',
        'localhost.evil.example',
        '127.0.0.1.evil.example',
        'evil.example.localhost:80:80',
        '10.0.0.1',
        '[::2]',
        '[::1',
        '::1',
        '',
        'localhost:port',
        'a@localhost',
      ]) {
        assert.equal(isTaken(policy, name), false, name);
      }
    });
  }

  test('another host than the loopback takes all, unless hosts are listed; then only those', () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
      assert.equal(isTaken({ ...loopback, host }, 'chat.example'), true);
      const policy = { ...loopback, host, hosts: ['chat.example', 'api.example:8443', '[2001:db8::1]'] };
      for (const name of ['chat.example', 'CHAT.example:99', 'chat.example.', 'api.example:8443', '[2001:db8::1]:5']) {
        assert.equal(isTaken(policy, name), true, name);
      }
      for (const name of ['api.example', 'api.example:1', 'localhost', '127.0.0.1', 'x.chat.example']) {
        assert.equal(isTaken(policy, name), false, name);
      }
    }
  });

  test('a listed port is the default one of the scheme where the header has none', () => {
    const hosts = ['chat.example:443'];
    const tls = { minVersion: 'TLSv1.2' } as const;
    assert.equal(isTaken({ host: '0.0.0.0', hosts, tls }, 'chat.example'), true);
    assert.equal(isTaken({ host: '0.0.0.0', hosts, tls: null }, 'chat.example'), false);
  });

  test('a request without the header, or with several, is for the other checks', () => {
    assert.equal(isTaken(loopback, undefined), true);
    assert.equal(isTaken(loopback, 'evil.example, localhost'), true);
  });

  test('what a trusted proxy passed on may be for any host, or for those listed as the proxy tells them', () => {
    const told: Forwarded = { host: 'chat.example', scheme: 'https' };
    const passedOn = { 'x-forwarded-for': '192.0.2.1' };
    assert.equal(isTaken(loopback, 'inner', told, passedOn), true);
    // A browser that was led here by a false name says nothing of the kind.
    assert.equal(isTaken(loopback, 'evil.example', { host: null, scheme: null }), false);
    assert.equal(isTaken(loopback, 'evil.example', null, passedOn), false);
    const policy = { ...loopback, hosts: ['chat.example:443'] };
    assert.equal(isTaken(policy, 'inner', told, passedOn), true);
    assert.equal(isTaken(policy, 'inner', { ...told, host: 'other.example' }, passedOn), false);
    assert.equal(isTaken(policy, 'chat.example:443', { host: null, scheme: null }, passedOn), true);
  });

  test('a page of a false name gets neither a WebSocket nor a page nor metrics; health is for every probe', async () => {
    const pages = { '/': { body: 'hello' } };
    await withEngine({ pages, metrics: {}, hosts: ['good.example'] }, async (engine) => {
      const evil = { Host: `evil.example:${engine.port}`, Origin: `http://evil.example:${engine.port}` };
      const good = { Host: `good.example:${engine.port}`, Origin: `http://good.example:${engine.port}` };
      const shake = async (headers: Readonly<Record<string, string>>): Promise<number> => {
        const raw = await openRaw(engine.port);
        return (await raw.handshake({ headers })).status;
      };
      assert.deepEqual([await shake(evil), await shake(good)], [421, 101]);
      for (const [path, status] of [
        ['/', 421],
        ['/metrics', 421],
        ['/nothing', 421],
        ['/healthz', 200],
        ['/readyz', 200],
      ] as const) {
        const raw = await openRaw(engine.port);
        raw.write(requestText('GET', path, evil));
        assert.equal((await raw.reply()).status, status, path);
      }
      assert.deepEqual(engine.stats().refusals, { ERR_HANDSHAKE_HOST_UNKNOWN: 4 });
    });
  });

  test('every answer forbids browsers to guess its type, and none repeats the path', async () => {
    const pages = { '/': { body: 'hello' } };
    await withEngine({ pages, metrics: {} }, async (engine) => {
      for (const [method, path, status] of [
        ['GET', '/', 200],
        ['GET', '/healthz', 200],
        ['HEAD', '/metrics', 200],
        ['POST', '/', 405],
        ['GET', '/%3Cscript%3Ealert(1)', 404],
        ['GET', '/ws', 400],
      ] as const) {
        const raw = await openRaw(engine.port);
        raw.write(requestText(method, path));
        const reply = await raw.reply();
        assert.deepEqual([reply.status, reply.headers.get('x-content-type-options')], [status, 'nosniff'], path);
        assert.ok(!reply.body.includes('script'));
      }
    });
  });
});
