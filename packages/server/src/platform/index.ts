export { type Database, type DatabaseConfig, openDatabase, tablesOf } from './db/database.ts';
export * from './ports.ts';
