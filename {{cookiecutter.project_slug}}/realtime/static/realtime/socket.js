/**
 * A WebSocket that comes back, for loops that answer "ping" with "pong!".
 *
 *     const socket = new ReconnectingWebSocket("/ws/")
 *     socket.addEventListener("message", event => console.log(event.data))
 *     socket.send("hello")
 *
 * Its events: `open`, each time it connects, before what waited is sent; `message`, with text or an
 * ArrayBuffer as `data`; `drop`, with a message as `detail` that is not going to be sent; `lost`,
 * after which it tries again in `delay` ms, and `end`, after which it does not, with a Loss as
 * `detail`: code and reason of the close (RFC 6455, section 7.4; 1006 without one), and the HTTP
 * status if the handshake failed: 302 any redirect, to `location` ("" if hidden), 404 also a page,
 * 403 also any to another origin's page, 0 no answer. With `{ resume: true }`, from a loop that
 * subscribes with `after`, it gets what it missed, or `gap`: the page has to load its state afresh.
 * With `{ ticket: () => fetch("/ws/ticket/", { method: "POST" }) }` it gets a ticket before each try.
 * @typedef {{code: number, reason: string, status: number, location?: string, delay?: number}} Loss
 * @typedef {() => Promise<Response | string>} Ticket
 * @typedef {string | ArrayBuffer | ArrayBufferView | Blob} Data
 */
const FIRST = 2_000 // the most that it waits before a first try, in ms; doubled for each further
const LASTED = 1_000 // after a connection of so many ms the next try is a first one
const IDLE = 20_000 // ms without a message after which it sends "ping"
const ANSWER = 10_000 // ms for an answer
const AWAKE = 2_000 // ms for an answer when the page or the network has just come back
const PAUSE = 1_000 // ms between two pings, or tries, that this brings forward
const QUEUE = 100 // messages that wait for a connection
const FINAL = /^(302|40[134]|1000|1008|4(?!429)...)$/ // a status, or a code; 4429 is for now
const BLIND = 90_000 // ms for which it believes that HTTP has no answer: it may only be blocked
const MARK = /^\x1e(!?)([^\x1e\s]{1,64})(\x1e|$)/ // "!" after a gap, position, is there a message
const TEXT = new TextDecoder("latin1") // a character for each byte
const told = (/** @type {unknown} */ data) => new MessageEvent("message", { data })
const news = (name = "", detail = {}) => new CustomEvent(name, { detail })

export class ReconnectingWebSocket extends EventTarget {
  /** @type {WebSocket | undefined} */ #socket
  /** @type {Data[]} */ #queue = []
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer
  /** @type {(() => void) | undefined} */ #wake // what to do when page or network come back
  #soonest = 0 // when that may be something at once
  #position = "" // of what it has received last
  #tries = 0 // since a connection lasted
  #accepted = false; #ended = false // at least once; for good
  #away = false; #tried = 0 // the service, by HTTP; when it made the last WebSocket
  #listening = new AbortController()

  /** @param {string | URL} url @param {{longest?: number, resume?: boolean, ticket?: Ticket}} options */
  constructor(url, { longest = 30_000, resume = false, ticket = undefined } = {}) {
    super()
    this.url = new URL(url, globalThis.location?.href).href.split("#")[0].replace(/^http/, "ws")
    this.longest = longest // that it waits before any try, in ms
    this.resume = resume
    this.ticket = ticket // what fetches one; its refusals are those of the handshake
    this.#connect()
    const woken = (/** @type {Event & {persisted?: boolean}} */ { type, persisted }) => {
      if (persisted === false || (type === "visibilitychange" && document.hidden)) return
      this.#tries = 0
      this.#wake?.()
    }
    for (const name of ["visibilitychange", "pageshow", "online"]) // node knows none of them
      globalThis.addEventListener?.(name, woken, { signal: this.#listening.signal })
  }

  /** @param {Data} data sent, or kept until there is a connection */
  send(data) {
    if (this.#socket?.readyState === 1) this.#socket.send(data)
    else if (this.#ended || this.#queue.length === QUEUE) this.dispatchEvent(news("drop", data))
    else this.#queue.push(data)
  }

  /** Leave for good. @param {number} code 1000, or 3000 to 4999 @param {string} reason */
  close(code = 1000, reason = "") {
    this.#socket?.close(code, reason)
    if (!this.#ended) this.#end({ code, reason, status: 0 })
  }

  async #enter(/** @type {Ticket} */ ticket) {
    const late = new Promise((_, fail) => this.#wait(ANSWER, fail, () => this.#wait(AWAKE, fail)))
    const read = async (/** @type {any} */ answer) => answer.ok && !answer.redirected
      ? (await answer.json()).ticket : answer.redirected ? 302 : answer.status ?? answer
    const given = await Promise.race([late, Promise.resolve().then(ticket).then(read)])
      .catch(() => 0) || 0 // none, as ""
    const nothing = /** @type {any} */ ({ close() {} })
    if (typeof given !== "string") this.#lost(nothing, {}, 0, given)
    else if (!this.#ended) this.#connect(given)
  }

  #connect(given = "") {
    if (this.ticket && !given) return this.#enter(this.ticket)
    const url = new URL(this.url), begin = this.#accepted ? "-" : "" // which gets a gap
    if (this.resume) url.searchParams.set("after", this.#position || begin)
    this.#away = false
    this.#tried = performance.now()
    const socket = (this.#socket = new WebSocket(url, given ? ["realtime", given] : []))
    const begun = Date.now() // of a clock that goes on while the device sleeps
    let opened = 0, pings = 0 // when; how many of ask() have no "pong!" yet
    const lost = (close = {}) => this.#lost(socket, close, opened)
    const dead = () => lost({ reason: opened ? "no answer" : "" })
    const hurry = () => this.#wait(AWAKE, dead)
    const ask = (limit = ANSWER) => {
      pings++
      socket.send("ping")
      this.#wait(limit, dead, limit > AWAKE ? hurry : undefined)
    }
    const listen = () => this.#wait(IDLE, ask, () => this.#soon(() => ask(AWAKE)))
    this.#wait(ANSWER, dead, () => Date.now() - begun > AWAKE && hurry())
    socket.binaryType = "arraybuffer"
    socket.onopen = () => {
      opened = performance.now()
      this.#accepted = true
      listen()
      this.dispatchEvent(news("open"))
      for (const data of this.#queue.splice(0)) socket.send(data)
    }
    socket.onmessage = ({ data }) => {
      listen()
      if (data === "pong!" && pings) return pings--
      const mark = this.resume && MARK.exec(data.byteLength ? TEXT.decode(data.slice(0, 80)) : data)
      if (!mark) return this.dispatchEvent(told(data))
      this.#position = mark[2] // before a handler, which may close or throw
      if (mark[1]) this.dispatchEvent(news("gap"))
      if (mark[3]) this.dispatchEvent(told(data.slice(mark[0].length)))
    }
    socket.onerror = () => setTimeout(() => socket.onclose && lost()) // no close if blocked
    socket.onclose = lost
  }

  /**
   * Called again with the same socket, and asks by HTTP alone, while the service is away: Firefox
   * puts off a WebSocket that follows failed ones, in the end for a minute.
   * @param {WebSocket} socket @param {Partial<Loss>} close @param {number} opened 0 for never
   */
  async #lost(socket, { code = 1006, reason = "" }, opened, status = 0) {
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null
    socket.close()
    const away = this.#away
    const known = opened || this.#ended || this.ticket // by HTTP there is no way in with a ticket
    const answer = known ? { status } : await this.#refusal(socket.url)
    const loss = { code, reason, ...answer }
    if (this.#ended) return
    if (away && !this.#away) return this.#connect()
    if (FINAL.test(`${loss.status || loss.code}`)) return this.#end(loss)
    if (opened && performance.now() - opened >= LASTED) this.#tries = 0
    const delay = Math.random() * Math.min(FIRST * 2 ** this.#tries++, this.longest)
    const again = () => this.#away && performance.now() - this.#tried < BLIND
      ? this.#lost(socket, {}, 0) : this.#connect()
    this.#wait(delay, again, () => this.#soon(again))
    this.dispatchEvent(news("lost", { ...loss, delay }))
  }

  /** What the same URL answers to HTTP, as the browser hides what it answered to the handshake. */
  async #refusal(/** @type {string} */ address) {
    const url = address.replace("ws", "http")
    const foreign = globalThis.location && !url.startsWith(`${location.origin}/`)
    const abort = new AbortController(), stop = () => abort.abort()
    this.#wait(ANSWER, stop, () => this.#wait(AWAKE, stop))
    const ask = (/** @type {RequestRedirect} */ redirect) => fetch(url, {
      mode: foreign ? "no-cors" : "cors", redirect, cache: "no-store", signal: abort.signal,
    }).catch(() => Response.error())
    const { type, ok, status } = await ask(foreign ? "follow" : "manual")
    this.#away = !foreign && !abort.signal.aborted && (type === "error" || status > 501)
    if (type === "opaqueredirect" || (status >= 300 && status < 400))
      return { status: 302, location: (await ask("follow")).url }
    if (!this.#accepted && (ok || type === "opaque")) return { status: ok ? 404 : 403 }
    return { status }
  }

  /** @param {number} ms @param {() => void} act then @param {() => void} [wake] */
  #wait(ms, act, wake) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(act, ms)
    this.#wake = wake
  }

  /** @param {() => void} act at once, but of many calls one in a PAUSE */
  #soon(act) {
    this.#wait(Math.max(0, this.#soonest - performance.now()), () => {
      this.#soonest = performance.now() + PAUSE
      act()
    })
  }

  #end(/** @type {Loss} */ loss) {
    this.#ended = true
    clearTimeout(this.#timer)
    this.#listening.abort()
    for (const data of this.#queue.splice(0)) this.dispatchEvent(news("drop", data))
    this.dispatchEvent(news("end", loss))
  }
}
