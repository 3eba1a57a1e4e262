import { readFileSync } from 'node:fs';
import { createOrders } from './orders.js';
import { createReceipts } from './receipts.js';
import { createServer } from './server.js';

const { ORDERS_SIGNING_KEY: key, PORT: port = '8080', HOST: host = '127.0.0.1' } = process.env;
if (key === undefined || key.length < 32) {
  console.error('orders: refusing to start: expected ORDERS_SIGNING_KEY with at least 32 characters');
  process.exit(78);
}
// Whatever this process starts or dumps shall not have the key.
delete process.env.ORDERS_SIGNING_KEY;

const build = JSON.parse(readFileSync(new URL('./build-info.json', import.meta.url), 'utf8'));
const server = createServer({ orders: createOrders(), receipts: createReceipts(key), build });

for (const signal of ['SIGTERM', 'SIGINT'])
  process.once(signal, () => server.close().then(() => process.exit(0)));
await server.listen({ host, port: Number(port) });
console.log(`orders: ${build.version} listens on ${host}:${port}`);
