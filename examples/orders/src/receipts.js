import { createHmac, timingSafeEqual } from 'node:crypto';

/** Signs receipts with a key that only this service has. Whoever holds the key can forge one: it is a secret. */
export function createReceipts(key) {
  if (typeof key !== 'string' || key.length < 32) {
    throw new Error('expected ORDERS_SIGNING_KEY with at least 32 characters');
  }
  const signatureOf = ({ id, item, quantity }) =>
    createHmac('sha256', key)
      .update(JSON.stringify([id, item, quantity]))
      .digest();
  return {
    sign: (order) => ({ ...order, signature: signatureOf(order).toString('base64url') }),
    isGenuine(receipt) {
      const given = Buffer.from(receipt.signature, 'base64url');
      const right = signatureOf(receipt);
      return given.length === right.length && timingSafeEqual(given, right);
    },
  };
}
