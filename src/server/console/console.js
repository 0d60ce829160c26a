// Swaps in what the server has made anew. Elements stay the same ones, so that focus, a press of a button that has
// just begun and what was typed are not lost.
"use strict";

const place = document.querySelector("[data-live]");
let source = null;

function sameKind(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && one.id === other.id;
}

function bring(old, fresh) {
  if (!sameKind(old, fresh)) {
    old.replaceWith(fresh.cloneNode(true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  bringAll(old, fresh);
}

function bringAll(old, fresh) {
  const wanted = [...fresh.childNodes];
  const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  wanted.forEach((child, at) => {
    // What only moved is moved.
    const known = child.id && named.get(child.id);
    const there = old.childNodes[at];
    if (known && known !== there) old.insertBefore(known, there || null);
    const now = old.childNodes[at];
    if (now) bring(now, child);
    else old.append(child.cloneNode(true));
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

function say(words) {
  if (place.textContent !== words) place.textContent = words;
}

function stop() {
  if (source) source.close();
  source = null;
}

function start() {
  if (source || document.hidden) return;
  source = new EventSource(place.dataset.live);
  source.addEventListener("peers", (event) => {
    const made = document.createElement("template");
    made.innerHTML = event.data;
    bringAll(document.getElementById("peers"), made.content);
    say("");
  });
  source.addEventListener("over", () => {
    stop();
    location.reload();
  });
  source.addEventListener("error", () => {
    say("Not up to date: the server does not answer.");
    // A refusal is final for the browser, and not for us.
    if (source && source.readyState === EventSource.CLOSED) {
      stop();
      setTimeout(start, 5000);
    }
  });
}

if (place) {
  // Browsers open few connections to one server: a page that nobody sees needs none.
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", start);
  start();
}
