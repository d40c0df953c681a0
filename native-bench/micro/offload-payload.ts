/** A pseudo random generator with a seed, so that every run measures the same bytes. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const words = [
  'price',
  'volume',
  'symbol',
  'order',
  'side',
  'buy',
  'sell',
  'depth',
  'trade',
  'time',
  'exchange',
  'user',
];

/** About `bytes` of JSON such as services send: repeated keys, numbers that differ. Deflates to roughly a fifth. */
export function jsonPayload(bytes: number): Uint8Array {
  const random = mulberry32(bytes);
  const rows: string[] = [];
  let length = 2;
  while (length < bytes) {
    const word = words[Math.floor(random() * words.length)];
    const row = `{"id":${Math.floor(random() * 1e9)},"${word}":${random().toFixed(6)},"tag":"${word}-${Math.floor(random() * 1000)}"}`;
    rows.push(row);
    length += row.length + 1;
  }
  return new TextEncoder().encode(`[${rows.join(',')}]`);
}
