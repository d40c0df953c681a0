import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { help, options, parseFlags } from '#dist/cli/bench/flags.js';
import { planOf } from '#dist/cli/bench/plan-of-flags.js';
import { UsageError } from '#dist/cli/failure.js';
import { heldUp } from '../support/steady-machine.ts';
import { echo, otherServer, short } from './bench-run.ts';
import { runCommand } from './command.ts';

const limits = { timeout: 240_000, skip: heldUp };
const url = 'ws://127.0.0.1:9/';
const key = '00'.repeat(32);

/** What the command says of these arguments; fails if it takes them. */
function usageErrorFor(args: readonly string[]): string {
  try {
    const { values, positionals } = parseFlags(args);
    planOf(values, positionals);
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return error.message;
  }
  assert.fail(`${args.join(' ')} is taken`);
}

test('a command line that makes no sense ends with status 2 and says why', limits, async (t) => {
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /the URL of a server is missing/],
    [['http://127.0.0.1/'], /is no URL of a WebSocket server/],
    [['ws://user:secret@127.0.0.1/'], /put credentials into a header/],
    [[url, url], /unexpected argument/],
    [[url, '--sing'], /unknown option '--sing'/],
    [[url, '-c', '0'], /option "connections" is "0"; allowed: a whole number from 1 to 100000/],
    [[url, '-d', '1h'], /option "duration" is "1h"; allowed: 0\.1 to 3600 seconds/],
    [[url, '--mode', 'chat'], /option "mode" is "chat"; allowed: echo, fanout, connect, idle/],
    [[url, '--rate', 'fast'], /option "rate" is "fast"/],
    [[url, '--size', '1', '--message', 'a'], /"--size" and "--message" exclude each other/],
    [[url, '--mode', 'fanout', '--size', '31'], /option "size" is "31"; allowed: a whole number from 32/],
    [[url, '--mode', 'fanout', '--message', 'a'], /a text with \{stamp\} in it once/],
    [[url, '--publishers', '2'], /"--publishers" has a meaning only with "--mode fanout"/],
    [[url, '--mode', 'idle', '-p', '2'], /"--pipelining" has a meaning only with the modes echo and fanout/],
    [[url, '--channel', 'a'], /"--channel" has a meaning only with a subprotocol of shardwire/],
    [[url, '--subprotocol', 'a,b'], /option "subprotocol" is "a,b"; allowed: one name/],
    [[url, '--subprotocol', 'json+zip'], /allowed: json, or that with \+deflate2, \+seal3, \+deflate, \+seal2/],
    [[url, '--subprotocol', 'json+seal2'], /a subprotocol with "\+seal2" needs a key/],
    [[url, '--subprotocol', 'chat', '--seal', '--aes-key', key], /"chat" is no subprotocol of shardwire/],
    [[url, '--seal'], /"--seal" needs a key/],
    [[url, '--aes-key', key.slice(2)], /the key of "--aes-key" cannot be used: .*31 bytes/],
    [[url, '--aes-key', '!?'], /the key of "--aes-key" is neither hexadecimal nor base64/],
    [[url, '--aes-key', 'env:NOT_THERE'], /the environment variable NOT_THERE, which "--aes-key" names, is not set/],
    [[url, '--header', 'broken'], /option "header" is "broken"; allowed: name:value/],
    [[url, '--header', 'Upgrade: h2c'], /option "header" is "Upgrade: h2c"/],
    [[url, '--insecure'], /"--insecure" has a meaning only with wss:/],
    [[url, '-p', '4096', '--size', '1000000'], /at most 67108864 bytes in flight/],
    [[url, '-c', '1000', '--size', '10000000'], /at most 2147483648 bytes in flight on all connections/],
    [[url, '-c', '100000', '-p', '4096', '--size', '0'], /at most 2147483648 bytes in flight on all connections/],
    [[url, '--mode', 'fanout', '-c', '100000', '--publishers', '1000'], /at most 10000000 pairs/],
    [[url, '--fail-completeness', '99'], /"--fail-completeness" has a meaning only with "--mode fanout"/],
  ];
  for (const [args, text] of wrong) {
    const error = usageErrorFor(args);
    assert.match(error, text);
    assert.doesNotMatch(error, /0000000000/, 'keys are not repeated');
  }
  for (const args of [[], [url, '--mode', 'chat'], [url, '--aes-key', '!?']]) {
    const { code, stdout, stderr } = await runCommand(t, 'bench', ...args);
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, /^shardwire bench: .+ \(try "shardwire bench --help"\)\n$/, 'one line');
    assert.ok(stderr.includes(usageErrorFor(args)));
    assert.equal(stdout, '');
  }
});

const documentation = readFileSync(new URL('../../../docs/bench-command.md', import.meta.url), 'utf8');

test('the guide and --help name every option', limits, async (t) => {
  for (const [name, option] of Object.entries(options)) {
    const letter = 'short' in option ? option.short : undefined;
    assert.match(documentation, new RegExp(`^\\| \`(-\\w, )?--${name}[ \`]`, 'm'));
    assert.ok(help.includes(`--${name}`), name);
    if (letter !== undefined) assert.ok(help.includes(`-${letter}, --${name}`), name);
  }
  const { code, stdout, stderr } = await runCommand(t, 'bench', '--help');
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^Usage: shardwire bench <url>[\s\S]*--fail-completeness <n>/);
  const general = await runCommand(t, '--help');
  assert.match(general.stdout, /bench <url> +measure/);
});

test('people get tables; headers reach the server', limits, async (t) => {
  const seen = new Set<string>();
  const target = await otherServer(
    t,
    (socket) => echo(socket),
    (request) => seen.add(String(request.headers['x-who'])),
  );
  const { code, stdout, stderr } = await runCommand(t, 'bench', target, ...short, '--header', 'X-Who: a: b');
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual([...seen], ['a: b']);
  for (const text of ['answers per second', 'p99.9', 'latency', 'handshake', 'threads busy']) {
    assert.ok(stdout.includes(text), `${text} is not in ${stdout}`);
  }
  assert.ok(!stdout.includes('\u001b'), 'no colours where nobody sees them');
});
