import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** The server's binary: the one given by WAGGLE_BIN, else built from this tree. */
export function binary(): string {
  const given = process.env.WAGGLE_BIN
  if (given && existsSync(given)) return given
  const built = join(mkdtempSync(join(tmpdir(), 'waggle-')), 'waggle')
  execFileSync('go', ['build', '-o', built, '.'], { cwd: root, stdio: 'inherit' })
  process.env.WAGGLE_BIN = built
  return built
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}

/** A real server in a process of its own, which can be killed, stopped and started again at the same address. */
export class Waggle {
  readonly url: string
  #process: ChildProcess | null = null
  readonly #flags: string[]
  readonly #listen: string

  private constructor(port: number, flags: string[]) {
    this.#listen = `127.0.0.1:${port}`
    this.url = `http://${this.#listen}/`
    this.#flags = flags
  }

  static async start(...flags: string[]): Promise<Waggle> {
    const waggle = new Waggle(await freePort(), flags)
    await waggle.again()
    return waggle
  }

  /** Starts it at the address it had. */
  async again(): Promise<void> {
    this.#process = spawn(binary(), ['serve', '--no-agent', '--listen', this.#listen, ...this.#flags], {
      stdio: 'ignore',
    })
    for (let tries = 0; tries < 100; tries++) {
      if (
        await this.query('{ __typename }').then(
          () => true,
          () => false,
        )
      )
        return
      await sleep(50)
    }
    throw new Error('the server did not come up within 5 s')
  }

  /** Ends it the hard way, as a crash would. */
  async kill(): Promise<void> {
    const process = this.#process
    this.#process = null
    if (!process || process.exitCode !== null) return
    await new Promise<void>((done) => {
      process.once('exit', () => done())
      process.kill('SIGKILL')
    })
  }

  /** Lets it sleep: the sockets stay open and nothing comes. */
  freeze(): void {
    this.#process?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process?.kill('SIGCONT')
  }

  async query<T = Record<string, unknown>>(query: string, variables?: object): Promise<T> {
    const response = await fetch(`${this.url}graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    const { data, errors } = (await response.json()) as { data: T; errors?: unknown }
    if (errors) throw new Error(JSON.stringify(errors))
    return data
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

const models = ['llama-3.1-8b-instruct', 'qwen2.5-72b-instruct', 'mistral-small-24b', 'gemma-3-27b', 'nomic-embed-text']
/** Hives in one request: it must stay below the server's limit of 1 MiB. */
const batch = 100
const requestsAtOnce = 4
const send = `mutation ($inputs: [HeartbeatInput!]!) { heartbeats(inputs: $inputs) { outcome warnings } }`

/**
 * Hives that send heartbeats through the same door as real ones, once a second, with figures that move.
 * Tests decide who falls silent.
 */
export class Fleet {
  readonly #waggle: Waggle
  readonly #hives: number
  readonly #workers: number
  readonly #silent = new Set<number>()
  /** The longest that one round of heartbeats took; above a second the fleet is slower than it should be. */
  slowestBeatMs = 0
  #timer: ReturnType<typeof setInterval> | undefined
  #beating = false
  #tick = 0

  constructor(waggle: Waggle, hives: number, workers: number) {
    this.#waggle = waggle
    this.#hives = hives
    this.#workers = workers
  }

  static readonly id = (hive: number): string => `gpu-${String(hive).padStart(3, '0')}`

  async start(): Promise<this> {
    await this.beat()
    this.#timer = setInterval(() => {
      // A round that takes longer than a second is not overtaken by the next one.
      if (this.#beating) return
      this.#beating = true
      const before = performance.now()
      this.beat()
        .catch(() => {})
        .finally(() => {
          this.#beating = false
          this.slowestBeatMs = Math.max(this.slowestBeatMs, performance.now() - before)
        })
    }, 1000)
    return this
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  silence(hive: number): void {
    this.#silent.add(hive)
  }

  speak(hive: number): void {
    this.#silent.delete(hive)
  }

  async beat(): Promise<void> {
    this.#tick++
    const inputs = Array.from({ length: this.#hives }, (_, h) => h)
      .filter((h) => !this.#silent.has(h))
      .map((h) => this.#input(h))
    let next = 0
    const sender = async () => {
      while (next < inputs.length) {
        const from = next
        next += batch
        await this.#send(inputs.slice(from, from + batch))
      }
    }
    await Promise.all(Array.from({ length: requestsAtOnce }, sender))
  }

  async #send(inputs: object[]): Promise<void> {
    const { heartbeats } = await this.#waggle.query<{ heartbeats: { outcome: string; warnings: string[] }[] }>(send, {
      inputs,
    })
    const refused = heartbeats.find((b) => b.outcome !== 'ACCEPTED')
    if (refused) throw new Error(`a heartbeat was answered ${refused.outcome}: ${refused.warnings.join(' ')}`)
  }

  #input(h: number) {
    const total = h % 3 ? 143_360 : 81_920
    const workers = Array.from({ length: this.#workers }, (_, w) => {
      const seed = h * 31 + w * 17
      const idle = (seed >> 2) % 5 < 2
      return {
        group: w % 8 === 7 ? 'embed' : 'llm',
        instance: String(8080 + w),
        pid: 1000 + seed,
        model: models[seed % models.length],
        endpoint: `http://10.1.${h >> 8}.${h & 255}:${8080 + w}`,
        gpuUtilizationPercent: idle ? 0 : Math.round((55 + 44 * Math.sin(seed + this.#tick / 2)) * 10) / 10,
        vramUsedMb: Math.round(total * (0.2 + (seed % 60) / 100)),
        vramTotalMb: total,
        cpuPercent: 20 + (seed % 150),
        rssMb: 2000 + seed,
        uptimeSeconds: 3600 + seed * 60 + this.#tick,
        requestsRunning: idle ? 0 : 1 + (seed % 7),
        requestsQueued: idle ? 0 : seed % 3,
      }
    })
    const devices = workers.slice(0, 8).map((w, i) => ({
      id: `GPU-${i}`,
      name: h % 3 ? 'NVIDIA H200' : 'NVIDIA A100 80GB',
      kind: 'GPU',
      memoryTotalMb: total,
      memoryUsedMb: w.vramUsedMb,
      utilizationPercent: w.gpuUtilizationPercent,
      temperatureCelsius: 40 + (w.pid % 40),
      powerWatts: 150 + (w.pid % 400),
      computeCapability: '9.0',
    }))
    return {
      hive: {
        id: Fleet.id(h),
        hostname: `10.1.${h >> 8}.${h & 255}`,
        port: 9200,
        version: '0.4.1',
        healthStatus: h === 5 ? 'DEGRADED' : 'HEALTHY',
        healthReason: h === 5 ? 'GPU-3 throttles' : null,
      },
      // Left out, they are unchanged.
      devices: this.#tick === 1 || h < 100 ? devices : null,
      workers,
    }
  }
}
