import { posix } from 'node:path';
import { Fault } from '@sallyport/formats';
import type { SandboxSpec } from './model.ts';

const idPattern = /^[a-z0-9][a-z0-9_.-]{0,99}$/;
const namePattern = /^[A-Za-z_][A-Za-z0-9_]{0,99}$/;
const filePattern = /^[A-Za-z0-9._-]{1,100}$/;

/** Where nothing may be mounted: it would hide what the sandbox itself put there. */
const ownPlaces = ['/proc', '/dev', '/sys', '/.sallyport', '/run/secrets', '/workspace', '/etc', '/tmp'];

/** The kernel's bounds for one string (MAX_ARG_STRLEN) and for all of them are the outer ones; these are ours. */
const maxStringBytes = 131_000;

/** Refuses a spec that could say something else to bwrap than it says to us. */
export function validateSpec(spec: SandboxSpec): void {
  check(
    idPattern.test(spec.id),
    `sandbox id ${JSON.stringify(spec.id)}`,
    'lower case letters, digits and _.-',
  );
  check(spec.command.length >= 1 && spec.command[0] !== '', 'an empty command', 'a program to run');
  for (const part of spec.command) text(part, 'an argument of the command');
  for (const [name, value] of Object.entries(spec.env ?? {})) {
    check(namePattern.test(name), `variable name ${JSON.stringify(name)}`, 'letters, digits and _');
    text(value, `the value of ${name}`);
  }
  for (const { name } of spec.secretFiles ?? []) {
    const safe = filePattern.test(name) && name !== '.' && name !== '..';
    check(safe, `secret file name ${JSON.stringify(name)}`, 'letters, digits and ._-');
  }
  for (const mount of spec.mounts ?? []) target(mount.target);
  if (spec.workdir !== undefined) absolute(spec.workdir, 'working directory');
  if (spec.ingressPort !== undefined) {
    const valid = Number.isInteger(spec.ingressPort) && spec.ingressPort > 0 && spec.ingressPort < 65_536;
    check(valid, `port ${spec.ingressPort}`, '1 to 65535');
  }
  for (const [name, value] of Object.entries(spec.limits ?? {})) {
    check(Number.isFinite(value) && value > 0, `limit ${name} of ${value}`, 'a positive number');
  }
}

function target(path: string): void {
  absolute(path, 'mount target');
  const own = ownPlaces.some(
    (place) => path === place || path.startsWith(`${place}/`) || place.startsWith(`${path}/`),
  );
  check(
    !own && path !== '/',
    `mount target ${JSON.stringify(path)}`,
    `a place outside ${ownPlaces.join(', ')}`,
  );
}

function absolute(path: string, what: string): void {
  text(path, what);
  const plain =
    path.startsWith('/') && (posix.normalize(path) === path || posix.normalize(path) === `${path}/`);
  check(plain, `${what} ${JSON.stringify(path)}`, 'an absolute path without . or ..');
}

function text(value: string, what: string): void {
  // A NUL ends one argument and begins the next in what bwrap reads: `x\0--dev-bind\0/\0/`.
  check(!value.includes('\0'), `${what} with a NUL character`, 'none');
  check(
    Buffer.byteLength(value) <= maxStringBytes,
    `${what} of ${Buffer.byteLength(value)} bytes`,
    `${maxStringBytes} at most`,
  );
}

function check(holds: boolean, found: string, expected: string): void {
  if (!holds) throw new Fault('invalid', 'sandbox.spec', `expected ${expected}, got ${found}`);
}
