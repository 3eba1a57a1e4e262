export { type ConfigSources, type DescribedOption, type LoadedConfig, loadConfig } from './config/config.ts';
export type { Config } from './config/options.ts';
export { sourcesOf } from './config/sources.ts';
export { type Database, type DatabaseConfig, databaseOf, openDatabase, tablesOf } from './db/database.ts';
export { collectBody } from './http/body.ts';
export { type HeaderFields, headerFields } from './http/front/answer-bytes.ts';
export { createListener, type Listener } from './http/front/listener.ts';
export { peerCertificateOf } from './http/front/peer.ts';
export type { QuickExchange } from './http/front/quick-exchange.ts';
export { tlsFilesOf } from './http/front/tls-files.ts';
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
export { createJobs } from './jobs/jobs.ts';
export { createLog, type LogConfig, type LogLevel } from './log/log.ts';
export { collectWhenIdle } from './memory/collect.ts';
export * from './ports.ts';
export { systemClock, systemRandom } from './time/clock.ts';
export { createIds } from './time/ids.ts';
