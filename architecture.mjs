// Who may import whom. The single source: the lint rules and the diagram in ARCHITECTURE.md are made from it.
// A context is a folder of packages/server/src with one door, index.ts; everything else in it is private.

/** Edges between contexts of the server. `platform` may be used by all and knows none. */
export const mayImport = {
  keyring: [],
  ledger: ['keyring'],
  journal: ['keyring'],
  identity: ['keyring'],
  vault: ['keyring', 'journal', 'identity'],
  secrets: ['keyring', 'identity', 'vault'],
  signing: ['keyring', 'identity', 'ledger'],
  registry: [],
  supply: ['registry'],
  pipeline: ['identity', 'secrets'],
  release: ['registry', 'signing', 'ledger'],
};

/** Edges between packages; a package is a trust boundary. */
export const packageMayImport = {
  formats: [],
  contract: ['formats'],
  sdk: ['contract', 'formats'],
  server: ['contract', 'formats'],
  agent: ['sdk', 'contract', 'formats'],
  cli: ['sdk', 'contract', 'formats'],
};

/** Third-party modules and Node built-ins that only some places may touch, with the reason. */
export const onlyIn = [
  {
    modules: ['kysely', 'pg', '@electric-sql/pglite'],
    places: [
      'store.pg.ts',
      'server/src/platform/db',
      'server/src/platform/ports.ts',
      'server/src/platform/jobs',
    ],
    reason: 'SQL lives in stores, so that a table has one owner',
  },
  {
    modules: ['fastify', '@fastify/swagger'],
    places: ['server/src/platform/http', 'server/src/app', 'routes.ts'],
    reason: 'HTTP is an outer skin',
  },
  {
    modules: ['node:child_process'],
    places: [
      'agent/src/sandbox',
      // Asks npm which registry it is configured with, so that no address is built in; at start, before any step.
      'agent/src/session/npm-client.ts',
      'cli/src',
      'server/src/pipeline/git',
    ],
    reason: 'the process that holds keys starts no program but git',
  },
  {
    modules: ['yaml'],
    places: ['contract/src/definition', 'server/src/platform/config'],
    reason: 'untrusted YAML is parsed at one door',
  },
];
