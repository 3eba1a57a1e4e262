#!/usr/bin/env -S node --max-semi-space-size=1 --v8-pool-size=1
// Plain JavaScript, so that Node need not load its TypeScript stripper when everything else comes from the cache:
// that alone is 20 MB for as long as the process runs.
import { enableCompileCache, flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Beside the code: who may write there may write the code too. Node's default, in /tmp, anybody may fill.
enableCompileCache(fileURLToPath(new URL('../../../node_modules/.cache/sallyport/code', import.meta.url)));
// Written at the end of a process, which for a server may be a long time away.
setTimeout(flushCompileCache, 10_000).unref();
await import('../src/main.ts');
