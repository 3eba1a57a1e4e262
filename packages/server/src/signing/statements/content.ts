import { type PredicateName, type Predicates, predicateTypes, readPredicate } from '@sallyport/formats';

/** What a statement says; who it is about and under which key it is sealed is told to `seal`. */
export interface StatementContent {
  readonly predicateType: string;
  readonly predicate: object;
}

/** Reads the predicate as every verifier will: what would be refused later is not signed now. */
export function contentOf<N extends PredicateName>(name: N, predicate: Predicates[N]): StatementContent {
  readPredicate(name, JSON.parse(JSON.stringify(predicate)));
  return { predicateType: predicateTypes[name], predicate };
}

/** Fields of a predicate have an upper bound; a reason is cut rather than the whole statement refused. */
export function sentence(text: string): string {
  return text.length <= 2000 ? text : `${text.slice(0, 1999)}…`;
}
