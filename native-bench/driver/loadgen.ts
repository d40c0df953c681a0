import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LoadgenReport, loadgenReport } from './loadgen-report.ts';
import { places } from './places.ts';
import type { Scenario } from './scenarios.ts';
import type { ServerProcess } from './server-process.ts';
import type { ClientTalk, Wire } from './wire.ts';

/** What a run of the load generator needs. */
export interface LoadgenTask {
  readonly scenario: Scenario;
  readonly wire: Wire;
  readonly server: ServerProcess;
  /** Size of a counted message, as received; 0: any. */
  readonly expectBytes: number;
  /** Empty folder for the payloads. */
  readonly folder: string;
}

/** The load generator could not measure; the text is its own. */
export class LoadgenFailure extends Error {}

/** Writes the payloads and gives the arguments. */
async function loadgenArguments({ scenario, wire, server, expectBytes, folder }: LoadgenTask): Promise<string[]> {
  const { mode, connections, threads, warmupMs, durationMs, pipeline, ratePerS } = scenario;
  const hasPublisher = mode === 'fanout' || mode === 'latency';
  const args = ['--host', '127.0.0.1', '--port', String(server.port), '--path', wire.path, '--mode', mode];
  const add = (name: string, value: string | number): void => {
    args.push(`--${name}`, String(value));
  };
  const write = async (name: string, payload: Uint8Array): Promise<string> => {
    const file = join(folder, name);
    await writeFile(file, payload);
    return file;
  };
  const addSetup = async (option: string, prefix: string, talk: ClientTalk): Promise<void> => {
    for (const [index, { payload, replies }] of talk.setup.entries()) {
      add(option, prefix + (await write(`${option}-${prefix.replace(':', '')}-${index}`, payload)));
      add('setup-replies', replies);
    }
  };
  add('connections', connections);
  add('threads', threads);
  add('warmup-ms', warmupMs);
  add('duration-ms', durationMs);
  add('pipeline', pipeline);
  if (ratePerS > 0) add('rate', ratePerS);
  add('message-file', await write('message', wire.message));
  add('opcode', hasPublisher ? wire.publisher.opcode : wire.clients[0].opcode);
  add('await-first', wire.awaitFirst);
  if (wire.keepalive !== null) add('keepalive', wire.keepalive);
  add('expect-bytes', expectBytes);
  add('subscriber-groups', wire.clients.length);
  for (const [group, talk] of wire.clients.entries()) {
    if (talk.subprotocol !== null) add('subprotocol', talk.subprotocol);
    add('group-opcode', `${group}:${talk.opcode}`);
    await addSetup('group-setup-file', `${group}:`, talk);
  }
  if (hasPublisher) {
    if (wire.publisher.subprotocol !== null) add('publisher-subprotocol', wire.publisher.subprotocol);
    await addSetup('publisher-setup-file', '', wire.publisher);
  }
  add('server-pid', server.pid);
  return args;
}

function parseReport(line: string): LoadgenReport {
  try {
    return loadgenReport.parse(JSON.parse(line));
  } catch (cause) {
    throw new LoadgenFailure(`the load generator's report cannot be read: ${line.slice(0, 200)}`, { cause });
  }
}

/** Runs the load generator once. Throws `LoadgenFailure`. */
export async function runLoadgen(task: LoadgenTask): Promise<LoadgenReport> {
  const args = await loadgenArguments(task);
  const child = spawn(places.loadgen, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  // Its own watchdog comes first.
  const limit = setTimeout(() => child.kill('SIGKILL'), task.scenario.warmupMs + task.scenario.durationMs + 40_000);
  let output = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-65_536);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2_048);
  });
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    if (code !== 0)
      throw new LoadgenFailure(
        complaint.trim().replace(/^loadgen: /, '') || `the load generator ended with ${code ?? signal}`,
      );
    return parseReport(output.trim());
  } catch (error) {
    if (error instanceof LoadgenFailure) throw error;
    throw new LoadgenFailure(`the load generator does not start: ${String(error)}; build it with ${buildCommand}`);
  } finally {
    clearTimeout(limit);
  }
}

const buildCommand = 'native-bench/build-loadgen.sh';
