"use strict";
(() => {
  const PAUSE_MS = 1000;
  const dateParts = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  const thisYear = new Intl.DateTimeFormat(undefined, dateParts);
  const anyYear = new Intl.DateTimeFormat(undefined, { year: "numeric", ...dateParts });
  const year = new Date().getFullYear();
  const find = (selector, root = document) => [...root.querySelectorAll(selector)];

  /** Show times in the local time zone; the server sends UTC. */
  const localize = (root) => {
    for (const time of find("time", root)) {
      time.title ||= time.textContent;
      const moment = new Date(time.dateTime);
      time.textContent = (moment.getFullYear() === year ? thisYear : anyYear).format(moment);
    }
  };

  // Executions are filtered by text and status. The filter is kept in the address.

  const text = document.getElementById("text");
  const rows = document.getElementById("results");
  const chosen = new Set();

  const filter = () => {
    if (!rows) return;
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const offered = find(".chip").map((chip) => chip.dataset.status);
    for (const status of chosen) if (!offered.includes(status)) chosen.delete(status);
    let shown = 0;
    for (const row of rows.children) {
      row.searchText ??= row.firstElementChild.textContent.toLowerCase();
      row.hidden =
        (chosen.size > 0 && !chosen.has(row.dataset.status)) ||
        !words.every((word) => row.searchText.includes(word));
      shown += !row.hidden;
    }
    for (const chip of find(".chip")) {
      chip.setAttribute("aria-pressed", chosen.has(chip.dataset.status));
    }
    const all = rows.children.length;
    document.getElementById("shown").value =
      shown === all ? "" : `${shown} of ${all} shown`;
    document.getElementById("nothing").hidden = shown > 0 || all === 0;
    document.getElementById("none").hidden = all > 0;
    const query = new URLSearchParams();
    if (text.value) query.set("text", text.value);
    for (const status of chosen) query.append("status", status);
    const search = query.toString();
    history.replaceState(null, "", `${location.pathname}${search && "?"}${search}${location.hash}`);
  };

  // The details of an execution are fetched when its row is opened.

  const load = async (row) => {
    const answer = await fetch(row.dataset.details, { cache: "no-store" }).catch(() => null);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const details = page.querySelector(".details");
    if (!details) return;
    const html = details.outerHTML;
    if (row.details === html) return;
    row.details = html;
    localize(details);
    row.lastElementChild.replaceWith(document.adoptNode(details));
  };

  // While a run reports, the parts that changed are replaced; the others stay.

  let version = document.body.dataset.version;
  /** The HTML that the server sent for each part, by id. */
  const sent = new Map();

  const remember = (root) => {
    for (const part of find("[data-live]", root)) {
      sent.set(part.id, part.innerHTML);
      if (part.dataset.live === "list") {
        for (const child of part.children) sent.set(child.id, child.outerHTML);
      }
    }
  };

  const renew = (old, fresh) => {
    Object.assign(old.dataset, fresh.dataset);
    const isRow = old.matches(".row");
    const [to, from] = isRow ? [old.firstElementChild, fresh.firstElementChild] : [old, fresh];
    to.replaceChildren(...from.childNodes);
    if (!isRow) return;
    old.searchText = undefined;
    old.classList.remove("changed");
    void old.offsetWidth;
    old.classList.add("changed");
  };

  const mergeList = (list, fresh) => {
    let place = list.firstElementChild;
    for (const child of [...fresh.children]) {
      const html = child.outerHTML;
      const old = document.getElementById(child.id);
      const unchanged = sent.get(child.id) === html;
      sent.set(child.id, html);
      if (old) {
        if (old === place) place = place.nextElementSibling;
        else list.insertBefore(old, place);
        if (!unchanged) { localize(child); renew(old, child); }
      } else {
        localize(child);
        list.insertBefore(document.adoptNode(child), place);
      }
    }
    while (place) {
      const next = place.nextElementSibling;
      place.remove();
      place = next;
    }
  };

  const merge = (page) => {
    let complete = true;
    for (const fresh of find("[data-live]", page)) {
      const old = document.getElementById(fresh.id);
      const html = fresh.innerHTML;
      if (!old || sent.get(fresh.id) === html) continue;
      if (fresh.dataset.live === "list") {
        mergeList(old, fresh);
      } else if (old.querySelector("details[open]")) {
        complete = false; // somebody is filling in a form there
        continue;
      } else {
        const link = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
        localize(fresh);
        old.replaceChildren(...fresh.childNodes);
        if (link) old.querySelector(`a[href="${CSS.escape(link)}"]`)?.focus({ preventScroll: true });
      }
      sent.set(fresh.id, html);
    }
    document.title = page.title;
    // Details may change while their row stays the same.
    find(".row[open]").forEach(load);
    filter();
    return complete;
  };

  const showMessage = (message) => {
    const foot = document.getElementById("foot");
    if (foot.textContent !== message) foot.textContent = message;
  };

  const poll = async () => {
    const begun = performance.now();
    if (!document.hidden) {
      try {
        const answer = await fetch(location.pathname, {
          headers: { "If-None-Match": version },
          cache: "no-store",
        });
        if (answer.status === 200) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          if (merge(page)) version = page.body.dataset.version;
        }
        showMessage(answer.status === 404 ? "This page no longer exists." : "This page updates by itself.");
      } catch {
        showMessage("The sandbox does not answer. This page tries again by itself.");
      }
    }
    // A page that the server builds slowly is requested less often.
    setTimeout(poll, Math.max(PAUSE_MS, 10 * (performance.now() - begun)));
  };

  remember(document);
  localize(document);

  if (rows) {
    const query = new URLSearchParams(location.search);
    text.value = query.get("text") ?? "";
    for (const status of query.getAll("status")) chosen.add(status);
    text.addEventListener("input", filter);
    document.getElementById("chips").addEventListener("click", (event) => {
      const status = event.target.closest(".chip")?.dataset.status;
      if (status === undefined) return;
      if (!chosen.delete(status)) chosen.add(status);
      filter();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !event.target.closest("input, textarea, select")) {
        event.preventDefault();
        text.focus();
      } else if (event.key === "Escape" && event.target === text) {
        text.value = "";
        filter();
      }
    });
    rows.addEventListener("toggle", (event) => {
      if (event.target.matches(".row") && event.target.open) load(event.target);
    }, true);
    filter();
    const linkedRow = document.getElementById(location.hash.slice(1));
    if (linkedRow?.matches(".row")) linkedRow.open = true;
  }
  if (version) setTimeout(poll, PAUSE_MS);

  // The form for faults shows the fields that the chosen fault uses.

  const kind = document.getElementById("kind");
  const showUsedFields = () => {
    const uses = kind.selectedOptions[0].dataset.uses.split(" ");
    for (const line of find("[data-field]")) line.hidden = !uses.includes(line.dataset.field);
  };
  if (kind) {
    kind.addEventListener("change", showUsedFields);
    showUsedFields();
  }
})();
