import { frameBytes, opcode } from '../support/raw-frames.ts';

/** Numbers that are the same for the same seed (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 up to, and without, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number below `count`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0];
  }
}

export type Ending = 'wait' | 'fin' | 'reset' | 'destroy';

/** What one client does: it writes the pieces, waits, and ends. */
export interface HostileHandshake {
  readonly pieces: readonly Buffer[];
  /** Between pieces, in milliseconds. */
  readonly pauseMs: number;
  readonly ending: Ending;
  /** 'wait' ends with the answer; the others this long after the last piece, in milliseconds. */
  readonly endMs: number;
}

const letters = 'aZ09-_,; =:/\t"\x80\xe9\xff';

function noise(dice: Dice, length: number): string {
  let text = '';
  for (let at = 0; at < length; at++) text += letters[dice.below(letters.length)] ?? '';
  return text;
}

/** Values that a header has in good requests and in bad ones. */
const values: Readonly<Record<string, readonly [string, ...string[]]>> = {
  Host: ['127.0.0.1', 'x', '', 'a, b', '[::1]:80'],
  Connection: [
    'Upgrade',
    'close',
    'hello',
    'keep-alive',
    'keep-alive, Upgrade',
    'Upgrade, close',
    'close, Upgrade',
    'upgrade',
    '',
    ' close ',
    '\tclose',
    'clos\xe9',
    '\xe9close\xe9',
    '12345',
    'TE',
    ',,,,,',
  ],
  Upgrade: ['websocket', 'WebSocket', 'h2c', '', 'h2c, websocket', 'websocket, h2c'],
  'Sec-WebSocket-Key': ['dGhlIHNhbXBsZSBub25jZQ==', '', 'short', 'x'.repeat(24), '='.repeat(24), 'x'.repeat(200)],
  'Sec-WebSocket-Version': ['13', '8', '', '13, 8', '0x0d'],
  'Sec-WebSocket-Protocol': ['json', 'msgpack', 'nothing', '', 'json, msgpack', ',,'],
  'Sec-WebSocket-Extensions': [
    'permessage-deflate',
    'permessage-deflate; server_no_context_takeover',
    'permessage-deflate; client_max_window_bits=8',
    'x-webkit-deflate-frame',
    ';;;',
  ],
  'Content-Length': ['0', '5', '-1', '00', 'abc', '99999999999999999999', '5, 5'],
  'Transfer-Encoding': ['chunked', 'identity', 'gzip, chunked', 'chunkedd'],
  Expect: ['100-continue', 'nothing'],
  'Keep-Alive': ['timeout=5'],
  Origin: ['http://127.0.0.1', 'null', 'http://evil.example'],
  Cookie: ['a=b', '', '='],
  'X-Client-ID': ['ada', 'Jos\xc3\xa9', ''],
};

const good = ['Host', 'Connection', 'Upgrade', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version'] as const;
const names = Object.keys(values) as [string, ...string[]];

function valueFor(dice: Dice, name: string): string {
  const [first = '', ...rest] = values[name] ?? [];
  if (dice.chance(0.85)) return first;
  return dice.chance(0.2) ? noise(dice, dice.below(12)) : (rest[dice.below(rest.length)] ?? first);
}

function cased(dice: Dice, name: string): string {
  return dice.chance(0.8) ? name : dice.chance(0.5) ? name.toLowerCase() : name.toUpperCase();
}

function headerLines(dice: Dice): string[] {
  const chosen: string[] = good.filter(() => !dice.chance(0.02));
  // A second `Connection` decides about life and death: often.
  if (dice.chance(0.4)) chosen.push('Connection');
  for (let more = dice.chance(0.5) ? dice.below(4) : 0; more > 0; more--) chosen.push(dice.pick(names));
  const lines = chosen.map((name) => `${cased(dice, name)}:${dice.pick([' ', '', '  ', '\t'])}${valueFor(dice, name)}`);
  if (dice.chance(0.1)) lines.push(`X-Padding: ${'x'.repeat(dice.below(6_000))}`);
  if (dice.chance(0.03)) for (let at = dice.below(120); at > 0; at--) lines.push(`X-${at}: ${at}`);
  if (dice.chance(0.05)) lines.push(noise(dice, dice.below(40)));
  if (dice.chance(0.6)) {
    for (let last = lines.length - 1; last > 0; last--) {
      const other = dice.below(last + 1);
      const line = lines[last] ?? '';
      lines[last] = lines[other] ?? '';
      lines[other] = line;
    }
  }
  return lines;
}

function requestLine(dice: Dice): string {
  const method = dice.chance(0.95) ? 'GET' : dice.pick(['POST', 'get', 'HEAD', 'CONNECT', '', 'G\0T']);
  const path = dice.chance(0.95) ? '/ws' : dice.pick(['/', '/ws/', '//ws', '*', '/health/live', 'http://x/ws']);
  const late = dice.pick(['', 'late=turn', 'late=turn', 'late=0', `late=${dice.below(8)}`, `late=${dice.below(30)}`]);
  const decision = dice.pick(['', '', '', 'do=reject', 'do=throw']);
  const version = dice.chance(0.95) ? 'HTTP/1.1' : dice.pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.1 ', 'HTTP', '']);
  return `${method} ${path}?${late}&${decision} ${version}`;
}

/** What follows a request in its last packet. */
function trailer(dice: Dice, head: string): Buffer {
  if (dice.chance(0.8)) return Buffer.alloc(0);
  const text = frameBytes({ opcode: opcode.text, payload: '{"type":"hello"}' });
  const others = [
    text,
    frameBytes({ opcode: opcode.close }),
    Buffer.from(head, 'latin1'),
    Buffer.from('5\r\nhello\r\n'),
  ];
  return others[dice.below(others.length)] ?? text;
}

/** The next client of those that a seed gives. */
export function nextHandshake(dice: Dice): HostileHandshake {
  const head = `${requestLine(dice)}\r\n${headerLines(dice).join('\r\n')}\r\n\r\n`;
  let whole = Buffer.concat([Buffer.from(head, 'latin1'), trailer(dice, head)]);
  if (dice.chance(0.05)) whole = whole.subarray(0, dice.below(whole.length));
  const pieces: Buffer[] = [];
  let from = 0;
  for (let cuts = dice.chance(0.3) ? 1 + dice.below(3) : 0; cuts > 0; cuts--) {
    const to = from + dice.below(whole.length - from + 1);
    pieces.push(whole.subarray(from, to));
    from = to;
  }
  pieces.push(whole.subarray(from));
  const ending = dice.chance(0.6) ? 'wait' : dice.pick(['fin', 'reset', 'reset', 'destroy'] as const);
  return { pieces, pauseMs: dice.below(3), ending, endMs: dice.chance(0.3) ? 0 : dice.below(12) };
}
