import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { createOrders } from '../src/orders.js';
import { createReceipts } from '../src/receipts.js';
import { createServer } from '../src/server.js';

const key = 'a-key-for-tests-that-nothing-else-uses';
const start = () =>
  createServer({ orders: createOrders(), receipts: createReceipts(key), build: { version: 'test' } });
const place = (server, payload) => server.inject({ method: 'POST', url: '/orders', payload });

describe('orders', () => {
  it('says that it is well', async () => {
    const answer = await start().inject('/healthz');

    assert.deepEqual(answer.json(), { status: 'ok', version: 'test' });
  });

  it('takes an order and gives a receipt that it knows again', async () => {
    const server = start();

    const receipt = (await place(server, { item: 'tea', quantity: 2 })).json();
    const verdict = await server.inject({ method: 'POST', url: '/receipts/verify', payload: receipt });

    assert.equal(receipt.item, 'tea');
    assert.deepEqual(verdict.json(), { genuine: true });
    assert.deepEqual((await server.inject('/orders/1')).json(), receipt);
    assert.deepEqual((await server.inject('/orders')).json(), {
      orders: [{ id: '1', item: 'tea', quantity: 2 }],
    });
  });

  it('refuses a receipt that was changed, or signed with another key', async () => {
    const server = start();
    const receipt = (await place(server, { item: 'tea', quantity: 2 })).json();
    const forged = createReceipts('another-key-that-is-not-the-right-one').sign({
      id: '1',
      item: 'tea',
      quantity: 2,
    });

    for (const payload of [{ ...receipt, quantity: 200 }, { ...receipt, signature: 'AA' }, forged]) {
      const verdict = await server.inject({ method: 'POST', url: '/receipts/verify', payload });
      assert.deepEqual(verdict.json(), { genuine: false });
    }
  });

  it('refuses orders that make no sense', async () => {
    for (const payload of [
      {},
      { item: '', quantity: 1 },
      { item: 'tea', quantity: 0 },
      { item: 'tea', quantity: '1' },
    ]) {
      assert.equal((await place(start(), payload)).statusCode, 400);
    }
    assert.equal((await start().inject('/orders/7')).statusCode, 404);
  });

  it('forgets the oldest order when there are too many', () => {
    const orders = createOrders({ limit: 2 });
    for (const quantity of [1, 2, 3]) orders.place({ item: 'tea', quantity });

    assert.deepEqual(
      orders.list().map(({ id }) => id),
      ['2', '3'],
    );
  });

  it('does not start without its key', () => {
    const { ORDERS_SIGNING_KEY: _, ...env } = process.env;
    const run = spawnSync(process.execPath, ['src/main.js'], { env, encoding: 'utf8' });

    assert.equal(run.status, 78);
    assert.match(run.stderr, /expected ORDERS_SIGNING_KEY/);
  });
});
