import fastify from 'fastify';

const text = { type: 'string', minLength: 1, maxLength: 100 };
const quantity = { type: 'integer', minimum: 1, maximum: 1000 };
const closed = (properties) => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(properties),
  properties,
});

/** The HTTP face of the service; `receipts` signs, `orders` remembers, `build` says what this is. */
export function createServer({ orders, receipts, build }) {
  const server = fastify({
    bodyLimit: 16_384,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  });

  server.get('/healthz', async () => ({ status: 'ok', ...build }));
  server.get('/orders', async () => ({ orders: orders.list() }));
  server.get('/orders/:id', async (request, reply) => {
    const order = orders.find(request.params.id);
    if (order === undefined) return reply.code(404).send({ error: 'no such order' });
    return receipts.sign(order);
  });
  server.post('/orders', { schema: { body: closed({ item: text, quantity }) } }, async (request, reply) => {
    return reply.code(201).send(receipts.sign(orders.place(request.body)));
  });
  server.post(
    '/receipts/verify',
    { schema: { body: closed({ id: text, item: text, quantity, signature: text }) } },
    async (request) => ({ genuine: receipts.isGenuine(request.body) }),
  );
  return server;
}
