import { defineHandlers, type Handlers } from '#dist/worker/handlers/api.js';

// What is garbage does not count: each thread collects its own.
setInterval(() => globalThis.gc?.(), 200).unref();

const handlers: Handlers = defineHandlers({});

export default handlers;
