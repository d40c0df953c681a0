import { type Codec, type CodecName, codecByName, type Envelope } from '#dist/shared/codec/index.js';
import { type ClientSocket, FrameSocket } from './frame-socket.ts';
import { Signal, within } from './waiting.ts';

const text = new TextEncoder();

/** Protobuf's `ChannelRequest`, `RoomRequest` and `RoomMessage` by hand: all names in tests are short. */
function protobufFields(...fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    fields.map((field, index) => {
      if (field.length > 127) throw new RangeError('too long for this helper');
      return Buffer.concat([Buffer.of(((index + 1) << 3) | 2, field.length), field]);
    }),
  );
}

/** A client of any codec, of the exported codecs and the exported frame toolkit and nothing else of the engine. */
export class CodecClient {
  readonly codec: Codec;
  readonly socket: ClientSocket;
  readonly all: Envelope[] = [];
  readonly kinds = new Set<boolean>();
  readonly #signal = new Signal();
  #unread = 0;

  constructor(codec: Codec, socket: ClientSocket) {
    this.codec = codec;
    this.socket = socket;
    socket.on('message', (payload: Buffer, binary: boolean) => {
      this.kinds.add(binary);
      this.all.push(codec.decode(new Uint8Array(payload)));
      this.#signal.notify();
    });
    socket.on('error', () => undefined);
  }

  send(fields: Partial<Envelope>): void {
    const envelope: Envelope = {
      type: '',
      channel: '',
      data: null,
      timestamp: 0n,
      clientId: '',
      id: 0,
      offset: 0,
      ...fields,
    };
    this.socket.send(this.codec.encode(envelope), { binary: this.codec.binary });
  }

  /** A control message about a channel or room, in the form of this codec. */
  control(type: string, name: string): void {
    const key = type.endsWith('_room') ? 'room_id' : 'channel';
    const json = text.encode(JSON.stringify({ [key]: name }));
    this.send({ type, data: this.codec.name === 'protobuf' ? protobufFields(text.encode(name)) : json });
  }

  /** Says something in a room; `data` is JSON. */
  say(room: string, data: string): void {
    const json = text.encode(`{"room_id":${JSON.stringify(room)},"data":${data}}`);
    const fields = protobufFields(text.encode(room), text.encode(data));
    this.send({ type: 'room', data: this.codec.name === 'protobuf' ? fields : json });
  }

  /** The next message that was not given yet. */
  next(): Promise<Envelope> {
    return this.#signal.wait(
      () => {
        const envelope = this.all[this.#unread];
        if (envelope !== undefined) this.#unread += 1;
        return envelope;
      },
      () => `a message for a ${this.codec.name} client`,
    );
  }
}

/** Connects with one subprotocol. */
export function connectCodec(engine: { readonly port: number }, name: CodecName): Promise<CodecClient> {
  const codec = codecByName(name);
  if (codec === undefined) throw new Error(`there is no codec ${name}`);
  const socket = new FrameSocket(`ws://127.0.0.1:${engine.port}/ws`, { protocols: [name] });
  const client = new CodecClient(codec, socket);
  return within(
    new Promise((resolve, reject) => {
      socket.once('open', () => resolve(client));
      socket.once('error', reject);
    }),
    `a ${name} connection`,
  );
}
