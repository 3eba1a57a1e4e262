import type { Http } from './types.ts';

export type HealthChecks = Readonly<Record<string, () => Promise<void>>>;

const checkSeconds = 5;

/** For load balancers and `sally up`: 200 when the server can work, else 503, as for every request while it stops. */
export function declareHealth(http: Http, checks: HealthChecks): void {
  http.stream({
    method: 'GET',
    path: '/api/health',
    summary: 'Whether the server can work',
    access: { kind: 'public', reason: 'asked by load balancers; says only which part fails' },
    handle: async (_request, reply) => {
      const results = await Promise.all(
        Object.entries(checks).map(
          async ([name, check]) => [name, (await passes(check)) ? 'ok' : 'failing'] as const,
        ),
      );
      const failing = results.some(([, result]) => result === 'failing');
      const status = failing ? 'failing' : 'ok';
      await reply
        .status(status === 'ok' ? 200 : 503)
        .headers({ 'content-type': 'application/json; charset=utf-8' })
        .send(JSON.stringify({ status, checks: Object.fromEntries(results) }));
    },
  });
}

async function passes(check: () => Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), checkSeconds * 1000);
  });
  const done = check().then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}
