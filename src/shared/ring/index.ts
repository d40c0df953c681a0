export { createDoorbells, type DoorbellMemory, Doorbells } from './doorbell.ts';
export {
  createRing,
  maxConsumers,
  maxRingBytes,
  minRingBytes,
  type RingMemory,
  ringDepth,
  targetAll,
  targetAllBut,
} from './layout.ts';
export { dismissConsumer, type RecordVisitor, RingConsumer, type RingConsumerOptions } from './ring-consumer.ts';
export { RingProducer, type RingProducerOptions, type WriteVerdict } from './ring-producer.ts';
