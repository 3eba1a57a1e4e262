'use strict';
// The first program inside a sandbox that has sockets to relay. It runs on a copied node, before any repository code,
// reads its plan from an inherited descriptor (never argv, never a file), opens the relays, then runs the command as
// its only child and ends with it. It is inside the boundary: nothing outside trusts what it says.
const { readFileSync, closeSync } = require('node:fs');
const { spawn } = require('node:child_process');
const { createServer, connect } = require('node:net');
const { constants } = require('node:os');

const planDescriptor = Number(process.argv[2]);
const plan = JSON.parse(readFileSync(planDescriptor, 'utf8'));
closeSync(planDescriptor);

/** Set before the command can be heard of: a signal that came between its start and our listening would end us. */
let child;
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']) {
  process.on(signal, () => (child ? child.kill(signal) : process.exit(128 + constants.signals[signal])));
}

/** Copies both ways, half-closes included, until both sides are done or one fails. */
function relay(one, other) {
  one.setNoDelay?.(true);
  other.setNoDelay?.(true);
  one.pipe(other);
  other.pipe(one);
  one.on('error', () => other.destroy());
  other.on('error', () => one.destroy());
  one.on('close', () => other.destroySoon());
  other.on('close', () => one.destroySoon());
}

function listen(at, target) {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: false }, (socket) => {
      relay(socket, connect({ ...target, allowHalfOpen: true }));
    });
    server.on('error', reject);
    server.listen(at, () => resolve());
  });
}

const relays = plan.relays.map((each) => listen({ host: '127.0.0.1', port: each.port }, { path: each.path }));
if (plan.ingress) {
  relays.push(listen({ path: plan.ingress.path }, { host: '127.0.0.1', port: plan.ingress.port }));
}

Promise.all(relays).then(
  () => {
    child = spawn(plan.command[0], plan.command.slice(1), {
      stdio: 'inherit',
      env: plan.env,
      cwd: plan.workdir,
    });
    child.on('error', (error) => {
      process.stderr.write(`sallyport: cannot run "${plan.command[0]}": ${error.code}\n`);
      process.exit(error.code === 'ENOENT' ? 127 : 126);
    });
    child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
  },
  (error) => {
    process.stderr.write(`sallyport: cannot open a relay: ${error.message}\n`);
    process.exit(125);
  },
);
