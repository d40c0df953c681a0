import {
  answerDeflateOffer,
  canCompress,
  type DeflateConfig,
  deflateConfig,
} from '../../../frame/deflate-negotiation.ts';
import { zlibCompressor } from '../../../frame/zlib-compressor.ts';
import { zlibStepsWork } from '../../../frame/zlib-step.ts';
import { deflateName, formatExtensions, parseExtensions } from '../../../shared/http/index.ts';
import type { Deflating } from './node-socket.ts';

/** What a client's offers have led to. */
export interface DeflateAgreement {
  /** Value of the answer's header. */
  readonly answer: string;
  create(): Deflating;
}

/** Agrees on permessage-deflate with one client. Null: not with this one. */
export type AgreeOnDeflate = (header: string | undefined) => DeflateAgreement | null;

/**
 * Lower levels also take less memory. Up to level 3 no context is kept between messages. Up to level 6 it is smaller
 * than the largest.
 */
function configFor(level: number): DeflateConfig {
  if (level <= 3) return deflateConfig({ level, serverNoContextTakeover: true, clientNoContextTakeover: true });
  if (level <= 6) return deflateConfig({ level, memLevel: 5, serverMaxWindowBits: 13, clientMaxWindowBits: 12 });
  return deflateConfig({ level });
}

/** For a transport with this level; null: none. Without zlib in this thread nothing is agreed on with anybody. */
export function createAgreeOnDeflate(compression: { readonly level: number } | null): AgreeOnDeflate {
  if (compression === null || !zlibStepsWork()) return () => null;
  const config = configFor(compression.level);
  const factory = zlibCompressor({ level: config.level, memLevel: config.memLevel });
  return (header) => {
    for (const offer of parseExtensions(header ?? '') ?? []) {
      const agreed = offer.name === deflateName ? answerDeflateOffer(offer, config) : null;
      if (agreed === null) continue;
      const { parameters, terms } = agreed;
      return {
        answer: formatExtensions([terms]),
        create: () => ({
          compressor: factory(parameters),
          compresses: canCompress(parameters),
          sharedWindowBits: parameters.serverNoContextTakeover ? parameters.serverMaxWindowBits : -1,
        }),
      };
    }
    return null;
  };
}
