export { type Database, type DatabaseConfig, openDatabase, tablesOf } from './db/database.ts';
export { collectBody } from './http/body.ts';
export { createHttp, type HttpConfig, type HttpDeps, type HttpServer } from './http/server.ts';
export {
  type Access,
  anonymous,
  type Http,
  type RenderFault,
  type RequestOf,
  type Routes,
  type StreamReply,
} from './http/types.ts';
export * from './ports.ts';
