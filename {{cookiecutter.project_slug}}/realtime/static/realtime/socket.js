/**
 * A WebSocket that comes back, for loops that answer "ping" with "pong!".
 *
 *     const socket = new ReconnectingWebSocket("/ws/")
 *     socket.addEventListener("message", event => console.log(event.data))
 *     socket.send("hello")
 *
 * Its events: `open`, each time it connects; `message`, with text or an ArrayBuffer as `data`;
 * `drop`, with a message as `detail` that is not going to be sent; `lost`, after which it tries
 * again in `delay` ms, and `end`, after which it does not, with a Loss as `detail`: code and reason
 * of the close (RFC 6455, section 7.4; 1006 without one), and the HTTP status if the handshake
 * failed: 302 any redirect, 404 also a page, 403 also any to another origin's page, 0 no answer.
 * @typedef {{code: number, reason: string, status: number, delay?: number}} Loss
 * @typedef {string | ArrayBuffer | ArrayBufferView | Blob} Data
 */
const FIRST = 2_000 // the most that it waits before a first try, in ms; doubled for each further
const LASTED = 1_000 // after a connection of so many ms the next try is a first one
const IDLE = 20_000 // ms without a message after which it sends "ping"
const ANSWER = 10_000 // ms for an answer
const QUEUE = 100 // messages that wait for a connection
const FINAL = [1000, 1008, 301, 302, 303, 307, 308, 401, 403, 404] // beside 4000 to 4999
const news = (name = "", detail = {}) => new CustomEvent(name, { detail })

export class ReconnectingWebSocket extends EventTarget {
  /** @type {WebSocket | undefined} */ #socket
  /** @type {Data[]} */ #queue = []
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer
  #tries = 0 // since a connection lasted
  #accepted = false; #ended = false // at least once; for good

  /** @param {string | URL} url @param {number} longest that it waits before any try, in ms */
  constructor(url, longest = 30_000) {
    super()
    this.url = new URL(url, globalThis.location?.href).href.split("#")[0].replace(/^http/, "ws")
    this.longest = longest
    this.#connect()
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

  #connect() {
    const socket = (this.#socket = new WebSocket(this.url))
    let opened = 0, pinged = false // when; whether the next "pong!" answers the ping of listen()
    const lost = (/** @type {{code?: number, reason?: string}} */ { code = 1006, reason = "" }) => {
      socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null
      socket.close()
      this.#lost({ code, reason }, opened)
    }
    const listen = () => {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => {
        pinged = true
        socket.send("ping")
        this.#timer = setTimeout(() => lost({ reason: "no answer" }), ANSWER)
      }, IDLE)
    }
    this.#timer = setTimeout(() => lost({}), ANSWER)
    socket.binaryType = "arraybuffer"
    socket.onopen = () => {
      opened = performance.now()
      this.#accepted = true
      listen()
      for (const data of this.#queue.splice(0)) socket.send(data)
      this.dispatchEvent(news("open"))
    }
    socket.onmessage = ({ data }) => {
      listen()
      if (data === "pong!" && pinged) pinged = false
      else this.dispatchEvent(new MessageEvent("message", { data }))
    }
    socket.onerror = () => setTimeout(() => socket.onclose && lost({})) // a blocked one has no close
    socket.onclose = lost
  }

  /** @param {{code: number, reason: string}} close @param {number} opened when, 0 for never */
  async #lost({ code, reason }, opened) {
    clearTimeout(this.#timer)
    const status = opened || this.#ended ? 0 : await this.#status()
    if (this.#ended) return
    if (FINAL.includes(status || code) || code >= 4000) return this.#end({ code, reason, status })
    if (opened && performance.now() - opened >= LASTED) this.#tries = 0
    const delay = Math.random() * Math.min(FIRST * 2 ** this.#tries++, this.longest)
    const wait = (ms = delay) => void (this.#timer = setTimeout(retry, ms))
    const retry = () => (globalThis.navigator?.onLine === false ? wait(FIRST) : this.#connect())
    wait()
    this.dispatchEvent(news("lost", { code, reason, status, delay }))
  }

  /** The HTTP status of the same URL, as the browser hides that of a handshake. */
  async #status() {
    const url = this.url.replace("ws", "http")
    const foreign = globalThis.location && !url.startsWith(`${location.origin}/`)
    const abort = new AbortController()
    this.#timer = setTimeout(() => abort.abort(), ANSWER)
    const { type, ok, status } = await fetch(url, {
      mode: foreign ? "no-cors" : "cors", redirect: foreign ? "follow" : "manual",
      cache: "no-store", signal: abort.signal,
    }).catch(() => Response.error())
    if (!this.#accepted && (ok || type === "opaque")) return ok ? 404 : 403
    return type === "opaqueredirect" ? 302 : status
  }

  #end(/** @type {Loss} */ loss) {
    this.#ended = true
    clearTimeout(this.#timer)
    for (const data of this.#queue.splice(0)) this.dispatchEvent(news("drop", data))
    this.dispatchEvent(news("end", loss))
  }
}
