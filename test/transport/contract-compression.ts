import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import type { CreateTransport, SendVerdict } from '#dist/worker/transport/transport.js';
import { DeflatePeer, readTerms } from '../support/deflate-peer.ts';
import { fc } from '../support/properties.ts';
import { opcode } from '../support/raw-frames.ts';
import { until } from '../support/waiting.ts';
import { answerOf, connectDeflating, converse, levels, prose, usualOffer } from './deflate-fixture.ts';
import { extensions, isAnswerTo, render } from './offer-fixture.ts';
import { withTransport } from './transport-fixture.ts';

export function describeCompression(create: CreateTransport): void {
  describe('agreeing on compression', () => {
    test('with the option off nothing is agreed on, and the flag to compress has no effect', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer, reply } = await fixture.connect({ headers: { 'Sec-WebSocket-Extensions': usualOffer } });
        assert.equal(answerOf(reply), null);
        peer.open.subscribe('t');
        peer.open.send(Buffer.from(prose(5_000)), false, true);
        fixture.transport.publish('t', Buffer.from(prose(50_000)), false, true);
        for (const length of [5_000, 50_000]) {
          const frame = await raw.nextFrame();
          assert.deepEqual([frame.rsv, frame.payload.toString()], [0, prose(length)]);
        }
      });
    });

    for (const level of levels) {
      test(`level ${level}: a client that offers nothing gets plain frames, and may not send others`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          const { raw, peer, reply } = await fixture.connect();
          assert.equal(answerOf(reply), null);
          peer.open.send(Buffer.from(prose(5_000)), false, true);
          const frame = await raw.nextFrame();
          assert.deepEqual([frame.rsv, frame.payload.toString()], [0, prose(5_000)]);
          raw.sendFrame({ opcode: opcode.text, payload: Buffer.of(0), rsv: 4 });
          await raw.ended();
          await until(() => peer.closes.length === 1, 'the close');
          assert.deepEqual(peer.closes, [{ code: 1006, reason: '', cause: 'protocolError' }]);
          assert.equal(peer.messages.length, 0);
        });
      });

      test(`level ${level}: what common clients offer is accepted, and both sides keep to it`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          for (const offer of [
            'permessage-deflate',
            usualOffer,
            'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
            'permessage-deflate; client_no_context_takeover',
            'permessage-deflate; server_no_context_takeover; client_max_window_bits=10',
            'permessage-deflate;client_max_window_bits="9"',
            'permessage-deflate; client_max_window_bits=8',
          ]) {
            await converse(await connectDeflating(fixture, offer));
          }
        });
      });

      test(`level ${level}: every answer is one to an offer by the rules of RFC 7692, and both sides keep to it`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          let accepted = 0;
          await fc.assert(
            fc.asyncProperty(extensions, fc.boolean(), async (offers, split) => {
              const lines = offers.map(render);
              const header = split ? lines : lines.join(', ');
              const { raw, peer, reply } = await fixture.connect({ headers: { 'Sec-WebSocket-Extensions': header } });
              const answer = answerOf(reply);
              if (answer !== null) {
                accepted += 1;
                assert.ok(
                  offers.some((offer) => isAnswerTo(offer, answer)),
                  `${lines.join(', ')} was answered with ${answer}`,
                );
                await converse({ raw, peer, deflate: new DeflatePeer(answer) });
              }
              raw.destroy();
            }),
            { numRuns: 150 },
          );
          assert.ok(accepted > 20, `only ${accepted} were accepted`);
        });
      });
    }

    test('the first acceptable offer is taken, and a header that breaks the grammar offers nothing', async () => {
      await withTransport(create, { compression: { level: 9 } }, async (fixture) => {
        const ask = async (offer: string): Promise<string | null> =>
          answerOf((await fixture.connect({ headers: { 'Sec-WebSocket-Extensions': offer } })).reply);
        const second = await ask(
          'permessage-deflate; mux, x-other; a=b, , permessage-deflate; server_no_context_takeover, permessage-deflate',
        );
        assert.equal(readTerms(second ?? '').serverTakeover, false);
        for (const offer of [
          '',
          ';',
          '=',
          ',,,',
          'permessage-deflate;',
          'permessage-deflate; =1',
          'permessage-deflate; client_max_window_bits=',
          'permessage-deflate; client_max_window_bits="',
          'permessage-deflate; client_max_window_bits="9',
          'permessage-deflate; client_max_window_bits="9 "',
          'permessage-deflate; client_max_window_bits 9',
          'permessage-deflate permessage-deflate',
          'permessage-deflate, @',
          'permessage-deflate; ä=1',
          'permessage-deflate; client_max_window_bits=@',
          'PERMESSAGE-DEFLATE',
          'x-webkit-deflate-frame',
          `permessage-deflate${'; x'.repeat(1_000)}`,
        ]) {
          assert.equal(await ask(offer), null, offer);
        }
      });
    });
  });

  describe('sending compressed', () => {
    for (const level of levels) {
      test(`level ${level}: a frame has RSV1 if it is compressed, and only if that was asked for`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          const { raw, peer, deflate } = await connectDeflating(fixture);
          const text = prose(3_000);
          for (let i = 0; i < 20; i++) {
            const compress = i % 3 !== 0;
            const binary = i % 2 === 0;
            peer.open.send(Buffer.from(text), binary, compress);
            const frame = await raw.nextFrame();
            assert.deepEqual([frame.fin, frame.masked, frame.rsv], [true, false, compress ? 4 : 0]);
            assert.equal(frame.opcode, binary ? opcode.binary : opcode.text);
            assert.ok(compress ? frame.payload.length < 1_500 : frame.payload.length === 3_000);
            assert.equal(deflate.inflate(frame).toString(), text);
          }
          raw.sendPing('plain');
          assert.equal((await raw.nextFrame()).rsv, 0);
        });
      });

      test(`level ${level}: messages of any size and kind arrive whole, also those that cannot be compressed`, async () => {
        await withTransport(create, { compression: { level }, maxBackpressureBytes: 16_777_216 }, async (fixture) => {
          const { raw, peer, deflate } = await connectDeflating(fixture);
          const messages = [0, 1, 2, 100, 16_383, 16_384, 16_385, 500_000].flatMap((length) => [
            randomBytes(length),
            Buffer.from(prose(length)),
            Buffer.alloc(length),
          ]);
          for (const message of messages) peer.open.send(message, true, true);
          for (const message of messages) assert.deepEqual(deflate.inflate(await raw.nextFrame()), message);
        });
      });
    }

    test('a published message reaches subscribers with and without compression, the same for all', async () => {
      await withTransport(create, { compression: { level: 6 } }, async (fixture) => {
        const takeover = await connectDeflating(fixture);
        const none = await connectDeflating(fixture, 'permessage-deflate; server_no_context_takeover');
        const plain = await fixture.connect();
        for (const { peer } of [takeover, none, plain]) peer.open.subscribe('t');
        const texts = Array.from({ length: 60 }, (_, i) => prose(i % 7 === 0 ? 20_000 : 200 + i, i));
        for (const [at, text] of texts.entries())
          fixture.transport.publish('t', Buffer.from(text), false, at % 5 !== 0);
        for (const [at, text] of texts.entries()) {
          for (const { raw, deflate } of [takeover, none]) {
            const frame = await raw.nextFrame();
            assert.equal(frame.rsv, at % 5 === 0 ? 0 : 4);
            assert.equal(deflate.inflate(frame).toString(), text);
          }
          const frame = await plain.raw.nextFrame();
          assert.deepEqual([frame.rsv, frame.payload.toString()], [0, text]);
        }
      });
    });

    for (const level of levels) {
      test(`level ${level}: what is dropped for a slow peer leaves what it does get readable`, async () => {
        const bound = 262_144;
        await withTransport(create, { compression: { level }, maxBackpressureBytes: bound }, async (fixture) => {
          const { raw, peer, deflate } = await connectDeflating(fixture);
          peer.open.subscribe('t');
          raw.socket.pause();
          const kept: Buffer[] = [];
          let verdict: SendVerdict = 'sent';
          for (let i = 0; verdict !== 'dropped' && i < 10_000; i++) {
            const payload = Buffer.concat([randomBytes(17_000), Buffer.from(prose(384))]);
            verdict = peer.open.send(payload, true, true);
            if (verdict !== 'dropped') kept.push(payload);
          }
          assert.equal(verdict, 'dropped');
          assert.ok(peer.open.bufferedBytes <= bound + 18_000, `${peer.open.bufferedBytes} bytes are buffered`);
          for (let i = 0; i < 20; i++) fixture.transport.publish('t', randomBytes(17_000), true, true);
          await until(() => peer.drops === 21, 'all drops to be told');
          raw.socket.resume();
          await until(() => peer.drains > 0 && peer.open.bufferedBytes === 0, 'the drain');
          const last = Buffer.from(prose(5_000));
          assert.equal(peer.open.send(last, true, true), 'sent');
          for (const payload of [...kept, last]) assert.deepEqual(deflate.inflate(await raw.nextFrame()), payload);
        });
      });

      test(`level ${level}: a connection ends after its compressed messages, and its place may be taken at once`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          for (let round = 0; round < 20; round++) {
            const { raw, peer, deflate } = await connectDeflating(fixture);
            for (let i = 0; i < 5; i++) peer.open.send(Buffer.from(prose(2_000, i)), false, true);
            if (round % 2 === 0) peer.open.end(4_000, 'done');
            else raw.sendClose(1_000);
            for (let i = 0; i < 5; i++)
              assert.equal(deflate.inflate(await raw.nextFrame()).toString(), prose(2_000, i));
            assert.equal((await raw.closeFrame()).code, round % 2 === 0 ? 4_000 : 1_000);
            await raw.ended();
            await until(() => peer.closes.length === 1, 'the close');
            assert.equal(peer.open.send(Buffer.from('x'), false, true), 'closed');
          }
          assert.deepEqual(fixture.errors, []);
        });
      });
    }
  });
}
