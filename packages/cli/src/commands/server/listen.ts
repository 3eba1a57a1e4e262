import { Fault } from '@sallyport/formats';

/** `--listen HOST:PORT` as the server's own flags. */
export function listenFlags(listen: string | undefined): readonly string[] {
  if (listen === undefined) return [];
  const [, host, port] = /^(.+):([0-9]{1,5})$/.exec(listen) ?? [];
  if (host === undefined || port === undefined) {
    throw new Fault('invalid', 'cli.usage', `expected --listen to be HOST:PORT, got '${listen}'`);
  }
  return ['--listen-host', host.replace(/^\[|\]$/g, ''), '--listen-port', port];
}
