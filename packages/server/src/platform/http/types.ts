import type { Fault } from '@sallyport/formats';
import type { Static, TSchema } from 'typebox';
import type { Actor, Capability } from '../ports.ts';

/** Who may call a route; stands next to its path, so that nobody has to look for it. */
export type Access<Params> =
  | { readonly kind: 'public'; readonly reason: string }
  | { readonly kind: 'authenticated'; readonly reason: string }
  | { readonly kind: 'allowed'; readonly capability: Capability; readonly path: (params: Params) => string };

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH' | 'HEAD';

/** Names in a path: `/api/runs/:runId` has `runId`, `/v2/*` has `*`. Without a schema they are texts. */
export type PathParams<Path extends string> = Path extends `${string}:${infer Rest}`
  ? Rest extends `${infer Name}/${infer Tail}`
    ? { readonly [K in Name]: string } & PathParams<`/${Tail}`>
    : { readonly [K in Rest]: string }
  : Path extends `${string}*`
    ? { readonly '*': string }
    : Record<never, never>;

type Schema = TSchema | undefined;
export type ParamsOf<Path extends string, P extends Schema> = P extends TSchema
  ? Static<P>
  : PathParams<Path>;
export type QueryOf<Q extends Schema> = Q extends TSchema
  ? Static<Q>
  : Readonly<Record<string, string | string[] | undefined>>;
export type BodyOf<B extends Schema> = B extends TSchema ? Static<B> : undefined;
export type ResultOf<R extends Schema> = R extends TSchema ? Static<R> : unknown;

export interface RequestOf<Params, Query, Body> {
  readonly actor: Actor;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly requestId: string;
  /** The bearer token of a route with `credentials: 'foreign'`, as it came; nobody has looked at it. */
  readonly foreignToken?: string | undefined;
  /** Lower case names; without the credentials, which the platform has already used. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Aborted when the caller went away or the time is up. */
  readonly signal: AbortSignal;
}

/** How a fault looks to clients that speak another protocol than ours, such as the registry's. */
export type RenderFault = (
  fault: Fault,
  status: number,
  requestId: string,
  request: { readonly method: string; readonly path: string },
) => {
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
};

interface Common<Path extends string, P extends Schema, Q extends Schema> {
  readonly method: Method;
  readonly path: Path;
  readonly summary: string;
  readonly access: Access<ParamsOf<Path, P>>;
  readonly params?: P;
  readonly query?: Q;
  /** Upper bound of the request body: 1 MiB for JSON, 1 GiB for streams unless told. */
  readonly bodyLimitBytes?: number;
  /**
   * JSON and public streams: time for the whole request, 30 s unless told. Other streams: the longest silence, so that
   * a large upload may take its time but not stand still.
   */
  readonly timeoutSeconds?: number;
  /** Finds the actor in place of the server's own way, for a protocol with tokens of its own. */
  readonly authenticate?: (token: string) => Promise<Actor>;
  /**
   * `basic` also takes a token as password, as OCI clients send it. `foreign`, for public routes: the bearer token is
   * of another issuer, for the handler to judge.
   */
  readonly credentials?: 'bearer' | 'basic' | 'foreign';
  readonly renderFault?: RenderFault;
}

export interface RouteSpec<
  Path extends string,
  P extends Schema,
  Q extends Schema,
  B extends Schema,
  R extends Schema,
> extends Common<Path, P, Q> {
  readonly body?: B;
  readonly response?: R;
  /** 200 unless told; a handler that gives undefined answers 204. */
  readonly status?: number;
  /** Headers of the answer, for clients of other protocols that look there. */
  readonly headersOf?: (result: ResultOf<R>) => Readonly<Record<string, string>>;
  readonly handle: (request: RequestOf<ParamsOf<Path, P>, QueryOf<Q>, BodyOf<B>>) => Promise<ResultOf<R>>;
}

export interface StreamReply {
  status(code: number): StreamReply;
  headers(values: Readonly<Record<string, string>>): StreamReply;
  /** Sends the answer; resolves when the last byte was handed to the socket. Called once. */
  send(content?: Uint8Array | string | AsyncIterable<Uint8Array>): Promise<void>;
}

export interface StreamSpec<Path extends string, P extends Schema, Q extends Schema>
  extends Common<Path, P, Q> {
  readonly handle: (
    request: RequestOf<ParamsOf<Path, P>, QueryOf<Q>, undefined>,
    reply: StreamReply,
    body: AsyncIterable<Uint8Array>,
  ) => Promise<void>;
}

/** What a context is given to declare its routes on. */
export interface Http {
  /** JSON in and out: parsed strictly, checked against the schemas in both directions. */
  route<
    const Path extends string,
    P extends Schema = undefined,
    Q extends Schema = undefined,
    B extends Schema = undefined,
    R extends Schema = undefined,
  >(spec: RouteSpec<Path, P, Q, B, R>): void;
  /** Bytes in and out, never held whole in memory. */
  stream<const Path extends string, P extends Schema = undefined, Q extends Schema = undefined>(
    spec: StreamSpec<Path, P, Q>,
  ): void;
}

/** Each context exports one: `xRoutes(x): Routes`. */
export type Routes = (http: Http) => void;

/** Who calls a public route: nobody known, allowed nothing else. */
export const anonymous: Actor = {
  kind: 'person',
  id: 'anonymous',
  name: 'anonymous',
  policies: [],
  groups: [],
};
