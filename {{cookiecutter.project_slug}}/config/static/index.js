import { ReconnectingWebSocket } from "./realtime/socket.js"; // Django 5.2 finds it by the ";"

const WORDS = {
  401: "This needs a login",
  403: "The service does not allow this (403)",
  404: "The service does not know this address (404)",
  426: "A proxy drops the Upgrade header, or does not say how it is reached (426)",
  429: "You have too many connections (429)",
  502: "The service does not run yet (502)",
  503: "The service is full, or does not run yet (503)",
  504: "The service does not answer its proxy (504)",
  1006: "There is no connection to the service",
  1011: "The service had an error",
  1012: "The service restarts",
  1013: "This page did not read what it was sent",
  4401: "You have been logged out",
}

const find = id => document.getElementById(id)
const loginLink = find("login").querySelector("a")
const longest = Number(document.body.dataset.longestWait) || undefined

/** What was told, the status or else the code: 401 also for a redirect to the login page. */
function told({ code, status, location }) {
  const login = !location || new URL(location).pathname === loginLink.pathname // "" is hidden
  return status === 302 && login ? 401 : status || code
}

/** Open a socket whose state the element tells in words. */
function open(path, element, resume = false) {
  const socket = new ReconnectingWebSocket(path, { longest, resume })
  const say = (state, text) => {
    element.className = state
    if (element.textContent !== text) element.textContent = text // once to a screen reader
  }
  const why = loss => {
    const { code, reason, status, location } = loss
    if (told(loss) === 1006 && !navigator.onLine) return "This device is offline"
    if (told(loss) === 302) return `The service redirects this to ${location}`
    if (status) return WORDS[told(loss)] ?? `The service refused the connection (${status})`
    return WORDS[code] ?? `Closed: ${code} ${reason}`.trim()
  }
  socket.addEventListener("open", () => say("connected", "Connected"))
  socket.addEventListener("lost", ({ detail }) => say("", `${why(detail)}. Trying again.`))
  socket.addEventListener("end", ({ detail }) => {
    const login = [401, 4401].includes(told(detail))
    say("ended", `${why(detail)}.${login ? "" : " Reload the page to try again."}`)
    if (login) find("login").hidden = false
    if (told(detail) === 4401) find("logout")?.remove()
  })
  return socket
}

const ping = open("ws/", find("ping-state"))
const answer = find("answer")
let sent = [] // when, of those without an answer
let connected = false // if not, what is sent waits for the connection
find("ping").onclick = () => {
  answer.textContent = "…"
  // Once that is painted, so that the round trip does not count it.
  requestAnimationFrame(() => setTimeout(() => {
    sent.push(performance.now())
    ping.send("ping")
  }))
}
ping.addEventListener("message", ({ data }) => {
  const took = performance.now() - sent.shift()
  answer.textContent = took >= 0 ? `${data} after ${took.toFixed(1)} ms` : data
})
const unanswered = () => {
  if (sent.length) answer.textContent = "no answer"
  sent = []
}
ping.addEventListener("open", () => (connected = true))
ping.addEventListener("lost", () => {
  if (connected) unanswered()
  connected = false
})
ping.addEventListener("drop", () => {
  answer.textContent = "not sent"
  sent.pop()
})
ping.addEventListener("end", unanswered)

const room = open("ws/rooms/lobby/", find("room-state"), true)
const me = `guest ${100 + Math.floor(Math.random() * 900)}`
find("me").textContent = me
function show(text, className = "") {
  const log = find("messages")
  const follows = log.scrollTop + log.clientHeight > log.scrollHeight - 20
  log.append(Object.assign(document.createElement("p"), { textContent: text, className }))
  if (log.childElementCount > 200) log.firstElementChild.remove()
  if (follows) log.scrollTop = log.scrollHeight
}
let people = []
const peopleRoom = new ReconnectingWebSocket(`ws/rooms/lobby/people/?name=${me}`, { longest })
const peopleAre = names => (find("people").textContent = (people = [...new Set(names)]).join(", "))
const peopleBut = left => people.filter(name => name !== left)
const peopleChange = ({ joined, left }) => peopleAre(joined ? [...people, joined] : peopleBut(left))
const peopleTold = ({ members, ...news }) => members ? peopleAre(members) : peopleChange(news)
peopleRoom.addEventListener("message", ({ data }) => peopleTold(JSON.parse(data)))
const waiting = () => [...find("messages").querySelectorAll(".waiting")]
find("say").onsubmit = event => {
  event.preventDefault()
  const text = `${me}: ${find("text").value}`
  if (!find("room-state").className) show(`Waits for the connection: ${text}`, "waiting")
  room.send(text)
  event.target.reset()
}
room.addEventListener("open", () => waiting().forEach(line => line.remove())) // all are sent next
room.addEventListener("message", ({ data }) => show(data))
room.addEventListener("gap", () => show("Some messages are gone."))
room.addEventListener("drop", ({ detail }) => {
  waiting().find(line => line.textContent.endsWith(detail))?.remove()
  show(`Not sent: ${detail}`)
})
