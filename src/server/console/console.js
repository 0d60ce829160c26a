// Swaps in what the server has made anew. Elements stay the same ones where they can, so that the focus and a press of a
// button that has just begun are not lost.
"use strict";

const place = document.querySelector("[data-live]");
let source = null;

function sameKind(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id || "") === (other.id || "");
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
  const ids = (nodes) => new Map([...nodes].filter((node) => node.id).map((node) => [node.id, node]));
  const [known, wanted] = [ids(old.children), ids(fresh.children)];
  let there = old.firstChild;
  for (const child of fresh.childNodes) {
    const own = child.id ? known.get(child.id) : null;
    // What has a name stays where it is, and the others make room: an element that is moved loses the focus.
    while (own && there && there !== own && !wanted.has(there.id)) {
      const gone = there;
      there = there.nextSibling;
      gone.remove();
    }
    if (own && own !== there) old.insertBefore(own, there);
    if (own) {
      there = own.nextSibling;
      bring(own, child);
    } else if (there && !(there.id && wanted.has(there.id)) && !child.id) {
      const next = there.nextSibling;
      bring(there, child);
      there = next;
    } else {
      old.insertBefore(child.cloneNode(true), there);
    }
  }
  while (there) {
    const gone = there;
    there = there.nextSibling;
    gone.remove();
  }
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
