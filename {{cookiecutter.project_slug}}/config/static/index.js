import { ReconnectingWebSocket } from "./realtime/socket.js"

const WORDS = {
  302: "This needs a login",
  401: "This needs a login",
  403: "The service does not allow this (403)",
  404: "The service does not know this address (404)",
  426: "A proxy drops the Upgrade header, or does not say how it is reached (426)",
  503: "The service is full (503)",
  1006: "There is no connection to the service",
  1011: "The service had an error",
  1012: "The service restarts",
  1013: "This page did not read what it was sent",
  4401: "You have been logged out",
}

const find = id => document.getElementById(id)

/** Open a socket whose state the element tells in words. */
function open(path, element) {
  const socket = new ReconnectingWebSocket(path, Number(document.body.dataset.longestWait))
  const say = (state, text) => {
    element.className = state
    element.textContent = text
  }
  const why = ({ code, reason, status }) =>
    WORDS[status || code] ?? `The connection was closed (${status || code} ${reason})`
  socket.addEventListener("open", () => say("connected", "Connected"))
  socket.addEventListener("lost", ({ detail }) => {
    const words = navigator.onLine ? why(detail) : "This device is offline"
    say("", `${words}. Trying again in ${(detail.delay / 1000).toFixed(1)} s.`)
  })
  socket.addEventListener("end", ({ detail }) => {
    say("ended", `${why(detail)}.`)
    find("login").hidden &&= ![302, 401, 4401].includes(detail.status || detail.code)
  })
  return socket
}

const ping = open("ws/", find("ping-state"))
let pressed = 0
function sendPing() {
  pressed ||= performance.now()
  ping.send("ping")
}
// Once the button is painted, so that the round trip does not count that.
find("ping").onclick = () => requestAnimationFrame(() => setTimeout(sendPing))
ping.addEventListener("message", ({ data }) => {
  const took = pressed ? ` after ${(performance.now() - pressed).toFixed(1)} ms` : ""
  find("answer").textContent = data + took
  pressed = 0
})
ping.addEventListener("drop", () => (find("answer").textContent = "not sent"))

const room = open("ws/rooms/lobby/", find("room-state"))
const me = `guest ${100 + Math.floor(Math.random() * 900)}`
find("me").textContent = me
function show(text) {
  const log = find("messages")
  log.append(Object.assign(document.createElement("p"), { textContent: text }))
  if (log.childElementCount > 200) log.firstElementChild.remove()
  log.scrollTop = log.scrollHeight
}
find("say").onsubmit = event => {
  event.preventDefault()
  room.send(`${me}: ${find("text").value}`)
  event.target.reset()
}
room.addEventListener("message", ({ data }) => show(data))
room.addEventListener("drop", ({ detail }) => show(`Not sent: ${detail}`))
