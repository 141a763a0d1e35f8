// What the pages of all surveys do alike: talk to the server, go on where a participant was, end.
const $ = id => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token");
const place = "ganrepro:" + document.title + ":" + (token || "");
let session = null, retry = null, busy = false;

for (const text of $("words").textContent.split(/\n\s*\n/)) {
  const p = document.createElement("p"); p.textContent = text.trim(); $("words").append(p);
}
$("words").firstChild.remove();

function show(id) {
  for (const part of document.querySelectorAll("section")) part.hidden = part.id !== id;
  const first = id === "trial" ? null : $(id).querySelector("button:not(:disabled)");
  (first || document.querySelector("main")).focus({preventScroll: true});
}
async function ask(path, body) {
  let answer, told;
  try {
    answer = await fetch(path, body === undefined ? {} : {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
    told = await answer.json();
  } catch { throw new Error("The server does not answer. Nothing is lost: try again in a moment."); }
  if (!answer.ok) { const error = new Error(told.error || "The server refused."); error.status = answer.status; throw error; }
  return told;
}
async function attempt(work) {
  if (busy) return;                     // a second click while the first is on its way
  busy = true;
  try { await work(); } catch (error) { $("reason").textContent = error.message; retry = work; show("failed"); }
  finally { busy = false; }
}
$("again").onclick = () => attempt(retry);

// The session that this browser had, else a new one; then goes on with it.
async function enter(go) {
  const kept = localStorage.getItem(place);
  if (kept) {
    try { session = await ask(`/sessions/${encodeURIComponent(kept)}`); }
    catch (error) {
      if (error.status !== 409) throw error;
      localStorage.removeItem(place); show("consent"); return;
    }
  }
  if (!session) {
    session = await ask("/sessions", token ? {token} : {});
    localStorage.setItem(place, session.id);
  }
  await go();
}
function finish() {
  const vision = document.querySelector("input[name=vision]:checked");
  return ask(`/sessions/${session.id}/finish`, {colour_vision: vision ? vision.value : "unknown", comments: $("comments").value});
}
