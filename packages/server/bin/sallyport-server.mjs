#!/usr/bin/env -S MALLOC_TRIM_THRESHOLD_=1048576 node --max-semi-space-size=16 --v8-pool-size=1
// Plain JavaScript, so that Node need not load its TypeScript stripper when everything else comes from the cache:
// that alone is 20 MB for as long as the process runs.
//
// Above: once a large piece was freed, glibc raises by itself what a thread may keep free, to 50 MB, and the thread that
// compiles PostgreSQL at a first start keeps as much; a fixed megabyte makes that start up to 20 MB smaller.
import { enableCompileCache, flushCompileCache, registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

// Beside the code: who may write there may write the code too. Node's default, in /tmp, anybody may fill.
enableCompileCache(fileURLToPath(new URL('../../../node_modules/.cache/sallyport/code', import.meta.url)));
// What Node read from the cache it keeps until it is flushed. Let go as modules are loaded, one's memory serves the
// next; let go at the end, what all of them had taken (15 MB) stays with the process in pieces too small to return.
let loaded = 0;
const loading = registerHooks({
  load(url, context, next) {
    loaded += 1;
    if (loaded % 32 === 0) flushCompileCache();
    return next(url, context);
  },
});
await import('../src/main.ts');
loading.deregister();
flushCompileCache();
