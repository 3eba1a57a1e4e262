import { Fault, SecretBytes } from '@sallyport/formats';
import { scanJson } from './json-scan.ts';
import type { JsonSink } from './json-sink.ts';
import { numberText } from './json-text.ts';

/** JSON that is audited from its bytes (UTF-8, one document), so that its values never become strings. */
export class RawJson {
  readonly bytes: Buffer;
  /** What its line says of it, if it was audited before: one object as long as the bytes are the same. */
  readonly audited: AuditedBefore | undefined;

  /** Borrows `bytes`: they must not change until the line is made. */
  constructor(bytes: Uint8Array, audited?: AuditedBefore) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.audited = audited;
  }
}

/** Hashes of one piece of data under the salt of one device, kept by whoever knows when the data is the same again. */
export interface AuditedBefore {
  by?: object;
  json?: string;
}

/** Deeper is a cycle: no parser in front of this gives such a value. */
const maxWalkDepth = 200_000;

/**
 * Tells `sink` the value: what `JSON.parse` gives, and inside it `RawJson`, `SecretBytes` and `Uint8Array` (strings
 * of those bytes). Without recursion, so no depth exhausts the stack. Members that are undefined are left out, as
 * JSON does; a function, a symbol or an object of a class is an error of the caller and throws `vault.audit_value`,
 * because what it would show is not known.
 */
export function walkJson(root: unknown, sink: JsonSink): void {
  const containers: object[] = [];
  const keysOf: Array<readonly string[] | undefined> = [];
  const next: number[] = [];

  open(root);
  while (containers.length > 0) {
    const top = containers.length - 1;
    const container = containers[top];
    const keys = keysOf[top];
    const index = next[top] ?? 0;
    next[top] = index + 1;
    if (Array.isArray(container)) {
      if (index < container.length) {
        open(container[index]);
        continue;
      }
      sink.endArray();
    } else {
      const name = keys?.[index];
      if (name !== undefined) {
        const member: unknown = Reflect.get(container ?? {}, name);
        if (member === undefined) continue;
        sink.key(name);
        open(member);
        continue;
      }
      sink.endObject();
    }
    containers.pop();
    keysOf.pop();
    next.pop();
  }

  function open(value: unknown): void {
    switch (typeof value) {
      case 'string':
        sink.text(value);
        return;
      case 'number':
        sink.number(String(value));
        return;
      case 'bigint':
        sink.number(numberText(String(value)));
        return;
      case 'boolean':
        sink.literal(value ? 'true' : 'false');
        return;
      case 'undefined':
        sink.literal('null');
        return;
      case 'object':
        if (value === null) sink.literal('null');
        else openObject(value);
        return;
      default:
        throw unknownValue(typeof value);
    }
  }

  function openObject(value: object): void {
    const list = Array.isArray(value);
    const prototype: unknown = list ? null : Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype) {
      if (value instanceof RawJson) scanJson(value.bytes, sink);
      else if (value instanceof SecretBytes) sink.textBytes(value.expose(), 0, value.sizeBytes, true);
      else if (value instanceof Uint8Array) sink.textBytes(value, 0, value.length, true);
      else throw unknownValue('an object of a class');
      return;
    }
    if (containers.length >= maxWalkDepth) throw unknownValue('a cycle');
    containers.push(value);
    keysOf.push(list ? undefined : Object.keys(value));
    next.push(0);
    if (list) sink.beginArray();
    else sink.beginObject();
  }
}

function unknownValue(got: string): Fault {
  return new Fault('internal', 'vault.audit_value', `expected JSON data to audit, got ${got}`);
}
