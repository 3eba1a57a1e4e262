import { isVersionedKv, type Mount } from '../mounts/mount.ts';

/** Mounts of two environments that hold the same secrets, each with its own values. */
export interface MountPair {
  readonly from: Mount;
  readonly to: Mount;
}

export interface MountPairs {
  readonly pairs: readonly MountPair[];
  /** Paths of mounts of the one environment that have none in the other. */
  readonly unpaired: readonly string[];
}

/**
 * Versioned mounts belong together when their paths are the same but for the name of the environment (`shop/dev/` and
 * `shop/prod/`, `kv-dev/` and `kv-prod/`), and when each environment has only one. What cannot be told is not guessed.
 */
export function pairMounts(
  mounts: readonly Mount[],
  project: string,
  { from, to }: { readonly from: string; readonly to: string },
): MountPairs {
  const of = (name: string): readonly Mount[] =>
    mounts.filter((mount) => isVersionedKv(mount) && mount.environment === `${project}/${name}`);
  const [sources, targets] = [of(from), of(to)];
  const byShape = Map.groupBy(targets, ({ path }) => withoutName(path, to));
  const pairs: MountPair[] = [];
  const alone: Mount[] = [];
  for (const source of sources) {
    const shape = withoutName(source.path, from);
    const same = byShape.get(shape) ?? [];
    const rivals = sources.filter(({ path }) => withoutName(path, from) === shape);
    const [target] = same;
    if (target !== undefined && same.length === 1 && rivals.length === 1)
      pairs.push({ from: source, to: target });
    else alone.push(source);
  }
  const left = targets.filter((target) => !pairs.some((pair) => pair.to === target));
  const [source, target] = [alone[0], left[0]];
  if (source !== undefined && target !== undefined && alone.length === 1 && left.length === 1)
    return { pairs: [...pairs, { from: source, to: target }], unpaired: [] };
  return { pairs, unpaired: alone.map(({ path }) => path) };
}

/** The path with each word that is the environment's name left open. */
function withoutName(path: string, name: string): string {
  // Names of environments are lower case letters, digits and dashes: nothing in one is special in a pattern.
  return path.replaceAll(new RegExp(`(?<![a-z0-9])${name}(?![a-z0-9])`, 'gi'), '{}');
}
