/** Keeps orders in memory, the newest `limit` of them: an example needs no database, but it needs a bound. */
export function createOrders({ limit = 1000 } = {}) {
  const orders = new Map();
  let last = 0;
  return {
    place({ item, quantity }) {
      last += 1;
      const order = { id: String(last), item, quantity };
      orders.set(order.id, order);
      if (orders.size > limit) orders.delete(orders.keys().next().value);
      return order;
    },
    find: (id) => orders.get(id),
    list: () => [...orders.values()],
  };
}
