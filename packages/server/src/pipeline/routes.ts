import type { Routes } from '#platform';
import { agentRoutes } from './http/agent-routes.ts';
import { runRoutes } from './http/run-routes.ts';
import { webhookRoutes } from './http/webhook-routes.ts';
import type { Pipeline } from './pipeline.ts';

export function pipelineRoutes(pipeline: Pipeline): Routes {
  return (http) => {
    for (const routes of [agentRoutes, runRoutes, webhookRoutes]) routes(pipeline)(http);
  };
}
