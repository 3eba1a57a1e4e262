import type { Clock } from '#platform';
import { fittingLine, maxDatagramBytes } from './datagram-transport.ts';
import type { Device } from './device.ts';
import { createTransport, type SocketAddress } from './socket.ts';

/** RFC 5424 section 6.2.1, table 1; the names are those of syslog(3), in upper case as Vault takes them. */
export const syslogFacilities = [
  'KERN',
  'USER',
  'MAIL',
  'DAEMON',
  'AUTH',
  'SYSLOG',
  'LPR',
  'NEWS',
  'UUCP',
  'CRON',
  'AUTHPRIV',
  'FTP',
  'NTP',
  'SECURITY',
  'CONSOLE',
  'SOLARIS-CRON',
  'LOCAL0',
  'LOCAL1',
  'LOCAL2',
  'LOCAL3',
  'LOCAL4',
  'LOCAL5',
  'LOCAL6',
  'LOCAL7',
] as const;

export type SyslogFacility = (typeof syslogFacilities)[number];

export interface SyslogOptions {
  readonly address: SocketAddress;
  readonly facility: SyslogFacility;
  readonly tag: string;
  readonly hostname: string;
  readonly processId: number;
  readonly timeoutMs: number;
}

const severityInfo = 6;

/**
 * Messages of RFC 5424. On a datagram one message each (RFC 5426), on TCP with their length in front (RFC 6587
 * section 3.4.1), on a unix stream ended by a newline (section 3.4.2), which is what local daemons read there.
 * KNOWN LIMIT: Node has no unix datagram sockets, so the classic /dev/log is out of reach; have the daemon listen on
 * UDP or TCP of the loopback, or on a unix stream (`unix-stream()` of syslog-ng).
 */
export function createSyslogDevice(options: SyslogOptions, clock: Clock): Device {
  const transport = createTransport(options.address, options.timeoutMs);
  const priority = syslogFacilities.indexOf(options.facility) * 8 + severityInfo;
  const host = headerField(options.hostname, 255);
  const tag = headerField(options.tag, 48);

  function message(line: Buffer): Buffer {
    const head = `<${priority}>1 ${clock.now().toISOString()} ${host} ${tag} ${options.processId} audit - `;
    const fitting =
      options.address.kind === 'datagram' ? fittingLine(line, maxDatagramBytes - head.length) : line;
    const text = Buffer.concat([Buffer.from(head, 'latin1'), fitting.subarray(0, -1)]);
    if (options.address.kind === 'datagram') return text;
    if ('path' in options.address.to) return Buffer.concat([text, Buffer.from('\n')]);
    return Buffer.concat([Buffer.from(`${text.length} `), text]);
  }

  return {
    write: (lines) => transport.send(lines.map(message)),
    reopen: async () => transport.reset(),
    close: async () => transport.reset(),
  };
}

/** PRINTUSASCII of RFC 5424 section 6: a space or newline in a name would shift the fields behind it. */
function headerField(text: string, maxChars: number): string {
  const printable = text.replace(/[^\x21-\x7e]/g, '_').slice(0, maxChars);
  return printable === '' ? '-' : printable;
}
