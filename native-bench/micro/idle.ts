import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

const connections = 10_000;
/** Connections before those that count: what a process makes once for the first ones is not theirs. */
const warmUp = 5_000;
const repetitions = 3;
const kinds = ['bare uWebSockets.js', 'shardwire'] as const;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

async function told<T>(child: ChildProcess): Promise<T> {
  const [message] = await once(child, 'message');
  return message as T;
}

async function memoryOf(server: ChildProcess): Promise<number> {
  server.send('memory');
  return (await told<{ bytes: number }>(server)).bytes;
}

/** Resident bytes that the server has more with all connections than with the first few. */
async function measure(kind: (typeof kinds)[number]): Promise<number> {
  const script = new URL('./idle-server.js', import.meta.url);
  const server = fork(script, [kind], { execArgv: ['--expose-gc'] });
  const children: ChildProcess[] = [server];
  try {
    const { port } = await told<{ port: number }>(server);
    const clients = async (count: number): Promise<ChildProcess> => {
      const child = fork(new URL('./idle-clients.js', import.meta.url), [String(port), String(count)]);
      children.push(child);
      await told(child);
      return child;
    };
    await clients(warmUp);
    const before = await memoryOf(server);
    await clients(connections);
    return ((await memoryOf(server)) - before) / connections;
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

/** What a connection costs that says nothing. */
export async function benchIdle(): Promise<void> {
  const results = kinds.map(() => [] as number[]);
  for (let i = 0; i < repetitions; i++) {
    for (const [index, kind] of kinds.entries()) results[index]?.push(await measure(kind));
  }
  console.log(
    `Resident bytes of the server per idle connection, ${connections} of them on top of ${warmUp}, Node ${process.version};`,
  );
  console.log(`JSON clients, no channel, one shard. Median of ${repetitions} runs in turns (all runs behind it):\n`);
  console.log('| server | bytes per connection | runs |');
  console.log('| --- | ---: | --- |');
  for (const [index, kind] of kinds.entries()) {
    const runs = results[index] ?? [];
    console.log(`| ${kind} | ${Math.round(median(runs))} | ${runs.map(Math.round).join(', ')} |`);
  }
}
