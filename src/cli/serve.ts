import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { type Engine, type EngineLogger, type EngineOptions, startEngine } from '../main/index.ts';
import { demoPage } from './demo-page.ts';
import { usageErrorOf } from './failure.ts';
import { packageVersion } from './package-version.ts';
import { stopSignal } from './stop-signal.ts';
import { isTls, reloadOnHangUp, tlsFlags, tlsHelp, tlsOptions } from './tls-flags.ts';

const logLevels = ['debug', 'info', 'warn', 'error', 'silent'];
const defaultHost = '127.0.0.1';
const defaultPort = 8080;
const defaultPath = '/ws';
const metricsPath = '/metrics';

const help = `Usage: shardwire serve [options]

Runs a WebSocket server until SIGINT (Ctrl+C) or SIGTERM; clients then get close code 1001.

Options:
      --shards <n>       worker threads that hold connections (default: one less than processors)
      --host <address>   address to listen on (default ${defaultHost}; 0.0.0.0 is every interface)
      --allow-host <h>   a Host that requests may name, besides localhost; may be given again
  -p, --port <n>         port, 0 for any free one (default ${defaultPort})
      --path <path>      where WebSockets are served (default ${defaultPath})
      --handlers <file>  JavaScript module with your handlers, in place of those of the demo
      --no-page          no demo page at /
      --grace-ms <n>     time for clients to leave after the first signal (default 1000)
      --metrics          Prometheus metrics at ${metricsPath}, for whoever reaches the port
${tlsHelp}      --log-level <l>    ${logLevels.join(', ')} (default info); logs are JSON lines on stderr
  -h, --help             this text
`;

const options = {
  shards: { type: 'string' },
  host: { type: 'string', default: defaultHost },
  'allow-host': { type: 'string', multiple: true },
  port: { type: 'string', short: 'p', default: String(defaultPort) },
  path: { type: 'string', default: defaultPath },
  handlers: { type: 'string' },
  'no-page': { type: 'boolean', default: false },
  'grace-ms': { type: 'string', default: '1000' },
  metrics: { type: 'boolean', default: false },
  ...tlsFlags,
  'log-level': { type: 'string', default: 'info' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

type ServeValues = ReturnType<typeof parse>;

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    throw usageErrorOf(error);
  }
}

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`option "${name}" is "${text}"; allowed: a whole number`);
}

function createLogger(level: string): EngineLogger {
  if (!logLevels.includes(level)) {
    throw new Error(`option "log-level" is "${level}"; allowed: ${logLevels.join(', ')}`);
  }
  // Synchronous, so that the last lines before an exit are not lost.
  return pino({ level }, pino.destination({ fd: 2, sync: true }));
}

function engineOptions(values: ServeValues, logger: EngineLogger): EngineOptions {
  const { host, path, handlers } = values;
  const shards = values.shards === undefined ? {} : { shards: whole('shards', values.shards) };
  return {
    ...shards,
    host,
    hosts: values['allow-host'] ?? null,
    port: whole('port', values.port),
    path,
    closeGraceMs: whole('grace-ms', values['grace-ms']),
    handlers:
      handlers === undefined ? new URL('./demo.handlers.js', import.meta.url) : pathToFileURL(resolve(handlers)),
    pages: values['no-page'] ? {} : { '/': { body: demoPage({ path }) } },
    metrics: values.metrics ? { path: metricsPath } : false,
    ...(isTls(values) ? { tls: tlsOptions(values) } : {}),
    logger,
  };
}

/** `host` as it stands in a URL that a browser on this machine can open. */
function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function greeting(engine: Engine, values: ServeValues): string {
  const s = isTls(values) ? 's' : '';
  const authority = `${urlHost(values.host)}:${engine.port}`;
  const lines = [
    `shardwire ${packageVersion()} with ${engine.shards} ${engine.shards === 1 ? 'shard' : 'shards'}`,
    `  WebSocket  ws${s}://${authority}${values.path}`,
    `  health     http${s}://${authority}/healthz and /readyz`,
  ];
  if (!values['no-page']) lines.splice(1, 0, `  demo page  http${s}://${authority}/`);
  if (values.metrics) lines.push(`  metrics    http${s}://${authority}${metricsPath}`);
  lines.push(`Press Ctrl+C to stop, or send SIGTERM to process ${process.pid}.`);
  if (isTls(values)) lines.push('SIGHUP reads the certificate again.');
  return `${lines.join('\n')}\n`;
}

/**
 * Resolves once no shard is left and none will be started: such a server should end, so that its supervisor starts it
 * again.
 */
function allShardsLost(engine: Engine): Promise<'lost'> {
  return new Promise((resolve) => {
    engine.on('error', () => {
      if (engine.stats().state === 'closed') resolve('lost');
    });
  });
}

/** The `serve` command. Resolves once the server has ended as it was asked to. */
export async function serve(args: readonly string[]): Promise<void> {
  const values = parse(args);
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const logger = createLogger(values['log-level']);
  const settings = engineOptions(values, logger);
  // Installed now, so that a signal during the start also ends in good order.
  const stop = stopSignal();
  const engine = await startEngine(settings);
  const lost = allShardsLost(engine);
  if (isTls(values)) reloadOnHangUp(engine, values, logger);
  process.stdout.write(greeting(engine, values));
  const reason = await Promise.race([stop, lost]);
  await engine.close();
  if (reason === 'lost') throw new Error('every shard has ended; the log says why');
}
