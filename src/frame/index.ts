export {
  acceptFor,
  createHandshakeKey,
  deflateName,
  type ExtensionTerms,
  formatExtensions,
  isHandshakeKey,
  parseExtensions,
} from '../shared/http/index.ts';
export { checkHeader, type HeaderRules } from './check-header.ts';
export { type CloseBody, checkCloseCode, closeStatus, encodeCloseBody, parseCloseBody } from './close-body.ts';
export type { CloseInfo, ConnectionState } from './closing.ts';
export { compileCloseFrame, compileFrame, type FrameParts, preparedFrames } from './compile-frame.ts';
export type { Compressor, CompressorFactory } from './compressor.ts';
export type { FrameConnectionOptions } from './connection-options.ts';
export { createDeflate, type PermessageDeflate } from './deflate.ts';
export {
  answerDeflateOffer,
  type DeflateAnswer,
  type DeflateConfig,
  type DeflateOptions,
  type DeflateParameters,
  deflateConfig,
  deflateOffer,
  readDeflateAnswer,
} from './deflate-negotiation.ts';
export { type Dialed, type DialOptions, type DialRefusal, dial } from './dial.ts';
export { FrameConnection } from './frame-connection.ts';
export { closeCodeFor, type FrameErrorFamily, frameErrorFamily } from './frame-error.ts';
export { FrameReader } from './frame-reader.ts';
export { type HandshakeRejection, handshakeRejection } from './handshake-rejection.ts';
export {
  type FrameHeader,
  headerSize,
  maxHeaderBytes,
  minHeaderBytes,
  type ReadHeader,
  readHeader,
  readMaskKey,
  writeHeader,
} from './header.ts';
export type { HeaderLine, HeaderValues } from './http-head.ts';
export type { KeepAliveOptions } from './keep-alive.ts';
export { applyMask } from './mask.ts';
export { randomMaskKey } from './mask-key.ts';
export type { Frame, Message } from './message-reader.ts';
export type { FrameToWrite, StreamOptions } from './message-writer.ts';
export {
  chunkSizeBytes,
  controlLimitBytes,
  isControl,
  type MessageOpcode,
  opcode,
  readLimitBytes,
  reservedBit,
} from './opcode.ts';
export type { StreamSource } from './streamed-message.ts';
export { type Upgraded, type UpgradeOptions, upgrade, upgradeRequest } from './upgrade.ts';
export type { UpgradeHooks } from './upgrade-negotiation.ts';
export { Utf8Validator } from './utf8.ts';
export { type ZlibOptions, zlibCompressor } from './zlib-compressor.ts';
