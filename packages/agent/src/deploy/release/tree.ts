import type { Digest } from '@sallyport/formats';

/** One thing in an unpacked release, as the image says it must be. Paths are relative, with `/`. */
export type TreeEntry =
  | { readonly path: string; readonly type: 'directory' }
  | { readonly path: string; readonly type: 'symlink'; readonly target: string }
  | {
      readonly path: string;
      readonly type: 'file';
      readonly digest: Digest;
      readonly sizeBytes: number;
      readonly executable: boolean;
    };

/** The whole of a release, sorted by path. */
export type Tree = readonly TreeEntry[];

/** The mode on disk. Nobody may write; the step's user, who is not the owner, may read. No setuid bits survive. */
export const modeOf = (entry: TreeEntry): number =>
  entry.type === 'directory' || (entry.type === 'file' && entry.executable) ? 0o555 : 0o444;
