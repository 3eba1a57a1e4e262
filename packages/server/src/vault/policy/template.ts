/** Who a token speaks for, as templated paths may name it. */
export interface TemplateContext {
  readonly entity?: TemplateEntity | undefined;
  /** Only the groups this entity is a member of: what is listed here can be used in its paths. */
  readonly groups: readonly TemplateGroup[];
}

export interface TemplateEntity {
  readonly id: string;
  readonly name: string;
  readonly metadata: Metadata;
  readonly aliases: readonly TemplateAlias[];
}

export interface TemplateAlias {
  /** Accessor of the auth mount that the alias belongs to. */
  readonly accessor: string;
  readonly id: string;
  readonly name: string;
  readonly metadata: Metadata;
  readonly customMetadata: Metadata;
}

export interface TemplateGroup {
  readonly id: string;
  readonly name: string;
  readonly metadata: Metadata;
}

type Metadata = Readonly<Record<string, string>>;

/**
 * The value of a selector such as `identity.entity.metadata.team`, or `undefined` when this context has none. A
 * selector that nobody knows has no value either, so its rule is not there: deny by default.
 */
export function valueOfSelector(selector: string, context: TemplateContext): string | undefined {
  const ofEntity = behind(selector, 'identity.entity.');
  if (ofEntity !== undefined) return context.entity && valueOfEntity(ofEntity, context.entity);
  const ofGroup = behind(selector, 'identity.groups.');
  return ofGroup === undefined ? undefined : valueOfGroup(ofGroup, context.groups);
}

function valueOfEntity(selector: string, entity: TemplateEntity): string | undefined {
  if (selector === 'id') return entity.id;
  if (selector === 'name') return entity.name;
  const key = behind(selector, 'metadata.');
  if (key !== undefined) return own(entity.metadata, key);
  const [accessor, rest] = splitOnce(behind(selector, 'aliases.') ?? '');
  const alias = entity.aliases.find((each) => each.accessor === accessor);
  return alias && valueOfAlias(rest, alias);
}

function valueOfAlias(selector: string, alias: TemplateAlias): string | undefined {
  if (selector === 'id') return alias.id;
  if (selector === 'name') return alias.name;
  const key = behind(selector, 'metadata.');
  if (key !== undefined) return own(alias.metadata, key);
  const customKey = behind(selector, 'custom_metadata.');
  return customKey === undefined ? undefined : own(alias.customMetadata, customKey);
}

function valueOfGroup(selector: string, groups: readonly TemplateGroup[]): string | undefined {
  const [by, rest] = splitOnce(selector);
  if (by !== 'ids' && by !== 'names') return undefined;
  const [wanted, field] = splitOnce(rest);
  const group = groups.find((each) => (by === 'ids' ? each.id : each.name) === wanted);
  if (group === undefined) return undefined;
  if (field === 'id') return group.id;
  if (field === 'name') return group.name;
  const key = behind(field, 'metadata.');
  return key === undefined ? undefined : own(group.metadata, key);
}

function behind(text: string, prefix: string): string | undefined {
  return text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
}

/** Keys of metadata come from callers: `constructor` must not find what every object has. */
function own(metadata: Metadata, key: string): string | undefined {
  return Object.hasOwn(metadata, key) ? metadata[key] : undefined;
}

function splitOnce(text: string): readonly [string, string] {
  const dot = text.indexOf('.');
  return dot === -1 ? [text, ''] : [text.slice(0, dot), text.slice(dot + 1)];
}
