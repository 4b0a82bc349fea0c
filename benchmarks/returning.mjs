// Clients of socket.js that come back, and what each of them sees:
//     node --experimental-websocket returning.mjs MODULE URL CLIENTS TOTAL LONGEST RESUME
// Prints a line when all are connected, and their logs as JSON when each has a number from TOTAL on, or
// at the end of the standard input. A log has [seconds, what], with a number, or the name of an event.
import { argv, stdin, stdout } from "node:process"

const [module, url, clients, total, longest, resume] = argv.slice(2)
const Origin = new URL(url).origin.replace("ws", "http")
globalThis.WebSocket = class extends WebSocket {
  constructor(url) { super(url, { headers: { Origin } }) } // as a page's
}
const { ReconnectingWebSocket } = await import(module)
const options = { longest: Number(longest), resume: Boolean(resume) }
const logs = [], away = new Set(), unfinished = new Set()
const tell = () => stdout.write(JSON.stringify(logs), () => process.exit())

for (let i = 0; i < clients; i++) {
  const socket = new ReconnectingWebSocket(url, options)
  const log = (logs[i] = [])
  const note = what => log.push([performance.now() / 1000, what])
  away.add(i)
  unfinished.add(i)
  for (const name of ["lost", "gap", "end"]) socket.addEventListener(name, () => note(name))
  socket.addEventListener("open", () => {
    note("open")
    if (away.delete(i) && !away.size) stdout.write("connected\n")
  })
  socket.addEventListener("message", ({ data }) => {
    note(Number(data))
    if (Number(data) >= total && unfinished.delete(i) && !unfinished.size) tell()
  })
}
stdin.on("end", tell).resume()
