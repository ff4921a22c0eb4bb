import { Observable } from './observable'

const samples = 20
const everyMs = 1000

/**
 * The server's clock as seen from here. Every age on the page is counted with it, so a wrong clock on the
 * reader's machine changes nothing. A message's way takes time, hence the largest of the last offsets is the best.
 */
export class Clock {
  /** Server time in milliseconds, renewed once a second while started. */
  readonly now: Observable<number>
  #offsets: number[] = []
  #timer: ReturnType<typeof setInterval> | undefined

  constructor() {
    this.now = new Observable(Date.now())
  }

  /** Takes in a server time that has just arrived. */
  learn(serverTime: string): void {
    const at = Date.parse(serverTime)
    if (Number.isNaN(at)) return
    this.#offsets.push(at - Date.now())
    if (this.#offsets.length > samples) this.#offsets.shift()
    // `now` is a second old at the most; what differs by more was wrong.
    if (Math.abs(this.read() - this.now.get()) > 2 * everyMs) this.now.set(this.read())
  }

  /** Forgets what was learned; another server may have another clock. */
  forget(): void {
    this.#offsets = []
  }

  /** Server minus local, in milliseconds. */
  get offset(): number {
    return this.#offsets.length ? Math.max(...this.#offsets) : 0
  }

  read(): number {
    return Date.now() + this.offset
  }

  start(): () => void {
    this.#timer ??= setInterval(() => this.now.set(this.read()), everyMs)
    return () => {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }
}
