import { Fault } from '@sallyport/formats';
import { parseDuration } from '../../duration.ts';
import { deviceRefused } from './device.ts';
import type { Within } from './file-path.ts';
import type { SocketAddress } from './socket.ts';
import { type SyslogFacility, syslogFacilities } from './syslog.ts';

/** A device as declared in the configuration, or as `sys/audit/:path` asks for it; read, and allowed. */
export interface DeviceSpec {
  readonly hmacAccessor: boolean;
  readonly elideListResponses: boolean;
  /** Ours: answers wait for this device, and are refused when it fails. */
  readonly required: boolean;
  readonly target: DeviceTarget;
}

export type DeviceTarget =
  | {
      readonly type: 'file';
      readonly path: string;
      readonly within: Within;
      readonly mode: number;
      readonly sync: boolean;
      readonly timeoutMs: number;
    }
  | { readonly type: 'socket'; readonly address: SocketAddress; readonly timeoutMs: number }
  | {
      readonly type: 'syslog';
      readonly address: SocketAddress;
      readonly facility: SyslogFacility;
      readonly tag: string;
      readonly timeoutMs: number;
    }
  | {
      readonly type: 'webhook';
      readonly url: URL;
      /** Name of the secret in the configuration that signs deliveries; never the key itself. */
      readonly keyName: string;
      readonly timeoutMs: number;
    };

/** What the API may enable. Empty, which is the default, it may enable nothing: OpenBao does the same since 2.3.2. */
export interface ApiDevices {
  /** Directories below which log files may lie; `stdout` as an entry allows standard output. */
  readonly directories: readonly string[];
  /** Addresses that may be written to: `tcp:HOST:PORT`, `udp:HOST:PORT`, `unix:PATH`, or the origin of a webhook. */
  readonly addresses: readonly string[];
}

const maxOptions = 32;
const maxOptionChars = 4096;

/**
 * Reads the options of Vault's `audit enable` (`file_path`, `mode`, `address`, `socket_type`, `write_timeout`,
 * `facility`, `tag`, `hmac_accessor`, `elide_list_responses`, `format`), and ours (`required`, `sync`, `url`,
 * `key_name`). An unknown option, `log_raw`, a `prefix` and a place the API may not name throw `invalid`.
 */
export function parseDevice(
  type: string,
  options: Readonly<Record<string, string>>,
  source: 'configuration' | ApiDevices,
): DeviceSpec {
  const given = createOptions(options);
  // Of Vault's, the two that would put plaintext or a client's text in front of a line into a file.
  if (given.flag('log_raw', false)) throw refused('log_raw', 'false: values are always hashed', 'true');
  if (given.text('prefix', '') !== '') throw refused('prefix', 'no prefix: a line is JSON', 'one');
  if (given.text('format', 'json') !== 'json') throw refused('format', '"json"', 'another');
  given.text('skip_test', '');
  const common = {
    hmacAccessor: given.flag('hmac_accessor', true),
    elideListResponses: given.flag('elide_list_responses', false),
    required: given.flag('required', false),
  };
  const target = parseTarget(type, given, source);
  given.finish();
  if (common.required && 'address' in target && target.address.kind === 'datagram') {
    throw refused('required', 'a device that can say that it has a line', 'UDP, which cannot');
  }
  return { ...common, target };
}

function parseTarget(type: string, given: Options, source: 'configuration' | ApiDevices): DeviceTarget {
  const timeoutMs = parseDuration(given.text('write_timeout', '2s'), 'write_timeout') * 1000 || 2000;
  switch (type) {
    case 'file': {
      const path = given.text('file_path', given.text('path', ''));
      if (path === '') throw refused('file_path', 'an absolute path or "stdout"', 'none');
      const within = source === 'configuration' ? 'anywhere' : source.directories;
      if (path === 'stdout' && within !== 'anywhere' && !within.includes('stdout'))
        throw notAllowed('stdout');
      return {
        type,
        path,
        within: within === 'anywhere' ? within : within.filter((directory) => directory !== 'stdout'),
        mode: fileMode(given.text('mode', '0600')),
        sync: given.flag('sync', false),
        timeoutMs,
      };
    }
    case 'socket':
      return { type, address: allowedAddress(given, '', source), timeoutMs };
    case 'syslog': {
      const facility = given.text('facility', 'AUTH').toUpperCase();
      const known = syslogFacilities.find((name) => name === facility);
      if (known === undefined) throw refused('facility', 'a facility of syslog, such as AUTH', 'another');
      const address = allowedAddress(given, '127.0.0.1:514', source);
      return { type, address, facility: known, tag: given.text('tag', 'vault'), timeoutMs };
    }
    case 'webhook': {
      const url = webhookUrl(given.text('url', given.text('uri', '')));
      if (source !== 'configuration' && !source.addresses.includes(url.origin)) throw notAllowed(url.origin);
      const keyName = given.text('key_name', '');
      if (keyName === '') throw refused('key_name', 'the name of the key that signs deliveries', 'none');
      return { type, url, keyName, timeoutMs };
    }
    default:
      throw refused('type', 'file, syslog, socket or webhook', JSON.stringify(type.slice(0, 40)));
  }
}

function allowedAddress(
  given: Options,
  fallback: string,
  source: 'configuration' | ApiDevices,
): SocketAddress {
  const text = given.text('address', fallback);
  const type = given.text('socket_type', text.startsWith('/') ? 'unix' : fallback === '' ? 'tcp' : 'udp');
  if (type !== 'tcp' && type !== 'udp' && type !== 'unix') {
    throw refused('socket_type', 'tcp, udp or unix', JSON.stringify(type.slice(0, 40)));
  }
  if (source !== 'configuration' && !source.addresses.includes(`${type}:${text}`)) {
    throw notAllowed(`${type}:${text}`);
  }
  if (type === 'unix') {
    // 107 bytes is what Linux has room for in sun_path.
    if (!text.startsWith('/') || text.includes('\0') || Buffer.byteLength(text) > 107) {
      throw refused('address', 'an absolute path of at most 107 bytes', 'another');
    }
    return { kind: 'stream', to: { path: text } };
  }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]{1,253})):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3] ?? 0);
  if (host === '' || port < 1 || port > 65_535) throw refused('address', '"HOST:PORT"', 'another');
  return type === 'udp' ? { kind: 'datagram', host, port } : { kind: 'stream', to: { host, port } };
}

function webhookUrl(text: string): URL {
  const url = URL.parse(text);
  const loopback = url !== null && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  if (
    url === null ||
    !(url.protocol === 'https:' || (url.protocol === 'http:' && loopback)) ||
    url.username !== '' ||
    url.password !== '' ||
    url.hash !== ''
  ) {
    throw refused('url', 'an https URL without user and fragment (http on the loopback)', 'another');
  }
  return url;
}

/** Octal; executable bits are cleared, as OpenBao does since 2.4: a log is no program. */
function fileMode(text: string): number {
  if (!/^0?[0-7]{1,4}$/.test(text) || Number.parseInt(text, 8) > 0o777) {
    throw refused('mode', 'an octal file mode such as 0600', 'another');
  }
  return Number.parseInt(text, 8) & 0o666;
}

interface Options {
  text(name: string, fallback: string): string;
  flag(name: string, fallback: boolean): boolean;
  /** Throws when an option was given that nothing asked for. */
  finish(): void;
}

function createOptions(options: Readonly<Record<string, string>>): Options {
  const names = Object.keys(options);
  if (names.length > maxOptions) throw refused('options', `at most ${maxOptions}`, `${names.length}`);
  const asked = new Set<string>();
  function text(name: string, fallback: string): string {
    asked.add(name);
    if (!Object.hasOwn(options, name)) return fallback;
    const value: unknown = options[name];
    if (typeof value !== 'string' || value.length > maxOptionChars) {
      throw refused(name, `text of at most ${maxOptionChars} characters`, 'other');
    }
    return value;
  }
  return {
    text,
    flag(name, fallback) {
      const value = text(name, String(fallback));
      if (/^(1|t|true)$/i.test(value)) return true;
      if (/^(0|f|false)$/i.test(value)) return false;
      throw refused(name, 'true or false', 'another value');
    },
    finish() {
      const unknown = names.find((name) => !asked.has(name));
      if (unknown !== undefined) {
        throw refused('options', 'known options', JSON.stringify(unknown.slice(0, 40)));
      }
    },
  };
}

function refused(option: string, expected: string, got: string): Fault {
  return deviceRefused('option', `expected ${option} of an audit device to be ${expected}, got ${got}`);
}

function notAllowed(place: string): Fault {
  return new Fault(
    'denied',
    'vault.audit_place',
    `expected a place for audit lines that the configuration allows, got "${place.slice(0, 200)}"`,
    { hint: 'declare the device in the configuration, or name the place there' },
  );
}
