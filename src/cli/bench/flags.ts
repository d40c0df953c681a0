import { parseArgs } from 'node:util';
import { usageErrorOf } from '../failure.ts';

export const help = `Usage: shardwire bench <url> [options]

Measures a WebSocket server, of whatever make, at a ws:// or wss:// URL.

What is done:
      --mode <m>            echo: each message is answered (default); fanout: what a few connections publish
                            reaches all others; connect: handshakes; idle: connections that only stay
  -c, --connections <n>     connections (default 10); in fanout those that receive
  -d, --duration <t>        measured time: seconds, or 500ms, 2m (default 10)
      --warmup <t>          time before that, which does not count (default 1)
  -p, --pipelining <n>      messages in flight per sending connection (default 1; with --rate at most, default 1000)
  -w, --workers <n>         client threads (default 1)
      --rate <n>            messages (connect: handshakes) a second in all, whatever the server does; latency is then
                            taken from the time when a message was due. Default: the next one follows the answer
      --timeout <t>         a handshake or message without an answer is given up (default 5)

What is sent:
      --size <n>            bytes of a payload (default 64)
      --message <text>      this payload; in fanout it must contain {stamp}, in echo it may
      --binary              raw payloads in binary frames
      --any-answer          echo: whatever comes back is an answer
      --subprotocol <name>  json, msgpack, protobuf, flatbuffers: shardwire's messages, also with +deflate2 or +seal3;
                            any other name, or none: raw payloads
      --type <text>         echo: messages of this type, which the server's handlers answer. Default: a message is
                            published on a channel that is the connection's own
      --channel <name>      with shardwire: the channel; in echo what each connection's begins with (default bench)
      --publishers <n>      fanout: connections that publish, besides --connections (default 1)
      --self                fanout of raw payloads: the server sends a message to its sender too
      --header <name:value> a header of the handshake; may be repeated
      --insecure            wss: take any certificate

Sealed messages:
      --seal                seal and open messages with the server's keys (subprotocol json unless given)
      --aes-key <key>       32 bytes in hex or base64, or env:NAME (default env:SHARDWIRE_AES_KEY)
      --hmac-key <key>      the same for signatures (default env:SHARDWIRE_HMAC_KEY)
      --encrypt-then-sign   the server has signThenEncrypt: false

What comes of it:
      --json                one JSON object on stdout in place of the tables
      --fail-p99-ms <n>     status 1 if the 99th percentile of latency is above
      --fail-below <n>      status 1 if there are fewer answers, deliveries or handshakes a second
      --fail-completeness <n>  fanout: status 1, and no rate, if less arrives, in percent (default 100)
      --fail-errors <n>     status 1 if there are more errors (default 0)
  -h, --help                this text

Ctrl+C ends the run early, with the results so far; a second one at once.
`;

export const options = {
  mode: { type: 'string', default: 'echo' },
  connections: { type: 'string', short: 'c', default: '10' },
  duration: { type: 'string', short: 'd', default: '10' },
  warmup: { type: 'string', default: '1' },
  pipelining: { type: 'string', short: 'p' },
  workers: { type: 'string', short: 'w', default: '1' },
  rate: { type: 'string' },
  timeout: { type: 'string', default: '5' },
  size: { type: 'string' },
  message: { type: 'string' },
  binary: { type: 'boolean', default: false },
  'any-answer': { type: 'boolean', default: false },
  subprotocol: { type: 'string' },
  type: { type: 'string' },
  channel: { type: 'string' },
  publishers: { type: 'string' },
  self: { type: 'boolean', default: false },
  header: { type: 'string', multiple: true },
  insecure: { type: 'boolean', default: false },
  seal: { type: 'boolean', default: false },
  'aes-key': { type: 'string' },
  'hmac-key': { type: 'string' },
  'encrypt-then-sign': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  'fail-p99-ms': { type: 'string' },
  'fail-below': { type: 'string' },
  'fail-completeness': { type: 'string' },
  'fail-errors': { type: 'string', default: '0' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export type BenchValues = ReturnType<typeof parseFlags>['values'];

export function parseFlags(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (error) {
    throw usageErrorOf(error);
  }
}
