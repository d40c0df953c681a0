import type { Compressor } from './compressor.ts';
import { canCompress, type DeflateOptions, type DeflateParameters, deflateConfig } from './deflate-negotiation.ts';
import { zlibCompressor } from './zlib-compressor.ts';

/** permessage-deflate on one connection. */
export interface PermessageDeflate {
  readonly compressor: Compressor;
  /** Whether this side compresses. A peer may ask for a window that is too small for zlib; it is sent plain messages. */
  readonly compresses: boolean;
  /** Shorter messages go out as they are. */
  readonly thresholdBytes: number;
}

/** permessage-deflate with the parameters that were negotiated, for one connection. Throws ERR_OPTION_INVALID. */
export function createDeflate(parameters: DeflateParameters, options: DeflateOptions = {}): PermessageDeflate {
  const { level, memLevel, thresholdBytes, compressor } = deflateConfig(options);
  const factory = compressor ?? zlibCompressor({ level, memLevel });
  return { compressor: factory(parameters), compresses: canCompress(parameters), thresholdBytes };
}
