import { Fault, type FaultDetails, type FaultKind } from '@sallyport/formats';
import { readBounded } from './answer.ts';

const maxProblemBytes = 64 * 1024;

/** The Fault behind an answer that is no success: a problem+json of our server, or whatever else stood in its way. */
export async function faultOf(response: Response): Promise<Fault> {
  const text = await readBounded(response, maxProblemBytes).catch(() => '');
  const problem = readProblem(text);
  const details: Record<string, FaultDetails[string]> = { ...problem.details, status: response.status };
  if (problem.requestId !== undefined) details['requestId'] = problem.requestId;
  return new Fault(
    kindOfStatus(response.status),
    problem.code ?? 'sdk.unexpected_answer',
    problem.detail ?? `expected a success, got status ${response.status}`,
    problem.hint === undefined ? { details } : { hint: problem.hint, details },
  );
}

interface Problem {
  readonly code?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly requestId?: string;
  readonly details?: FaultDetails;
}

function readProblem(text: string): Problem {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return {};
  }
  if (typeof parsed !== 'object' || parsed === null) return {};
  const fields: Record<string, unknown> = { ...parsed };
  const one = (name: string): string | undefined =>
    typeof fields[name] === 'string' ? fields[name].slice(0, 4000) : undefined;
  const [code, detail, hint, requestId] = [one('code'), one('detail'), one('hint'), one('requestId')];
  return {
    ...(code === undefined ? {} : { code }),
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(typeof fields['details'] === 'object' && fields['details'] !== null
      ? { details: fields['details'] as FaultDetails } // shown to a person only, never branched on
      : {}),
  };
}

/** The server's table read backwards: one status per kind, and the few that HTTP itself adds. */
function kindOfStatus(status: number): FaultKind {
  if (status === 401) return 'unauthenticated';
  if (status === 403) return 'denied';
  if (status === 404) return 'not_found';
  if (status === 409) return 'conflict';
  if (status === 412) return 'precondition';
  if (status === 413 || status === 429 || status === 431) return 'exhausted';
  if (status === 422) return 'integrity';
  if (status === 408 || status === 502 || status === 503 || status === 504) return 'unavailable';
  return status < 500 ? 'invalid' : 'internal';
}
