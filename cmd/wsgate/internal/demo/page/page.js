const element = (id) => document.getElementById(id);
const log = element("log"), messages = element("messages"), form = element("form");
const input = element("input"), nameInput = element("name"), notice = element("notice");
const backend = element("backend"), people = element("people");
const state = element("state"), reconnect = element("reconnect");

const firstDelay = 500, longestDelay = 15000; // ms, before jitter
const stableAfter = 10000; // ms that a connection lasts before delays start over
const maxItems = 500, maxBytes = 4096;
const misbehaved = [1003, 1007, 1008]; // a retry would do the same again

let socket = null, timer = 0, attempts = 0, openedAt = 0;
let room = "", lastID = 0; // what messages shows
const own = new Set(); // ids that this tab has had in the room

// Storage may be forbidden; the tab then forgets its name when it is reloaded.
function stored() {
  try { return sessionStorage.getItem("name") || ""; } catch { return ""; }
}
function store(name) {
  try { sessionStorage.setItem("name", name); } catch { /* see stored */ }
}

function show(name, text) {
  state.dataset.state = name;
  state.textContent = text;
  reconnect.hidden = name !== "waiting" && name !== "closed";
}

function showBackend(name) {
  backend.dataset.backend = name;
  backend.textContent = name || "none";
}

function showPeople(count, backends) {
  people.dataset.count = count;
  const parts = Object.entries(backends || {}).filter(([, n]) => n > 0).map(([b, n]) => `${b} ${n}`);
  people.textContent = count ? `${count} (${parts.sort().join(", ")})` : "–";
}

function connect() {
  clearTimeout(timer);
  show("connecting", "connecting");
  const url = new URL("chat", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = url.hash = "";
  const s = socket = new WebSocket(url);
  openedAt = 0;
  s.addEventListener("message", (e) => { if (s === socket) receive(JSON.parse(e.data)); });
  s.addEventListener("close", (e) => { if (s === socket) closed(e); });
}

function closed(event) {
  socket = null;
  showBackend("");
  showPeople(0);
  state.dataset.code = event.code;
  const why = event.reason || (event.code === 1006 ? "connection lost" : "");
  const text = `closed with ${event.code}${why ? `: ${why}` : ""}`;
  if (misbehaved.includes(event.code)) {
    show("closed", text);
    return;
  }
  if (openedAt && Date.now() - openedAt > stableAfter) attempts = 0;
  const delay = Math.min(longestDelay, firstDelay * 2 ** attempts++) * (0.5 + Math.random() / 2);
  show("waiting", `${text}; reconnecting in ${Math.max(1, Math.round(delay / 1000))} s`);
  timer = setTimeout(connect, delay);
}

function receive(m) {
  switch (m.type) {
    case "welcome": return enter(m);
    case "message": return add(m);
    case "people": return showPeople(m.count, m.backends);
    case "named": return showName(m.name);
    case "refused": notice.textContent = m.text;
  }
}

// After a reconnect the history holds what was missed; in a room that is not
// the one before, ids start over.
function enter(m) {
  openedAt = Date.now();
  if (m.room !== room) {
    room = m.room;
    lastID = 0;
    own.clear();
    messages.replaceChildren();
  }
  own.add(m.you);
  showBackend(m.backend);
  show("open", "connected");
  m.history.forEach(add);
  const name = stored();
  if (name) transmit({ type: "name", name }); else showName(m.name);
}

function showName(name) {
  if (document.activeElement !== nameInput) nameInput.value = name;
}

function part(tag, name, text) {
  const e = document.createElement(tag);
  if (name) e.className = name;
  e.textContent = text;
  return e;
}

function add(m) {
  if (m.id <= lastID) return;
  lastID = m.id;
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const item = document.createElement("li");
  item.dataset.id = m.id;
  item.dataset.backend = m.backend;
  if (own.has(m.from)) item.className = "mine";
  const when = new Date(m.time);
  const time = part("time", "", when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = when.toISOString();
  item.append(part("span", "who", m.name), part("span", "where", m.backend), time, part("span", "text", m.text));
  messages.append(item);
  while (messages.childElementCount > maxItems) messages.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

// transmit reports whether the message has been handed to the connection.
function transmit(m) {
  notice.textContent = "";
  const text = JSON.stringify(m);
  if (new TextEncoder().encode(text).length > maxBytes) {
    notice.textContent = "That message is too long.";
  } else if (!socket || socket.readyState !== WebSocket.OPEN) {
    notice.textContent = "Not connected: nothing was sent.";
  } else {
    socket.send(text);
    return true;
  }
  return false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (text && transmit({ type: "say", text })) input.value = "";
  input.focus();
});

nameInput.addEventListener("change", () => {
  const name = nameInput.value.trim();
  store(name);
  if (name) transmit({ type: "name", name });
});
nameInput.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  input.focus(); // leaving the field is what changes the name
});

reconnect.addEventListener("click", () => { attempts = 0; connect(); });
window.addEventListener("online", () => { if (state.dataset.state === "waiting") connect(); });

connect();
