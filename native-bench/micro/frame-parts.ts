import { emptyHeader, parseHeader } from '#dist/frame/header.js';
import { applyMask, readHeader, writeHeader } from '#dist/frame/index.js';
import { median } from './median.ts';

const rounds = 11;
const roundMs = 30;
const warmUpMs = 150;
const batch = 1_000;

/** What all runs returned, so that none of them is for nothing. */
let sink = 0;

/** Nanoseconds of processor time for one call of `run`. */
function time(run: () => number): { ns: number; least: number; most: number } {
  const measure = (ms: number): number => {
    const began = performance.now();
    const cpu = process.cpuUsage();
    let calls = 0;
    do {
      for (let i = 0; i < batch; i++) sink = (sink + run()) | 0;
      calls += batch;
    } while (performance.now() - began < ms);
    const { user, system } = process.cpuUsage(cpu);
    return ((user + system) * 1e3) / calls;
  };
  measure(warmUpMs);
  const all = Array.from({ length: rounds }, () => measure(roundMs));
  return { ns: median(all), least: Math.min(...all), most: Math.max(...all) };
}

function tableOfMasks(): void {
  const memory = Buffer.alloc((1 << 20) + 8, 1);
  const rows = [16, 64, 1_024, 16_384, 65_536, 1 << 20].flatMap((size) =>
    [0, 1].map((place) => {
      const payload = memory.subarray(place, place + size);
      const { ns, least, most } = time(() => {
        applyMask(payload, 0x12345678);
        return 1;
      });
      const rate = (nanoseconds: number): string => (size / nanoseconds).toFixed(2);
      return {
        bytes: size,
        aligned: place === 0,
        'GB/s': rate(ns),
        'least … most': `${rate(most)} … ${rate(least)}`,
        ns: Math.round(ns),
      };
    }),
  );
  console.log('\nMasking in place, 32 bits at a time, by processor time.');
  console.table(rows);
}

function tableOfHeaders(): void {
  const headers = [
    ['7 bits, masked', { length: 100, masked: true }],
    ['16 bits, masked', { length: 1_000, masked: true }],
    ['64 bits, masked', { length: 100_000, masked: true }],
    ['7 bits, plain', { length: 100, masked: false }],
    ['64 bits, plain', { length: 100_000, masked: false }],
  ] as const;
  const rows = headers.map(([name, { length, masked }]) => {
    const header = { fin: true, rsv: 0, opcode: 2, masked, maskKey: masked ? 0x01020304 : 0, length };
    const bytes = new Uint8Array(14);
    const end = writeHeader(bytes, 0, header);
    const exact = bytes.subarray(0, end);
    const into = emptyHeader();
    const ns = (run: () => number): string => time(run).ns.toFixed(1);
    return {
      header: name,
      'read into an object (ns)': ns(() => parseHeader(exact, 0, end, into)),
      'read, a new object (ns)': ns(() => readHeader(exact)?.headerBytes ?? 0),
      'write (ns)': ns(() => writeHeader(bytes, 0, header)),
    };
  });
  console.log('\nHeaders: reading and writing one, by processor time.');
  console.table(rows);
}

export function benchFrameParts(): void {
  tableOfMasks();
  tableOfHeaders();
  if (sink === 0) throw new Error('nothing ran');
}
