import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Contender, Dialect } from './contenders.ts';
import { LoadgenFailure, runLoadgen } from './loadgen.ts';
import type { LoadgenReport } from './loadgen-report.ts';
import { occupy, probe } from './probe.ts';
import type { RunRecord } from './run-record.ts';
import type { Scenario } from './scenarios.ts';
import { type Runtimes, type ServerProcess, startServer } from './server-process.ts';
import { type Wire, wireOf } from './wire.ts';

/** Connections that are there before idle ones are counted. */
const occupants = 1_000;
/** How long Node takes to give back what it does not use; then memory is read. */
const settleMs = 5_000;
/** Tries until two connections fall on the shards that a scenario needs: one in four does. */
const placements = 60;

/** How servers are started, whatever the contender. */
export interface RunSetting {
  readonly runtimes: Runtimes;
  /** Arguments for the `shardwire` peer in all scenarios. */
  readonly shardwireArgs: readonly string[];
}

export type Measured = Pick<RunRecord, 'failure' | 'sentBytes' | 'receivedBytes' | 'report'>;

function anywhere(dialect: Dialect): Dialect {
  return dialect.kind === 'shardwire' ? { ...dialect, shards: null } : dialect;
}

async function probed(scenario: Scenario, contender: Contender, server: ServerProcess): Promise<number> {
  const isFanout = scenario.mode === 'fanout' || scenario.mode === 'latency';
  // A publish that reaches only a part of the audience may miss a single subscriber.
  if (scenario.mode === 'connect' || (isFanout && !contender.reachesAll)) return 0;
  const wire = wireOf(anywhere(contender.dialect), scenario.mode, scenario.dataBytes);
  return probe(server.port, wire, isFanout, scenario.dataBytes);
}

async function measure(
  scenario: Scenario,
  contender: Contender,
  server: ServerProcess,
  wire: Wire,
  expectBytes: number,
): Promise<LoadgenReport> {
  const folder = await mkdtemp(join(tmpdir(), 'shardwire-bench-'));
  const endOccupants = scenario.mode === 'idle' ? await occupy(server.port, wire, occupants) : () => undefined;
  try {
    if (scenario.mode === 'idle') await setTimeout(settleMs);
    const isPlaced = contender.dialect.kind === 'shardwire' && contender.dialect.shards !== null;
    for (let tries = 1; ; tries++) {
      try {
        return await runLoadgen({ scenario, wire, server, expectBytes, folder });
      } catch (error) {
        // The server closes a connection that came to another shard than it asked for.
        if (!isPlaced || tries === placements || !(error instanceof LoadgenFailure) || server.ending !== null)
          throw error;
      }
    }
  } finally {
    endOccupants();
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * One run with a server of its own, so that no run inherits memory or compiled code from another. The server is tried
 * before it is measured. What goes wrong is in the record.
 */
export async function runOnce(scenario: Scenario, contender: Contender, setting: RunSetting): Promise<Measured> {
  const wire = wireOf(contender.dialect, scenario.mode, scenario.dataBytes);
  const sentBytes = wire.message.length;
  const extra = contender.peer === 'shardwire' ? setting.shardwireArgs : [];
  let server: ServerProcess | null = null;
  let receivedBytes = 0;
  try {
    server = await startServer(contender, setting.runtimes, extra, scenario.mode === 'idle');
    receivedBytes = await probed(scenario, contender, server);
    const report = await measure(scenario, contender, server, wire, wire.hasOneSize ? receivedBytes : 0);
    return { failure: server.ending, sentBytes, receivedBytes, report };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const failure = (server?.ending ?? null) === null ? text : `${server?.ending}: ${text}`;
    return { failure, sentBytes, receivedBytes, report: null };
  } finally {
    await server?.stop();
  }
}
