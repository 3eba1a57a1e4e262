import { type HeaderFields, headerFields, type QuickExchange } from '#platform';
import type { Answer } from '../request/render.ts';
import type { Exchange } from './exchange.ts';
import { fieldsOf } from './header-fields.ts';

/** A request that the listener read itself, as an exchange. */
export function overQuick(quick: QuickExchange): Exchange {
  const { method, url, headers, socket } = quick;
  return {
    method,
    url,
    headers,
    socket,
    body: () => quick.body,
    send: (answer) => {
      if (quick.headersSent) answer.body?.fill(0);
      else quick.answer(answer.status, linesOf(answer), answer.body);
    },
  };
}

const json = 'application/json';
const ofNearlyAll = headerFields(fieldsOf({ contentType: json, headers: {} }));

function linesOf(answer: Answer): HeaderFields {
  const isUsual = answer.contentType === json && Object.keys(answer.headers).length === 0;
  return isUsual ? ofNearlyAll : headerFields(fieldsOf(answer));
}
