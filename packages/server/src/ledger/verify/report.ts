/** One difference between the log, itself and the tables. */
export interface Finding {
  /** Stable: `entry_missing`, `tile_differs`, `state_differs` and so on. */
  readonly code: string;
  /** What it is about: `leaf 12`, `tile 0/3`, `checkpoint 40`, a resource. */
  readonly where: string;
  readonly expected: string;
  readonly found: string;
}

export interface LedgerReport {
  /** Whether there is no finding at all. */
  readonly ok: boolean;
  readonly origin: string;
  readonly treeSize: number;
  /** Of the replayed tree, in hexadecimal. */
  readonly rootHash: string;
  readonly events: number;
  readonly evidence: number;
  readonly checkpoints: number;
  /** Entries that are durable and have no place in the tree yet. */
  readonly pending: number;
  /** Rows of audited tables that were compared. */
  readonly resources: number;
  /** Kinds of resources with a recorded state that no table was given for: not compared. */
  readonly unchecked: readonly string[];
  readonly findings: readonly Finding[];
  /** Findings beyond the first 200. */
  readonly findingsLeftOut: number;
}

export interface VerifyProgress {
  readonly entries: number;
  readonly treeSize: number;
}

const maxFindings = 200;

export interface Findings {
  add(code: string, where: string, expected: unknown, found: unknown): void;
  readonly list: readonly Finding[];
  readonly leftOut: number;
}

/** Bounded: a log of which every leaf differs needs no million findings. */
export function createFindings(): Findings {
  const list: Finding[] = [];
  let leftOut = 0;
  return {
    list,
    get leftOut() {
      return leftOut;
    },
    add(code, where, expected, found) {
      if (list.length >= maxFindings) leftOut += 1;
      else list.push({ code, where, expected: text(expected), found: text(found) });
    },
  };
}

function text(value: unknown): string {
  const all = typeof value === 'string' ? value : String(value);
  return all.length > 500 ? `${all.slice(0, 500)}…` : all;
}
