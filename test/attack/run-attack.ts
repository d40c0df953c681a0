import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineStats } from '#dist/main/index.js';
import { type CounterName, counterNames } from '#dist/shared/memory/counters.js';
import { createCertificate } from '../support/certificates.ts';
import { pause, until } from '../support/waiting.ts';
import type { Attack } from './attack.ts';
import { Bystanders } from './bystanders.ts';
import { EngineProcess } from './engine-process.ts';

export interface AttackResult {
  readonly name: string;
  /** Round trips of the bystanders during the attack, and the longest. */
  readonly served: number;
  readonly worstMs: number;
  /** Counters that the attack changed, besides those of ordinary traffic. */
  readonly counted: Readonly<Record<string, number>>;
}

/** Counters of bystanders and of messages that are handled. */
const ordinary: ReadonlySet<CounterName> = new Set<CounterName>([
  'connectionsOpened',
  'connectionsClosed',
  'messagesIn',
  'bytesIn',
  'messagesOut',
  'bytesOut',
  'publishes',
  'encodes',
  'doorbells',
  'descriptorsAdopted',
  'channels',
  'rooms',
  'ringSpilledBytes',
  'connectionsEnding',
]);

const bystanderCount = 4;
/** What an allocator and an engine that has warmed up may keep. */
const keptBytes = 128 * 1_048_576;
/** Loggers, pool threads and the like may open some. */
const keptDescriptors = 16;

class AttackFailed extends Error {
  constructor(attack: Attack, what: string) {
    super(`${attack.name}: ${what}`);
  }
}

interface Measured {
  readonly stats: EngineStats;
  readonly descriptors: number | null;
}

async function measure(engine: EngineProcess): Promise<Measured> {
  const { stats, descriptors = null } = await engine.ask('report');
  if (stats === undefined) throw new Error('a report without stats');
  return { stats, descriptors };
}

function changes(before: EngineStats, after: EngineStats): Record<string, number> {
  const changed = counterNames
    .filter((name) => !ordinary.has(name) && after[name] !== before[name])
    .map((name) => [name, after[name] - before[name]]);
  return Object.fromEntries(changed) as Record<string, number>;
}

function checkCounters(attack: Attack, before: EngineStats, after: EngineStats): Record<string, number> {
  const counted = changes(before, after);
  const unexplained = Object.keys(counted).filter((name) => !attack.explains.includes(name as CounterName));
  if (unexplained.length > 0)
    throw new AttackFailed(attack, `counters that nothing explains: ${unexplained.join(', ')}`);
  return counted;
}

/** Files of a certificate; `remove` them afterwards. */
function certificateFiles(): { ca: string; certFile: string; keyFile: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'shardwire-attack-'));
  const { cert, key } = createCertificate('localhost');
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key, { mode: 0o600 });
  return { ca: cert, certFile, keyFile, remove: () => rmSync(folder, { recursive: true }) };
}

/** The attack has begun to make its counters grow. */
async function shows(attack: Attack, engine: EngineProcess, before: EngineStats): Promise<void> {
  await until(
    async () => {
      const { stats } = await measure(engine);
      return attack.evidence.some((name) => stats[name] > before[name]);
    },
    `${attack.name}: one of ${attack.evidence.join(', ')} to grow`,
  );
}

async function restart(attack: Attack, engine: EngineProcess): Promise<void> {
  const { event, text } = await engine.ask('restart');
  if (event !== 'restarted') throw new AttackFailed(attack, `shard 0 could not be restarted: ${text}`);
}

/**
 * Attacks an engine in a process of its own from another process, while bystanders are served: for `durationMs` from the
 * moment in which the attack shows. Rejects if it never does, if the engine ends, if a bystander is not served, if memory, descriptors or connections stay behind, or if a counter has changed that
 * the attack does not explain.
 */
export async function runAttack(attack: Attack, durationMs: number): Promise<AttackResult> {
  const files = attack.restartsUnderTls === true ? certificateFiles() : null;
  const tls = files === null ? {} : { tls: { certFile: files.certFile, keyFile: files.keyFile } };
  const engine = new EngineProcess({ shards: 2, ...attack.options, ...tls }, attack.surroundings);
  const bystanders = new Bystanders();
  let attacker: ChildProcess | null = null;
  try {
    const { port = 0 } = await engine.next('ready');
    // A shard that is restarted closes its clients: those that stay are on the other one, and come after it.
    if (files === null) await bystanders.start(port, bystanderCount);
    await until(() => files !== null || bystanders.served >= 20, 'bystanders to be served');
    const before = await measure(engine);
    bystanders.begin();

    const running = fork(new URL('./fixtures/attacker.js', import.meta.url), [attack.name, String(port)]);
    attacker = running;
    if (files !== null) await restart(attack, engine);
    await shows(attack, engine, before.stats);
    await pause(durationMs);
    running.send('stop');
    await until(() => running.exitCode !== null || running.signalCode !== null, 'the end of the attacker');
    if (running.exitCode !== 0) throw new AttackFailed(attack, `the attacker ended with ${running.exitCode}`);
    attacker = null;

    if (files !== null) await bystanders.start(port, bystanderCount, { ca: files.ca });
    const served = await servedAgain(attack, bystanders);
    const after = await settled(attack, engine, before, bystanders);
    const counted = checkCounters(attack, before.stats, after.stats);
    const { worstMs } = bystanders;
    await bystanders.stop();
    if ((await engine.stop()) !== 0) throw new AttackFailed(attack, 'the engine did not end in good order');
    return { name: attack.name, served, worstMs, counted };
  } finally {
    attacker?.kill('SIGKILL');
    await bystanders.stop().catch(() => undefined);
    engine.kill();
    files?.remove();
  }
}

/** Each bystander is served, now too. Gives the round trips so far. */
async function servedAgain(attack: Attack, bystanders: Bystanders): Promise<number> {
  const so = bystanders.served;
  await until(
    () => bystanders.faults.length > 0 || bystanders.served >= so + 5 * bystanders.count,
    'bystanders to be served',
  );
  if (bystanders.faults.length > 0)
    throw new AttackFailed(attack, `a bystander lost its service: ${bystanders.faults[0]}`);
  return so;
}

/** Only the bystanders are left, and what the attack took is given back. */
async function settled(
  attack: Attack,
  engine: EngineProcess,
  before: Measured,
  bystanders: Bystanders,
): Promise<Measured> {
  let last = before;
  const connections = bystanders.count;
  await until(async () => {
    last = await measure(engine);
    return (
      last.stats.connections === connections &&
      last.stats.channels <= connections * 2 &&
      last.stats.residentBytes < before.stats.residentBytes + keptBytes &&
      (last.descriptors ?? Infinity) <= (before.descriptors ?? Infinity) + connections + keptDescriptors
    );
  }, `${attack.name}: memory, descriptors and connections to come back`).catch((error: Error) => {
    const { stats, descriptors } = last;
    const now = `${stats.connections} connections, ${stats.channels} channels, ${stats.residentBytes} bytes, ${descriptors} descriptors`;
    const then = `${before.stats.residentBytes} bytes, ${before.descriptors} descriptors`;
    throw new AttackFailed(attack, `${error.message}; there are ${now}; before: ${then}`);
  });
  return last;
}
