import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { encryptedKey, PemFolder } from '../support/certificates.ts';
import { connect, terminateClients } from '../support/client.ts';
import { until } from '../support/waiting.ts';
import { first, getSecurely, second, shownCertificate, trust } from '../tls/tls-fixture.ts';
import { Command, runCommand } from './command.ts';

async function serveTls(t: TestContext, ...args: string[]): Promise<{ command: Command; port: number }> {
  const command = new Command(t, ['serve', '--port', '0', '--shards', '1', ...args]);
  const [, port] = await command.printed(/wss:\/\/127\.0\.0\.1:(\d+)\/ws/);
  return { command, port: Number(port) };
}

describe('shardwire serve with --tls-cert and --tls-key', { skip: process.platform === 'win32' }, () => {
  it('serves wss and https, reads the certificate again on SIGHUP, and ends on SIGTERM', async (t) => {
    const folder = new PemFolder(t);
    const { certFile, keyFile } = folder.putCertificate(first);
    const { command, port } = await serveTls(t, '--tls-cert', certFile, '--tls-key', keyFile);
    assert.match(command.stdout, /demo page {2}https:\/\/127/);
    assert.match(command.stdout, /health {5}https:\/\/127/);
    const page = await getSecurely(port, '/');
    assert.equal(page.status, 200);
    assert.match(page.body, /<html/);
    const origin = `https://127.0.0.1:${port}`;
    const client = await connect({ port }, { tls: trust, headers: { origin } });
    await client.sync();

    folder.putCertificate(second);
    command.signal('SIGHUP');
    await until(async () => (await shownCertificate(port)) === 'second', 'the new certificate');
    await until(() => command.stderr.includes('new connections get a new certificate'), 'a log line');
    command.signal('SIGHUP');
    await until(() => command.stderr.includes('is the one in use'), 'a log line');
    folder.put('key.pem', first.key);
    command.signal('SIGHUP');
    await until(() => /"level":50.*ERR_TLS_INVALID.*does not fit/.test(command.stderr), 'an error in the log');
    assert.equal(await shownCertificate(port), 'second');
    await client.sync();

    command.signal('SIGTERM');
    assert.equal((await client.closed).code, 1001);
    assert.deepEqual(await command.ended, { code: 0, signal: null });
    terminateClients();
  });

  it('takes an encrypted key with a passphrase from a file, and authorities', async (t) => {
    const folder = new PemFolder(t);
    const certFile = folder.put('cert.pem', first.cert);
    const keyFile = folder.put('key.pem', encryptedKey(first, 'open sesame'));
    const passphraseFile = folder.put('passphrase', 'open sesame\n');
    const files = ['--tls-cert', certFile, '--tls-key', keyFile, '--tls-passphrase-file', passphraseFile];
    const { port } = await serveTls(t, ...files, '--tls-ca', certFile);
    assert.equal((await getSecurely(port, '/healthz')).status, 403);
    const show = { cert: first.cert, key: first.key };
    assert.equal((await getSecurely(port, '/healthz', show)).status, 200);
  });

  it('says what is wrong, and never the passphrase', async (t) => {
    const folder = new PemFolder(t);
    const { certFile, keyFile } = folder.putCertificate(first);
    folder.put('key.pem', encryptedKey(first, 'open sesame'));
    const passphraseFile = folder.put('passphrase', 'another');
    const files = ['serve', '--port', '0', '--tls-cert', certFile, '--tls-key', keyFile];
    const wrong = await runCommand(t, ...files, '--tls-passphrase-file', passphraseFile);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^shardwire serve: ERR_TLS_INVALID: tls\.passphrase: .*cannot be decrypted/);
    assert.ok(!wrong.stderr.includes('another'));
    const missing = await runCommand(t, ...files, '--tls-passphrase-file', folder.path('nowhere'));
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /passphrase file cannot be read: ENOENT/);
    const half = await runCommand(t, 'serve', '--tls-cert', certFile);
    assert.equal(half.code, 2);
    assert.match(half.stderr, /"--tls-cert" and "--tls-key" go together/);
    assert.equal((await runCommand(t, 'serve', '--tls-ca', certFile)).code, 2);
  });
});
