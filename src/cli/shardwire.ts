#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { failureText, UsageError, usageErrorOf } from './failure.ts';
import { packageVersion } from './package-version.ts';

type Command = (args: readonly string[]) => Promise<void>;

/** Each command is loaded on demand, so that neither loads the modules of the other. */
const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['serve', async (args) => (await import('./serve.ts')).serve(args)],
  ['bench', async (args) => (await import('./bench/bench.ts')).bench(args)],
]);

const help = `Usage: shardwire <command> [options]

A sharded WebSocket engine for Node.js.

Commands:
  serve            run a server, with a demo page to try it from a browser
  bench <url>      measure a WebSocket server, this one or any other

Options:
  -h, --help       this text; "shardwire <command> --help" tells a command's options
  -v, --version    the version

Exit status: 0 all went well, 1 it did not, 2 the command line makes no sense.
`;

function general(args: readonly string[]): string {
  const options = {
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (values.help === true) return help;
    if (values.version === true) return `${packageVersion()}\n`;
  } catch (error) {
    throw usageErrorOf(error);
  }
  throw new UsageError('a command is missing');
}

async function run(args: readonly string[]): Promise<void> {
  const [name, ...rest] = args;
  if (name === undefined || name.startsWith('-')) {
    process.stdout.write(general(args));
    return;
  }
  const command = commands.get(name);
  if (command === undefined) {
    throw new UsageError(`unknown command "${name}"; commands are: ${[...commands.keys()].join(', ')}`);
  }
  await command(rest);
}

/**
 * The reader of our output may stop early, as `head` does. The remaining output is dropped, and the exit status stays
 * right.
 */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

process.stdout.on('error', ignoreClosedPipe);
process.stderr.on('error', ignoreClosedPipe);

const args = process.argv.slice(2);
try {
  await run(args);
} catch (error) {
  const [name] = args;
  const subject = name !== undefined && commands.has(name) ? `shardwire ${name}` : 'shardwire';
  const isUsage = error instanceof UsageError;
  const hint = isUsage ? ` (try "${subject} --help")` : '';
  process.stderr.write(`${subject}: ${failureText(error)}${hint}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
