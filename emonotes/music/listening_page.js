"use strict";
const TEST = JSON.parse(document.getElementById("test").textContent);
const STORE = "emonotes-listening-" + TEST.test;
const QUARTERS = [[2, "tense, angry", "unpleasant and energetic"], [1, "excited, joyful", "pleasant and energetic"],
  [3, "sad, tired", "unpleasant and calm"], [4, "calm, tender", "pleasant and calm"]];
const PLAY = "<svg viewBox='0 0 24 24' aria-hidden='true'><path d='M6 3l15 9-15 9z'/></svg>";
const STOP = "<svg viewBox='0 0 24 24' aria-hidden='true'><path d='M5 5h14v14H5z'/></svg>";
const by = (id) => document.getElementById(id);
const audio = by("audio");
let state = load();     // what is kept on this device
let trial = null;       // the sound now shown: not kept before it is answered
let address = null;     // object URL of the sound now loaded

function load() {
  try { return JSON.parse(localStorage.getItem(STORE)); } catch { return null; }
}
function keep() {
  try { localStorage.setItem(STORE, JSON.stringify(state)); } catch { /* private mode: the test goes on without resuming */ }
}
function forget() {
  try { localStorage.removeItem(STORE); } catch { /* nothing was kept */ }
  state = null;
}

function options(place, name, choices, look) {
  place.replaceChildren(...choices.map((choice) => {
    const [value, text, small] = choice, label = document.createElement("label"), input = document.createElement("input");
    Object.assign(input, { type: "radio", name, value });
    const shown = document.createElement("span"), strong = document.createElement(small ? "b" : "span");
    strong.textContent = text;
    if (small) shown.append(strong, small); else shown.textContent = text;
    if (look) label.className = look + value;
    label.append(input, shown);
    input.addEventListener("change", tell);
    return label;
  }));
}
const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value ?? null;
function clear(name) {
  document.querySelectorAll(`input[name="${name}"]`).forEach((input) => { input.checked = false; });
}

function show(id) {
  stop();
  document.querySelectorAll("section").forEach((section) => { section.hidden = section.id !== id; });
  const total = state ? order().length : 1, done = state ? state.answers.length : 0;
  by("where").textContent = id === "trial" && !trial.practice ? `${done + 1} of ${total}` : "";
  const bar = by("progress"), share = id === "end" ? 100 : Math.round(100 * done / total);
  bar.setAttribute("aria-valuenow", share);
  bar.firstElementChild.style.width = share + "%";
  window.scrollTo(0, 0);
  by(id).querySelector("h1").focus({ preventScroll: true });
  tell();
}
const section = () => document.querySelector("section:not([hidden])");
const order = () => TEST.orders[state.listener - 1];

function sound(id) {
  if (address) URL.revokeObjectURL(address);
  const bytes = Uint8Array.from(atob(TEST.sounds[id]), (letter) => letter.charCodeAt(0));
  address = URL.createObjectURL(new Blob([bytes], { type: "audio/mpeg" }));
  audio.src = address;
  trial = { id, plays: 0, heard: 0, since: performance.now(), broken: false };
  document.querySelectorAll(".player").forEach((player) => {
    player.innerHTML = `<button type="button" aria-label="Play">${PLAY}</button><div class="track"><div></div></div><span class="time"></span>`;
    player.querySelector("button").addEventListener("click", () => audio.paused ? start() : stop());
  });
}
function start() {
  audio.currentTime = 0;
  trial.plays += 1;
  audio.play().catch(() => { trial.broken = true; tell(); });
}
function stop() {
  audio.pause();
  drawn();
}
function drawn() {
  const player = section()?.querySelector(".player button");
  if (!player) return;
  const label = audio.paused ? (trial.plays ? "Play again" : "Play") : "Stop";
  if (player.getAttribute("aria-label") !== label) {
    player.setAttribute("aria-label", label);
    player.innerHTML = audio.paused ? PLAY : STOP;
  }
  const length = audio.duration || 0, at = audio.paused ? 0 : audio.currentTime;
  player.parentElement.querySelector(".track div").style.width = (length ? 100 * at / length : 0) + "%";
  const left = Math.max(0, Math.ceil(length - at));
  player.parentElement.querySelector(".time").textContent = length ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : "";
}
audio.addEventListener("timeupdate", () => {
  if (!trial) return;
  trial.heard = Math.max(trial.heard, audio.currentTime);
  drawn();
  tell();
});
["play", "pause", "ended", "loadedmetadata"].forEach((name) => audio.addEventListener(name, () => { drawn(); tell(); }));
audio.addEventListener("error", () => { if (trial) { trial.broken = true; tell(); } });

function unheard() {
  if (trial.broken) return "This browser cannot play the sound. Please open the page in another one.";
  const whole = (audio.duration || TEST.needed) - 0.3;
  const needed = trial.id === "check" || isTones() ? whole : Math.min(TEST.needed, whole);
  if (trial.heard >= needed) return "";
  return trial.plays ? (needed === whole ? "Please listen to the end." : `Please listen for at least ${Math.ceil(needed)} seconds.`) : "Press the round button to listen.";
}
function missing() {
  const id = section()?.id;
  if (id === "welcome") {
    const number = Number(by("listener").value);
    if (!Number.isInteger(number) || number < 1 || number > TEST.orders.length)
      return `Please enter your listener number, 1 to ${TEST.orders.length}.`;
    return by("consent").checked ? "" : "Please tick the box if you agree to take part.";
  }
  if (id === "sound") return unheard() || (chosen("how") && chosen("side") ? "" : "Please answer both questions.");
  if (id !== "trial") return "";
  if (unheard()) return unheard();
  if (isTones()) return chosen("number") ? "" : "Please choose a number.";
  if (!chosen("quadrant")) return "Please choose a quarter.";
  const untouched = ["valence", "arousal"].filter((name) => by(name).dataset.set === "no");
  return untouched.length ? `Please set ${untouched.length === 2 ? "both sliders" : "the other slider"}; the middle counts too once you touch it.` : "";
}
function tell() {
  const now = section(), line = now?.querySelector(".missing");
  if (!line) return;
  const text = missing();
  if (line.textContent !== text) line.textContent = text;
  now.querySelector(".next").setAttribute("aria-disabled", text !== "");
}

const isTones = () => TEST.tones.includes(trial.id);
function ask(practice) {
  sound(practice ? "practice" : order()[state.answers.length]);
  trial.practice = practice;
  ["quadrant", "number"].forEach(clear);
  ["valence", "arousal"].forEach((name) => {
    Object.assign(by(name), { value: 0 }).dataset.set = "no";
    worded(by(name));
  });
  const tones = isTones();
  by("choice").hidden = by("sliders").hidden = tones;
  by("tones").hidden = !tones;
  by("heading").textContent = practice ? "For practice" : tones ? "Count the tones" : `Sound ${state.answers.length + 1}`;
  by("hint").textContent = practice
    ? "This one does not count. Listen, choose the quarter that fits best, then move both sliders."
    : tones ? "Listen and count. This is the same for everybody and only shows that the sound works."
      : "What does the music express? Not how you feel yourself, but what you hear in it.";
  show("trial");
}
function worded(input) {
  const value = Number(input.value), side = input.id === "valence" ? ["unpleasant", "pleasant"] : ["calm", "energetic"];
  const size = Math.abs(value) > 0.66 ? "very " : Math.abs(value) > 0.33 ? "" : "slightly ";
  input.setAttribute("aria-valuetext", input.dataset.set === "no" ? "not set" : value === 0 ? "neutral" : size + side[Number(value > 0)]);
}

function next() {
  if (missing()) return tell();
  const id = section().id;
  if (id === "welcome") {
    state = { listener: Number(by("listener").value), started: new Date().toISOString(), answers: [], sound: null, finished: null, saved: false };
    keep();
    return check();
  }
  if (id === "sound") {
    state.sound = { how: chosen("how"), side: chosen("side") };
    keep();
    return ask(true);
  }
  if (!trial.practice) answered();
  return forward();
}
function answered() {
  const tones = isTones(), before = state.answers.some((answer) => answer.clip === trial.id);
  state.answers.push({
    place: state.answers.length + 1, kind: tones ? "tones" : before ? "repeat" : "clip", clip: trial.id,
    quadrant: tones ? null : Number(chosen("quadrant")), valence: tones ? null : Number(by("valence").value),
    arousal: tones ? null : Number(by("arousal").value), tones: tones ? Number(chosen("number")) : null,
    plays: trial.plays, heard: Number(trial.heard.toFixed(2)), seconds: Number(((performance.now() - trial.since) / 1000).toFixed(2)),
  });
  keep();
}
function forward() {
  if (state.answers.length < order().length) return ask(false);
  state.finished ??= new Date().toISOString();
  keep();
  by("text").value = asJson();
  show("end");
}
function check() {
  sound("check");
  ["how", "side"].forEach(clear);
  show("sound");
}

function asJson() {
  const { listener, started, finished, sound: heard, answers } = state;
  return JSON.stringify({ format: TEST.format, test: TEST.test, listener, started, finished, ...heard, answers }, null, 1) + "\n";
}
function asCsv() {
  const names = Object.keys(state.answers[0]);
  return [["listener", ...names], ...state.answers.map((answer) => [state.listener, ...names.map((name) => answer[name] ?? "")])]
    .map((row) => row.join(",")).join("\n") + "\n";
}
function save(text, ending, type) {
  const link = document.createElement("a"), url = URL.createObjectURL(new Blob([text], { type }));
  link.href = url;
  link.download = `answers-${TEST.test}-${String(state.listener).padStart(2, "0")}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  by("saved").textContent = `Saved as ${link.download} in your downloads.`;
}

by("title").textContent = TEST.title;
by("count").textContent = TEST.orders[0].length;
by("minutes").textContent = TEST.minutes;
by("range").textContent = `(1 to ${TEST.orders.length}, from your teacher)`;
by("listener").max = TEST.orders.length;
options(document.querySelector(".quarters"), "quadrant", QUARTERS, "q");
options(by("how"), "how", [["headphones", "headphones or earphones"], ["loudspeaker", "loudspeaker"]]);
options(by("side"), "side", [["left", "left"], ["right", "right"], ["unsure", "both, or I cannot tell"]]);
options(by("number"), "number", [0, 1, 2, 3, 4, 5, 6, 7].map((n) => [n, String(n)]));
["valence", "arousal"].forEach((name) => ["input", "pointerdown", "keydown"].forEach((event) => by(name).addEventListener(event, (e) => {
  if (event === "keydown" && e.key === "Tab") return;
  by(name).dataset.set = "yes";
  worded(by(name));
  tell();
})));
["listener", "consent"].forEach((id) => by(id).addEventListener("input", tell));
by("listener").addEventListener("keydown", (event) => { if (event.key === "Enter") next(); });
document.querySelectorAll(".next").forEach((button) => button.addEventListener("click", next));
by("goon").addEventListener("click", () => state.sound ? forward() : check());
by("anew").addEventListener("click", () => {
  if (!confirm("Delete the answers kept on this device?")) return;
  forget();
  show("welcome");
});
by("another").addEventListener("click", () => {
  if (!state.saved && !confirm("The answers have not been saved yet. Delete them all the same?")) return;
  forget();
  by("listener").value = "";
  by("consent").checked = false;
  by("saved").textContent = "";
  show("welcome");
});
by("json").addEventListener("click", () => { save(asJson(), "json", "application/json"); state.saved = true; keep(); });
by("csv").addEventListener("click", () => save(asCsv(), "csv", "text/csv"));
// A finished test that was not saved yet asks before the page is left.
window.addEventListener("beforeunload", (event) => { if (state?.finished && !state.saved) event.preventDefault(); });

if (state && state.finished) forward();
else if (state) {
  const total = order().length, done = state.answers.length;
  by("backtext").textContent = `Listener ${state.listener}, you have answered ${done} of ${total} sounds. Your answers are still here.`;
  show("back");
} else show("welcome");
