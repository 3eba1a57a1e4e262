import { cpus, freemem, hostname, loadavg, totalmem, uptime } from 'node:os';

/** CPU, memory and name of the machine, for `sys/host-info`. */
export function hostInfo() {
  return {
    timestamp: new Date().toISOString(),
    host: { hostname: hostname(), uptime: Math.floor(uptime()) },
    cpu: cpus().map(({ model, speed }, index) => ({ cpu: index, modelName: model, mhz: speed })),
    cpu_load: loadavg(),
    memory: { total: totalmem(), available: freemem() },
  };
}

/** What the process takes, in the text format of Prometheus. Labels: none. */
export function processMetrics(startedAt: number): string {
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  const lines: ReadonlyArray<
    readonly [name: string, type: 'gauge' | 'counter', help: string, value: number]
  > = [
    ['process_resident_memory_bytes', 'gauge', 'Memory the process holds.', memory.rss],
    ['process_heap_used_bytes', 'gauge', 'Memory its objects hold.', memory.heapUsed],
    ['process_cpu_seconds_total', 'counter', 'CPU time it took.', (cpu.user + cpu.system) / 1e6],
    ['process_start_time_seconds', 'gauge', 'When it started.', Math.floor(startedAt / 1000)],
  ];
  return lines
    .map(([name, type, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`)
    .join('');
}
