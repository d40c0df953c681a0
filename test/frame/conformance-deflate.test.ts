import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DeflatePeer, deflateMessage } from '../support/deflate-peer.ts';
import { type FrameToSend, opcode } from '../support/raw-frames.ts';
import { within } from '../support/waiting.ts';
import { hex, pick, randomBytes, randomOf } from './frame-fixture.ts';
import { assertCame, finish, type Programs, programs, type Subject, send, subjects } from './wire-peer.ts';

const { continuation, text, binary, ping } = opcode;
const broken = 1002;

describe('permessage-deflate on the wire', () => {
  let echoes: Programs;
  before(async () => {
    echoes = await programs({ thresholdBytes: 32 }, 1 << 20);
  });
  after(() => echoes.close());
  const random = randomOf(1312);
  const words = Array.from({ length: 400 }, () => randomBytes(random, 6).toString('base64'));

  function sample(size: number): Buffer {
    let all = '';
    while (all.length < size) all += `${pick(random, words)} `;
    return Buffer.from(all.slice(0, size));
  }

  async function talk(subject: Subject, extensions: string): Promise<void> {
    const { peer, answer } = await echoes.open(subject, extensions);
    assert.ok(answer !== undefined, 'the offer is met');
    const asked = /server_max_window_bits=(\d+)/.exec(extensions)?.[1];
    // A peer of this kind speaks as a client. As a server, what it says is what the other terms are about.
    const other = (name: string): string =>
      name.startsWith('server') ? name.replace('server', 'client') : name.replace('client', 'server');
    const terms = subject === 'dial' ? answer.replaceAll(/(?:server|client)_\w+/g, other) : answer;
    const zlib = new DeflatePeer(terms);
    if (subject !== 'dial') assert.ok(zlib.terms.serverWindowBits <= Number(asked ?? 15));
    let compressed = 0;
    for (const size of [16, 2_000, 0, 64, 20_000, 1, 9_000, 70_000, 300]) {
      const payload = sample(size);
      const deflated = zlib.deflate(payload);
      const half = deflated.length >> 1;
      const frames =
        size % 3 === 0
          ? [{ opcode: text, rsv: 4, payload: deflated }]
          : [
              { opcode: text, rsv: 4, fin: false, payload: deflated.subarray(0, half) },
              { opcode: ping },
              { opcode: continuation, payload: deflated.subarray(half) },
            ];
      const before = peer.came.length;
      await send(peer, frames, 'at once');
      await peer.until(() => peer.came.length === before + (frames.length === 1 ? 1 : 2), `an echo of ${size} bytes`);
      const at = peer.came.length - 1;
      const [kind, back] = peer.came[at] as [number, Buffer];
      const rsv = peer.bits[at] ?? 0;
      if (rsv !== 0) compressed += 1;
      const message = zlib.inflate({ fin: true, rsv, opcode: kind, masked: false, payload: back });
      assert.ok(kind === text && message.equals(payload), `${size} bytes`);
    }
    assert.equal(compressed, 6, 'all from 32 bytes on');
    await finish(peer, subject, undefined);
  }

  test('every window, with and without context, is kept to in both directions', async () => {
    const work: Promise<void>[] = [];
    for (const subject of subjects) {
      for (const contexts of [
        '',
        '; server_no_context_takeover',
        '; client_no_context_takeover',
        '; server_no_context_takeover; client_no_context_takeover',
      ]) {
        for (const bits of [9, 10, 12, 15]) {
          const windows = `; server_max_window_bits=${bits}; client_max_window_bits=${24 - bits}`;
          const extensions = `permessage-deflate${contexts}${windows}`;
          work.push(
            talk(subject, extensions).catch((error) => assert.fail(`${subject}, ${extensions}: ${String(error)}`)),
          );
        }
        work.push(talk(subject, `permessage-deflate${contexts}`));
      }
    }
    await within(Promise.all(work), 'all of them', 240_000);
  });

  test('what is compressed wrongly is refused, after the messages before it', async () => {
    const start = deflateMessage('a message that is fine and long enough');
    const bomb = deflateMessage(Buffer.alloc((1 << 20) + 1));
    const cases: readonly [string, FrameToSend[], number][] = [
      ['garbage', [{ opcode: text, rsv: 4, payload: hex('ffffffff') }], 1007],
      [
        'a continuation with RSV1',
        [
          { opcode: text, rsv: 4, fin: false },
          { opcode: continuation, rsv: 4 },
        ],
        broken,
      ],
      ['a ping with RSV1', [{ opcode: ping, rsv: 4 }], broken],
      ['another bit', [{ opcode: text, rsv: 6, payload: start }], broken],
      ['no text', [{ opcode: text, rsv: 4, payload: deflateMessage(hex('eda080')) }], 1007],
      ['a bomb', [{ opcode: binary, rsv: 4, payload: bomb }], 1009],
    ];
    for (const subject of subjects) {
      for (const [title, frames, code] of cases) {
        const { peer } = await echoes.open(subject, 'permessage-deflate');
        await send(peer, [{ opcode: text, payload: 'first' }, ...frames, { opcode: ping }], 'at once');
        await finish(peer, subject, code).catch((error) => assert.fail(`${subject}, ${title}: ${String(error)}`));
        assertCame(peer, [[text, 'first']]);
      }
    }
  });
});
