import {
  CancelRequest,
  Id,
  Name,
  NewRepository,
  RepositoryChange,
  RepositoryList,
  RepositoryView,
  RunDetail,
  RunList,
  RunRequest,
  RunView,
} from '@sallyport/contract';
import { Fault, SecretBytes } from '@sallyport/formats';
import { Type } from 'typebox';
import type { Capability, Routes } from '#platform';
import type { Pipeline } from '../pipeline.ts';
import type { Run } from '../runs/run.ts';
import { repositoryView, runView, stepView } from './views.ts';

const closed = { additionalProperties: false } as const;
const ProjectParams = Type.Object({ project: Name }, closed);
const RepositoryParams = Type.Object({ project: Name, repository: Name }, closed);
const RunParams = Type.Object({ project: Name, runId: Id }, closed);
const StepParams = Type.Object({ project: Name, runId: Id, step: Name }, closed);
const LogQuery = Type.Object(
  {
    attempt: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    offset: Type.Optional(Type.Integer({ minimum: 0 })),
    follow: Type.Optional(Type.Boolean()),
  },
  closed,
);

const allowed = (what: string, capability: Capability) =>
  ({
    kind: 'allowed',
    capability,
    path: ({ project }: { readonly project: string }) => `projects/${project}/${what}`,
  }) as const;

export function runRoutes(pipeline: Pipeline): Routes {
  const { repositories, runs } = pipeline;

  /** A run of another project is not there: permission was asked for this one's. */
  async function runOf({
    project,
    runId,
  }: {
    readonly project: string;
    readonly runId: string;
  }): Promise<Run> {
    const run = await runs.get(runId);
    if (run.project === project) return run;
    throw new Fault('not_found', 'pipeline.no_run', `expected a run, got "${runId}"`);
  }

  return (http) => {
    http.route({
      method: 'POST',
      path: '/api/projects/:project/repositories',
      summary: 'Adds a repository, after it could be fetched',
      access: allowed('repositories', 'create'),
      params: ProjectParams,
      body: NewRepository,
      response: RepositoryView,
      status: 201,
      bodyLimitBytes: 4 * 1024 * 1024,
      timeoutSeconds: 300,
      handle: async ({ actor, params, body }) => {
        const { name, webhookSecret, ...settings } = body;
        const added = await repositories.add(actor, params.project, name, {
          ...settings,
          ...secretOf(webhookSecret),
        });
        return repositoryView(added);
      },
    });

    http.route({
      method: 'PATCH',
      path: '/api/projects/:project/repositories/:repository',
      summary: 'Changes the settings that are given',
      access: allowed('repositories', 'update'),
      params: RepositoryParams,
      body: RepositoryChange,
      response: RepositoryView,
      bodyLimitBytes: 4 * 1024 * 1024,
      handle: async ({ actor, params, body }) => {
        const { webhookSecret, ...settings } = body;
        const change = { ...settings, ...secretOf(webhookSecret) };
        return repositoryView(await repositories.change(actor, params.project, params.repository, change));
      },
    });

    http.route({
      method: 'GET',
      path: '/api/projects/:project/repositories',
      summary: 'The repositories of a project',
      access: allowed('repositories', 'list'),
      params: ProjectParams,
      response: RepositoryList,
      handle: async ({ params }) => ({
        repositories: (await repositories.list(params.project)).map(repositoryView),
      }),
    });

    http.route({
      method: 'GET',
      path: '/api/projects/:project/repositories/:repository',
      summary: 'One repository',
      access: allowed('repositories', 'read'),
      params: RepositoryParams,
      response: RepositoryView,
      handle: async ({ params }) => repositoryView(await repositories.get(params.project, params.repository)),
    });

    http.route({
      method: 'POST',
      path: '/api/projects/:project/repositories/:repository/poll',
      summary: 'Looks at a repository now; answers with the number of runs that started',
      access: allowed('repositories', 'update'),
      params: RepositoryParams,
      response: Type.Object({ started: Type.Integer() }, closed),
      timeoutSeconds: 300,
      handle: async ({ params }) => {
        const { id } = await repositories.get(params.project, params.repository);
        return { started: await pipeline.poll.repository(id) };
      },
    });

    http.route({
      method: 'POST',
      path: '/api/projects/:project/runs',
      summary: 'Starts a run by hand',
      access: allowed('runs', 'create'),
      params: ProjectParams,
      body: RunRequest,
      response: RunView,
      status: 201,
      timeoutSeconds: 300,
      handle: async ({ actor, params, body }) =>
        runView(await runs.start(actor, { project: params.project, ...body })),
    });

    http.route({
      method: 'GET',
      path: '/api/projects/:project/runs',
      summary: 'Runs, newest first',
      access: allowed('runs', 'list'),
      params: ProjectParams,
      query: Type.Object(
        {
          repository: Type.Optional(Name),
          state: Type.Optional(Type.String({ pattern: '^[a-z]{1,20}$' })),
          before: Type.Optional(Id),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
        },
        closed,
      ),
      response: RunList,
      handle: async ({ params, query }) => {
        const limit = query.limit ?? 50;
        const found = await runs.list({ project: params.project, ...query, limit });
        const last = found.at(-1);
        return { runs: found.map(runView), ...(found.length === limit && last ? { next: last.id } : {}) };
      },
    });

    http.route({
      method: 'GET',
      path: '/api/projects/:project/runs/:runId',
      summary: 'A run with its steps',
      access: allowed('runs', 'read'),
      params: RunParams,
      response: RunDetail,
      handle: async ({ params }) => {
        const run = await runOf(params);
        return { run: runView(run), steps: (await runs.steps(run.id)).map(stepView) };
      },
    });

    http.route({
      method: 'POST',
      path: '/api/projects/:project/runs/:runId/cancel',
      summary: 'Cancels a run that is not examined yet',
      access: allowed('runs', 'update'),
      params: RunParams,
      body: CancelRequest,
      response: RunView,
      handle: async ({ actor, params, body }) => {
        const run = await runOf(params);
        return runView(await pipeline.jobs.cancel(actor, run.id, body.reason));
      },
    });

    http.stream({
      method: 'GET',
      path: '/api/projects/:project/runs/:runId/steps/:step/log',
      summary: 'The log of a step, masked; with follow=true as it grows, until the step has ended',
      access: allowed('runs', 'read'),
      params: StepParams,
      query: LogQuery,
      timeoutSeconds: 3600,
      handle: async ({ params, query, signal }, reply) => {
        const run = await runOf(params);
        const log = await pipeline.logs.read({ runId: run.id, step: params.step, signal, ...query });
        // Not HTML, whatever a step prints: a browser must not run it.
        const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
        await reply.status(200).headers(headers).send(log);
      },
    });
  };
}

const secretOf = (text: string | undefined): { readonly webhookSecret?: SecretBytes } =>
  text === undefined ? {} : { webhookSecret: SecretBytes.fromUtf8(text) };
