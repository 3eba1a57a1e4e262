import { Fault, parseTilePath, type TilePath, tileWidth, utf8 } from '@sallyport/formats';
import type { RenderFault, Routes, StreamReply } from '#platform';
import type { Ledger } from './ledger.ts';

export interface TileRoutesOptions {
  /** In front of `/checkpoint` and `/tile/`. */
  readonly prefix: string;
  /** The checkpoint to show: of the log alone, or with cosignatures. */
  readonly checkpoint: () => Promise<string>;
  /** For clients of another protocol. */
  readonly renderFault?: RenderFault;
}

/** What a tile or bundle holds never changes (c2sp.org/tlog-tiles), partial ones included. */
const forever = 'max-age=31536000, immutable';

/**
 * Reading as C2SP tlog-tiles clients do. Checkpoints and hashes are public, so that witnesses and verifiers need no
 * account; entries name people and resources, so they are not.
 */
export function tileRoutes(
  ledger: Pick<Ledger, 'tile' | 'entryBundle'>,
  { prefix, checkpoint, renderFault }: TileRoutesOptions,
): Routes {
  const common = renderFault === undefined ? {} : { renderFault };
  return (http) => {
    http.stream({
      method: 'GET',
      path: `${prefix}/checkpoint`,
      summary: 'The newest signed checkpoint (c2sp.org/tlog-checkpoint)',
      access: { kind: 'public', reason: 'witnesses and verifiers read tree heads without an account' },
      ...common,
      handle: async (_request, reply) => {
        const note = await checkpoint();
        await reply
          .headers({ 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache' })
          .send(utf8(note));
      },
    });
    http.stream({
      method: 'GET',
      path: `${prefix}/tile/*`,
      summary: 'A tile of hashes (c2sp.org/tlog-tiles)',
      access: { kind: 'public', reason: 'proofs are checked without an account; hashes tell nothing' },
      ...common,
      handle: async ({ params }, reply) => {
        const { level, index, width } = pathOf(params['*']);
        if (level === 'entries') throw noTile();
        await send(reply, 'public', await ledger.tile(level, index, width));
      },
    });
    http.stream({
      method: 'GET',
      path: `${prefix}/tile/entries/*`,
      summary: 'A bundle of up to 256 entries (c2sp.org/tlog-tiles)',
      access: { kind: 'allowed', capability: 'read', path: () => 'ledger' },
      ...common,
      handle: async ({ params }, reply) => {
        const { index, width } = pathOf(`entries/${params['*']}`);
        await send(reply, 'private', await ledger.entryBundle(index, width));
      },
    });
  };
}

function pathOf(rest: string): TilePath {
  try {
    return parseTilePath(`tile/${rest}`);
  } catch (cause) {
    throw noTile(cause);
  }
}

async function send(
  reply: StreamReply,
  who: 'public' | 'private',
  bytes: Uint8Array | undefined,
): Promise<void> {
  if (bytes === undefined) throw noTile();
  await reply
    .headers({ 'content-type': 'application/octet-stream', 'cache-control': `${who}, ${forever}` })
    .send(bytes);
}

function noTile(cause?: unknown): Fault {
  return new Fault(
    'not_found',
    'ledger.no_tile',
    `expected a tile of at most ${tileWidth} hashes or entries inside the tree`,
    cause === undefined ? {} : { cause },
  );
}
