// Makes pages live. A page works without it: this only fetches again, when the agent says that something has
// changed, the part of the page that shows it, and changes what differs in place.
(() => {
  'use strict';

  const live = document.getElementById('live');
  const connection = document.getElementById('connection');
  if (!live || !connection || !window.fetch) {
    return;
  }

  const gap = 200; // milliseconds between two answers at least
  const firstRetry = 500;
  const longestRetry = 15000;
  const patience = 90000; // longer than the agent ever takes

  let from = live.dataset.from;
  let index = live.dataset.index;
  let tag = '';
  let current = null; // the request under way
  let failures = 0;

  function say(state) {
    connection.dataset.state = state;
    const text = connection.dataset[state];
    if (connection.textContent !== text) {
      connection.textContent = text;
    }
  }

  function pause(milliseconds, signal) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
    });
  }

  // ask waits for the next state of the live part and shows it.
  async function ask(signal) {
    const join = from.includes('?') ? '&' : '?';
    const timeout = AbortSignal.timeout ? AbortSignal.any([signal, AbortSignal.timeout(patience)]) : signal;
    const headers = tag ? { 'If-None-Match': tag } : {};
    const answer = await fetch(from + join + 'fragment=1&index=' + index, { headers, cache: 'no-store', signal: timeout });
    const next = answer.headers.get('X-Consul-Index');
    if (!next || ![200, 304, 404].includes(answer.status)) {
      throw new Error('status ' + answer.status);
    }
    if (answer.status !== 304) {
      const text = await answer.text();
      if (signal.aborted) {
        return;
      }
      show(text);
      tag = answer.headers.get('ETag') || '';
    }
    if (!signal.aborted) {
      index = next;
    }
  }

  // follow asks again and again until it is told to stop.
  async function follow(signal) {
    while (!signal.aborted) {
      try {
        if (failures === 0) {
          say('live');
        }
        await ask(signal);
        failures = 0;
        await pause(gap, signal);
      } catch (problem) {
        if (signal.aborted) {
          return;
        }
        failures++;
        say('lost');
        const longest = Math.min(longestRetry, firstRetry * 2 ** (failures - 1));
        await pause(longest * (0.5 + Math.random() / 2), signal);
      }
    }
  }

  function stop() {
    if (current) {
      current.abort();
      current = null;
    }
  }

  function start() {
    stop();
    if (document.hidden) { // nobody looks, and browsers have few connections to one host
      say('paused');
      return;
    }
    current = new AbortController();
    follow(current.signal);
  }

  function show(text) {
    const wanted = new DOMParser().parseFromString('<div>' + text + '</div>', 'text/html').body.firstChild;
    const focused = document.activeElement;
    morph(live, wanted);
    if (focused && focused !== document.activeElement && live.contains(focused)) {
      focused.focus({ preventScroll: true });
    }
  }

  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined);

  // morph gives old the children of wanted. Nodes stay where they can, and with them focus, selection and scrolling.
  function morph(old, wanted) {
    const keyed = new Map();
    for (const child of old.children) {
      if (child.dataset.key !== undefined) {
        keyed.set(child.dataset.key, child);
      }
    }
    let at = old.firstChild;
    for (const want of Array.from(wanted.childNodes)) {
      const key = keyOf(want);
      let have = null;
      if (key !== undefined) {
        have = keyed.get(key) || null;
        keyed.delete(key);
      } else if (at && keyOf(at) === undefined && at.nodeName === want.nodeName) {
        have = at;
      }
      if (!have) {
        const added = document.importNode(want, true);
        old.insertBefore(added, at);
        if (key !== undefined) {
          added.classList.add('changed');
        }
        continue;
      }
      if (have === at) {
        at = at.nextSibling;
      } else {
        old.insertBefore(have, at);
      }
      update(have, want);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  function update(have, want) {
    if (have.nodeType !== Node.ELEMENT_NODE) {
      if (have.nodeValue !== want.nodeValue) {
        have.nodeValue = want.nodeValue;
      }
      return;
    }
    const turned = have.dataset.status !== want.dataset.status;
    // What the user opened stays open, and what is closed closed, until its status changes.
    const keepOpen = have.nodeName === 'DETAILS' && !turned;
    for (const { name } of Array.from(have.attributes)) {
      if (!want.hasAttribute(name) && !(keepOpen && name === 'open')) {
        have.removeAttribute(name);
      }
    }
    for (const { name, value } of Array.from(want.attributes)) {
      if (have.getAttribute(name) !== value && !(keepOpen && name === 'open')) {
        have.setAttribute(name, value);
      }
    }
    if (turned && have.dataset.key !== undefined) {
      have.classList.add('changed');
    }
    morph(have, want);
  }

  // The filter applies while it is typed.
  function filter(form) {
    form.classList.add('scripted');
    let timer = 0;
    const apply = () => {
      clearTimeout(timer);
      const query = new URLSearchParams();
      for (const [name, value] of new FormData(form)) {
        if (value !== '') {
          query.set(name, value);
        }
      }
      from = location.pathname + (query.size ? '?' + query : '');
      history.replaceState(null, '', from);
      for (const link of document.querySelectorAll('a.language')) {
        const to = new URL(link.href);
        to.searchParams.set('back', from);
        link.href = to;
      }
      index = '0';
      tag = '';
      start();
    };
    form.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(apply, 150); });
    form.addEventListener('submit', (event) => { event.preventDefault(); apply(); });
  }

  // What was done is told once: not again when the page is loaded again.
  const here = new URL(location.href);
  if (here.searchParams.has('done')) {
    here.searchParams.delete('done');
    history.replaceState(null, '', here);
  }

  document.querySelectorAll('form.filter').forEach(filter);
  document.addEventListener('visibilitychange', start);
  window.addEventListener('online', start);
  window.addEventListener('pagehide', stop);
  window.addEventListener('pageshow', (event) => { if (event.persisted) { start(); } });
  start();
})();
