import type { Envelope } from '../codec/index.ts';
import { EngineError } from '../errors/index.ts';
import type { RingProducer, WriteVerdict } from '../ring/index.ts';

/**
 * An envelope as a record's payload, codec-neutral, little-endian:
 *
 *   0  u32 flags: 1 has data, 2 data is valid JSON, 4 data is not valid JSON, 8 the envelope's channel is the address,
 *                 16 has an id, 32 has an offset
 *   4  u32 bytes of the address: a channel, a room or a connection's id
 *   8  u32 bytes of the type          12  u32 bytes of the envelope's channel
 *  16  u32 bytes of the client id     20  u32 bytes of the data
 *  24  i64 timestamp                  32  f64 id if it has one, f64 offset if it has one, the five in this order
 */
const envelopeHeaderBytes = 32;
const hasData = 1;
const isJsonData = 2;
const isNotJsonData = 4;
const channelIsAddress = 8;
const hasId = 16;
const hasOffset = 32;

/** An envelope read from a record, with the address it was written for. */
export interface AddressedEnvelope {
  /** Name of the channel or room, id of the connection, or ''. */
  readonly address: string;
  /** `data` is a view into the ring: valid only until the visit ends. */
  readonly envelope: Envelope;
}

const encoder = new TextEncoder();

/** Writes ASCII by hand, which beats a call into the encoder for short strings. Returns the bytes written. */
function writeText(text: string, bytes: Uint8Array, offset: number): number {
  const length = text.length;
  if (length <= 64) {
    let i = 0;
    for (; i < length; i++) {
      const c = text.charCodeAt(i);
      if (c > 127) break;
      bytes[offset + i] = c;
    }
    if (i === length) return length;
  }
  return encoder.encodeInto(text, bytes.subarray(offset)).written;
}

/** Writes envelopes into one thread's ring. */
export class RecordWriter {
  readonly #producer: RingProducer;
  #words: Uint32Array = new Uint32Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));

  constructor(producer: RingProducer) {
    this.#producer = producer;
  }

  /** `to` says which readers of the ring the record is for: a thread, or a target of the ring. */
  writeEnvelope(kind: number, to: number, address: string, envelope: Envelope): WriteVerdict {
    const { type, channel, clientId, data, dataIsJson, id, offset } = envelope;
    const sameChannel = channel !== '' && channel === address;
    const dataLength = data === null ? 0 : data.length;
    // A UTF-16 unit takes at most three bytes of UTF-8: claim that, commit what it took.
    const textUnits = address.length + type.length + clientId.length + (sameChannel ? 0 : channel.length);
    const producer = this.#producer;
    const headerBytes = envelopeHeaderBytes + (id > 0 ? 8 : 0) + (offset > 0 ? 8 : 0);
    const most = headerBytes + textUnits * 3 + dataLength;
    if (most > producer.maxRecordBytes) {
      throw new EngineError('ERR_MESSAGE_INVALID', `a message of ${dataLength} bytes is larger than ring.spillBytes`, {
        path: 'data',
        given: dataLength,
        allowed: `about ${producer.maxRecordBytes} bytes`,
      });
    }
    if (!producer.claim(most)) return 'overloaded';
    const bytes = producer.claimBytes;
    const start = producer.claimOffset;
    let at = start + headerBytes;
    const addressBytes = writeText(address, bytes, at);
    at += addressBytes;
    const typeBytes = writeText(type, bytes, at);
    at += typeBytes;
    const channelBytes = sameChannel ? 0 : writeText(channel, bytes, at);
    at += channelBytes;
    const clientBytes = writeText(clientId, bytes, at);
    at += clientBytes;
    if (data !== null) bytes.set(data, at);
    at += dataLength;

    if (this.#words.buffer !== bytes.buffer) {
      // Records begin at multiples of 8; a staged claim is shorter than its last whole word by up to 3 bytes.
      this.#words = new Uint32Array(bytes.buffer, 0, bytes.buffer.byteLength >> 2);
      this.#view = new DataView(bytes.buffer);
    }
    const words = this.#words;
    const word = start >> 2;
    words[word] =
      (data === null ? 0 : hasData) |
      (dataIsJson === true ? isJsonData : dataIsJson === false ? isNotJsonData : 0) |
      (sameChannel ? channelIsAddress : 0) |
      (id > 0 ? hasId : 0) |
      (offset > 0 ? hasOffset : 0);
    words[word + 1] = addressBytes;
    words[word + 2] = typeBytes;
    words[word + 3] = channelBytes;
    words[word + 4] = clientBytes;
    words[word + 5] = dataLength;
    this.#view.setBigInt64(start + 24, envelope.timestamp, true);
    if (id > 0) this.#view.setFloat64(start + envelopeHeaderBytes, id, true);
    if (offset > 0) this.#view.setFloat64(start + headerBytes - 8, offset, true);
    return producer.commit(kind, to, at - start);
  }

  /** A record whose payload is a small JSON document: the rare kinds. */
  writeJson(kind: number, to: number, value: unknown): WriteVerdict {
    return this.#producer.write(kind, to, encoder.encode(JSON.stringify(value)));
  }
}

/** A small cache of short strings by place, because most records name the same few channels and types. */
class TextReader {
  #buffer: Buffer = Buffer.alloc(0);
  readonly #lastText: string[] = ['', '', '', ''];
  readonly #lastBytes: Uint8Array[] = [0, 1, 2, 3].map(() => new Uint8Array(64));
  readonly #lastLength: number[] = [0, 0, 0, 0];

  /** Field `slot` (0–3) of a record: the text at `bytes[start … start + length]`. */
  readText(slot: number, bytes: Uint8Array, start: number, length: number): string {
    if (length === 0) return '';
    if (this.#buffer.buffer !== bytes.buffer) {
      this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    if (length > 64) return this.#buffer.toString('utf8', start, start + length);
    const last = this.#lastBytes[slot] as Uint8Array;
    if (this.#lastLength[slot] === length) {
      let i = 0;
      while (i < length && last[i] === bytes[start + i]) i++;
      if (i === length) return this.#lastText[slot] as string;
    }
    const text = this.#buffer.toString('utf8', start, start + length);
    this.#lastText[slot] = text;
    this.#lastLength[slot] = length;
    for (let i = 0; i < length; i++) last[i] = bytes[start + i] as number;
    return text;
  }
}

/** Reads envelopes from the rings of other threads. */
export class RecordReader {
  readonly #text = new TextReader();
  #view: DataView = new DataView(new ArrayBuffer(0));

  readEnvelope(bytes: Uint8Array, offset: number): AddressedEnvelope {
    if (this.#view.buffer !== bytes.buffer) {
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const view = this.#view;
    const flags = view.getUint32(offset, true);
    const addressBytes = view.getUint32(offset + 4, true);
    const typeBytes = view.getUint32(offset + 8, true);
    const channelBytes = view.getUint32(offset + 12, true);
    const clientBytes = view.getUint32(offset + 16, true);
    const dataLength = view.getUint32(offset + 20, true);
    let at = offset + envelopeHeaderBytes;
    let id = 0;
    let place = 0;
    if ((flags & hasId) !== 0) {
      id = view.getFloat64(at, true);
      at += 8;
    }
    if ((flags & hasOffset) !== 0) {
      place = view.getFloat64(at, true);
      at += 8;
    }
    const address = this.#text.readText(0, bytes, at, addressBytes);
    at += addressBytes;
    const type = this.#text.readText(1, bytes, at, typeBytes);
    at += typeBytes;
    const channel = (flags & channelIsAddress) !== 0 ? address : this.#text.readText(2, bytes, at, channelBytes);
    at += channelBytes;
    const clientId = this.#text.readText(3, bytes, at, clientBytes);
    at += clientBytes;
    return {
      address,
      envelope: {
        type,
        channel,
        data: (flags & hasData) === 0 ? null : bytes.subarray(at, at + dataLength),
        timestamp: view.getBigInt64(offset + 24, true),
        clientId,
        id,
        offset: place,
        dataIsJson: (flags & isJsonData) !== 0 ? true : (flags & isNotJsonData) !== 0 ? false : undefined,
      },
    };
  }
}

/** The document of a record written by `writeJson`. The writer is our own code: its shape is the caller's to know. */
export function readJsonRecord(bytes: Uint8Array, offset: number, length: number): unknown {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString());
}
