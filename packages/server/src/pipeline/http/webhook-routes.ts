import { Id, WebhookProvider } from '@sallyport/contract';
import { Type } from 'typebox';
import { collectBody, type Routes } from '#platform';
import type { Pipeline } from '../pipeline.ts';

/** Forges post here. The body is only ever compared with its signature: what is true is asked of the repository. */
export function webhookRoutes(pipeline: Pipeline): Routes {
  return (http) => {
    http.stream({
      method: 'POST',
      path: '/api/webhooks/:provider/:repository',
      summary: 'Takes a webhook of a forge: an authentic one makes the repository be looked at now',
      access: {
        kind: 'public',
        reason: 'forges have no token of ours; each delivery is signed with a shared secret',
      },
      params: Type.Object({ provider: WebhookProvider, repository: Id }, { additionalProperties: false }),
      bodyLimitBytes: 5 * 1024 * 1024,
      handle: async ({ params, headers }, reply, body) => {
        const bytes = await collectBody(body);
        const isNew = await pipeline.repositories.receive(params.provider, params.repository, headers, bytes);
        await reply.status(isNew ? 202 : 409).send();
      },
    });
  };
}
